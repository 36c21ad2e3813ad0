"""Checks of section 3: autograd."""

import ast
import math
import sys
from collections import Counter

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from grader.checks import assert_close, assert_finite, assert_tensor, check, fail, require, show

# ------------------------------------------------------------------------------------- derivative_of_square


@check("derivative_of_square", kind="value", points=4)
def test_derivative_of_square_is_twice_x(student, rng):
    """The derivative of x squared is 2x: at every x, in every call anew, and a float."""
    points = [3.0, -1.5, 0.0, 0.25, rng.uniform(1, low=-9, high=9).item()]
    slopes = student.probe(slopes_at, points=points)
    for index, x in enumerate(points):
        assert_close(slopes[index], 2 * x, f"call {index + 1}: derivative_of_square({x:g})")


def slopes_at(solution, points):
    return [solution.derivative_of_square(x) for x in points]


@check("derivative_of_square", kind="gradient", points=4)
def test_derivative_of_square_comes_out_of_the_graph(student):
    """Autograd computes the number: when what the graph has saved is changed, the answer changes too."""
    slope = student.probe(slope_through_a_changed_graph, x=3.0)
    through_torch_func = slope == "torch.func" and _uses_name(student.statements, "func")
    require(
        through_torch_func or (type(slope) is float and math.isfinite(slope) and abs(slope - 6.0) > 1e-3),
        "While this ran, 1 was added to every number that a graph had saved for its backward pass. A derivative that "
        "autograd computes changes with it, but yours is still 6: it is not the result of a backward pass. Square a "
        "tensor that requires grad, and let backward() find its gradient",
    )


def slope_through_a_changed_graph(solution, x):
    try:
        with torch.autograd.graph.saved_tensors_hooks(lambda saved: saved.detach(), lambda saved: saved + 1):
            return solution.derivative_of_square(x)
    except RuntimeError as error:
        if "support saved tensor hooks" in str(error):  # torch.func refuses to run under them
            return "torch.func"
        raise


def _uses_name(statements, name):
    nodes = [node for statement in statements for node in ast.walk(statement)]
    names = [getattr(node, key, None) for node in nodes for key in ("attr", "id", "module", "name")]
    return any(name in str(found).split(".") for found in names)


# ---------------------------------------------------------------------------------------------- gradient_of


def bumpy(x):
    """A scalar function whose gradient at one place depends on its neighbours."""
    return (x.sin() * x.roll(1)).sum() + (x**3).sum() / 3


def gradient_of_bumpy(x):
    return x.cos() * x.roll(1) + x.roll(-1).sin() + x**2


@check("gradient_of", kind="shape", points=2)
def test_gradient_of_has_the_shape_and_dtype_of_x(student, rng):
    """There is one derivative for each input, in the dtype of x."""
    for size, dtype in ((5, torch.float32), (1, torch.float32), (3, torch.float64)):
        gradient = student.probe(gradient_at, x=rng.normal(size, dtype=dtype))
        assert_tensor(gradient, (size,), dtype, "the gradient")


@check("gradient_of", kind="value", points=4)
def test_gradient_of_is_exact_and_takes_one_pass(student, rng):
    """The gradient is exact to the last digits, and f is not evaluated once for every input."""
    for size, dtype in ((29, torch.float32), (31, torch.float64)):
        x = rng.normal(size, dtype=dtype)
        assert_close(student.probe(gradient_at, x=x), gradient_of_bumpy(x), "the gradient")


@check("gradient_of", kind="state", points=2)
def test_gradient_of_leaves_no_trace(student, rng):
    """Neither x nor the result is marked: x keeps its values and requires no grad, and the result has no graph."""
    x = rng.normal(5, dtype=torch.float64)
    after = student.probe(traces_on_x, x=x, required_grad=False)
    _assert_untouched(after, x, required_grad=False)
    require(
        not after["gradient"].requires_grad,
        "the gradient that came back still requires grad: whoever keeps it keeps its whole graph in memory",
    )


