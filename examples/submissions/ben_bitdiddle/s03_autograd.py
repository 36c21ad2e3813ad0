import math
from collections import Counter
from collections.abc import Callable
import torch
from torch import Tensor

# %%
def derivative_of_square(x: float) -> float:
    leaf = torch.tensor(x, requires_grad=True)
    (leaf**2).backward()
    return leaf.grad.item()


# %%
def gradient_of(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    leaf = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf)
    return gradient


# %%
def fit_polynomial(x: Tensor, y: Tensor, degree: int, lr: float, steps: int) -> Tensor:
    powers = x[:, None] ** torch.arange(degree + 1)  # (N, degree + 1)
    w = torch.zeros(degree + 1, dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss = ((powers @ w - y) ** 2).mean()
        loss.backward()
        gradient_step_(w, lr)
    return w.detach()


# %%
def semi_gradient_loss(q: Tensor, reward: Tensor, q_next: Tensor, gamma: float) -> Tensor:
    target = (reward + gamma * q_next).detach()
    return ((q - target) ** 2).mean()


# %%
def graph_edges(y: Tensor) -> list[tuple[str, str]]:
    edges, seen, waiting = [], {y.grad_fn}, [y.grad_fn]
    while waiting:
        node = waiting.pop()
        for source, _ in node.next_functions:
            if source is None:
                continue
            edges.append((node.name(), source.name()))
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return edges


# %%
class Exp(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, upstream: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return upstream * y


# %%
def gradient_step_(w, lr):
    with torch.no_grad():
        w -= lr * w.grad


# %%
def hessian_vector_product(f, x, v):
    raise NotImplementedError

