# %% [markdown]
# # Deployment: save, load, TorchScript, export, quantise, prune
#
# A model that only lives in the notebook that trained it is of no use to anybody. In this section you take one out into
# the world: onto the disk and back, into a process that has never seen your Python code, and into a quarter of its
# size.
#
# ```text
#   train  -->  state dict on disk    -->  load, train on         (your code, your machine)
#          -->  TorchScript, export   -->  run anywhere           (no Python code of yours)
#          -->  quantise, prune, fold -->  smaller and faster     (the same answers, nearly)
# ```
#
# Fill in what follows, then run `pytest checks/test_s10_deployment.py`.
#
# You need a trained model for this; it is made first. Keep the order: first right, then small, then fast, and measure
# what each step costs in accuracy.
#
# **To read:** [Saving and loading models](https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html),
# [TorchScript](https://docs.pytorch.org/docs/stable/jit.html) and its successor
# [torch.export](https://docs.pytorch.org/docs/stable/export.html),
# [pruning](https://docs.pytorch.org/tutorials/intermediate/pruning_tutorial.html),
# [quantisation](https://docs.pytorch.org/docs/stable/quantization.html).

# %%
import copy
import io
import os
import tempfile
import warnings
import zlib
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import prune

# %% [markdown]
# A small network for digits, trained in a moment; the rest of the section deploys it. The digits are MNIST's, read from
# their files as in section 5.

# %%
data = next(path for path in (Path("exercises/data/MNIST/raw"), Path("data/MNIST/raw")) if path.is_dir())


def read(name: str, header: int) -> Tensor:
    return torch.frombuffer(bytearray((data / name).read_bytes()[header:]), dtype=torch.uint8)


train_x = read("train-images-idx3-ubyte", 16).reshape(-1, 784)[:3000] / 255
train_y = read("train-labels-idx1-ubyte", 8)[:3000].long()
test_x = read("t10k-images-idx3-ubyte", 16).reshape(-1, 784) / 255
test_y = read("t10k-labels-idx1-ubyte", 8).long()


def accuracy(model: nn.Module) -> float:
    with torch.no_grad():
        return (model(test_x).argmax(1) == test_y).float().mean().item()


torch.manual_seed(0)
digits = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
optimizer = torch.optim.Adam(digits.parameters(), lr=2e-3)
for _ in range(8):
    for batch in torch.randperm(len(train_x)).split(100):
        optimizer.zero_grad()
        F.cross_entropy(digits(train_x[batch]), train_y[batch]).backward()
        optimizer.step()
digits.eval()
print(f"accuracy {accuracy(digits):.3f}")

# %% [markdown]
# ## Save a checkpoint, and load it
#
# A **state dict** is a plain dictionary from names to tensors. It is what belongs in a file: not the model object,
# whose pickle holds the *path* of your class instead of its code, and breaks with the next renaming. For a model alone
# it takes three lines, there and back:

# %%
with tempfile.TemporaryDirectory() as folder:
    torch.save(nn.Linear(2, 1).state_dict(), f"{folder}/line.pt")
    line = nn.Linear(2, 1)  # first the model, made by your code; then its weights, from the file
    line.load_state_dict(torch.load(f"{folder}/line.pt", weights_only=True))
print({name: tuple(value.shape) for name, value in line.state_dict().items()})

# %% [markdown]
# To go on *training* as if nothing had happened you need more than the weights: an optimiser such as Adam has a memory
# of its own, which is in its own state dict, and you want to know the epoch.

# %%
print(optimizer.state_dict()["param_groups"][0]["lr"], list(optimizer.state_dict()["state"][0]))

# %% [markdown]
# Two habits of professionals:
#
# - **Atomic.** If power fails, it fails in the middle of a save, and then the old checkpoint is gone and the new one is
#   half a file. So write to another file in the same folder first, and put that one in place when it is complete:
#   `os.replace` happens entirely or not at all.
# - **Safe.** A pickle can run any code while it is loaded. `torch.load(..., weights_only=True)` (the default since
#   torch 2.6) accepts tensors and plain data only.
#
# **Hint 1.** One dictionary with three entries goes into the file. How you name them is up to you, as long as your two
# functions agree.
#
# **Hint 2.** For the save: `os.replace` moves in one step, once `torch.save` has returned. If saving fails, the old
# file was never touched.
#
# **Hint 3.** For the load: model and optimizer each have a method that takes a state dict. The model's names missing
# and unexpected keys by itself: leave it strict.