@check("gradient_of", kind="state", points=2)
def test_gradient_of_works_where_x_requires_grad_already(student, rng):
    """An x that requires grad keeps the gradient that it has, and goes on requiring grad."""
    x = rng.normal(5, dtype=torch.float64)
    after = student.probe(traces_on_x, x=x, required_grad=True)
    assert_close(after["gradient"], gradient_of_bumpy(x), "the gradient")
    _assert_untouched(after, x, required_grad=True)


def gradient_at(solution, x):
    calls = []

    def f(z):
        calls.append(1)
        if len(calls) > 10:
            raise RuntimeError(
                "f was called more than 10 times; autograd needs one call, whatever the number of inputs"
            )
        return bumpy(z)

    return without_graph(solution.gradient_of(f, x))


def without_graph(value):
    """The numbers alone: whether they still hang in a graph tells no mistake from another."""
    return value.detach() if isinstance(value, torch.Tensor) else value


def traces_on_x(solution, x, required_grad):
    if required_grad:
        x.requires_grad_()
        x.grad = torch.full_like(x, 7.0)
    gradient = solution.gradient_of(bumpy, x)
    return {"gradient": gradient, "x": x.detach().clone(), "requires_grad": x.requires_grad, "x.grad": x.grad}


def _assert_untouched(after, x, required_grad):
    assert_close(after["x"], x, "x after the call")
    if required_grad:
        assert_close(after["x.grad"], torch.full_like(x, 7.0), "x.grad, which was all 7 before the call")
        require(after["requires_grad"], "x required grad before the call, and does not any more")
    else:
        require(
            after["x.grad"] is None,
            f"the call leaves {show(after['x.grad'])} in the caller's x.grad: use a leaf of your own",
        )
        require(not after["requires_grad"], "after the call the caller's x requires grad: work on a leaf of your own")


# ------------------------------------------------------------------------------------------ gradient_step_


@check("gradient_step_", kind="value", points=4)
def test_gradient_step_moves_against_the_gradient(student, rng):
    """The caller's own w becomes w - lr * w.grad, for any shape."""
    for shape, lr in (((2, 3), 0.1), ((5,), 0.25)):
        w, gradient = rng.normal(*shape, dtype=torch.float64), rng.normal(*shape, dtype=torch.float64)
        after = student.probe(one_step, w=w, gradient=gradient, lr=lr)
        assert_close(after["w"], w - lr * gradient, "w after one step")


@check("gradient_step_", kind="state", points=3)
def test_gradient_step_leaves_a_leaf(student, rng):
    """After the step w is still a leaf that requires grad, so that it can be trained on."""
    w, gradient = rng.normal(2, 3, dtype=torch.float64), rng.normal(2, 3, dtype=torch.float64)
    after = student.probe(one_step, w=w, gradient=gradient, lr=0.1)
    assert_finite(after["w"], "w after the step")
    require(after["requires_grad"], "after the step w does not require grad any more: it cannot be trained on")
    require(after["is_leaf"], "after the step w is no leaf any more: the update became a part of its graph")


@check("gradient_step_", kind="state", points=3)
def test_gradient_step_clears_the_gradient(student):
    """After a step the old gradient is gone, so that the next backward starts from zero."""
    after = student.probe(gradients_of_three_steps, start=torch.tensor([2.0, -1.0]), lr=0.1)
    for index, factor in enumerate((1.0, 0.8, 0.64)):  # the loss is w**2: a step multiplies w by 1 - 2 * lr
        expected = factor * torch.tensor([4.0, -2.0])
        assert_close(after["gradients"][index], expected, f"w.grad before step {index + 1}, for the loss (w**2).sum()")
    left = after["left"]
    require(
        left is None or (isinstance(left, torch.Tensor) and not bool(left.any())),
        f"after the last step w.grad is {show(left)}: None or zeros are expected",
    )


