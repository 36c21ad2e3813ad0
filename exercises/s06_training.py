# %% [markdown]
# # Training: loops, optimisers, schedules
#
# Every training, of a line through ten points or of a language model, goes round the same circle:
#
#         batch ----> model ----> logits ----> loss        forward
#           ^                                   |
#           |                                   v
#       next batch <---- step <---- .grad <-- backward     backward, then the optimiser
#
# In this section you write each part of that circle yourself: one step, the evaluation, the two optimisers that train
# nearly everything (SGD and Adam), a learning-rate schedule, and the helpers that keep long trainings healthy. At the
# end `fit` puts them together into a complete loop, and you compare optimisers on real handwritten digits.
#
# Fill in every exercise below, then run `pytest checks/test_s06_training.py`.
#
# **To read:** [Optimizing model
# parameters](https://docs.pytorch.org/tutorials/beginner/basics/optimization_tutorial.html),
# [torch.optim](https://docs.pytorch.org/docs/stable/optim.html) (its optimisers and its learning-rate schedulers),
# [autograd mechanics: disabling gradients](https://docs.pytorch.org/docs/stable/notes/autograd.html).

# %%
import copy
import math
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

# %% [markdown]
# The digits of section 5, a small part of them so that every cell below runs in seconds: 1,000 to train on, 500 to
# validate on. The model is the MLP of section 4. It gives *logits*, (N, 10) numbers without a softmax: the loss,
# cross-entropy, has the softmax inside.

# %%
root = next(folder for folder in map(Path, ("data", "exercises/data", "../exercises/data")) if folder.is_dir())
from torchvision import datasets

mnist = datasets.MNIST(root, train=True, download=False)
images, labels = mnist.data[:1500].flatten(1) / 255, mnist.targets[:1500]  # (1500, 784) in [0, 1], (1500,)
digits = DataLoader(TensorDataset(images[:1000], labels[:1000]), batch_size=32, shuffle=True)
held_out = DataLoader(TensorDataset(images[1000:], labels[1000:]), batch_size=250)


def make_mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


figure, axes = plt.subplots(1, 8, figsize=(8, 1.3))
for axis, image, label in zip(axes, images, labels, strict=False):
    axis.imshow(image.view(28, 28).numpy(), cmap="gray_r")
    axis.set_title(int(label))
    axis.axis("off")
plt.show()

# %% [markdown]
# ## One training step
#
# Forward, backward, step: three calls, and a habit that beginners forget. `backward()` *adds* to `.grad`; it never
# starts from zero. (That is wanted: a weight that is used twice gets both contributions, and you will use it for large
# batches below.) So somebody has to clear the gradients between two steps. See what happens when nobody does:

# %%
w = torch.tensor([1.0], requires_grad=True)
for _ in range(3):
    (3 * w).sum().backward()
    print(w.grad)

# %% [markdown]
# Two more things belong to a step. Dropout and batch normalisation behave differently in training and in evaluation:
# a training step is computed in *training mode*. And what it reports is a plain number: a loss that is still a tensor
# drags the whole graph of the step along, and a list of a thousand such losses fills the memory.
#
# **Hint 1.** Five lines: mode, clear, forward, backward, step. Then report the loss.
#
# **Hint 2.** Clearing may stand before the forward pass or after the step, but not between `backward` and `step`.
#
# **Hint 3.** `Tensor.item()` takes the number out of a tensor of one element.


# %%
def train_step(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
) -> float:
    """One step of training on one batch, in training mode.

    x: (N, ...) inputs; y: (N, ...) targets; loss_fn: called as loss_fn(model(x), y), gives a scalar. The step uses the
    gradient of this batch alone. Returns the loss of the batch before the step, as a float of Python.
    """
    # TODO: switch to training mode, clear old gradients, forward, backward, step; return the loss as a number.
    raise NotImplementedError


# %% [markdown]
# A first complete training: three times through the digits. The grey curve is noisy because each loss belongs to
# another batch of 32; the trend is what counts.

# %%
torch.manual_seed(0)
model = make_mlp()
plain = torch.optim.SGD(model.parameters(), lr=0.2)
losses = [train_step(model, x, y, F.cross_entropy, plain) for _ in range(3) for x, y in digits]
plt.plot(losses, color="lightgrey")
plt.plot(torch.tensor(losses).unfold(0, 10, 1).mean(1).numpy(), label="mean of 10 batches")
plt.xlabel("step")
plt.ylabel("training loss")
plt.legend()
plt.show()

