# %% [markdown]
# # Tensors: create, cast, index, reshape, broadcast
#
# A tensor is a box of numbers with a **shape** and a **dtype**. Everything in PyTorch, an image, a sentence, the
# weights of a network, is one. In this section you write the small functions that every project needs, and learn the
# three habits that prevent most bugs: *look at the shape, look at the dtype, keep the reduced dimension.*
#
# Fill in every function below, then run `pytest checks/test_s02_tensors.py`. A function must not change its arguments,
# unless its name ends with an underscore, as torch's own in-place functions do.
#
# **To read:** [Tensors](https://docs.pytorch.org/tutorials/beginner/basics/tensorqs_tutorial.html),
# [broadcasting](https://docs.pytorch.org/docs/stable/notes/broadcasting.html),
# [tensor views](https://docs.pytorch.org/docs/stable/tensor_view.html).

# %%
import matplotlib.pyplot as plt
import torch
from torch import Tensor

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
    # BEGIN SOLUTION
    std = x.std(dim=0, correction=0, keepdim=True)  # (1, D)
    return (x - x.mean(dim=0, keepdim=True)) / torch.where(std == 0, 1.0, std)
    # END SOLUTION


# %% [markdown]
# ## Softmax
#
# Softmax turns scores into probabilities along one dimension: positive, and adding up to 1.
#
# $$\operatorname{softmax}(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}} = \frac{e^{x_i - m}}{\sum_j e^{x_j - m}}$$
#
# The second form, with $m$ the maximum, is the same number; only it survives scores such as 1000, whose exponential is
# infinite in float32. You will meet this trick (subtract the maximum first) in every loss of this course.
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
    as large as 1000.
    """
    # TODO: subtract the maximum along `dim`, exponentiate, and divide by the sum along `dim`.
    # BEGIN SOLUTION
    exponentials = torch.exp(x - x.amax(dim=dim, keepdim=True))
    return exponentials / exponentials.sum(dim=dim, keepdim=True)
    # END SOLUTION


# %% [markdown]
# What you made, seen: the higher the scores are scaled, the more of the probability goes to the largest.

# %%
for scale in (0.5, 1.0, 2.0):
    plt.plot(softmax(scale * torch.linspace(-2, 2, 9), 0), "o-", label=f"scores times {scale}")
plt.legend()
plt.show()
