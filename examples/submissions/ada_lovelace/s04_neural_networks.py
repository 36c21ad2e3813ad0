import math
from itertools import pairwise
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# %%
def count_parameters(model: nn.Module, trainable_only: bool = True) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable_only)


# %%
class Linear(nn.Module):

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-bound, bound))
        if bias:
            self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound))
        else:
            self.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        y = x @ self.weight.T  # (..., in) @ (in, out) -> (..., out)
        return y if self.bias is None else y + self.bias


# %%
class MLP(nn.Module):

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        layers = [module for n_in, n_out in pairwise(sizes) for module in (nn.Linear(n_in, n_out), nn.ReLU())]
        self.layers = nn.Sequential(*layers[:-1])  # no ReLU after the last

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # (N, sizes[0]) -> (N, sizes[-1])


# %%
def mse_loss(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction.squeeze(1) - target).square().mean()  # (N, 1) -> (N,) like the target


# %%
def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    log_p = torch.log_softmax(logits, dim=1)  # (N, C)
    return -log_p[torch.arange(len(labels)), labels].mean()  # one a row: (N,) -> ()


# %%
torch.manual_seed(0)


# %%
class Dropout(nn.Module):

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = torch.rand_like(x) >= self.p  # bool, True with probability 1 - p
        return x * kept / (1 - self.p)


# %%
class BatchNorm1d(nn.Module):

    def __init__(self, features: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            mean, var = x.mean(dim=0), x.var(dim=0, correction=0)  # (D,), divided by N
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.var(dim=0), self.momentum)  # divided by N - 1
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


# %%
def fit_regressor(model: nn.Module, x: Tensor, y: Tensor, lr: float, epochs: int) -> list[float]:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(model(x), y)  # (N, 1) against (N, 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %%
torch.manual_seed(0)


# %%
torch.manual_seed(0)