# %% [markdown]
# ## Evaluate
#
# How good is the model on data that it was not trained on? Four things make an honest answer:
#
# 1. evaluation mode, so that dropout is off and batch normalisation uses its running statistics;
# 2. no graph: nothing will be differentiated, so nothing needs to be recorded, which saves time and memory;
# 3. every *sample* counts the same. The last batch is usually smaller, so the mean of the batches' means is not the
#    mean over the samples;
# 4. the caller's mode is put back. An `evaluate` that leaves the model in evaluation mode silently switches dropout off
#    for the rest of the training.

# %%
dropout = nn.Dropout(0.5)
print(dropout.train()(torch.ones(8)), dropout.eval()(torch.ones(8)), sep="\n")
batches = [torch.tensor([1.0, 1.0, 1.0, 1.0]), torch.tensor([6.0])]
print("mean of means:", torch.stack([b.mean() for b in batches]).mean(), "mean:", torch.cat(batches).mean())

# %% [markdown]
# **Hint 1.** Add up the loss and the number of right answers over all batches; divide once, at the end.
#
# **Hint 2.** `F.cross_entropy` takes `reduction="sum"`. The predicted class is the index of the largest logit in a row.
#
# **Hint 3.** `model.training` tells the mode, and `model.train(flag)` sets either one. `torch.no_grad()` is a context.


