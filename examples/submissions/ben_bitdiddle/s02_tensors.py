import torch
from torch import Tensor

# %%
def pixels_to_unit(pixels: Tensor) -> Tensor:
    return pixels.to(torch.float32) / 255


# %%
def select_grid(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return x[rows[:, None], columns]  # (K, 1) and (M,) -> (K, M)


# %%
def nhwc_to_nchw(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2).contiguous()  # (N, H, W, C) -> (N, C, H, W)


# %%
def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    total = torch.where(mask, x, 0.0).sum(dim=1)  # (N,)
    return total / mask.sum(dim=1).clamp(min=1)


# %%
def pairwise_squared_distances(a: Tensor, b: Tensor) -> Tensor:
    difference = a[:, None] - b  # (N, 1, D) - (M, D) -> (N, M, D)
    return difference.square().sum(dim=2)


# %%
def softmax(x, dim):
    e = torch.exp(x - x.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


# %%
def standardize(x):
    return (x - x.mean(0)) / x.std(0)

