# %% [markdown]
# # Neural networks: modules, layers, activations, losses, a first MLP
#
# A neural network in PyTorch is an `nn.Module`: an object that owns its weights and knows how to turn inputs into
# outputs. Layers are modules, and so is a whole network made of layers. In this section you write the best-known layers
# and losses yourself, agree with torch's to the last digit, and train a first **multi-layer perceptron (MLP)**, once on
# a curve (regression) and once on two classes of points (classification).
#
# Fill in every function and class below, then run `pytest checks/test_s04_neural_networks.py`. As before, nothing may
# change the tensors that it is given.
#
# **To read:** [Neural networks](https://docs.pytorch.org/tutorials/beginner/blitz/neural_networks_tutorial.html) and
# [Build the neural network](https://docs.pytorch.org/tutorials/beginner/basics/buildmodel_tutorial.html), the official
# tutorials; [Modules](https://docs.pytorch.org/docs/stable/notes/modules.html), how they work;
# [torch.nn](https://docs.pytorch.org/docs/stable/nn.html), all that is there.

# %%
import math
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# %% [markdown]
# ## What a module knows
#
# A class that derives from `nn.Module` builds its parts in `__init__` and uses them in `forward`. Whatever is assigned
# to `self` is looked at on the way:
#
# | assigned to `self` | becomes | trained | in the `state_dict` |
# | --- | --- | --- | --- |
# | `nn.Parameter(...)` | a parameter | yes | yes |
# | another `nn.Module` | a submodule, with all that it owns | | |
# | `self.register_buffer("name", ...)` | a buffer | no | yes |
# | a plain tensor, number or list | an ordinary attribute, **seen by nobody** | no | no |
#
# Here is a module with a parameter, a buffer and a plain tensor. Note `super().__init__()`, without which nothing can
# be registered, and that it is called as `module(x)`, never as `module.forward(x)`.


# %%
class Shift(nn.Module):
    """Adds a number of its own to every column."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.amount = nn.Parameter(torch.zeros(features))
        self.register_buffer("calls", torch.tensor(0))
        self.note = torch.zeros(features)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + self.amount


shift = Shift(3)
shift(torch.ones(2, 3))
print("parameters:", [name for name, _ in shift.named_parameters()])
print("state_dict:", shift.state_dict())

# %% [markdown]
# ## Count the parameters
#
# The first thing anyone asks of a model is how large it is. Count *numbers*, not tensors: a weight of shape (3, 5) has
# 15. Three details make the answer honest:
#
# - buffers are not parameters;
# - a frozen parameter (its `requires_grad` is `False`) is not trained;
# - a parameter that two layers share, as many language models share their first and last matrix, exists once.
#
# **Hint 1.** `model.parameters()` goes through all submodules, leaves buffers out, and gives a shared parameter once.
#
# **Hint 2.** How many numbers does a tensor hold? `numel()` tells. Add them up, and skip the frozen ones if asked to.


# %%
def count_parameters(model: nn.Module, trainable_only: bool = True) -> int:
    """How many numbers the parameters of `model` hold, those of all its submodules included.

    A shared parameter counts once, buffers never, and those that do not require a gradient only with
    trainable_only=False. Returns an int.
    """
    # TODO: add up the sizes of the parameters that count.
    raise NotImplementedError


# %% [markdown]
# ## The linear layer
#
# The work-horse of every network: each output is a weighted sum of the inputs, plus a bias.
#
# $$y = x W^\top + b, \qquad y_o = \sum_i W_{oi}\, x_i + b_o$$
#
# torch keeps $W$ as (out, in): row $o$ holds the weights of output $o$. Only the *last* dimension of x is touched; the
# dimensions before it (a batch, time steps, nothing at all) stay as they are. Look at torch's own layer, whose
# names and shapes yours will share, so that one can load the weights of the other:

# %%
layer = nn.Linear(5, 3)
print({name: tuple(value.shape) for name, value in layer.state_dict().items()})
for shape in ((5,), (2, 5), (2, 7, 5)):
    print(shape, "->", tuple(layer(torch.ones(shape)).shape))
print(nn.Linear(5, 3, bias=False).state_dict().keys())

# %% [markdown]
# Weights start at random: if all were equal, all outputs would be equal, get the same gradient, and stay equal for
# ever. torch draws them between $-1/\sqrt{\text{in}}$ and $1/\sqrt{\text{in}}$: the more inputs are added up, the
# smaller each weight.
#
# **Hint 1.** Both tensors must be an `nn.Parameter`, under the names that nn.Linear uses.
#
# **Hint 2.** A matrix product works on the last dimension whatever comes before it: (..., in) times (in, out). Your
# weight is (out, in).
#
# **Hint 3.** `register_parameter` takes `None` too: then there is no bias here. `forward` has to ask.


# %%
class Linear(nn.Module):
    """y = x Wᵀ + b on the last dimension, as nn.Linear does; written without nn.Linear (F.linear is allowed).

    Parameters, named and shaped like those of nn.Linear, whose state_dict can be loaded: weight (out_features,
    in_features) and bias (out_features,); with bias=False there is no bias. The weight starts at random.
    x: (..., in_features) float. Returns (..., out_features).
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        # TODO: make the parameters and give them their first values.
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        # TODO: multiply by the transposed weight, and add the bias if there is one.
        raise NotImplementedError