# %%
def evaluate(model: nn.Module, loader: DataLoader) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of a classifier over all samples of a loader.

    loader: batches (x, y) with y: (N,) int64 class numbers; model(x): (N, C) logits. The model is in evaluation mode
    meanwhile, and afterwards in the mode in which it came; no graph is recorded. Returns two floats of Python: the mean
    loss per sample, and the fraction (0 to 1) of samples whose largest logit is that of the right class.
    """
    # TODO: remember the mode; without gradients, add up loss and right answers; restore the mode; divide.
    raise NotImplementedError


# %%
print("training data: loss {:.3f}, accuracy {:.3f}".format(*evaluate(model, digits)))
print("held-out data: loss {:.3f}, accuracy {:.3f}".format(*evaluate(model, held_out)))

# %% [markdown]
# ## SGD with momentum
#
# An optimiser is a small object: it holds the parameters, and `step` moves each of them, given its `.grad`. Stochastic
# gradient descent keeps a velocity $v$ for every parameter $\theta$, with gradient $g$, learning rate $\eta$, momentum
# $\mu$ and weight decay $\lambda$ (see the box in
# [torch.optim.SGD](https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html)):
#
# $$g \leftarrow g + \lambda\,\theta \qquad v \leftarrow \mu\, v + g \qquad \theta \leftarrow \theta - \eta\, v$$
#
# The velocity starts at zero. Weight decay enters the gradient *before* the momentum, and the rate $\eta$ stands
# outside the velocity: when a schedule lowers the rate, everything slows down at once. (Put it inside, and old steps
# live on at the old rate.) A constant push, without and with momentum:

# %%
for inertia in (0.0, 0.9):
    ball = torch.zeros(1, requires_grad=True)
    pusher = torch.optim.SGD([ball], lr=0.1, momentum=inertia)
    track = []
    for _ in range(6):
        ball.grad = torch.tensor([-1.0])
        pusher.step()
        track.append(round(ball.item(), 3))
    print(f"momentum {inertia}: {track}")

# %% [markdown]
# Three facts about PyTorch that your class has to respect:
#
# - `model.parameters()` is a *generator*: it can be walked through once only.
# - A parameter that took no part in the loss has `grad` None. It is left alone: no step, no decay.
# - Parameters are leaves that require a gradient: they may be changed in place only where no graph is recorded. What
#   the optimiser keeps must not hang in a graph either, or each step keeps all earlier ones alive.
#
# Schedules change the rate while the training goes on. torch's optimisers have a list `param_groups` of dictionaries
# for that, and whatever drives them finds the rate there, `fit` below for one. A plain attribute `lr` is all right here
# too. (torch's own schedulers insist on a class that derives from `torch.optim.Optimizer`; yours need not.)
#
# **Hint 1.** Turn the parameters into a list at once, and make one velocity for each with `torch.zeros_like`.
#
# **Hint 2.** `zip` walks through parameters and velocities together; in-place methods (`mul_`, `add_`, `sub_`) change
# them.
#
# **Hint 3.** In `step`: skip a grad of None; the gradient plus decay is a new tensor, so `p.grad` stays as it was;
# update the velocity; move the parameter. All of it under `torch.no_grad()`.


# %%
class SGD:
    """Stochastic gradient descent with momentum and (L2) weight decay: after every step the same weights as torch's.

    params: an iterable of parameters, walked through once; lr: the learning rate. A parameter whose grad is None is
    left alone. Parameters are changed in place; no graph is recorded or kept.

    The rate can be changed between two steps, and the next step uses the new one: through `param_groups`, a list of
    dictionaries with the key "lr", as in torch's optimisers, or through the attribute `lr`; offer either one.

    Deriving from torch.optim.Optimizer is fine; torch.optim's own SGD and Adam (AdamW too), and their functional forms,
    are not to be used.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0, weight_decay: float = 0) -> None:
        # TODO: keep the parameters, the options, and a velocity of zeros for every parameter.
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Clear the gradient of every parameter (to None or to zeros)."""
        # TODO: clear every gradient.
        raise NotImplementedError

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        # TODO: decay into the gradient, gradient into the velocity, velocity times rate off the parameter.
        raise NotImplementedError


# %% [markdown]
# Your optimiser in a long, narrow valley, $f(a, b) = \frac12 (a^2 + 30\, b^2)$. Plain gradient descent bounces between
# the steep walls and then creeps along the floor. With momentum the small steps along the floor add up: it arrives far
# sooner, and like a heavy ball it rolls past the middle and back.


# %%
def valley_path(make_optimizer: Callable[[list[nn.Parameter]], object], steps: int = 40) -> Tensor:
    point = nn.Parameter(torch.tensor([-9.0, 1.5]))
    optimizer = make_optimizer([point])
    path = [point.detach().clone()]
    for _ in range(steps):
        optimizer.zero_grad()
        (torch.tensor([0.5, 15.0]) * point**2).sum().backward()
        optimizer.step()
        path.append(point.detach().clone())
    return torch.stack(path)  # (steps + 1, 2)


def show_valley(paths: dict[str, Tensor]) -> None:
    a, b = torch.meshgrid(torch.linspace(-10, 4, 80), torch.linspace(-3, 3, 60), indexing="xy")
    height = 0.5 * a**2 + 15 * b**2
    plt.contour(a.numpy(), b.numpy(), height.numpy(), levels=12, colors="lightgrey")
    for name, path in paths.items():
        plt.plot(*path.T.numpy(), ".-", label=name)
    plt.legend()
    plt.show()


show_valley({f"momentum {m}": valley_path(lambda p, m=m: SGD(p, 0.06, momentum=m)) for m in (0.0, 0.8)})

# %% [markdown]
# ## Adam
#
# SGD gives every weight the same rate, though gradients may differ by orders of magnitude: a rate that suits one weight
# is hopeless for another. One step of torch's SGD and of torch's Adam on gradients of 100 and 0.01:

# %%
for family in (torch.optim.SGD, torch.optim.Adam):
    pair = torch.zeros(2, requires_grad=True)
    pair.grad = torch.tensor([100.0, 0.01])
    family([pair], lr=0.1).step()
    print(family.__name__, pair.tolist())

# %% [markdown]
# [Adam](https://arxiv.org/abs/1412.6980) divides by the gradient's own size. It keeps two running means for every
# parameter, of the gradient ($m$) and of its square ($v$), both zero at the start:
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$
#
# Means that start at zero are too small at first. In step $t = 1, 2, \dots$ (1 in the first) the *bias correction*
# makes up for that:
#
# $$\hat m = \frac{m}{1 - \beta_1^t} \qquad \hat v = \frac{v}{1 - \beta_2^t} \qquad
# \theta \leftarrow \theta - \eta\, \frac{\hat m}{\sqrt{\hat v} + \epsilon}$$
#
# Weight decay comes in two kinds. *L2* adds $\lambda\theta$ to the gradient first, as in SGD; but then Adam divides it
# away again for weights with large gradients. *Decoupled* decay ([AdamW](https://arxiv.org/abs/1711.05101)) leaves the
# gradient alone and shrinks the weights themselves, $\theta \leftarrow (1 - \eta\lambda)\,\theta$, just before the
# update. The formulas are those of
# [torch.optim.Adam](https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html) and
# [AdamW](https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html).
#
# **Hint 1.** Start from your SGD: two lists of zeros in place of one, and a counter of steps.
#
# **Hint 2.** The counter goes up once a `step`, not once a parameter, and before it is used for the first time.
#
# **Hint 3.** $\epsilon$ is added to the root, outside of it: for a gradient of 1e-6 that makes all the difference.


# %%
class Adam:
    """Adam, and with `decoupled` AdamW: after every step the same weights as torch's.

    params: an iterable of parameters, walked through once; lr: the learning rate; betas: the decay rates of the two
    means; eps: added to the corrected root; weight_decay: L2, part of the gradient; with decoupled=True the weights are
    multiplied by 1 - lr * weight_decay before the update instead. The first step is number t = 1. A parameter whose
    grad is None is left alone. Parameters are changed in place; no graph is recorded or kept.

    The rate can be changed between two steps, and the next step uses the new one: through `param_groups`, a list of
    dictionaries with the key "lr", as in torch's optimisers, or through the attribute `lr`; offer either one.

    Deriving from torch.optim.Optimizer is fine; torch.optim's own SGD and Adam (AdamW too), and their functional forms,
    are not to be used.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float = 0,
        decoupled: bool = False,
    ) -> None:
        # TODO: keep the parameters, the options, two means of zeros for every parameter, and a counter of steps.
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Clear the gradient of every parameter (to None or to zeros)."""
        # TODO: clear every gradient.
        raise NotImplementedError

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        # TODO: count, decay (one of the two kinds), update both means, correct them, move the parameter.
        raise NotImplementedError


# %% [markdown]
# The same valley. Adam divides by the size of each gradient, so at first it goes as fast along the flat direction as
# down the steep one, straight to the middle; then its running mean carries it past, as momentum does.

# %%
show_valley(
    {
        "SGD": valley_path(lambda p: SGD(p, 0.06)),
        "SGD, momentum 0.8": valley_path(lambda p: SGD(p, 0.06, momentum=0.8)),
        "Adam": valley_path(lambda p: Adam(p, 0.5, (0.9, 0.999), 1e-8)),
    }
)

# %% [markdown]
# ## A schedule: warm up, then half a cosine
#
# The best rate changes during a training: small at first, while the gradients of random weights point anywhere, then
# large, then smaller and smaller to settle. The schedule that most large models use has two parts:
#
#     rate
#     lr_max        __
#                 /    \
#               /        \             step < warmup:  lr_max * (step + 1) / warmup
#             /            \           then: half a cosine wave, from lr_max at step = warmup
#     lr_min                 \______                        down to lr_min at step = total
#            0   warmup    total
#
# Steps count from 0, and the first step already has a rate above 0. Steps warmup - 1 and warmup both have the full
# rate: there the ramp ends and the cosine begins. Half a wave, from 0 to pi (angles in radians), steep only in the
# middle:

# %%
for fraction in (0, 0.25, 0.5, 0.75, 1):
    print(f"{fraction:.2f} of half a wave: {math.cos(fraction * math.pi):6.3f}")

# %% [markdown]
# **Hint 1.** Two cases: an `if` for the warm-up, and the rest.
#
# **Hint 2.** The progress through the second part is 0 at step = warmup and 1 at step = total, whatever the warm-up
# was.
#
# **Hint 3.** The cosine goes from 1 down to -1. Shift and shrink it so that it goes from 1 to 0, then stretch that to
# the way from lr_max to lr_min.
#
# **Hint 4.** A progress above 1 would climb up the next half of the wave: hold it at 1.


# %%
def warmup_cosine(step: int, total: int, warmup: int, lr_max: float, lr_min: float = 0) -> float:
    """The learning rate of one step: a linear warm-up, then half a cosine from lr_max down to lr_min.

    step: 0 or more; 0 <= warmup < total. For step < warmup the rate is lr_max * (step + 1) / warmup; from step = warmup
    (lr_max) to step = total (lr_min) it follows half a cosine; from then on it is lr_min. Returns a float of Python.
    """
    # TODO: the warm-up; then the progress through the rest, at most 1, and the cosine of it.
    raise NotImplementedError


# %% [markdown]
# Yours beside schedules of
# [torch.optim.lr_scheduler](https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate). Those are
# objects: each call of their `step` changes the rate of an optimiser. Try other numbers.

# %%
plt.plot([warmup_cosine(step, 100, 15, 1.0, 0.05) for step in range(120)], label="warmup_cosine")
for make_scheduler in (
    lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=30, gamma=0.3),
    lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.97),
    lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=120),
):
    follower = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make_scheduler(follower)
    rates = []
    for _ in range(120):
        rates.append(follower.param_groups[0]["lr"])
        follower.step()
        if len(rates) < 120:
            scheduler.step()
    plt.plot(rates, "--", label=type(scheduler).__name__)
plt.xlabel("step")
plt.ylabel("learning rate")
plt.legend()
plt.show()

# %% [markdown]
# ## Clip the gradient
#
# One bad batch can give a gradient a hundred times longer than usual, and a step that ruins hours of training. The
# usual remedy treats *all* gradients of the model as one long vector $g$, and shortens it if it is too long:
#
# $$g \leftarrow g \cdot \min\left(1, \frac{\text{max\_norm}}{\lVert g \rVert}\right)$$
#
# The direction stays, because every gradient is multiplied by the same factor. The norm of the long vector, from the
# norms of its parts:

# %%
parts = [torch.tensor([3.0, 4.0]), torch.tensor([12.0])]
print([part.norm() for part in parts], torch.cat(parts).norm())

# %% [markdown]
# **Hint 1.** First collect the gradients that are there, in a list: the parameters may come as a generator.
#
# **Hint 2.** The norm of the norms is the norm of the whole: `torch.stack` makes one tensor of them.
#
# **Hint 3.** Multiply in place, and only if the norm is above the limit: then nothing is ever divided by zero.


# %%
def clip_grad_norm_(params: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Shorten all gradients together, so that the norm of them all as one vector is at most max_norm.

    params: an iterable of parameters (a generator too), at least one of which has a gradient; those whose grad is None
    are passed over. If the norm is max_norm or less the gradients stay as they are. Returns the norm before clipping, a
    0-d tensor. Does what torch.nn.utils.clip_grad_norm_ does; write it with tensor operations.
    """
    # TODO: one norm over all gradients; if it is too large, scale every gradient by the same factor; return the norm.
    raise NotImplementedError