def one_step(solution, w, gradient, lr):
    before = w.clone()
    w.requires_grad_()
    (w * gradient).sum().backward()
    solution.gradient_step_(w, lr)
    after = {"w": w.detach().clone(), "requires_grad": w.requires_grad, "is_leaf": w.is_leaf}
    if torch.equal(after["w"], before):  # tells a step that got lost from a gradient that was cleared too early
        after["gradient"] = w.grad
    return after


def gradients_of_three_steps(solution, start, lr):
    w = start.requires_grad_()
    gradients = []
    for _ in range(3):
        (w**2).sum().backward()
        gradients.append(w.grad.clone())
        solution.gradient_step_(w, lr)
    return {"gradients": gradients, "left": w.grad}


# ------------------------------------------------------------------------------------------ fit_polynomial


@check("fit_polynomial", kind="shape", points=2)
def test_fit_polynomial_has_one_coefficient_more_than_its_degree(student, rng):
    """A polynomial of degree d has d + 1 coefficients, in the dtype of x."""
    for degree, dtype in ((3, torch.float32), (1, torch.float64), (0, torch.float32)):
        x, y = rng.uniform(5, low=-1, dtype=dtype), rng.normal(5, dtype=dtype)
        coefficients = student.probe(fit_polynomial, x=x, y=y, degree=degree, lr=0.1, steps=2)
        assert_tensor(coefficients, (degree + 1,), dtype, "the coefficients")
    student.fit_polynomial(x, y, 2, 0.1, 2)  # fails by itself if x or y is changed


@check("fit_polynomial", kind="value", points=6)
def test_fit_polynomial_takes_plain_steps_from_zeros(student, rng):
    """After a few steps the coefficients are those of plain gradient descent on the mean squared error."""
    x, y = rng.uniform(7, low=-1, high=1.5, dtype=torch.float64), rng.normal(7, dtype=torch.float64)
    for degree, lr, steps in ((1, 0.1, 1), (3, 0.05, 2), (2, 0.1, 5)):
        assert_close(
            student.probe(fit_polynomial, x=x, y=y, degree=degree, lr=lr, steps=steps),
            descend(x.numpy(), y.numpy(), degree, lr, steps),
            f"the coefficients after {steps} step{'s' * (steps > 1)}",
        )


@check("fit_polynomial", kind="convergence", points=4)
def test_fit_polynomial_arrives_at_least_squares(student, rng):
    """After many steps the coefficients are those of the least squares fit."""
    x = torch.linspace(-1, 1, 23, dtype=torch.float64)
    y = 0.5 - 1.5 * x + 2 * x**2 + 0.2 * rng.normal(23, dtype=torch.float64)
    powers = torch.stack([x**0, x, x**2], dim=1)
    expected = torch.linalg.lstsq(powers, y[:, None]).solution[:, 0]
    assert_close(student.fit_polynomial(x, y, 2, 0.5, 300), expected, "the coefficients after 300 steps")


def fit_polynomial(solution, x, y, degree, lr, steps):
    return without_graph(solution.fit_polynomial(x, y, degree, lr, steps))


def descend(x, y, degree, lr, steps):
    """The same by NumPy, with the gradient written out."""
    powers = np.vander(x, degree + 1, increasing=True)
    w = np.zeros(degree + 1)
    for _ in range(steps):
        w = w - lr * 2 / len(x) * powers.T @ (powers @ w - y)
    return torch.from_numpy(w)


# -------------------------------------------------------------------------------------- semi_gradient_loss


@check("semi_gradient_loss", kind="shape", points=1)
def test_semi_gradient_loss_is_a_scalar(student, rng):
    """The loss is one number, of shape (), in the dtype of q."""
    for size, dtype in ((5, torch.float32), (1, torch.float32), (3, torch.float64)):
        q, reward, q_next = (rng.normal(size, dtype=dtype) for _ in range(3))
        assert_tensor(student.semi_gradient_loss(q, reward, q_next, 0.9), (), dtype, "the loss")


