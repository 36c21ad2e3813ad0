# %% [markdown]
# # Autograd: requires_grad, backward, and the graph behind them
#
# Learning means changing numbers so that a loss gets smaller, and for that you need its derivative with respect to
# every one of them. PyTorch works them all out. While your code computes *forwards*, it notes each operation in a
# **graph**; `backward()` then walks that graph *in reverse* and multiplies the local derivatives together (the chain
# rule):
#
# ```text
#   forward    x = 3  ---->  [ square ]  ---->  y = 9       remembers: "square, and x was 3"
#   backward   6      <----  [ 2x * g ]  <----  g = 1       g is dy/dy; what arrives at x is dy/dx
# ```
#
# Four words carry the whole section:
#
# - `requires_grad`: "note what happens to this tensor, I will want a derivative with respect to it".
# - `backward()`: walk the graph from this scalar back to the **leaves**, the tensors that you made yourself.
# - `.grad`: where the result is left, *added* to what was there already.
# - `grad_fn`: the node of the graph that made a tensor; a leaf has none.
#
# You will use autograd, then look inside it, extend it, differentiate twice, and finally write an engine of your own.
# Fill in what follows, then run `pytest checks/test_s03_autograd.py`. A function must not change its arguments, unless
# its name ends with an underscore.
#
# **To read:** the official tutorials
# [Automatic differentiation](https://docs.pytorch.org/tutorials/beginner/basics/autogradqs_tutorial.html) and
# [A gentle introduction to torch.autograd](https://docs.pytorch.org/tutorials/beginner/blitz/autograd_tutorial.html);
# afterwards, for all that goes on behind the scenes,
# [autograd mechanics](https://docs.pytorch.org/docs/stable/notes/autograd.html).

# %%
import math
from collections import Counter
from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from torch import Tensor

# %% [markdown]
# ## The derivative of a square
#
# Three steps, the same for $x^2$ and for a network with a billion weights: make a leaf that requires grad, compute a
# scalar from it, call `backward()` on that scalar. Here they are for another function, $y = x^3$, whose derivative is
# $3x^2$:

# %%
x = torch.tensor(2.0, requires_grad=True)  # a leaf
y = x**3
print(y)  # grad_fn: y knows where it came from
y.backward()
print(x.grad)  # 3 * 2**2
x.pow(3).backward()
print(x.grad)  # twice as much: backward adds to what is there

# %% [markdown]
# For $y = x^2$ you know the answer, $2x$, and could write it down. Don't: here PyTorch is to find it. (One check asks
# for the number, the other whether autograd made it.)
#
# **Hint 1.** `x` comes as a Python float. Make a tensor of it that requires grad, in every call a new one.
#
# **Hint 2.** Square it, go backward from the result, and read `.grad`.
#
# **Hint 3.** `.grad` is a tensor. `item()` makes a Python float of a tensor with one value.


# %%
def derivative_of_square(x: float) -> float:
    """The derivative dy/dx of y = x**2 at x, computed by autograd.

    x: a Python float. Returns a Python float. Every call stands for itself.
    """
    # TODO: make a leaf, square it, go backward, return its gradient as a float.
    raise NotImplementedError


# %% [markdown]
# What a derivative is, seen: the slope of the line that touches the curve.

# %%
xs = torch.linspace(-3, 3, 61)
plt.plot(xs, xs**2, color="black", label="$y = x^2$")
for point in (-2.0, 0.5, 2.5):
    slope = derivative_of_square(point)
    near = torch.linspace(point - 0.8, point + 0.8, 2)
    plt.plot(near, point**2 + slope * (near - point), linewidth=3, label=f"slope {slope:g} at {point:g}")
plt.legend()
plt.show()

# %% [markdown]
# ## The gradient of any function
#
# With N inputs and one output there are N derivatives, and one backward pass finds them all, for little more than the
# price of computing the function once. This is why deep learning is possible: nudging one input after the other
# (*finite differences*) takes N + 1 evaluations, and is rough besides:

# %%
x = torch.tensor([1.0, 2.0, 3.0])
nudged = x + torch.tensor([0.001, 0.0, 0.0])
print("nudged:", (nudged.exp().sum() - x.exp().sum()) / 0.001, " exact:", x[0].exp())