# %% [markdown]
# ## A multi-layer perceptron
#
# Two linear layers in a row are one linear layer: $W_2(W_1x) = (W_2W_1)x$. What makes a network more than that is a
# bend between them, the **activation function**. The usual one is the plainest, $\operatorname{ReLU}(z) = \max(z, 0)$:

# %%
z = torch.linspace(-4, 4, 161)
for activation in (torch.relu, torch.tanh, torch.sigmoid, F.gelu):
    plt.plot(z, activation(z), label=activation.__name__)
plt.legend()
plt.title("activation functions")
plt.show()

# %% [markdown]
# An MLP of sizes [5, 7, 3, 2] is
#
#     x (N, 5) -> linear -> (N, 7) -> ReLU -> linear -> (N, 3) -> ReLU -> linear -> (N, 2)
#
# with no ReLU at the end: the last layer must be able to answer with any number, negative ones too. The number of
# layers is not known in advance, so they have to go into a container. Which one matters:

# %%
in_a_list, in_a_module_list = nn.Module(), nn.Module()
in_a_list.layers = [nn.Linear(5, 2)]
in_a_module_list.layers = nn.ModuleList([nn.Linear(5, 2)])
for model in (in_a_list, in_a_module_list):
    print(type(model.layers).__name__, "holds parameters", [name for name, _ in model.named_parameters()])

# %% [markdown]
# From here on you may use torch's `nn.Linear` (or your own, if it passes).
#
# **Hint 1.** `zip(sizes, sizes[1:])`, or `itertools.pairwise(sizes)`, gives the two sizes of each layer.
#
# **Hint 2.** `nn.Sequential` and `nn.ModuleList` register what they hold; a Python list does not.
#
# **Hint 3.** Put a ReLU after every linear layer, then leave out the last one. What is left of [5, 2]?


# %%
class MLP(nn.Module):
    """Linear layers (with bias) from each size to the next, ReLU between them, nothing after the last.

    sizes: at least two; [D, C] alone is one linear layer. x: (N, sizes[0]). Returns (N, sizes[-1]).
    """

    def __init__(self, sizes: list[int]) -> None:
        # TODO: make the layers, all of them here, in a container that registers them.
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        # TODO: pass x through the layers.
        raise NotImplementedError


# %% [markdown]
# ## Mean squared error
#
# The loss of regression: the average squared distance between prediction and target.
#
# $$L = \frac1N \sum_n (\hat y_n - y_n)^2$$
#
# It is also the scene of the most expensive silent bug in PyTorch. A network with one output predicts (N, 1); targets
# usually come as (N,). Broadcasting turns their difference into a table of *every* prediction against *every* target,
# whose mean is a perfectly good-looking number that trains the network to predict the average:

# %%
prediction, target = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1.0, 2.0, 3.0])
print(prediction - target, "mean of squares:", (prediction - target).square().mean())

# %% [markdown]
# A perfect prediction, and the loss is not 0. (`F.mse_loss` does the same; it warns, which is easily overlooked.)
#
# **Hint 1.** Give both the same shape first: drop the 1 from the prediction, or add one to the target.
#
# **Hint 2.** `squeeze(1)` and `unsqueeze(1)` name the dimension; a bare `squeeze()` also drops N when it is 1.