@check("semi_gradient_loss", kind="value", points=4)
def test_semi_gradient_loss_is_the_mean_square(student, rng):
    """The loss is the mean of the squared differences between q and its target."""
    for size, gamma in ((5, 0.9), (3, 0.5)):
        q, reward, q_next = (rng.normal(size, dtype=torch.float64) for _ in range(3))
        expected = ((q - reward - gamma * q_next) ** 2).sum() / size
        assert_close(student.semi_gradient_loss(q, reward, q_next, gamma), expected, "the loss")


@check("semi_gradient_loss", kind="gradient", points=5)
def test_semi_gradient_loss_moves_q_alone(student, rng):
    """The gradient reaches q, and only q: the target gets none."""
    q, reward, q_next = (rng.normal(5, dtype=torch.float64) for _ in range(3))
    seen = student.probe(gradients_of_loss, q=q, reward=reward, q_next=q_next, gamma=0.9)
    require(seen["connected"], "the loss does not require grad: nothing can be learnt from it, as q was cut off too")
    require(
        seen["q"] is not None,
        "no gradient arrives at q: the loss must stay connected to q (a new tensor made from its value is not)",
    )
    expected = 3 * 2 / 5 * (q - reward - 0.9 * q_next)
    got = seen["q_next"]
    require(
        got is None or (isinstance(got, torch.Tensor) and not bool(got.any())),
        f"q_next gets the gradient {show(got)}: the target must get none",
    )
    assert_close(seen["q"], expected, "the gradient of 3 * loss with respect to q")


def gradients_of_loss(solution, q, reward, q_next, gamma):
    q.requires_grad_()
    q_next.requires_grad_()
    loss = solution.semi_gradient_loss(q, reward, q_next, gamma)
    if loss.requires_grad:
        (3 * loss).backward()
    return {"connected": loss.requires_grad, "q": q.grad, "q_next": q_next.grad}


# --------------------------------------------------------------------------------------------- graph_edges

# Computed beside the learner's code, from leaves a and b.
EXPRESSIONS = {
    "a ** 2": lambda a, b: a**2,
    "(a * b.sin()).tanh()": lambda a, b: (a * b.sin()).tanh(),
    "a.exp() + a": lambda a, b: a.exp() + a,
    "a * a": lambda a, b: a * a,
    "(5 * a + 2).sum()": lambda a, b: (5 * a + 2).sum(),
    "a.exp().exp().exp()": lambda a, b: a.exp().exp().exp(),
    "h * h + h, where h = a.exp()": lambda a, b: (lambda h: h * h + h)(a.exp()),
    "h[0] * h[1], where h = b.unbind()": lambda a, b: (lambda h: h[0] * h[1])(b.unbind()),
}
LEAF = "torch::autograd::AccumulateGrad"


@check("graph_edges", kind="value", points=4)
def test_graph_edges_reach_every_leaf(student):
    """Every arrow from the result down to the leaves is there, whichever input it leads to."""
    assert_edges(student, "a ** 2", ("PowBackward0", LEAF))
    assert_edges(
        student,
        "(a * b.sin()).tanh()",
        ("TanhBackward0", "MulBackward0"),
        ("MulBackward0", LEAF),
        ("MulBackward0", "SinBackward0"),
        ("SinBackward0", LEAF),
    )


@check("graph_edges", kind="value", points=3)
def test_graph_edges_count_every_input(student):
    """`a * a` has two arrows to a; an input that needs no gradient has none."""
    assert_edges(
        student, "a.exp() + a", ("AddBackward0", "ExpBackward0"), ("AddBackward0", LEAF), ("ExpBackward0", LEAF)
    )
    assert_edges(student, "a * a", ("MulBackward0", LEAF), ("MulBackward0", LEAF))
    assert_edges(
        student,
        "(5 * a + 2).sum()",
        ("SumBackward0", "AddBackward0"),
        ("AddBackward0", "MulBackward0"),
        ("MulBackward0", LEAF),
    )