# %% [markdown]
# The norms during a training at a rate that is a little too high. Each bar above the line would have been cut to it.

# %%
torch.manual_seed(0)
model = make_mlp()
bold = torch.optim.SGD(model.parameters(), lr=1.0)
norms = []
for x, y in digits:
    bold.zero_grad()
    F.cross_entropy(model(x), y).backward()
    norms.append(clip_grad_norm_(model.parameters(), 1.0).item())
    bold.step()
plt.bar(range(len(norms)), norms)
plt.axhline(1.0, color="black")
plt.xlabel("step")
plt.ylabel("norm before clipping")
plt.show()

# %% [markdown]
# ## A large batch in small pieces
#
# A batch that does not fit into memory can be cut into *micro-batches*. `backward()` adds to `.grad`: run it after
# every piece, and step once at the end. After each backward pass the graph of that piece is gone, so the memory never
# holds more than one piece.
#
# What has to be right is the weight of each piece. The big batch's loss is a mean over all its samples:
#
# $$L = \frac{1}{N}\sum_{i=1}^{N} \ell_i = \sum_{\text{pieces } k} \frac{N_k}{N}\, L_k$$
#
# The gradient is the same sum. Pieces of 4 and 1 samples, without and with their weights:

# %%
samples = torch.tensor([1.0, 2.0, 3.0, 4.0, 20.0])
first, second = samples[:4], samples[4:]
print("whole:     ", samples.mean())
print("sum:       ", first.mean() + second.mean())
print("plain mean:", (first.mean() + second.mean()) / 2)
print("weighted:  ", 4 / 5 * first.mean() + 1 / 5 * second.mean())