# %%
def mse_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of a network with one output.

    prediction: (N, 1) float; target: (N,) float. Returns (), in their dtype, with a gradient. F.mse_loss is allowed.
    """
    # TODO: bring both to the same shape, then average the squared differences.
    raise NotImplementedError


# %% [markdown]
# ## Cross-entropy
#
# A classifier gives C scores (**logits**) for each sample. Softmax would turn them into probabilities, and the loss is
# minus the log of the probability given to the right class:
#
# $$L = -\frac1N \sum_n \log p_{n, y_n}, \qquad
# \log p_{nc} = z_{nc} - \log \sum_j e^{z_{nj}}$$
#
# The second formula is the point: compute the *log*-probabilities directly. Softmax first and log after gives up where
# the network is sure of itself, and picking the right class has its trap too. Look at both:

# %%
z = torch.tensor([[0.0, 1000.0]])
print("log(softmax):", torch.softmax(z, 1).log(), " log_softmax:", torch.log_softmax(z, 1))

table = torch.tensor([[10, 11, 12], [20, 21, 22]])
columns = torch.tensor([2, 0])
print("wanted: 12 and 20; table[:, columns] gives\n", table[:, columns])

# %% [markdown]
# So logits go in, not probabilities: a model that ends in softmax and is trained with cross-entropy squashes twice.
#
# **Hint 1.** `torch.log_softmax` or `torch.logsumexp`, over the dimension of the classes.
#
# **Hint 2.** One entry a row: `gather` takes an index tensor of as many dimensions as the table; two index tensors of
# shape (N,), the row numbers and the labels, are paired.
#
# **Hint 3.** Check the sign: a loss is positive, and 0 only if the right class has probability 1.


# %%
def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean of -log softmax(logits) at the labels, written without torch's own cross-entropy.

    logits: (N, C) float; labels: (N,) int64 in 0..C-1. Returns (), in the dtype of logits, with a gradient; finite for
    logits as large as 1000. (log_softmax, logsumexp and nll_loss are allowed.)
    """
    # TODO: log-probabilities without overflow, one picked in each row, their mean with the right sign.
    raise NotImplementedError


# %% [markdown]
# What it looks like: the loss of one sample as the logit of the right class moves, the other two staying at 0. A wrong
# and confident answer costs in proportion to the confidence; a right one costs nothing more.

# %%
right = torch.linspace(-6, 6, 49)
losses = [cross_entropy(torch.tensor([[value, 0.0, 0.0]]), torch.tensor([0])) for value in right]
plt.plot(right, torch.stack(losses))
plt.axhline(math.log(3), color="gray", linestyle=":", label="log 3: a guess among three")
plt.xlabel("logit of the right class")
plt.ylabel("cross-entropy")
plt.legend()
plt.show()

# %% [markdown]
# ## Dropout
#
# In training, each value is set to zero with probability p, drawn anew for every value at every call, so that no unit
# can rely on one other unit. Those that are kept are divided by 1 - p, which leaves the expected value as it was:
#
# $$y = \begin{cases} 0 & \text{with probability } p \\ x / (1 - p) & \text{otherwise} \end{cases}
# \qquad \mathbb{E}[y] = (1 - p)\,\frac{x}{1 - p} = x$$
#
# So in evaluation there is nothing left to do: x passes through. Which of the two it is, every module knows from
# `self.training`, and `model.train()` and `model.eval()` set it in all submodules:

# %%
torch.manual_seed(0)
dropout = nn.Dropout(0.2)
print("train:", dropout(torch.ones(8)))
print("eval: ", dropout.eval()(torch.ones(8)))

# %% [markdown]
# **Hint 1.** `torch.rand_like(x)` is uniform between 0 and 1: with which probability is it below p?
#
# **Hint 2.** A bool mask times x is x or 0. Don't forget the scale, nor to make a mask for *every* value.
#
# **Hint 3.** Ask `self.training` first.