@check("graph_edges", kind="value", points=3)
def test_graph_edges_visit_a_shared_node_once(student):
    """A node that is reached twice gives its own arrows once; two nodes of one name are two nodes."""
    assert_edges(
        student,
        "a.exp().exp().exp()",
        ("ExpBackward0", "ExpBackward0"),
        ("ExpBackward0", "ExpBackward0"),
        ("ExpBackward0", LEAF),
    )
    assert_edges(
        student,
        "h * h + h, where h = a.exp()",
        ("AddBackward0", "MulBackward0"),
        ("AddBackward0", "ExpBackward0"),
        ("MulBackward0", "ExpBackward0"),
        ("MulBackward0", "ExpBackward0"),
        ("ExpBackward0", LEAF),
    )
    assert_edges(
        student,
        "h[0] * h[1], where h = b.unbind()",
        ("MulBackward0", "UnbindBackward0"),
        ("MulBackward0", "UnbindBackward0"),
        ("UnbindBackward0", LEAF),
    )


def edges_of(solution, expression):
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor([3.0, 0.5], requires_grad=True)
    y = EXPRESSIONS[expression](a, b)
    alive = [y.grad_fn]  # nodes that nobody holds may get the id of one that is gone
    for held in alive:
        alive += [below for below, _ in held.next_functions if below is not None]
    edges = solution.graph_edges(y)
    del alive
    return edges


def assert_edges(student, expression, *expected):
    edges = student.probe(edges_of, expression=expression)
    if type(edges) is not list or not all(type(e) is tuple and [*map(type, e)] == [str, str] for e in edges):
        fail(f"came back {show(edges)}: a list of tuples of two names is expected")
    missing, extra = Counter(expected) - Counter(edges), Counter(edges) - Counter(expected)
    if missing or extra:
        lines = [f"The arrows of `{expression}` are not all right:"]
        for title, found in (("missing", missing), ("too many", extra)):
            for (node, source), count in found.items():
                lines.append(f"  {title}: {node} -> {source}" + (f" ({count} times)" if count > 1 else ""))
        fail("\n".join(lines))


# ----------------------------------------------------------------------------------------------------- Exp


@check("Exp", kind="value", points=3)
def test_exp_is_a_function_that_computes_the_exponential(student, rng):
    """`Exp.apply(x)` is e to the power of x, made by a torch.autograd.Function that leaves x as it was."""
    for shape, dtype in (((2, 3), torch.float64), ((5,), torch.float32), ((), torch.float64)):
        x = rng.normal(*shape, dtype=dtype)
        seen = student.probe(apply_exp, x=x)
        assert_close(seen["y"], x.exp(), "Exp.apply(x)")
        assert_close(seen["x"], x, "x after Exp.apply(x)")
        require(
            seen["function"] and seen["node"] == "ExpBackward",
            f"the node of the graph is {seen['node']}, not ExpBackward: `Exp` must derive from torch.autograd.Function "
            "and be used through its own `apply`",
        )


@check("Exp", kind="gradient", points=5)
def test_exp_hands_the_upstream_gradient_on(student, rng):
    """The gradient is right whatever comes from above: upstream gradient times e to the power of x."""
    x, upstream = rng.normal(2, 3, dtype=torch.float64), rng.normal(2, 3, dtype=torch.float64)
    first, second = student.probe(gradients_of_exp, x=x, upstream=upstream)
    assert_close(first, upstream * x.exp(), "the gradient of (upstream * Exp.apply(x)).sum()")
    assert_close(second, -upstream * (-x).exp(), "the gradient of (upstream * Exp.apply(x) * Exp.apply(-2 * x)).sum()")


@check("Exp", kind="gradient", points=4)
def test_exp_can_be_differentiated_twice(student, rng):
    """The backward pass can be differentiated once more."""
    x, upstream, direction = (rng.normal(5, dtype=torch.float64) for _ in range(3))
    seen = student.probe(second_gradient_of_exp, x=x, upstream=upstream, direction=direction)
    require(
        seen["connected"],
        "the first gradient is cut off from x, so there is no second one: what `backward` uses must come from "
        "ctx.saved_tensors, and it must compute with torch operations",
    )
    assert_close(seen["second"], upstream * direction * x.exp(), "the second derivative")