# %% [markdown]
# **Hint 1.** Count all samples first: each micro-batch needs to know its share.
#
# **Hint 2.** Clear once, before the first piece. Step once, after the last.
#
# **Hint 3.** Scale each piece's loss by its share *before* its `backward()`, and collect the numbers for the return
# value.


# %%
def accumulate_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    micro_batches: list[tuple[Tensor, Tensor]],
) -> float:
    """One optimiser step on a large batch that comes in pieces, the same step as on the whole batch at once.

    loss_fn: called as loss_fn(model(x), y), a mean over the samples of x; micro_batches: (x, y) with as many samples as
    they like, not all alike. The pieces go through the model one by one, and no more than one piece's graph is alive
    at a time. Gradients left over from an earlier call play no part. Returns the loss of the whole batch before the
    step, as a float of Python.
    """
    # TODO: clear once; for each piece add its share of the gradient and of the loss; step once.
    raise NotImplementedError


# %% [markdown]
# Two models with the same start, 100 digits: all at once, and in pieces of 60, 30 and 10. The weights agree up to
# rounding.

# %%
torch.manual_seed(0)
whole = make_mlp()
pieces = copy.deepcopy(whole)
x, y = images[:100], labels[:100]
train_step(whole, x, y, F.cross_entropy, torch.optim.SGD(whole.parameters(), lr=0.1))
cut = list(zip(x.split([60, 30, 10]), y.split([60, 30, 10]), strict=True))
accumulate_step(pieces, torch.optim.SGD(pieces.parameters(), lr=0.1), F.cross_entropy, cut)
pairs = zip(whole.parameters(), pieces.parameters(), strict=True)
print("largest difference:", max((a - b).abs().max().item() for a, b in pairs))

