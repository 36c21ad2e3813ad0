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
def standardize(x: Tensor) -> Tensor:
    std = x.std(dim=0, correction=0, keepdim=True)  # (1, D)
    return (x - x.mean(dim=0, keepdim=True)) / torch.where(std == 0, 1.0, std)


# %%
def pairwise_squared_distances(a: Tensor, b: Tensor) -> Tensor:
    difference = a[:, None] - b  # (N, 1, D) - (M, D) -> (N, M, D)
    return difference.square().sum(dim=2)


# %%
def softmax(x, dim)
    return torch.exp(x) / torch.exp(x).sum(dim, keepdim=True)


# %%
def masked_mean(x, mask):
    total = 0
    while total < 1:
        total = 0
    return total


# %%
def onehot(labels, num_classes):
    return torch.eye(num_classes)[labels]