def apply_exp(solution, x):
    x.requires_grad_()
    y = solution.Exp.apply(x)
    function = issubclass(solution.Exp, torch.autograd.Function)
    node = y.grad_fn.name() if y.grad_fn is not None else "None"
    return {"y": y.detach(), "x": x.detach().clone(), "function": function, "node": node}


def gradients_of_exp(solution, x, upstream):
    x.requires_grad_()
    exp = solution.Exp.apply
    results = exp(x), exp(x) * exp(-2 * x)  # the second: two calls before the first backward
    return [torch.autograd.grad(result, x, upstream)[0].detach().clone() for result in results]


def second_gradient_of_exp(solution, x, upstream, direction):
    x.requires_grad_()
    upstream.requires_grad_()  # it is a part of the graph as well, as it would be in a network
    (first,) = torch.autograd.grad(solution.Exp.apply(x), x, upstream, create_graph=True)
    if first.requires_grad:
        first.backward(direction)
    return {"connected": x.grad is not None, "second": x.grad}


# ---------------------------------------------------------------------------------- hessian_vector_product


def curved(x, matrix):
    """A scalar function of (N,) whose Hessian is neither diagonal nor constant."""
    return x @ (matrix @ x) + x.sin().sum()


def long_chain(x):
    """The same without a matrix, for an x of any length."""
    return (x**2 * x.roll(1)).sum()


@check("hessian_vector_product", kind="shape", points=2)
def test_hessian_vector_product_has_the_shape_of_x(student, rng):
    """One number for each input, in the dtype of x."""
    for size, dtype in ((5, torch.float32), (1, torch.float32), (3, torch.float64)):
        x, v, matrix = rng.normal(size, dtype=dtype), rng.normal(size, dtype=dtype), rng.normal(size, size, dtype=dtype)
        assert_tensor(student.probe(product, x=x, v=v, matrix=matrix), (size,), dtype, "the product")


@check("hessian_vector_product", kind="value", points=4)
def test_hessian_vector_product_is_exact(student, rng):
    """The product is that of the matrix of second derivatives with v."""
    for size, dtype in ((5, torch.float64), (7, torch.float32)):
        x, v, matrix = rng.normal(size, dtype=dtype), rng.normal(size, dtype=dtype), rng.normal(size, size, dtype=dtype)
        expected = (matrix + matrix.T) @ v - x.sin() * v
        assert_close(student.probe(product, x=x, v=v, matrix=matrix), expected, "the product")


@check("hessian_vector_product", kind="gradient", points=4)
def test_hessian_vector_product_never_builds_the_hessian(student, rng):
    """A few backward passes are enough, however many inputs there are."""
    for size in (401, 20_000):  # the first finds out cheaply what would cost 3 GB at the second
        x, v = rng.normal(size, dtype=torch.float64), rng.normal(size, dtype=torch.float64)
        seen = student.probe(metered_product, x=x, v=v, most_operations=400)
        require(
            seen["stopped"] != "matrix",
            f"with N = {size} something of N x N numbers was made: that is the Hessian. Its product with v needs only "
            "vectors",
        )
        require(
            seen["stopped"] != "operations",
            f"with N = {size} it takes more than 400 torch operations, where 20 are plenty: that is the Hessian, row "
            "by row or entry by entry",
        )
        neighbours = x.roll(1) * v + x * v.roll(1) + x.roll(-1) * v.roll(-1)
        assert_close(seen["product"], 2 * neighbours, f"the product for N = {size}")


