# %% [markdown]
# # What PyTorch is, a first tensor, a verified install
#
# PyTorch is a Python library for computing with **tensors** (boxes of numbers of any shape) that knows three tricks:
# it runs the same code on a CPU, a graphics card or an Apple chip; it works out **gradients** by itself; and it brings
# the parts that neural networks are built from. Its core idea is *define by run*: what you write is executed at once,
# line by line. You may print a tensor in the middle of a network, step through it with a debugger, or put an `if` into
# it; it is all plain Python.
#
# In this section you install PyTorch, run a first script, see the whole workflow once, and write the small functions
# with which every project begins: what is installed here, which device to compute on, how numbers come in and out, and
# how random numbers are made repeatable.
#
# Fill in the functions (each says `# TODO`), then run `pytest checks/test_s01_introduction.py`. It's fine to run it
# after each one: what isn't written yet is counted as still to do. Stuck? `grader hint first_tensor`.
#
# **To read:** [Get Started](https://pytorch.org/get-started/locally/),
# [Learn the Basics](https://docs.pytorch.org/tutorials/beginner/basics/intro.html),
# the [design philosophy](https://docs.pytorch.org/docs/stable/community/design.html).
# **To watch:** the official [Introduction to PyTorch](https://docs.pytorch.org/tutorials/beginner/introyt/introyt_index.html)
# videos, the first one at least.

# %% [markdown]
# ## Install it
#
# The [Get Started page](https://pytorch.org/get-started/locally/) asks for your system and gives you the command. Use a
# virtual environment, so that other projects aren't disturbed. On most machines:
#
# ```
# python -m venv .venv
# source .venv/bin/activate            # Windows: .venv\Scripts\activate
# pip install torch torchvision
# ```
#
# On Linux this brings the libraries for NVIDIA cards along, some gigabytes. Without such a card take the small wheels
# for the CPU; this whole course needs no more. They come from an index of their own:
#
# ```
# pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu
# ```
#
# To verify the installation, write a first script: it makes a tensor and prints it. Save these lines as
# `hello_tensor.py`, and run `python hello_tensor.py`. If a tensor appears, PyTorch works. (The version names the build
# too: 2.14.1+cpu is one for the CPU, 2.14.1+cu130 one for CUDA 13.0.)

# %%
import torch

x = torch.rand(2, 3)
print("PyTorch", torch.__version__)
print(x)

# %% [markdown]
# What the rest of this section needs besides:

# %%
import platform

import matplotlib.pyplot as plt
import numpy as np
from torch import Tensor

# %% [markdown]
# ## The workflow, once
#
# However large the model, training it is always this circle:
#
# ```
#    data ──────▶  model ──────▶  prediction ──────▶  loss  ◀────── target
#   (tensor)     (weights)                             │
#                    ▲                                 │ backward: a gradient for every weight
#                    │                                 ▼
#                    └────────────── step ◀────── gradients
# ```
#
# *Forward*: the model makes a prediction from the data. The *loss* is one number that says how wrong it is. *Backward*
# finds for every weight which way the loss goes down, and the optimiser takes a small *step* that way. Then again. Here
# it is in a dozen lines: a straight line is fitted to noisy points. You needn't understand each word yet; each of them
# gets a section of its own.

# %%
torch.manual_seed(0)
data = torch.linspace(-1, 1, 50)[:, None]  # (50, 1)
target = 2 * data + 1 + 0.2 * torch.randn(50, 1)