# %% [markdown]
# ## The whole loop
#
# Now everything together. An *epoch* is once through the training data; after each one the model is validated, and the
# results are written down:
#
#     for every epoch:   write down the rate
#                        train on every batch of train_loader
#                        scheduler.step()                          once, after the training
#                        validate on val_loader                    never train on it
#                        the best so far? keep a copy of the weights
#     at the end:        put the best weights back
#
# Why keep the best? A training may get worse again: it starts to learn its data by heart, or the rate was too high and
# it blew up. Keeping a copy needs care, because a `state_dict` is not one: it holds the model's own tensors.

# %%
layer = nn.Linear(1, 1)
before = layer.state_dict()
print("before:", before["bias"])
with torch.no_grad():
    layer.bias.add_(100.0)
print("the same dictionary, later:", before["bias"])

# %% [markdown]
# And again a trap for the memory: a running sum of losses must be a sum of numbers. `total += loss` with a tensor keeps
# the graphs of all batches alive until the epoch ends.
#
# **Hint 1.** `train_step` and `evaluate` do most of the work. Each batch's loss counts as often as it has samples.
#
# **Hint 2.** The rate of an optimiser stands in `optimizer.param_groups[0]["lr"]`. Read it before the scheduler changes
# it.
#
# **Hint 3.** `copy.deepcopy` copies a state_dict with its tensors. Start the search for the best at infinity: NaN is
# never smaller.


# %%
def fit(
    model: nn.Module,
    train_loader: DataLoader,
    val_loader: DataLoader,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None,
    epochs: int,
) -> dict[str, list[float]]:
    """Train a classifier with cross-entropy, validate it after every epoch, and leave it with its best weights.

    Both loaders give batches (x, y), x: (N, ...), y: (N,) int64; model(x): (N, C) logits; epochs: 1 or more. Each epoch
    trains once on every batch of train_loader, in training mode, one optimiser step a batch. Then scheduler.step() is
    called, without arguments, once per epoch after the epoch's training; scheduler may be None. Then the model is
    validated in evaluation mode; nothing is ever trained on val_loader.

    Returns the history, four lists of floats with one number for each epoch:
    "train_loss": the mean of the training batches' losses (each taken before its step), weighted by their numbers of
    samples; "val_loss", "val_accuracy": as `evaluate` gives them; "lr": the rate that was used in that epoch.

    At the end the model has the state (weights and buffers) that it had after the epoch with the lowest val_loss; an
    epoch whose val_loss is NaN is never the best. No graph is kept from one step to the next.
    """
    # TODO: the loop of the picture above; the history holds plain numbers, the best state is a real copy.
    raise NotImplementedError