# %%
class Dropout(nn.Module):
    """In training, zero each value with probability p and divide the others by 1 - p; in evaluation, return x.

    p: 0 <= p < 1. x: float of any shape. Returns the shape and dtype of x; each value of each call is drawn anew.
    Written without nn.Dropout (F.dropout is allowed).
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html; Srivastava et al., JMLR 15 (2014).
    """

    def __init__(self, p: float) -> None:
        # TODO: keep p.
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        # TODO: training or not? Then a random mask of the shape of x, and the scale.
        raise NotImplementedError


# %% [markdown]
# Seen: eight samples of 32 units, p = 0.3. No two rows lose the same units, and the mean stays near 1.

# %%
dropped = Dropout(0.3)(torch.ones(8, 32))
plt.imshow(dropped.numpy(), cmap="gray")
plt.title(f"mean {dropped.mean():.2f}")
plt.xlabel("unit")
plt.ylabel("sample")
plt.show()

# %% [markdown]
# ## Batch normalisation
#
# Every column of a batch is brought to mean 0 and variance 1, then scaled and shifted by two learned vectors:
#
# $$y = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} \cdot \text{weight} + \text{bias}$$
#
# | | $\mu$ and $\sigma^2$ | running statistics |
# | --- | --- | --- |
# | training | of this batch, $\sigma^2$ divided by N | move: $r \leftarrow (1 - m)\, r + m\, s$ |
# | evaluation | the running ones | stay |
#
# Here $m$ is the momentum and $s$ the batch's mean, or its variance *divided by N - 1*: the running variance estimates
# that of all data. Gradients flow through $\mu$ and $\sigma^2$ of the batch, but the running statistics are no part of
# any graph, and no optimiser may touch them: they are **buffers**.

# %%
norm = nn.BatchNorm1d(2)
print("parameters:", [name for name, _ in norm.named_parameters()])
print("buffers:   ", dict(norm.named_buffers()))
norm(torch.tensor([[0.0, 10.0], [2.0, 30.0]]))
print("after one batch with means 1 and 20, variances 2 and 200:", dict(norm.named_buffers()), sep="\n")

# %% [markdown]
# `num_batches_tracked` merely counts training batches (torch needs it for another kind of average), but a state_dict
# without it does not load strictly.
#
# **Hint 1.** Two parameters and three buffers; the printout above shows their names and first values.
#
# **Hint 2.** `var(dim=0)` divides by N - 1, `var(dim=0, correction=0)` by N. You need both.
#
# **Hint 3.** Update the buffers in place, inside `torch.no_grad()`: `self.running_mean.lerp_(mean, m)` is
# `(1 - m) * running_mean + m * mean`.


