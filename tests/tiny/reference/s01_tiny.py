# %% [markdown]
# # A tiny section for the kit's own tests

# %%
import torch
from torch import Tensor, nn

# %% [markdown]
# ## Double
#
# **Hint 1.** Twice
# over.
#
# **Hint 2.** Add x to itself.


# %%
def double(x: Tensor) -> Tensor:
    """Twice x."""
    # TODO: double it.
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION


# %% [markdown]
# ## Shift
#
# **Hint 1.** A parameter.


# %%
class Shift(nn.Module):
    """Adds a learned vector (D,) to (N, D)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        # TODO: make the parameter `shift`, zeros.
        # BEGIN SOLUTION
        self.shift = nn.Parameter(torch.zeros(features))
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # TODO: add it.
        # BEGIN SOLUTION
        return x + self.shift
        # END SOLUTION


# %% [markdown]
# ## Noise
#
# **Hint 1.** torch.randn.


# %%
def noise(n: int) -> Tensor:
    """n standard normal values."""
    # TODO: draw them.
    # BEGIN SOLUTION
    return torch.randn(n)
    # END SOLUTION


# %%
print(double(torch.ones(2)))