# %%
def save_checkpoint(path: str, model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """Write what is needed to go on training to `path`: tensors and plain data, loadable with weights_only=True.

    Atomic: if saving fails half-way, the exception comes through, and a file that was at `path` before is still there,
    whole. A save that succeeds leaves no other file behind.
    """
    # TODO: gather the state of model and optimizer and the epoch; save to another name; put it in place.
    raise NotImplementedError


# %%
def load_checkpoint(path: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restore model and optimizer, in place, from a file of `save_checkpoint`; returns the epoch.

    Loads tensors and plain data only: a pickle of anything else raises, and nothing in it runs. A checkpoint of another
    architecture raises too, with the names of the keys (as `load_state_dict` does).
    """
    # TODO: load safely, hand both states back, return the epoch.
    raise NotImplementedError


# %%
with tempfile.TemporaryDirectory() as folder:
    save_checkpoint(f"{folder}/digits.pt", digits, optimizer, epoch=8)
    print(os.listdir(folder), load_checkpoint(f"{folder}/digits.pt", digits, optimizer))

# %% [markdown]
# ## Remember the best weights
#
# While training, one keeps the weights of the best epoch so far. But the tensors in `state_dict()` are not copies: they
# share their memory with the model, and the next step changes them.

# %%
layer = nn.Linear(1, 1)
kept = layer.state_dict()
with torch.no_grad():
    layer.weight.fill_(42)
print(kept["weight"])

# %% [markdown]
# The weight that was kept is the 42, too: nothing was kept.
#
# **Hint 1.** A shallow copy (`dict(state)`, `state.copy()`) is a new dictionary with the same tensors in it.
#
# **Hint 2.** `state_dict()` has the buffers (the running statistics of a batch norm) too; `named_parameters()` has not.
#
# **Hint 3.** Which method of a tensor gives a copy with memory of its own?


# %%
def best_state(model: nn.Module) -> dict[str, Tensor]:
    """A snapshot of the model's state dict: the same keys, and copies of the values outside any graph."""
    # TODO: copy every entry.
    raise NotImplementedError


# %% [markdown]
# ## TorchScript: a model without its Python code
#
# TorchScript turns a module into a program that runs without your source: in another process, in C++, on a phone. There
# are two ways in. `torch.jit.trace` runs the model once and notes the operations that it sees, so an `if` that depends
# on the data is frozen the way it went that time, and so is every Python number, such as `len(x)`. `torch.jit.script`
# reads the source, and keeps the branch:


# %%
class Switch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return x + 1
        return x - 1


with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is (deprecated|not supported)")
    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # it says precisely what goes wrong here
    traced, scripted = torch.jit.trace(Switch(), torch.ones(2)), torch.jit.script(Switch())
print("traced:", traced(-torch.ones(2)), " scripted:", scripted(-torch.ones(2)))

# %% [markdown]
# Dropout and batch norm behave differently while training, and so would the program: switch to `eval()` before.
#
# **How long will this last?** Since torch 2.10 TorchScript warns that it is deprecated, and it does not support Python
# 3.14 (there the checks of these two exercises are skipped). It is still what many deployed systems load; its successor
# is the next exercise. Filter exactly that warning, as in the cell above: a filter that hides everything hides the
# warnings that you need, too.
#
# **Hint 1.** The checks use a model with a branch, and batches of other sizes than the example's. Which of the two ways
# keeps them?
#
# **Hint 2.** In which mode must the model be, before it is turned into a program? (The example is of use only to
# tracing.)
#
# **Hint 3.** To save: a ScriptModule has a method of its own for that, and `torch.jit` a function. `torch.save` is
# neither.


# %%
def to_torchscript(model: nn.Module, example: Tensor) -> torch.jit.ScriptModule:
    """The model as TorchScript, in eval mode, for batches of any size.

    example: an input (N, ...). Branches that depend on the data are kept. (The model itself may be left in eval mode.)
    """
    # TODO: eval mode, then TorchScript with all its branches.
    raise NotImplementedError


# %%
def save_torchscript(module: torch.jit.ScriptModule, path: str) -> None:
    """Write a TorchScript archive that `torch.jit.load` reads where the model's source was never seen."""
    # TODO: one call, but not `torch.save`.
    raise NotImplementedError


# %%
print(to_torchscript(Switch(), torch.ones(2)).code)

# %% [markdown]
# ## torch.export: the successor
#
# `torch.export.export` runs the model on stand-ins for tensors and records one graph of tensor operations, with all
# shapes checked. Sizes are fixed unless you say otherwise: declare the batch as dynamic, or the program will accept
# the example's batch size only. A branch on the data is refused, rather than frozen; one writes it with `torch.cond`,
# which keeps both sides:


# %%
class SwitchForExport(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))


program = torch.export.export(SwitchForExport(), (torch.ones(2),))
print(program.module()(-torch.ones(2)))
try:
    program.module()(torch.ones(3))
except Exception as error:
    print(type(error).__name__, str(error).splitlines()[0])

# %% [markdown]
# `torch.export.save` writes such a program to a file, `torch.export.load` reads it, `program.module()` gives something
# to call, and `print(program)` shows the whole graph.
#
# **Hint 1.** `dynamic_shapes` mirrors the arguments: for one tensor, a tuple with one dictionary from dimension to
# `torch.export.Dim`.
#
# **Hint 2.** Eval mode here too, or the dropout goes along.


# %%
def export_program(model: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """The model as an ExportedProgram, in eval mode, with a dynamic first dimension.

    example: an input (N, ...) with N at least 2.
    """
    # TODO: eval mode, a Dim for the batch, export.
    raise NotImplementedError


# %% [markdown]
# ## Quantise: eight bits are enough
#
# A float32 takes 32 bits; most weights and activations are fine with 8. Affine quantisation maps a range of floats to
# integers from 0 to $2^{bits} - 1$, with a *scale* s and a *zero point* z:
#
# $$q = \operatorname{clamp}\Big(\operatorname{round}\frac{x}{s} + z,\; 0,\; 2^{bits} - 1\Big),
# \qquad \hat x = s\,(q - z), \qquad s = \frac{\max - \min}{2^{bits} - 1}, \qquad z =
# \operatorname{round}\frac{-\min}{s}$$
#
# The range always includes 0, so that 0.0 (padding, what a ReLU leaves) comes back as exactly 0.0: as the integer z. If
# all x are positive, min counts as 0; if all are negative, max does. Four values and two bits, by hand, and what
# becomes of bytes when one forgets that they are bytes:

# %%
values = torch.tensor([-1.0, 0.0, 0.9, 2.0])
print((values / 1.0).round() + 1, "with scale 1 and zero point 1")
print(torch.tensor([3, 5], dtype=torch.uint8) - 5, torch.tensor([255.0, 256.0]).int().to(torch.uint8))

# %% [markdown]
# **Hint 1.** Let min be at most 0 and max at least 0. If both are 0, any positive scale will do.
#
# **Hint 2.** After rounding the zero point, the largest value may land at $2^{bits}$, one too many, and uint8 wraps
# around: which part of the formula prevents that?
#
# **Hint 3.** `.item()` makes a number of Python of a tensor with one value, and Python's own `round` makes it an int.
#
# **Hint 4.** For the way back: in uint8 arithmetic 3 - 5 is 254. What must come before the subtraction?


# %%
def quantize_affine(x: Tensor, bits: int = 8) -> tuple[Tensor, float, int]:
    """(q, scale, zero_point) with x close to scale * (q - zero_point), and 0.0 exactly representable.

    x: float, any shape. bits: 2 to 8. Returns q, uint8 of the shape of x with values in 0..2**bits-1; the scale, a
    positive float; the zero point, an int in the same range.
    """
    # TODO: the range (with 0), the scale, the zero point; round, shift, clamp.
    raise NotImplementedError


# %%
def dequantize_affine(q: Tensor, scale: float, zero_point: int) -> Tensor:
    """scale * (q - zero_point) as float32, of the shape of q (uint8)."""
    # TODO: back to floats.
    raise NotImplementedError


# %% [markdown]
# What the bits cost, seen:

# %%
wave = torch.sin(torch.linspace(-3, 3, 200))
plt.plot(wave, label="float32")
for bits in (2, 4):
    plt.plot(dequantize_affine(*quantize_affine(wave, bits)), label=f"{bits} bits")
plt.legend()
plt.show()

# %% [markdown]
# ## A linear layer in eight bits
#
# Weights lie around 0, so they are usually quantised *symmetrically*: int8 from -127 to 127, no zero point. One scale
# for the whole matrix would be set by its largest row, and small rows would drown; with **one scale per output
# channel** every row uses the full range:
#
# $$s_o = \frac{\max_i |W_{oi}|}{127}, \qquad Q_{oi} = \operatorname{round}\frac{W_{oi}}{s_o}$$
#
# What is not trained belongs in **buffers** (`register_buffer`): they are in the state dict and move with the
# module, and no optimiser touches them.


# %%
class Celsius(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offset", torch.tensor([32], dtype=torch.int8))

    def forward(self, fahrenheit: Tensor) -> Tensor:
        return (fahrenheit - self.offset) / 1.8  # int8 meets float: the result is float


print(Celsius().state_dict(), list(Celsius().parameters()), Celsius()(torch.tensor([50.0, 212.0])))

# %% [markdown]
# **Hint 1.** `amax(dim=1, keepdim=True)` of the absolute weights gives (out, 1).
#
# **Hint 2.** A row of zeros must not divide by zero.
#
# **Hint 3.** A buffer may be None, as a missing bias is.
#
# **Hint 4.** In `forward`, turn the integers back into weights with their scales; `F.linear` does the rest.


# %%
class Int8Linear(nn.Module):
    """A linear layer whose weight is int8, with a scale for each output channel; for inference only.

    Made by `Int8Linear.from_float(linear)`; maps (..., in) to (..., out), float32. Weight and scales are buffers, and
    nothing else is kept of the weight.
    """

    @classmethod
    def from_float(cls, linear: nn.Linear) -> "Int8Linear":
        """Quantise the weight (out, in) of a float layer, which stays as it is; the bias (or None) is kept in float."""
        # TODO: scales per row, rounded weights, all in buffers.
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        # TODO: (..., in) -> (..., out).
        raise NotImplementedError


# %% [markdown]
# ## torch's own tool
#
# For a whole model torch has a tool: **dynamic quantisation**,
# [`torch.ao.quantization.quantize_dynamic`](https://docs.pytorch.org/docs/stable/generated/torch.ao.quantization.quantize_dynamic.html),
# swaps layers of the kinds that it is told for ones with int8 weights, and quantises activations as they come. (It
# announces its move to the package [torchao](https://docs.pytorch.org/ao/stable/index.html), so we filter that, too.
# The idea stays.) Here for an LSTM:

# %%
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=r"torch\.(ao\.quantization|quantize_per_tensor)")
    recurrent = nn.Sequential(nn.LSTM(4, 8))
    small = torch.ao.quantization.quantize_dynamic(recurrent, {nn.LSTM}, dtype=torch.qint8)
print(small, type(recurrent[0]), recurrent.training, sep="\n")

# %% [markdown]
# The model that was given is still made of floats, and in the mode that it was in: the tool works on a copy, unless it
# is told `inplace=True`.
#
# **Hint 1.** Which kind of layer is to be swapped here?
#
# **Hint 2.** The result is for inference, so it must be in eval mode. The caller's model stays in the mode that it was
# in; so what do you switch?


# %%
def quantize_model(model: nn.Module) -> nn.Module:
    """A copy of the model with its linear layers dynamically quantised to int8 by torch's own tool, in eval mode.

    The caller's model stays as it is, mode included.
    """
    # TODO: quantise a copy, in eval mode.
    raise NotImplementedError


# %% [markdown]
# ## Prune: most weights do little
#
# Set the smallest weights to zero, *globally*: by magnitude over all layers together, so that an important layer may
# keep more of its own. [torch.nn.utils.prune](https://docs.pytorch.org/tutorials/intermediate/pruning_tutorial.html)
# puts a **mask** beside each weight: what is trained becomes `weight_orig`, and before each forward pass `weight` is
# made anew as `weight_orig * weight_mask`, so that training on does not revive what was cut. At the end the mask is
# made permanent, and only the weight with its zeros is left.

# %%
layer = nn.Linear(3, 2)
prune.l1_unstructured(layer, "weight", amount=0.5)
print(list(layer.state_dict()), layer.weight, sep="\n")

# %% [markdown]
# The layers whose weights count, in this exercise and the next two:


# %%
def prunable(module: nn.Module) -> list[nn.Module]:
    """The Linear and Conv2d layers of a module, itself included."""
    return [layer for layer in module.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]


# %% [markdown]
# **Hint 1.** Gather a pair (layer, "weight") for each of them; biases are left alone.
#
# **Hint 2.** `prune.global_unstructured` takes these pairs, a method such as `prune.L1Unstructured`, and an amount.
#
# **Hint 3.** The sparsity: count the zeros and the weights of all layers, and divide once, at the end.
#
# **Hint 4.** To finalize: `prune.remove` takes a layer and a name, and keeps the zeros; `prune.is_pruned` asks.


# %%
def prune_magnitude_(module: nn.Module, amount: float) -> None:
    """Cut the fraction `amount` of the smallest weights by magnitude, over all Linear and Conv2d layers together.

    In place; biases stay. The zeros stay zero when training goes on, while the other weights learn.
    """
    # TODO: gather the weights, prune them globally.
    raise NotImplementedError


# %%
def sparsity(module: nn.Module) -> float:
    """The fraction of zeros among the weights of all Linear and Conv2d layers together, biases apart; 0 to 1.

    Counts the weights that the layers compute with, so those that a mask cuts are zeros.
    """
    # TODO: count the zeros, count the weights, divide.
    raise NotImplementedError


# %%
def finalize_pruning(module: nn.Module) -> None:
    """Make the pruning permanent, in place: the state dict has its original keys again, and the weights their zeros."""
    # TODO: remove the masks, keep the zeros.
    raise NotImplementedError


# %% [markdown]
# ## Fold the batch norm away
#
# In eval mode a batch norm is nothing but a scale and a shift per channel, and a convolution before it can do both:
#
# $$\gamma\,\frac{(w * x + b) - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta
# = \underbrace{\frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}\,w}_{w'} * x +
# \underbrace{\frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}\,(b - \mu) + \beta}_{b'}$$
#
# One layer less, and the same numbers. It is what every tool that deploys convolutional networks does first. With plain
# numbers, twice 3x + 1, minus 5:

# %%
w, b, factor, shift = 3, 1, 2, -5
print([factor * (w * x + b) + shift for x in range(4)], [factor * w * x + (factor * b + shift) for x in range(4)])

# %% [markdown]
# **Hint 1.** The factor has one value per *output* channel, the first dimension of the weight.
#
# So which shape makes it broadcast against (out, in / groups, height, width)?
#
# **Hint 2.** A convolution without bias counts as one with b = 0.
#
# **Hint 3.** A deep copy of the convolution has its stride, padding, dilation and groups already.


# %%
def fold_batchnorm(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution that does what `conv` followed by `bn` (in eval mode) does. Both stay as they are.

    conv: any Conv2d, with a bias or without; its stride, padding, dilation and groups are kept. bn: its BatchNorm2d,
    with weight, bias and running statistics.
    """
    # TODO: the factor per output channel; the new weight and bias; a convolution that holds them.
    raise NotImplementedError


# %%
pair = nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4).eval()
images = test_x[:5].reshape(-1, 1, 28, 28)
print((fold_batchnorm(*pair)(images) - pair[1](pair[0](images))).abs().max().item(), "apart at most")

# %% [markdown]
# ## What it all bought
#
# Size on disk against accuracy, for the digits' network of the beginning. A pruned file has as many numbers as before;
# it is smaller only once it is compressed, so that is how every one of them is measured here. Half of the weights go
# for free, and int8 costs next to nothing. And 95 %?


# %%
def kilobytes(model: nn.Module) -> float:
    """The size of the state dict, compressed."""
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return len(zlib.compress(buffer.getvalue())) / 1000


candidates = {"float32": digits, "int8, torch's": quantize_model(digits)}
candidates["int8, ours"] = nn.Sequential(*(Int8Linear.from_float(m) if isinstance(m, nn.Linear) else m for m in digits))
for amount in (0.5, 0.8, 0.95):
    pruned = copy.deepcopy(digits)
    prune_magnitude_(pruned, amount)
    finalize_pruning(pruned)
    candidates[f"{sparsity(pruned):.0%} pruned"] = pruned
for name, model in candidates.items():
    print(f"{name:14} {kilobytes(model):6.0f} kB   accuracy {accuracy(model):.3f}")
    plt.scatter(kilobytes(model), accuracy(model))
    plt.annotate(name, (kilobytes(model), accuracy(model)), xytext=(5, 5), textcoords="offset points")
plt.xlabel("kilobytes, compressed")
plt.ylabel("accuracy on digits not trained on")
plt.margins(0.2)
plt.show()