# %%
class BatchNorm1d(nn.Module):
    """Batch normalisation of (N, D), as nn.BatchNorm1d does, written without it (F.batch_norm is allowed).

    Parameters weight and bias (D,), at first ones and zeros; buffers running_mean and running_var (D,), at first zeros
    and ones, and num_batches_tracked (), at first 0. The state_dict of nn.BatchNorm1d loads strictly.
    x: (N, features) float, N >= 2 in training. Returns the shape and dtype of x.
    https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html; Ioffe and Szegedy, arXiv:1502.03167.
    """

    def __init__(self, features: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        # TODO: keep momentum and eps, and register two parameters and three buffers.
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        # TODO: the batch's statistics in training, and the update; the running ones in evaluation.
        raise NotImplementedError


# %% [markdown]
# Seen: two features in very different units, before and after; and how the running mean finds its way to the true one.

# %%
norm, means = BatchNorm1d(2), []
for _ in range(50):
    x = torch.randn(64, 2) * torch.tensor([3.0, 0.5]) + torch.tensor([10.0, -2.0])
    y = norm(x).detach()
    means.append(norm.running_mean.clone())
figure, (left, middle, last) = plt.subplots(1, 3, figsize=(11, 3))
left.hist(x.T.tolist(), bins=20)
left.set_title("two features")
middle.hist(y.T.tolist(), bins=20)
middle.set_title("normalised")
last.plot(torch.stack(means))
last.set_title("running mean, batch by batch")
plt.show()

# %% [markdown]
# ## Fit a curve
#
# Everything is there for a first training. Full-batch **gradient descent** repeats four things:
#
# 1. forward: the prediction, and its loss;
# 2. clear the old gradients (`backward` *adds* to them);
# 3. backward: the gradient of the loss for each parameter;
# 4. step: $w \leftarrow w - \text{lr} \cdot \partial L / \partial w$ for each parameter.
#
# You may write step 4 by hand, as in section 3, or leave it to `torch.optim.SGD`, which does no more than this:

# %%
w = nn.Parameter(torch.tensor([1.0, -2.0]))
optimizer = torch.optim.SGD([w], lr=0.1)
w.square().sum().backward()
optimizer.step()
print("gradient", w.grad, "after the step", w.data)

# %% [markdown]
# Keep a record of the losses, as plain numbers: a loss *tensor* holds on to the whole graph behind it, and a list of a
# thousand of them to a thousand graphs.
#
# **Hint 1.** `y` is (N, 1) here, the shape of the prediction, so `F.mse_loss(model(x), y)` is right as it stands (your
# own `mse_loss` wants its target as (N,)).
#
# **Hint 2.** `.item()` makes a float of a tensor with one value. Which loss belongs in the list: the one the gradient
# comes from.
#
# **Hint 3.** Make the optimiser once, before the loop; it needs `model.parameters()` and `lr`. What clears the
# gradients?


# %%
def fit_regressor(model: nn.Module, x: Tensor, y: Tensor, lr: float, epochs: int) -> list[float]:
    """Train `model` in place by plain gradient descent on the mean squared error of the whole batch.

    x: (N, D) float; y: (N, 1) float; model: (N, D) -> (N, 1). Takes `epochs` steps of learning rate `lr`, and returns
    a list of `epochs` floats: the loss before each step.
    """
    # TODO: epochs times: forward, clear the gradients, backward, step; note the loss as a float.
    raise NotImplementedError


# %% [markdown]
# ## Your MLP at work: regression
#
# A noisy curve, a straight line (an MLP without a hidden layer) and a real MLP, all trained by your own function.

# %%
torch.manual_seed(0)
x = torch.rand(100, 1) * 4 - 2
y = torch.sin(2 * x) + 0.3 * x + 0.15 * torch.randn(100, 1)
grid = torch.linspace(-2, 2, 200).unsqueeze(1)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
left.scatter(x, y, s=10, color="gray")
for sizes in ([1, 1], [1, 32, 32, 1]):
    model = MLP(sizes)
    losses = fit_regressor(model, x, y, lr=0.05, epochs=1000)
    with torch.no_grad():
        left.plot(grid, model(grid), label=f"{sizes}: {count_parameters(model)} parameters")
    right.semilogy(losses, label=f"{sizes}: {losses[-1]:.3f} at the end")
left.set_title("data and fits")
right.set_title("training loss")
left.legend(loc="lower right", fontsize="small")
right.set_xlabel("step")
right.legend()
plt.show()

# %% [markdown]
# ## Your MLP at work: classification
#
# Two half-moons of points, which no straight line can separate. The training loop is the same four steps, now with your
# `cross_entropy`; section 6 makes a real one of it. The colour shows the probability that the network gives to class 1.

# %%
torch.manual_seed(0)
angle = math.pi * torch.rand(200)
labels = torch.arange(200) % 2
moons = torch.stack([angle.cos() + labels, (angle.sin() - 0.25) * (1 - 2 * labels)], dim=1)  # (200, 2)
moons = moons + 0.1 * torch.randn(200, 2)

classifier = MLP([2, 32, 32, 2])
optimizer = torch.optim.SGD(classifier.parameters(), lr=0.3)
for _ in range(500):
    loss = cross_entropy(classifier(moons), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

across, up = torch.meshgrid(torch.linspace(-1.6, 2.6, 120), torch.linspace(-1.2, 1.2, 80), indexing="xy")
with torch.no_grad():
    accuracy = (classifier(moons).argmax(dim=1) == labels).float().mean()
    places = torch.stack([across, up], dim=2)  # (80, 120, 2): the layers work on the last dimension
    probability = torch.softmax(classifier(places), dim=2)[..., 1]  # (80, 120)
plt.contourf(across, up, probability, levels=20, cmap="coolwarm", alpha=0.6)
plt.scatter(moons[:, 0], moons[:, 1], c=labels, cmap="coolwarm", edgecolors="black", s=15)
plt.title(f"{accuracy:.0%} of the points right, loss {loss.item():.3f}")
plt.show()
