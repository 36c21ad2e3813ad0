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
def gradient_step_(w: Tensor, lr: float) -> None:
    with torch.no_grad():
        w -= lr * w.grad
    w.grad = None


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
def hessian_vector_product(f: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> Tensor:
    leaf = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf, create_graph=True)
    (product,) = torch.autograd.grad(gradient @ v, leaf)
    return product


# %%
class Value:

    def __init__(self, data: float) -> None:
        self.data = data
        self.grad = 0.0
        self.sources: list[tuple[Value, float]] = []  # each input, with the derivative of this value by it

    def __add__(self, other: "Value | float") -> "Value":
        other = other if isinstance(other, Value) else Value(other)
        result = Value(self.data + other.data)
        result.sources = [(self, 1.0), (other, 1.0)]
        return result

    def __radd__(self, other: float) -> "Value":
        return self + other

    def __mul__(self, other: "Value | float") -> "Value":
        other = other if isinstance(other, Value) else Value(other)
        result = Value(self.data * other.data)
        result.sources = [(self, other.data), (other, self.data)]
        return result

    def __rmul__(self, other: float) -> "Value":
        return self * other

    def __pow__(self, exponent: float) -> "Value":
        result = Value(self.data**exponent)
        result.sources = [(self, exponent * self.data ** (exponent - 1))]
        return result

    def tanh(self) -> "Value":
        result = Value(math.tanh(self.data))
        result.sources = [(self, 1 - result.data**2)]
        return result

    def backward(self) -> None:
        uses, waiting = Counter(), [self]
        while waiting:
            for source, _ in waiting.pop().sources:
                uses[source] += 1
                if uses[source] == 1:  # seen for the first time
                    waiting.append(source)
        self.grad = 1.0
        ready = [self]
        while ready:
            value = ready.pop()
            for source, derivative in value.sources:
                source.grad += derivative * value.grad
                uses[source] -= 1
                if uses[source] == 0:
                    ready.append(source)