@check("hessian_vector_product", kind="state", points=2)
def test_hessian_vector_product_leaves_x_as_it_was(student, rng):
    """The caller's x and v are neither changed nor marked."""
    x, v = rng.normal(5, dtype=torch.float64), rng.normal(5, dtype=torch.float64)
    after = student.probe(traces_of_product, x=x, v=v)
    for name, before in (("x", x), ("v", v)):
        assert_close(after[name], before, f"{name} after the call")
        left = after[f"{name}.grad"]
        require(left is None, f"the call leaves {show(left)} in the caller's {name}.grad: use a leaf of your own")
        require(
            not after[f"{name}.requires_grad"],
            f"after the call the caller's {name} requires grad: work on a leaf of your own",
        )


class Meter(TorchFunctionMode):
    """Counts torch operations and stops at too many, or at one that gives N x N numbers."""

    def __init__(self, size, most_operations):
        super().__init__()
        self.size, self.left, self.stopped = size, most_operations, ""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.left -= 1
        if self.left < 0:
            self.stopped = "operations"
        for value in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(value, torch.Tensor) and value.numel() >= self.size**2:
                self.stopped = "matrix"
        if self.stopped:
            raise RuntimeError(f"stopped: too many {self.stopped}")
        return result


def product(solution, x, v, matrix):
    return without_graph(solution.hessian_vector_product(lambda z: curved(z, matrix), x, v))


def metered_product(solution, x, v, most_operations):
    meter = Meter(len(x), most_operations)
    result = None
    try:
        with meter:
            result = solution.hessian_vector_product(long_chain, x, v)
    except Exception:
        if not meter.stopped:
            raise
    return {"stopped": meter.stopped, "product": None if meter.stopped else without_graph(result)}


def traces_of_product(solution, x, v):
    solution.hessian_vector_product(long_chain, x, v)
    after = {}
    for name, tensor in (("x", x), ("v", v)):
        after |= {
            name: tensor.detach().clone(),
            f"{name}.grad": tensor.grad,
            f"{name}.requires_grad": tensor.requires_grad,
        }
    return after


# --------------------------------------------------------------------------------------------------- Value

# Computed by the learner's values, and by the judge with torch.
FORMULAS = {
    "a + b": lambda a, b: a + b,
    "a * b": lambda a, b: a * b,
    "2 + a * 3 + b": lambda a, b: 2 + a * 3 + b,
    "2 * a + b * (a + 1)": lambda a, b: 2 * a + b * (a + 1),
    "sum([a, b, a * b])": lambda a, b: sum([a, b, a * b]),
    "a ** 3 + b": lambda a, b: a**3 + b,
    "(a * b).tanh()": lambda a, b: (a * b).tanh(),
    "a * b ** -1": lambda a, b: a * b**-1,
    "b ** 0.5 * a.tanh()": lambda a, b: b**0.5 * a.tanh(),
    "a * b + a": lambda a, b: a * b + a,
    "a + a + b": lambda a, b: a + a + b,
    "a * a * b": lambda a, b: a * a * b,
    "(c * (c + 1) + b).tanh(), where c = a * b": lambda a, b: (lambda c: (c * (c + 1) + b).tanh())(a * b),
    "((c + 1) * c) ** 2 + b, where c = a * b": lambda a, b: (lambda c: ((c + 1) * c) ** 2 + b)(a * b),
    "d * d + c, where d = c * c + b, c = a.tanh()": lambda a, b: (lambda c: (lambda d: d * d + c)(c * c + b))(a.tanh()),
}


@check("Value", kind="value", points=2)
def test_value_adds_and_multiplies(student, rng):
    """Values add and multiply, with each other and with plain numbers on either side."""
    for formula in ("a + b", "a * b", "2 + a * 3 + b", "2 * a + b * (a + 1)", "sum([a, b, a * b])"):
        a, b = _numbers(rng)
        assert_number(student.probe(number_of, formula=formula, a=a, b=b), expected_of(formula, a, b)[0], formula)


@check("Value", kind="value", points=2)
def test_value_has_powers_and_tanh(student, rng):
    """Powers with any plain exponent, and tanh."""
    for formula in ("a ** 3 + b", "(a * b).tanh()", "a * b ** -1", "b ** 0.5 * a.tanh()"):
        a, b = _numbers(rng)
        assert_number(student.probe(number_of, formula=formula, a=a, b=b), expected_of(formula, a, b)[0], formula)