model = torch.nn.Linear(1, 1)  # prediction = weight * data + bias
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = torch.zeros(100)
for step in range(100):
    prediction = model(data)
    loss = torch.nn.functional.mse_loss(prediction, target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses[step] = loss.detach()
print("weight", model.weight.data, "and bias", model.bias.data, "- the points were made with 2 and 1")

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
left.plot(losses)
left.set(xlabel="step", ylabel="loss")
right.plot(data, target, ".", data, model(data).detach(), "-")
right.set(xlabel="data", ylabel="target and prediction")
plt.show()

# %% [markdown]
# ## A first tensor
#
# A tensor has a **shape** and a **dtype** (what kind of number it holds). From numbers you make one with
# `torch.tensor`, which looks at them: whole numbers give int64, numbers with a point float32. Networks compute in
# float32, and mixing the two up is the beginner's most frequent error message. Not to be confused with `torch.Tensor`
# (capital T): `torch.Tensor(2, 3)` is memory of that shape that nobody has written to yet; whatever was there before
# shows up as numbers.

# %%
for example in (torch.tensor([10, 20, 30, 40]), torch.tensor([[0.5], [1.5]])):
    print(example, tuple(example.shape), example.dtype)

# %% [markdown]
# Now yours:
#
# ```
#   1  2  3
#   4  5  6        2 rows, 3 columns, float32
# ```
#
# **Hint 1.** A list of lists: each inner list is a row.
#
# **Hint 2.** `dtype=...` says what kind of number; or write the numbers with a point.


# %%
def first_tensor() -> Tensor:
    """The numbers 1 to 6, row by row.

    Returns (2, 3) float32.
    """
    # TODO: two rows of three numbers; look at the dtype of what you made.
    raise NotImplementedError


# %% [markdown]
# ## Back to a plain number
#
# What a tensor operation gives is a tensor, even if it is a single number: of shape `()`, with no axis at all. Into a
# log file, a table or an f-string belongs a plain Python number. And a loss of which you keep the tensor keeps the
# whole computation behind it in memory: a list of a thousand such losses has filled many a memory.

# %%
single = torch.tensor([0.5, 0.25]).sum()
print(single, single.shape, type(single), isinstance(single, float))

# %% [markdown]
# **Hint 1.** Python knows how to turn many things into a float; and a tensor has a method that hands out its one item.


# %%
def to_float(x: Tensor) -> float:
    """The one number of a tensor as a Python float.

    x: () float32 or float64, possibly with a gradient to come (a loss). Returns exactly the same number.
    """
    # TODO: take the number out of the tensor.
    raise NotImplementedError


# %% [markdown]
# ## The bridge to NumPy
#
# Data often arrives as a NumPy array. A tensor can *share* the memory of an array, which costs nothing, but then they
# are two names for the same numbers. Or it can have a *copy*. Both are useful, and mixing them up makes bugs that are
# hard to find: data that changes although nobody touches it. NumPy itself has the same pair, and this is how to tell:

# %%
array = np.zeros(4)
view, copy = array[:2], array[:2].copy()
array[0] = 7
print(view, copy, "- shared:", np.shares_memory(array, view), np.shares_memory(array, copy))

# %% [markdown]
# torch has several doors: `torch.tensor`, `torch.from_numpy`, `torch.as_tensor`, `torch.asarray`. Their pages say which
# of them share and which copy
# ([from_numpy](https://docs.pytorch.org/docs/stable/generated/torch.from_numpy.html),
# [tensor](https://docs.pytorch.org/docs/stable/generated/torch.tensor.html)). Write one function of each kind. Both
# keep the dtype of the array: NumPy's default is float64, and it stays float64.
#
# **Hint 1.** Try it: make a tensor through one of the doors, write to the array, and print the tensor.
#
# **Hint 2.** `.float()` changes the dtype, and where it does, it copies.


# %%
def share_with_numpy(array: np.ndarray) -> Tensor:
    """The array as a tensor that shares its memory: writing to either of them changes both.

    array: any shape (possibly a view, such as a transposed array), of a dtype that torch has too. Returns the same
    shape, dtype and values.
    """
    # TODO: wrap the array without copying.
    raise NotImplementedError


# %%
def copy_from_numpy(array: np.ndarray) -> Tensor:
    """The array's numbers in a tensor of its own: writing to one of them leaves the other as it was.

    array: any shape, of a dtype that torch has too. Returns the same shape, dtype and values.
    """
    # TODO: copy the array into new memory.
    raise NotImplementedError


# %% [markdown]
# ## Random, but repeatable
#
# Weights start at random and data is shuffled, yet you want to be able to run an experiment again. Random numbers in a
# computer come from a **generator**: a state that moves on with each number, and that a *seed* sets to a known place.
# torch has one global generator for everybody. That's its weakness: a helper that seeds it for its own sake changes the
# random numbers of the whole program.


# %%
def careless_helper() -> Tensor:
    torch.manual_seed(42)  # "so that my example is repeatable"
    return torch.rand(1)


for _ in range(3):
    careless_helper()
    print("dice:", torch.randint(1, 7, (5,)))  # never surprising again

# %% [markdown]
# Better: a generator of your own, which nobody else uses. Functions such as `torch.rand`, `torch.randn` and
# `torch.randint` take one. (Do you know `random.Random(7)` from Python, or `np.random.default_rng(7)`? The same idea.)
# See [torch.Generator](https://docs.pytorch.org/docs/stable/generated/torch.Generator.html) and the notes on
# [reproducibility](https://docs.pytorch.org/docs/stable/notes/randomness.html).
#
# **Hint 1.** `rand` is uniform between 0 and 1; which one is *normal*?
#
# **Hint 2.** Two steps: make a generator and seed it with its `manual_seed`; then draw, with `generator=`.


# %%
def seeded_normal(shape: tuple[int, ...], seed: int) -> Tensor:
    """Random numbers from the standard normal distribution (mean 0, standard deviation 1).

    Returns a float32 tensor of that shape: always the same for the same seed, others for another seed, whatever random
    numbers the program drew before. No global generator moves: neither torch's, nor NumPy's, nor Python's.
    """
    # TODO: draw from a generator of your own.
    raise NotImplementedError


# %% [markdown]
# What you made, seen: ten thousand numbers, and the bell that they follow.

# %%
grid = torch.linspace(-4, 4, 200)
plt.hist(seeded_normal((10_000,), 0).numpy(), bins=60, density=True, alpha=0.5)
plt.plot(grid, torch.exp(-(grid**2) / 2) / (2 * torch.pi) ** 0.5)
plt.title("seeded_normal((10_000,), seed=0)")
plt.show()

# %% [markdown]
# ## What is installed here?
#
# Every bug report, every forum, every colleague asks first: which versions, and is there a GPU? Write the answer once.
# Ask the libraries at the moment of the call, and write nothing down from memory: the function must still be right
# after the next update. Mind the difference between a function and its result:

# %%
import math

print(math.isfinite, "- and called:", math.isfinite(1.5))
print(platform.python_version_tuple(), torch.tensor(1.0).dtype, repr(str(torch.tensor(1).dtype)))

# %% [markdown]
# | key | value | for instance |
# | --- | --- | --- |
# | `python` | version of the running Python, three numbers | `"3.11.7"` |
# | `torch` | version of torch | `"2.14.1+cpu"` |
# | `torchvision` | version of torchvision | `"0.29.1+cpu"` |
# | `cuda_available` | can an NVIDIA card be used, now? | `False` |
# | `default_dtype` | the dtype of new float tensors | `"torch.float32"` |
#
# **Hint 1.** Most libraries tell their version as `__version__`. For Python, ask the module `platform`.
#
# **Hint 2.** `torch.cuda.is_available` is the function; what does it *say*?
#
# **Hint 3.** The default dtype can be changed, so ask for it: `torch.get_default_dtype()`. It gives a dtype; a text is
# asked for.


# %%
def environment_report() -> dict[str, str | bool]:
    """What is installed on this machine, and what it can do, as asked at the moment of the call.

    Returns exactly the keys python, torch, torchvision, cuda_available and default_dtype: texts (torch's own version
    object is one too), but for cuda_available, which is a bool.
    """
    # TODO: fill a dictionary. (Import torchvision in here: it takes a while, and nothing else needs it.)
    raise NotImplementedError


# %% [markdown]
# If this prints a line for each key, your installation is complete: torch and torchvision are there, and fit together.

# %%
for key, value in environment_report().items():
    print(f"{key:15} {value}")

# %% [markdown]
# ## Which device?
#
# Tensors live on a **device**: the CPU, an NVIDIA card (`cuda`), Apple's graphics (`mps`), and others. The same script
# should run on all of them, so never write `"cuda"` into your code: ask. What a build of PyTorch *could* use and what
# is *there* are different things. The wheels for CUDA know it on a laptop without any graphics card, and tensors sent
# there end in an error.

# %%
print("compiled for:", torch.accelerator.current_accelerator())  # None if for the CPU alone
print("there, now:  ", {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()})
print(repr(torch.device("cpu")), torch.zeros(2, device="cpu").device == torch.device("cpu"))

# %% [markdown]
# A user may *prefer* a device (say, the CPU for debugging). That is a wish: on a machine that has no such thing the
# program should still run, with the best that there is.
#
# ```
#   there              prefer=None    "cpu"    "cuda"    "mps"
#   only the CPU       cpu            cpu      cpu       cpu
#   an NVIDIA card     cuda           cpu      cuda      cuda
#   an Apple chip      mps            cpu      mps       mps
# ```
#
# Ask each kind by itself (`torch.cuda.is_available()`, `torch.backends.mps.is_available()`), or whichever there is
# through [torch.accelerator](https://docs.pytorch.org/docs/stable/accelerator.html).
#
# **Hint 1.** Two questions, one after the other: is there a wish, and is that device there? If not: what is the best?
#
# **Hint 2.** The CPU is always there.
#
# **Hint 3.** `torch.accelerator.current_accelerator` has a parameter with which it looks not only at the build, but at
# what is available; it gives None if there's nothing.


# %%
def pick_device(prefer: str | None = None) -> torch.device:
    """The preferred device if it is there, else the best there is (an NVIDIA card or an Apple chip), else the CPU.

    prefer: a kind of device ("cpu", "cuda", "mps"), or None. Returns a torch.device.
    """
    # TODO: the wish first, if it can be granted; then an accelerator; then the CPU.
    raise NotImplementedError


# %% [markdown]
# From now on this is how a script begins:

# %%
device = pick_device()
print(first_tensor().to(device) * 2)