# %% [markdown]
# A good citizen leaves no traces. Whoever lends you `x` does not want to find it marked `requires_grad`, or its
# `.grad` filled, or a result that still drags a graph along. `x.detach()` gives a tensor with the same values that has
# nothing to do with the graph of `x`; what you do to its `requires_grad` and its `.grad` stays with it.
#
# ```text
#   x  (the caller's)          detach()          leaf  (yours)  --->  f  --->  value
#   no marks, no .grad     - - - - - - - ->      gradient       <-------------/
# ```
#
# **Hint 1.** Work on a leaf of your own: same values, cut off from `x`, requiring grad.
#
# **Hint 2.** `torch.autograd.grad(value, leaf)` returns the gradient (in a tuple) instead of leaving it in `.grad`.


# %%
def gradient_of(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The gradient of f at x.

    f: takes an (N,) tensor and returns a scalar, (), made with torch operations. x: (N,) float; it may require grad or
    not. Returns (N,) in the dtype of x, outside any graph. x keeps its values, its `requires_grad` and its `.grad`.
    """
    # TODO: make a leaf with the values of x, apply f, and differentiate with respect to the leaf.
    raise NotImplementedError


# %% [markdown]
# A whole curve of derivatives at once: the sum of `sin` over 100 points has as its gradient the cosine at each of
# them, as every point influences only its own term.

# %%
xs = torch.linspace(-5, 5, 100)
plt.plot(xs, xs.sin(), label="sin")
plt.plot(xs, gradient_of(lambda x: x.sin().sum(), xs), label="its gradient")
plt.legend()
plt.show()

# %% [markdown]
# ## One step downhill
#
# The gradient points uphill, so a step against it makes the loss smaller. This is all that training does:
#
# $$w \leftarrow w - \text{lr} \cdot \frac{\partial\,\text{loss}}{\partial w}$$
#
# Three things can go wrong, and each has bitten everybody once. The update is not a part of the loss, so it must not
# be noted in the graph; torch refuses to change a leaf in place while it is noting:

# %%
w = torch.tensor([1.0, 2.0], requires_grad=True)
try:
    w += 1
except RuntimeError as error:
    print("RuntimeError:", error)
with torch.no_grad():  # in here nothing is noted
    print((w * 2).requires_grad, " outside:", end=" ")
print((w * 2).requires_grad)

# %% [markdown]
# It must change *this* tensor: after `w = w - ...` the name `w` inside your function means a new tensor, and the
# caller's is as it was. And `backward()` adds to `.grad`, so it must be cleared before the next one.
#
# **Hint 1.** Put the update in a `with torch.no_grad():` block.
#
# **Hint 2.** `-=` on a tensor changes it in place.
#
# **Hint 3.** Afterwards clear the gradient: `None`, which is what a new leaf has, or zeros.


# %%
def gradient_step_(w: Tensor, lr: float) -> None:
    """One step of gradient descent, in place: w becomes w - lr * w.grad, and the gradient is cleared.

    w: a leaf of any shape that requires grad, and whose `.grad` somebody's backward() has filled. Afterwards it is
    still a leaf that requires grad, and its `.grad` is None or zero.
    """
    # TODO: without noting it in the graph, move w against its gradient; then clear the gradient.
    raise NotImplementedError


# %% [markdown]
# Downhill in a narrow valley, $\text{loss} = a^2 + 10\,b^2$: steps along the gradient cross the valley from side to
# side, as it points along the steepest way down, not towards the bottom. Section 6 has better steps.

# %%
w = torch.tensor([-2.0, 0.6], requires_grad=True)
path = [w.tolist()]
for _ in range(25):
    (w[0] ** 2 + 10 * w[1] ** 2).backward()
    gradient_step_(w, 0.09)
    path.append(w.tolist())
a, b = torch.meshgrid(torch.linspace(-2.2, 2.2, 50), torch.linspace(-0.8, 0.8, 50), indexing="xy")
plt.contour(a, b, a**2 + 10 * b**2, levels=12, cmap="Greys")
plt.plot(*zip(*path, strict=True), "o-", color="crimson", markersize=4)
plt.show()

# %% [markdown]
# ## Fit a polynomial
#
# The first model that you train. A polynomial of degree d has d + 1 coefficients, and its values at N points are one
# matrix product with the powers of x:
#
# $$\hat y_n = w_0 + w_1 x_n + w_2 x_n^2 + \dots + w_d x_n^d
# \qquad\qquad
# \text{loss} = \frac1N \sum_n (\hat y_n - y_n)^2$$
#
# A column combined with a row makes a table of all pairs; here of products, and with another operator of powers:

# %%
numbers = torch.tensor([1.0, 2.0, 3.0, -1.0])
print(numbers[:, None] * torch.arange(3))  # (4, 1) and (3,) make (4, 3)

# %% [markdown]
# Plain gradient descent: in every step compute the loss over all points, go backward, take one step. You may use your
# own `gradient_step_`.
#
# **Hint 1.** The coefficients are a leaf of zeros, (degree + 1,), in the dtype of x.
#
# **Hint 2.** The powers do not change: compute them once, before the loop. The prediction, though, belongs into it.
#
# **Hint 3.** Return them without their graph: `detach()`.


# %%
def fit_polynomial(x: Tensor, y: Tensor, degree: int, lr: float, steps: int) -> Tensor:
    """Coefficients of the polynomial that gradient descent finds for the points (x, y), the lowest power first.

    x, y: (N,) float. Starts from zeros and takes `steps` steps of plain gradient descent with rate `lr` on the mean
    (not the sum) of the squared errors of all points. Returns (degree + 1,) in the dtype of x; the first is the
    constant.
    """
    # TODO: the powers of x; a leaf of zeros; then, `steps` times: loss, backward, step.
    raise NotImplementedError


# %% [markdown]
# Gradient descent learns the coarse shape first, and the finer one later:

# %%
generator = torch.Generator().manual_seed(0)
x = torch.linspace(-1, 1, 40)
y = torch.sin(3 * x) + 0.15 * torch.randn(40, generator=generator)
plt.plot(x, y, ".", color="grey", label="data")
for steps in (2, 20, 2000):
    w = fit_polynomial(x, y, 3, 0.3, steps)
    plt.plot(x, w[0] + w[1] * x + w[2] * x**2 + w[3] * x**3, label=f"{steps} steps")
plt.legend()
plt.show()

# %% [markdown]
# ## A target that gets no gradient
#
# Sometimes one network makes both the prediction and the target. In Q-learning, the value of a state should be the
# reward plus the (discounted) value of the next state, according to the same network:
#
# $$\text{loss} = \frac1N \sum_n \Big(q_n - \underbrace{(r_n + \gamma\, q'_n)}_{\text{target: a constant}}\Big)^2$$
#
# Only $q$ shall move towards the target; the target shall not move towards $q$. So its gradient has to be stopped on
# the way, and nothing else. (With only that half of the derivative it is called a *semi-gradient*; see Sutton and
# Barto, *Reinforcement Learning*, chapter 9.) Stopping a gradient changes no value:

# %%
x = torch.tensor(3.0, requires_grad=True)
for name, y in {"x * x": x * x, "x * x.detach()": x * x.detach()}.items():
    print(name, "=", y.item(), "with derivative", torch.autograd.grad(y, x)[0].item())

# %% [markdown]
# The same trick freezes the teacher in distillation, the target network in self-supervised learning, and the generated
# image while a GAN's discriminator learns (section 9).
#
# **Hint 1.** Which of the four arguments may hand its gradient on to a network?
#
# **Hint 2.** `detach()` the target, or compute it under `torch.no_grad()`; the prediction stays in the graph.
#
# **Hint 3.** `torch.tensor(loss, requires_grad=True)` makes an error message go away, and the training with it: that
# is a new leaf, with no way back to the network.


# %%
def semi_gradient_loss(q: Tensor, reward: Tensor, q_next: Tensor, gamma: float) -> Tensor:
    """The mean of (q - (reward + gamma * q_next))**2, whose gradient reaches q alone.

    q, reward, q_next: (N,) float; q and q_next are usually parts of a graph. Returns a scalar, (), in their dtype. The
    target, reward + gamma * q_next, gets no gradient. No factor 1/2.
    """
    # TODO: compute the target, cut it off from the graph, and take the mean of the squared differences.
    raise NotImplementedError


# %% [markdown]
# Does it matter? From state A one gets, by the toss of a coin, to B, which pays 1, or to C, which pays nothing. So A
# is worth a half. Without the stop, B and C are pulled towards A: the loss is smaller, and the values are wrong.
# (It is the "A-split" example of Sutton and Barto, chapter 11.)

# %%
state, following = torch.tensor([0, 0, 1, 2]), torch.tensor([1, 2, 3, 3])  # A->B, A->C, B->end, C->end
reward = torch.tensor([0.0, 0.0, 1.0, 0.0])
found = {"truth": torch.tensor([0.5, 1.0, 0.0])}
for name in ("target stopped", "target not stopped"):
    values = torch.zeros(3, requires_grad=True)
    for _ in range(300):
        with_end = torch.cat([values, torch.zeros(1)])  # after the end nothing is paid
        q, q_next = values[state], with_end[following]
        stopped = name == "target stopped"
        loss = semi_gradient_loss(q, reward, q_next, 1.0) if stopped else (q - reward - q_next).square().mean()
        loss.backward()
        gradient_step_(values, 0.5)
    found[name] = values.detach()
for index, (name, values) in enumerate(found.items()):
    plt.bar(torch.arange(3) + 0.25 * index, values, width=0.25, label=name)
plt.xticks([0.25, 1.25, 2.25], ["A", "B", "C"])
plt.legend()
plt.show()

# %% [markdown]
# ## See the graph
#
# The graph is no figure of speech: you can walk through it. Every tensor that was computed has a `grad_fn`, a *node*.
# `node.name()` says what it is (`PowBackward0` is what runs backward through a power), and `node.next_functions` lists
# the nodes that its gradients go to: one pair (node, index) for each input, in order. A leaf stands there as an
# `AccumulateGrad`, the node that adds to `.grad`; an input that needs no gradient, such as a constant, as `None`:

# %%
x = torch.tensor(3.0, requires_grad=True)
y = 5 * x**2
print(y.grad_fn.name(), y.grad_fn.next_functions)

# %% [markdown]
# Collect all arrows. Mind that a node may be reached in several ways (in `h * h` twice, from the same node): each
# arrow counts, but what lies behind it must be walked through only once, or the work doubles at every such place. Two
# nodes may well have the same name, so tell them apart by the node, not by what it is called.
#
# ```text
#       h = x.exp();  y = h * h
#
#                        ,--->
#       MulBackward0  --<      ExpBackward0  ---->  AccumulateGrad     three arrows, two of them alike
#                        `--->
# ```
#
# **Hint 1.** Keep a list of nodes still to visit, to begin with `[y.grad_fn]`, and a set of those seen.
#
# **Hint 2.** Take a node off the list; for each entry of its `next_functions` note an arrow; put what is new on the
# list.
#
# **Hint 3.** A set of nodes keeps them alive. A set of their `id`s does not, and ids are used again.


# %%
def graph_edges(y: Tensor) -> list[tuple[str, str]]:
    """The arrows of the graph that computed y, as pairs of names: (node, one of its inputs).

    y: any tensor with a `grad_fn`. Returns one pair of `Node.name()` for each entry of `next_functions` that is not
    None, of every node from `y.grad_fn` down to the leaves (`torch::autograd::AccumulateGrad`), in any order. A node
    that is reached twice gives its own arrows once.
    """
    # TODO: walk from y.grad_fn through next_functions, each node once, and note every arrow.
    raise NotImplementedError


# %% [markdown]
# Now draw it. Gradients run along the arrows, from the result at the top to the leaves. (Names alone cannot tell two
# nodes of one kind apart, so the examples use every operation once.)


# %%
def draw_graph(edges: list[tuple[str, str]], title: str, ax: plt.Axes) -> None:
    """Each name in a row below whatever leads to it; arrows between the same two names side by side."""
    row = {name: 0 for edge in edges for name in edge}
    for _ in row:  # the longest way down: at most as many rows as names
        for node, source in edges:
            row[source] = max(row[source], row[node] + 1)
    rows = [[name for name in row if row[name] == r] for r in range(max(row.values()) + 1)]
    place = {name: (i - (len(names) - 1) / 2, -r) for r, names in enumerate(rows) for i, name in enumerate(names)}
    for (node, source), count in Counter(edges).items():
        for i in range(count):
            bend = 0.3 * (i - (count - 1) / 2)
            arrow = {"arrowstyle": "->", "connectionstyle": f"arc3,rad={bend}", "shrinkA": 14, "shrinkB": 14}
            ax.annotate("", place[source], place[node], arrowprops=arrow)
    for name, (across, down) in place.items():
        leaf = name.endswith("AccumulateGrad")
        box = {"boxstyle": "round", "facecolor": "palegreen" if leaf else "lightblue"}
        ax.text(across, down, name.split("::")[-1], ha="center", va="center", fontsize=8, bbox=box)
    ax.set(title=title, xlim=(-1.3, 1.3), ylim=(-max(row.values()) - 0.5, 0.5))
    ax.axis("off")


x = torch.tensor(3.0, requires_grad=True)
_, axes = plt.subplots(1, 3, figsize=(11, 4))
draw_graph(graph_edges(x**2), "x**2", axes[0])
draw_graph(graph_edges(x * x), "x * x: two ways to x", axes[1])
draw_graph(graph_edges((x.sin() * x.exp()).tanh()), "tanh(sin(x) * exp(x))", axes[2])
plt.show()

# %% [markdown]
# ## An operation of your own
#
# torch's operations come with their derivatives. For anything else (a kernel of your own, a trick that is more stable
# or saves memory) you write both directions, as a
# [torch.autograd.Function](https://docs.pytorch.org/docs/stable/notes/extending.html). `backward` does not return
# *the* derivative: it gets the **upstream gradient**, the derivative of the final loss with respect to this
# operation's output, and hands on the one with respect to its input:
#
# $$\frac{\partial L}{\partial x} = \underbrace{\frac{\partial L}{\partial y}}_{\text{upstream}} \cdot
# \frac{dy}{dx}$$
#
# Here $y = x^3$. What the backward pass needs is kept by `ctx.save_for_backward`:


# %%
class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, upstream):
        (x,) = ctx.saved_tensors
        return upstream * 3 * x**2


x = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
print(Cube.apply(x), torch.autograd.gradcheck(Cube.apply, x), torch.autograd.gradgradcheck(Cube.apply, x))

# %% [markdown]
# `gradcheck` compares a backward with finite differences, in float64; `gradgradcheck` does so for the second
# derivative, for a `backward` made of differentiable operations on saved tensors can be differentiated once more.
#
# Your turn, with $y = e^x$. As it is its own derivative, the *output* is all that has to be kept.
#
# **Hint 1.** In `forward`, compute the result first, then save it, then return it.
#
# **Hint 2.** In `backward`, `ctx.saved_tensors` is a tuple, also when there is only one.
#
# **Hint 3.** If the gradient is right after `.sum()` and wrong after `3 * sum`, then something was left out.


# %%
class Exp(torch.autograd.Function):
    """The exponential, e to the power of x, with a backward of its own. Used as `Exp.apply(x)`.

    x: float, any shape, left as it is. `Exp.apply(x)` has its shape and dtype, and can be differentiated twice.
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        """e to the power of x; keeps in ctx what backward needs."""
        # TODO: compute the result, save it for backward, return it.
        raise NotImplementedError

    @staticmethod
    def backward(ctx, upstream: Tensor) -> Tensor:
        """The gradient with respect to x, from that with respect to the output (both of its shape)."""
        # TODO: the chain rule, with what was saved.
        raise NotImplementedError


# %%
x = torch.linspace(-2, 2, 5, dtype=torch.float64, requires_grad=True)
print(torch.autograd.gradcheck(Exp.apply, x), torch.autograd.gradgradcheck(Exp.apply, x))
print("its node:", Exp.apply(x).grad_fn.name())

# %% [markdown]
# ## Curvature without the matrix
#
# The second derivatives of a scalar function of N inputs form the Hessian H, an N by N matrix: it says how the
# gradient changes as one moves. For 20,000 weights it takes 1.6 GB in float32, for a million 4 TB. But its product
# with a vector, how the gradient changes *in one direction*, costs no more than a few backward passes:
#
# $$H v = \nabla_x \big(\nabla f(x) \cdot v\big) \qquad \text{with } v \text{ constant}$$
#
# So: differentiate, make a scalar of the gradient, differentiate once more. The gradient must then be part of a graph
# itself; `create_graph=True` asks for that. In one dimension, with $y = x^3$:

# %%
x = torch.tensor(2.0, requires_grad=True)
(slope,) = torch.autograd.grad(x**3, x, create_graph=True)
(curvature,) = torch.autograd.grad(slope, x)
print(slope, curvature)  # 3 x**2 = 12, 6 x = 12

# %% [markdown]
# See [double backward](https://docs.pytorch.org/tutorials/intermediate/custom_function_double_backward_tutorial.html),
# and [jvps, vjps and Hessians](https://docs.pytorch.org/tutorials/intermediate/jacobians_hessians.html) for how
# `torch.func` does it.
#
# **Hint 1.** As in `gradient_of`: work on a leaf of your own, so that the caller's x stays as it is.
#
# **Hint 2.** `gradient @ v` is the scalar that is differentiated the second time.


# %%
def hessian_vector_product(f: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> Tensor:
    """The Hessian of f at x times v, without ever building the Hessian.

    f: takes an (N,) tensor and returns a scalar, (), made with torch operations that can be differentiated twice.
    x, v: (N,) float. Returns (N,) in the dtype of x. Costs a few evaluations of f, whatever N; x keeps its values, its
    `requires_grad` and its `.grad`.
    """
    # TODO: the gradient, with a graph of its own; its product with v; and the gradient of that.
    raise NotImplementedError


# %% [markdown]
# What it is good for: the largest curvature of a loss, $\lambda$, sets the largest rate that gradient descent
# survives, $2 / \lambda$. Multiply a vector by H again and again, and it turns towards the steepest curvature (*power
# iteration*). Here for a parabola that is fitted to $e^x$; and indeed, just beyond that rate the fit explodes:

# %%
x = torch.linspace(-1, 1, 40)
powers = torch.stack([x**0, x, x**2], dim=1)  # (40, 3)
y = x.exp()


def squared_error(w: Tensor) -> Tensor:
    return ((powers @ w - y) ** 2).mean()


v = torch.ones(3)
for _ in range(20):
    v = hessian_vector_product(squared_error, torch.zeros(3), v / v.norm())
limit = 2 / v.norm().item()
print(f"largest curvature {v.norm():.3f}, largest rate {limit:.3f}")
for factor in (0.5, 0.95, 1.05):
    losses = [squared_error(fit_polynomial(x, y, 2, factor * limit, steps)) for steps in range(0, 60, 2)]
    plt.semilogy(range(0, 60, 2), losses, label=f"{factor} times the limit")
plt.xlabel("steps")
plt.ylabel("loss")
plt.legend()
plt.show()

# %% [markdown]
# ## Your own autograd
#
# Now build the thing itself, for single numbers. A `Value` holds a number (`.data`), later a gradient (`.grad`), and
# remembers which values it was made from, with the local derivative for each:
#
# | made by | local derivatives |
# | --- | --- |
# | `a + b` | 1 for a, 1 for b |
# | `a * b` | b for a, a for b |
# | `a ** n` (n a plain number) | $n\,a^{n-1}$ |
# | `a.tanh()` | $1 - \tanh^2 a$ |
#
# `backward()` starts with 1 at the result and goes from each value to those that it was made from: *add* to their
# gradient your own, times the local derivative. The one thing to get right is the **order**. A value may hand on its
# gradient only when that is complete, that is after everything that was made from it has handed on its own:
#
# ```text
#      a ----> b = a + 1 ----> c = b * a ----> y = b * c     y hands on to b and to c, but b must
#      |       |               ^               ^             wait until c has handed on to it too
#      |       '---------------|---------------'
#      '-----------------------'
# ```
#
# torch on the same expression; this is what your engine must find:

# %%
a = torch.tensor(2.0, requires_grad=True)
b = a + 1
c = b * a
y = b * c
y.backward()
print(y.item(), a.grad.item())  # y = a (a + 1)**2, so the derivative is (a + 1) (3 a + 1)

# %% [markdown]
# Two walks look fine and are not. A recursive one is short, but Python allows about a thousand calls within each other,
# and graphs get deeper than that: use a loop with a list. And one that follows every path from the result drowns: after
# 50 times `y = y + y` there are 51 values and $2^{50}$ paths. Each value hands on once.
#
# How to get the order? Count first, for every value, how many times it was used on the way to the result; it is ready
# when that many gradients have arrived. (torch's own engine does just that.) Or number the values as they are made: no
# value is made before its inputs.
#
# Plain numbers may stand on either side. For `2 * a`, Python first asks the number 2, which does not know what to do,
# and then calls `a.__rmul__(2)`.
#
# **Hint 1.** Wrap a plain number: `other if isinstance(other, Value) else Value(other)`.
#
# **Hint 2.** Let every operation make the new value, and then note in it a list of pairs (input, local derivative).
#
# **Hint 3.** In `backward`, first walk once through all that the result was made from, and count each value's uses.
# Then keep a list of the values that are ready; whenever you hand on a gradient, count down.
#
# **Hint 4.** In `a + a` the value a occurs twice, and gets a gradient of 2: `+=`, not `=`.


# %%
class Value:
    """A number that remembers how it was computed, so that its derivatives can be found.

    `Value(number)` has `.data`, the number, and `.grad`, 0.0 until `backward()` is called on something made from it.
    `+`, `*` (with values and plain numbers, on either side), `**` (with a plain number as the exponent) and `tanh()`
    make new ones. Chains of thousands of operations are fine, and `backward()` visits every value once.
    """

    def __init__(self, data: float) -> None:
        # TODO: the number, its gradient, and where to note what it was made from.
        raise NotImplementedError

    def __add__(self, other: "Value | float") -> "Value":
        # TODO: a new value that knows both summands.
        raise NotImplementedError

    def __radd__(self, other: float) -> "Value":
        # TODO: a plain number + self.
        raise NotImplementedError

    def __mul__(self, other: "Value | float") -> "Value":
        # TODO: a new value that knows both factors.
        raise NotImplementedError

    def __rmul__(self, other: float) -> "Value":
        # TODO: a plain number * self.
        raise NotImplementedError

    def __pow__(self, exponent: float) -> "Value":
        # TODO: self to the power of a plain number.
        raise NotImplementedError

    def tanh(self) -> "Value":
        """The hyperbolic tangent; `math.tanh` knows the number."""
        # TODO: the hyperbolic tangent of self.
        raise NotImplementedError

    def backward(self) -> None:
        """Add to the `.grad` of every value that this one was made from the derivative of this one by it."""
        # TODO: without recursion, from the result to the inputs, each value once its own gradient is complete.
        raise NotImplementedError


# %% [markdown]
# Enough to train a neuron, $\tanh(w x + b)$, with nothing but your own class: the same loop as in `fit_polynomial`,
# and the same as for every network that you will meet in this course.

# %%
points = [(-1.0, -0.9), (-0.5, -0.6), (0.0, 0.2), (0.5, 0.8), (1.0, 0.95)]
w, b, losses = Value(0.0), Value(0.0), []
for _ in range(60):
    loss = sum(((w * x + b).tanh() + -y) ** 2 for x, y in points) * (1 / len(points))
    w.grad = b.grad = 0.0
    loss.backward()
    w.data -= 0.5 * w.grad
    b.data -= 0.5 * b.grad
    losses.append(loss.data)
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.semilogy(losses)
left.set(title="loss", xlabel="steps")
right.plot(*zip(*points, strict=True), "o", color="grey")
grid = [i / 20 for i in range(-24, 25)]
right.plot(grid, [math.tanh(w.data * x + b.data) for x in grid])
right.set(title=f"tanh({w.data:.2f} x + {b.data:.2f})")
plt.show()