@check("Value", kind="gradient", points=4)
def test_value_backward_through_each_operation(student, rng):
    """Every operation hands on the gradient that the chain rule asks for."""
    for formula in ("a + b", "a * b", "2 + a * 3 + b", "a ** 3 + b", "(a * b).tanh()", "b ** 0.5 * a.tanh()"):
        a, b = _numbers(rng)
        assert_gradients(student.probe(gradients_of, formula=formula, a=a, b=b), expected_of(formula, a, b), formula)


@check("Value", kind="gradient", points=4)
def test_value_backward_where_a_value_is_used_twice(student, rng):
    """A value that is used in several places gets the sum, and hands it on only when it is complete."""
    shared = [formula for formula in FORMULAS if "where" in formula]
    for formula in ("a * b + a", "a + a + b", "a * a * b", *shared):
        a, b = _numbers(rng)
        assert_gradients(student.probe(gradients_of, formula=formula, a=a, b=b), expected_of(formula, a, b), formula)


@check("Value", kind="state", points=2)
def test_value_backward_through_a_long_chain(student):
    """A chain of 2,000 operations is no deeper than Python allows."""
    seen = student.probe(gradient_of_chain, start=0.5, length=2000)
    assert_number(seen["data"], 1.001**1000 * 1.5 - 1, "the value after doing `y = y * 1.001 + 0.001` 1,000 times")
    assert_number(seen["grad"], 1.001**1000, "its gradient with respect to the start")


@check("Value", kind="state", points=2)
def test_value_backward_hands_on_once(student):
    """Each value hands its gradient on once, not once for every path that leads to it."""
    seen = student.probe(gradient_of_doublings, start=0.5, doublings=16)
    assert_number(seen["grad"], 2.0**16, "the gradient after doing `y = y + y` 16 times")
    require(
        not seen["every_path"],
        "the gradient of `y = y + y`, done 16 times, takes backward() more than 20,000 function calls. 17 values are "
        "involved, but 65,536 paths: let each value hand on its gradient once, when it is complete",
    )


def _numbers(rng):
    """A negative and a positive number, neither near zero."""
    return -rng.uniform(1, low=0.4, high=0.9).double().item(), rng.uniform(1, low=1.2, high=1.9).double().item()


def number_of(solution, formula, a, b):
    return float(FORMULAS[formula](solution.Value(a), solution.Value(b)).data)


def gradients_of(solution, formula, a, b):
    a, b = solution.Value(a), solution.Value(b)
    y = FORMULAS[formula](a, b)
    y.backward()
    return {"a.grad": float(a.grad), "b.grad": float(b.grad)}


def gradient_of_chain(solution, start, length):
    x = y = solution.Value(start)
    for _ in range(length // 2):
        y = y * 1.001 + 0.001
    y.backward()
    return {"data": float(y.data), "grad": float(x.grad)}


def gradient_of_doublings(solution, start, doublings):
    x = y = solution.Value(start)
    for _ in range(doublings):
        y = y + y
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        y.backward()
    finally:
        sys.setprofile(before)
    return {"grad": float(x.grad), "every_path": calls > 20_000}


def expected_of(formula, a, b):
    """The value, and its derivatives with respect to a and b, by torch."""
    a, b = (torch.tensor(number, dtype=torch.float64, requires_grad=True) for number in (a, b))
    y = FORMULAS[formula](a, b)
    return [y.item(), *(gradient.item() for gradient in torch.autograd.grad(y, (a, b)))]


def assert_number(actual, expected, what):
    assert_close(actual, expected, what, tolerance=1e-9)


def assert_gradients(seen, expected, formula):
    for name, value in zip(("a.grad", "b.grad"), expected[1:], strict=True):
        assert_number(seen[name], value, f"{name} after y.backward(), y = {formula}")