# %% [markdown]
# Twelve epochs with your schedule behind torch's
# [LambdaLR](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LambdaLR.html), which multiplies
# the optimiser's own rate by what a function says. Look at the gap between the two losses: the model knows its thousand
# training digits better and better, the held-out ones hardly so after a few epochs.

# %%
torch.manual_seed(0)
model = make_mlp()
momentum_sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
schedule = torch.optim.lr_scheduler.LambdaLR(momentum_sgd, lambda epoch: warmup_cosine(epoch, 12, 3, 1.0, 0.02))
history = fit(model, digits, held_out, momentum_sgd, schedule, 12)
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
left.plot(history["train_loss"], "o-", label="train_loss")
left.plot(history["val_loss"], "o-", label="val_loss")
left.legend()
middle.plot(history["val_accuracy"], "o-")
middle.set_title("val_accuracy")
right.plot(history["lr"], "o-")
right.set_title("lr")
for axis in (left, middle, right):
    axis.set_xlabel("epoch")
plt.show()
print("with the best weights back: loss {:.3f}, accuracy {:.3f}".format(*evaluate(model, held_out)))

# %% [markdown]
# ## A fair comparison
#
# Which optimiser is better? One run of each proves little if each started from other random weights and saw the data in
# another order: then luck is compared too. A fair comparison gives every optimiser the same initial weights and the
# same batches, in the same order, epoch by epoch. Chance comes in at two places; both are random number generators, and
# a generator goes on from where it stopped:

# %%
print(nn.Linear(2, 1).weight, nn.Linear(2, 1).weight, sep="\n")
for loader in (
    DataLoader(range(8), batch_size=8, shuffle=True),  # shuffles with torch's global generator
    DataLoader(range(8), batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(1)),  # with its own
):
    print([batch.tolist() for batch in loader], [batch.tolist() for batch in loader])

# %% [markdown]
# **Hint 1.** Make one model, and give each optimiser a copy of it to train. (A copy of what the first one has already
# trained is no fair start.)
#
# **Hint 2.** A generator has `get_state` and `set_state`. `torch.get_rng_state` and `torch.set_rng_state` do the same
# for the global one.
#
# **Hint 3.** A loader's own generator is its attribute `generator`; it is None if there is none.


# %%
def compare_optimizers(
    make_model: Callable[[], nn.Module],
    train_loader: DataLoader,
    val_loader: DataLoader,
    optimizers: dict[str, Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]],
    epochs: int,
) -> dict[str, dict[str, list[float]]]:
    """Train the same model once with each optimiser, everything else being equal; returns the history of each.

    make_model: makes a model with random weights, drawn from torch's global generator; optimizers: for each name a
    function that makes an optimiser for the parameters it is given. Each training goes as `fit` does it, without a
    scheduler. All start from the same weights, and see the same batches in the same order, also when train_loader
    shuffles, with torch's global generator or with its own (`train_loader.generator`). Returns for each name what `fit`
    returned.
    """
    # TODO: one start for all; before each training put the generators back to where they were.
    raise NotImplementedError


# %% [markdown]
# The end of the circle: your model, your loop, your optimisers. (Your optimisers need `param_groups` for this; with
# `.lr` alone, use torch's here.) Then change the rates: for every optimiser there is one that makes it look bad, so
# compare each at its best.

# %%
torch.manual_seed(0)
histories = compare_optimizers(
    make_mlp,
    digits,
    held_out,
    {
        "SGD": lambda params: SGD(params, 0.1),
        "SGD, momentum": lambda params: SGD(params, 0.1, momentum=0.9),
        "Adam": lambda params: Adam(params, 3e-3, (0.9, 0.999), 1e-8),
        "AdamW, decay 0.3": lambda params: Adam(params, 3e-3, (0.9, 0.999), 1e-8, weight_decay=0.3, decoupled=True),
    },
    epochs=6,
)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for name, history in histories.items():
    left.plot(history["train_loss"], "o-", label=name)
    right.plot(history["val_loss"], "o-", label=name)
left.set_title("train_loss")
right.set_title("val_loss")
left.legend()
plt.show()
