# %% [markdown]
# # Tensors: create, cast, index, reshape, broadcast
#
# A tensor is a box of numbers with a **shape** and a **dtype**. Everything in PyTorch, an image, a sentence, the
# weights of a network, is one. In this section you write the small functions that every project needs, and learn the
# three habits that prevent most bugs: *look at the shape, look at the dtype, keep the reduced dimension.*
#
# Start with the tour, best in a notebook (`grader notebook s02_tensors`), and change what you see there: other shapes,
# other dtypes, other indices. Then fill in the functions, and run `pytest checks/test_s02_tensors.py` as often as you
# like. A function must not change its arguments, unless its name ends with an underscore, as the names of torch's own
# in-place functions do.
#
# **To read:** [Tensors](https://docs.pytorch.org/tutorials/beginner/basics/tensorqs_tutorial.html),
# [dtypes and devices](https://docs.pytorch.org/docs/stable/tensor_attributes.html),
# [broadcasting](https://docs.pytorch.org/docs/stable/notes/broadcasting.html),
# [views](https://docs.pytorch.org/docs/stable/tensor_view.html).

# %%
import matplotlib.pyplot as plt
import torch
from torch import Tensor

# %% [markdown]
# ## A tour
#
# **Create.** From numbers, or by shape. Whole numbers become int64, numbers with a point float32; `dtype=` overrules.

# %%
print(torch.tensor([[1, 2, 3], [4, 5, 6]]))
print(torch.zeros(2, 3), torch.ones(2, dtype=torch.float64), torch.full((2, 2), 7), sep="\n")
print(torch.arange(0, 10, 3), torch.linspace(0, 1, 5), torch.randn(2, 3), sep="\n")

# %% [markdown]
# **Inspect.** Whenever something is odd, print these three before anything else.

# %%
x = torch.arange(6)
print(x.shape, x.dtype, x.device, "-", x.ndim, "dimension,", x.numel(), "numbers")

# %% [markdown]
# **Compute.** `+ - * /` work number by number; `@` is the matrix product; `sum`, `mean`, `amax` reduce. `/` always
# gives floats, and where two dtypes meet, the wider one wins.

# %%
a, b = torch.tensor([[1, 2], [3, 4]]), torch.tensor([[10, 20], [30, 40]])
print(a + b, a * b, a @ b, a / b, sep="\n")
print(a.sum(), a.sum(dim=0), a.sum(dim=1), (a + 0.5).dtype)

# %% [markdown]
# **Index.** As in NumPy: numbers, slices, masks, lists. A slice is a **view**: it shares its memory with the original,
# so writing to it writes to both. A mask or a list of indices makes a copy.

# %%
table = torch.arange(12).reshape(3, 4)
print(table[1], table[:, -1], table[table > 8], sep="\n")
first_row = table[0]  # a view
first_row[0] = 100
print(table)

# %% [markdown]
# **Reshape.** The numbers keep their order, row after row, and are only cut into rows anew; -1 means "whatever is
# left". To swap *axes* is something else: it moves numbers to other places (`.T`, `transpose`, `permute`).

# %%
x = torch.arange(6)
print(x.reshape(2, 3), x.reshape(3, -1), x.reshape(2, 3).T, x[:, None].shape, sep="\n")

# %% [markdown]
# **Broadcast.** Shapes are compared from the right. Two sizes fit if they are equal, or one of them is 1 or missing;
# that one is then repeated, without copying anything:
#
# ```
#   (2, 3)             (3,)             (2, 3)           (3, 1)      (4,)          (3, 4)
#  [0 1 2]                             [10 21 32]        [0]                      [0 1 2 3]
#  [3 4 5]    +    [10 20 30]    =     [13 24 35]        [10]  +  [0 1 2 3]   =   [10 11 12 13]
#                                                        [20]                     [20 21 22 23]
# ```
#
# So a column against a row gives a whole table: remember this one, three of the exercises below are made of it.

# %%
print(torch.tensor([[0], [10], [20]]) + torch.arange(4))

# %% [markdown]
# ## Pixels to numbers between 0 and 1
#
# An image file holds bytes: dtype `uint8`, 0 for black to 255 for white. A network wants small floats. So almost every
# vision program starts with a cast and a division. Bytes are a dtype to leave early, for their arithmetic wraps around:

# %%
bright = torch.tensor([200, 100, 7], dtype=torch.uint8)
print(bright + bright, bright // 2, bright.float() + bright)

# %% [markdown]
# **Hint 1.** The scale must be the same for every image, a dark one too: it belongs to the dtype, not to the image.
#
# **Hint 2.** Cast first (`.to(dtype)`), divide afterwards. Which number must become exactly 1?


# %%
def pixels_to_unit(pixels: Tensor) -> Tensor:
    """Bytes as floats: 0 becomes 0.0, and 255 becomes 1.0.

    pixels: (N, H, W) uint8. Returns (N, H, W) float32 with values in [0, 1].
    """
    # TODO: cast to float32, then scale.
    raise NotImplementedError


# %% [markdown]
# ## One-hot labels
#
# A classifier with C classes gives C numbers for each example. To compare them with a label, write the label as C
# numbers as well: a one in its own column, zeros elsewhere.
#
# ```
#   labels           one_hot(labels, 4)
#   [2]              [0  0  1  0]
#   [0]              [1  0  0  0]
#   [2]              [0  0  1  0]
# ```
#
# C is told by the problem and not by the labels at hand: this batch happens to hold no label 1 or 3. There are many
# ways: compare with all class numbers at once, pick rows of an identity matrix, or write ones into zeros. Broadcasting
# makes the first of them a line. Here is a table of a *different* comparison, a column against a row:

# %%
ages = torch.tensor([15, 40, 71])
limits = torch.tensor([0, 18, 65])
print(ages[:, None] >= limits)  # (3, 1) against (3,) gives (3, 3)

# %% [markdown]
# **Hint 1.** `torch.arange(num_classes)` holds the number of every column.
#
# **Hint 2.** Labels as a column, class numbers as a row: where are they equal?
#
# **Hint 3.** A comparison gives bool; the result must be float32.


# %%
def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """A one in the column of each label, zeros elsewhere.

    labels: (N,) int64, each in 0..num_classes-1. Returns (N, num_classes) float32.
    """
    # TODO: compare each label with every class number, and turn the answers into floats.
    raise NotImplementedError


# %% [markdown]
# ## Select rows and columns
#
# From a table of N examples with D features we want some rows and some columns: the grid where they cross. Indexing
# with two lists does something else: it walks through both lists *together*, like `zip`.

# %%
board = torch.tensor([[11, 12, 13, 14], [21, 22, 23, 24], [31, 32, 33, 34]])
print(board[[0, 2], [1, 3]])  # (0, 1) and (2, 3): two numbers, not the 2 x 2 grid [[12, 14], [32, 34]]

# %% [markdown]
# Index tensors broadcast against each other, as in any other operation, and the result has their common shape.
#
# **Hint 1.** One row index with all M columns gives a row of the result. So which shape should the row indices have?
#
# **Hint 2.** Or do it in two steps: first the rows, then the columns of what is left (`:` takes everything).


# %%
def select_grid(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The values of x where the given rows and columns cross, in the order given.

    x: (N, D), any dtype. rows: (K,) int64. columns: (M,) int64. An index may occur more than once. Returns (K, M), of
    the dtype of x, a copy: writing to it leaves x alone.
    """
    # TODO: make the two index tensors broadcast to (K, M), or index twice.
    raise NotImplementedError


# %% [markdown]
# ## Channels last to channels first
#
# Image libraries store colour images as (N, H, W, C), PyTorch's layers want (N, C, H, W). The axes must *trade places*:
# the red values of all pixels become one plane. `reshape` can't do that, although it happily gives the right shape:

# %%
points = torch.tensor([[1, 10], [2, 20], [3, 30]])  # three (x, y) points
print(points.reshape(2, 3), points.T, sep="\n")  # mixed up; all x, then all y
print(points.stride(), points.T.stride(), points.T.is_contiguous())

# %% [markdown]
# Swapping axes moves nothing in memory, only the strides (how far to step for the next index) are swapped: cheap, but
# such a tensor isn't *contiguous*, and `view` or code in C may refuse it. Here a contiguous result is asked for.
#
# **Hint 1.** `permute` takes for each axis of the result the number of the old axis that comes there.
#
# **Hint 2.** C was axis 3, and comes second. In which order do the other three stay?
#
# **Hint 3.** A method brings a tensor into the plain order if it isn't in it yet. Its name is close to that of the
# question in the cell above.


# %%
def nhwc_to_nchw(x: Tensor) -> Tensor:
    """Images with the channels moved in front of height and width.

    x: (N, H, W, C), any dtype. Returns (N, C, H, W), of the dtype of x, contiguous.
    """
    # TODO: reorder the axes, then make the result contiguous.
    raise NotImplementedError


# %% [markdown]
# ## Standardise columns
#
# Features come in different units: metres, euros, years. Before training, every column is shifted to mean 0 and scaled
# to standard deviation 1:
#
# $$\hat x_{nd} = \frac{x_{nd} - \mu_d}{\sigma_d}, \qquad
# \mu_d = \frac1N\sum_n x_{nd}, \quad \sigma_d^2 = \frac1N\sum_n (x_{nd} - \mu_d)^2$$
#
# A reduction takes the dimension that *disappears*: `x.mean(dim=0)` of an (N, D) tensor has shape (D,).
# With `keepdim=True` it stays as a 1, here (1, D), and broadcasts back against (N, D) without surprises. Compare:

# %%
table = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
print(table.mean(dim=0), table.mean(dim=1), table.mean(dim=1, keepdim=True), sep="\n")

# %% [markdown]
# Two details to decide on purpose: the *biased* standard deviation divides by N (torch's `std` divides by N - 1 unless
# told otherwise), and a constant column has $\sigma = 0$; here it becomes zeros, not NaN.
#
# **Hint 1.** Which dimension disappears when you average over the rows?
#
# **Hint 2.** `std` takes `correction=0` for the biased estimate.
#
# **Hint 3.** In a constant column the numerator is 0 already: it is enough to divide by anything but 0 there.


# %%
def standardize(x: Tensor) -> Tensor:
    """Shift and scale every column of x to mean 0 and standard deviation 1.

    x: (N, D) float. Returns (N, D) in the dtype of x. The standard deviation is the biased one (divided by N); a
    constant column becomes zeros.
    """
    # TODO: reduce over the rows, keep the reduced dimension, and take care of columns with no spread.
    raise NotImplementedError


# %% [markdown]
# ## Softmax
#
# Softmax turns scores into probabilities along one dimension: positive, and adding up to 1.
#
# $$\operatorname{softmax}(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}} = \frac{e^{x_i - m}}{\sum_j e^{x_j - m}}$$
#
# The second form, with $m$ the maximum, is the same number; only it survives scores such as 1000, whose exponential is
# infinite. You will meet this trick (subtract the maximum first) in every loss of this course.
# See [torch.softmax](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html).

# %%
scores = torch.tensor([1.0, 2.0, 4.0])
print(scores.exp() / scores.exp().sum(), (1000 * scores).exp())

# %% [markdown]
# **Hint 1.** `amax` takes a `dim` and `keepdim`, and returns only the values.
#
# **Hint 2.** Three steps: subtract, exponentiate, divide. Each maximum and each sum is taken along `dim`.


# %%
def softmax(x: Tensor, dim: int) -> Tensor:
    """Probabilities along dimension `dim`, without torch's own softmax.

    x: float, any shape. Returns the shape and dtype of x, positive and adding up to 1 along `dim`; finite for scores
    as large as 1000. Gradients flow back to x.
    """
    # TODO: subtract the maximum along `dim`, exponentiate, and divide by the sum along `dim`.
    raise NotImplementedError


# %% [markdown]
# What you made, seen: the higher the scores are scaled, the more of the probability goes to the largest.

# %%
for scale in (0.5, 1.0, 2.0):
    plt.plot(softmax(scale * torch.linspace(-2, 2, 9), 0), "o-", label=f"scores times {scale}")
plt.xlabel("index of the score")
plt.ylabel("probability")
plt.legend()
plt.show()

# %% [markdown]
# ## The mean of what counts
#
# Sentences have different lengths, so a batch of them is filled up with padding, and a mask says which positions are
# real. A mean must run over those alone: their sum, divided by their number.
#
# ```
#   x     [ 2.0   4.0   ??? ]        mask  [ True  True  False ]        mean  3.0
#         [ 5.0   ???   ??? ]              [ True  False False ]              5.0
# ```
#
# Anything may stand at `???`, NaN and infinity too. Multiplying by the mask does not silence those:

# %%
print(torch.tensor([5.0, float("nan"), float("inf")]) * torch.tensor([True, False, False]))

# %% [markdown]
# **Hint 1.** A bool tensor can be summed: the sum is the number of `True`.
#
# **Hint 2.** `torch.where(condition, a, b)` *chooses* between two values and does no arithmetic with the other one.
#
# **Hint 3.** A row without any `True` would be 0 / 0. Its sum is 0 already; `clamp` keeps the divisor from being 0.


# %%
def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean of each row over the positions where mask is True; 0 for a row without any.

    x: (N, T) float; whatever it holds where mask is False, even NaN, has no effect. mask: (N, T) bool. Returns (N,) in
    the dtype of x. Gradients flow back to x.
    """
    # TODO: replace what does not count by 0, add up, and divide by the number of positions that count.
    raise NotImplementedError


# %% [markdown]
# ## Distances between all pairs
#
# Nearest neighbours, clustering, kernels: all begin with the table of distances between N points and M others.
#
# $$d_{nm} = \sum_k (a_{nk} - b_{mk})^2$$
#
# Two nested loops are slow: each step is a call of Python. Broadcasting does the whole table in one go. For points on a
# line it is the column against the row that you have met twice already:

# %%
places, stations = torch.tensor([0.0, 4.0, 9.0]), torch.tensor([1.0, 5.0])
print(places[:, None] - stations)  # (3, 1) - (2,) -> (3, 2)

# %% [markdown]
# Now every point has D coordinates, one more axis, which all pairs go through together and which is summed away in the
# end. (Multiplying the square out, $|a|^2 + |b|^2 - 2ab$, saves memory. But two large numbers that almost cancel leave
# their rounding errors behind, so that a distance may come out *negative*: whoever does that must mend it.)
#
# **Hint 1.** Write the shapes one below the other: a as (N, 1, D), b as (M, D) or (1, M, D). What comes out?
#
# **Hint 2.** `a[:, None]` inserts an axis of size 1 after the first.
#
# **Hint 3.** Difference, square, and a sum over the last axis.


# %%
def pairwise_squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """The squared Euclidean distance from every row of a to every row of b, without a loop in Python.

    a: (N, D) float. b: (M, D) float. Returns (N, M), of their dtype, never negative: [n, m] belongs to a[n] and b[m].
    Gradients flow back to a and b.
    """
    # TODO: broadcast the points against each other, square the differences, and sum over the coordinates.
    raise NotImplementedError


# %% [markdown]
# What you made, seen. Points on a spiral: their distances show stripes, one for each turn. And a small classifier out
# of your own functions: at each place in the plane the points of the spiral vote, with `one_hot` labels as votes and
# `softmax` of the negative distances as weights, so that the nearest ones decide.

# %%
t = torch.linspace(0, 6 * torch.pi, 120)
spiral = torch.stack([t * t.cos(), t * t.sin()], dim=1)  # (120, 2)
labels = torch.arange(120) // 40
axis = torch.linspace(-20, 20, 80)
plane = torch.cartesian_prod(axis, axis)  # (6400, 2)
weights = softmax(-pairwise_squared_distances(plane, spiral), 1)  # (6400, 120)
votes = (weights @ one_hot(labels, 3)).clamp(max=1)  # (6400, 3): read as red, green and blue

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.imshow(pairwise_squared_distances(spiral, spiral).sqrt().numpy())
left.set_title("distance between points i and j")
picture = votes.reshape(80, 80, 3).transpose(0, 1).numpy()  # imshow wants (y, x, colour)
right.imshow(picture, origin="lower", extent=(-20, 20, -20, 20), alpha=0.5)
right.scatter(*spiral.T.numpy(), c=one_hot(labels, 3).numpy(), s=12)
right.set_title("which turn is nearest?")
plt.show()
