"""Checks of section 6: training."""

import ast
import math
import weakref

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from grader.checks import (
    assert_at_least,
    assert_at_most,
    assert_close,
    assert_finite,
    assert_tensor,
    check,
    fail,
    picture_confusion,
    picture_curve,
    require,
    show,
)
from grader.evidence import Foreign, close

# ------------------------------------------------------------------- what probes and judge both use: no answers in it


class Descent:
    """Plain gradient descent that writes down what it sees. With lr = 0 it only looks."""

    def __init__(self, params, lr):
        self.param_groups = [{"lr": lr, "params": [*params]}]
        self.events, self.gradients, self.start = [], [], None

    def zero_grad(self, set_to_none=True):
        self.events.append("zero_grad")
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        params = self.param_groups[0]["params"]
        grads = [p.grad for p in params]
        self.events.append("step")
        self.gradients.append(None if any(g is None for g in grads) else flat(grads))
        if self.start is None:
            self.start = flat(params)
        with torch.no_grad():
            for parameter, gradient in zip(params, grads, strict=True):
                if gradient is not None:
                    parameter.sub_(self.param_groups[0]["lr"] * gradient)
        return loss


def flat(tensors):
    """Tensors of any shapes as one vector, copied."""
    return torch.cat([t.detach().reshape(-1) for t in tensors]).clone()


def pieces(vector, shapes):
    """The vector cut into tensors of these shapes."""
    sizes = [math.prod(shape) for shape in shapes]
    return [part.clone().reshape(shape) for part, shape in zip(vector.split(sizes), shapes, strict=True)]


SIZE = 5 * 7 + 7 + 3 * 7 + 3  # of network(..., batch_norm=False); with batch_norm four vectors of 7 more
NORM_SIZE = SIZE + 4 * 7


def network(weights, batch_norm=False):
    """A classifier, (N, 5) to (N, 3) logits in float64, whose state is filled from a vector."""
    layers = [nn.Linear(5, 7), *([nn.BatchNorm1d(7)] if batch_norm else []), nn.Tanh(), nn.Linear(7, 3)]
    model = nn.Sequential(*layers).double()
    at = 0
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            part = weights[at : at + tensor.numel()].reshape(tensor.shape)
            at += tensor.numel()
            tensor.copy_(part.abs() + 0.5 if name.endswith("running_var") else part)
    return model


def state_of(model):
    """Weights and buffers of a model, a vector each."""
    buffers = [b.double() for b in model.buffers()]
    return {"weights": flat(model.parameters()), "buffers": flat(buffers) if buffers else None}


class Watched(nn.Module):
    """A model that counts, at every call in which a graph is recorded, how many graphs of earlier calls are alive."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.tokens = weakref.WeakSet()
        self.alive, self.sizes, self.recording = [], [], []

    def forward(self, x):
        out = self.inner(x)
        self.sizes.append(len(x))
        self.recording.append(out.requires_grad)
        if out.grad_fn is not None:
            self.alive.append(len(self.tokens))
            token = Token()
            out.grad_fn.metadata["token"] = token  # lives as long as this node of the graph
            self.tokens.add(token)
        return out


class Token:
    """Something that a weak reference can point to."""


def digits(student, rng, split, count):
    """`count` of the real digits, drawn anew for each seed: (count, 28, 28) uint8 images and int64 labels."""
    folder = student.data / "MNIST" / "raw"
    images, labels = (
        torch.from_numpy(np.fromfile(folder / f"{split}-{name}-ubyte", np.uint8))
        for name in ("images-idx3", "labels-idx1")
    )
    images, labels = images[16:].view(-1, 28, 28), labels[8:].long()
    chosen = rng.permutation(len(labels))[:count]
    return images[chosen], labels[chosen]


def number(value, what):
    """A float, from a float, a NumPy number or a 0-d tensor without a graph."""
    if isinstance(value, torch.Tensor) and value.requires_grad:
        fail(f"{what} is a tensor that still holds its graph: turn it into a number")
    if type(value) in (float, int) or isinstance(value, (np.floating, np.integer)):
        return float(value)
    if isinstance(value, torch.Tensor) and value.shape == ():
        return float(value.item())
    fail(f"{what}:\n  came back  {show(value)}\n  expected   a float")


# ----------------------------------------------------------------------------------------------- train_step


@check("train_step", kind="value", points=3)
def test_train_step_returns_the_loss(student, rng):
    """It returns the loss of the batch, as it was before the step, as a float of Python."""
    weight, x = rng.normal(3, 5, dtype=torch.float64), rng.normal(7, 5, dtype=torch.float64)
    for loss, y in (("mse_loss", rng.normal(7, 3, dtype=torch.float64)), ("cross_entropy", rng.integers(0, 3, 7))):
        returned = student.probe(loss_of_one_step, weight=weight, x=x, y=y, loss=loss, lr=0.5)
        assert_close(returned, getattr(F, loss)(x @ weight.T, y).item(), "the returned loss")


def loss_of_one_step(solution, weight, x, y, loss, lr):
    model = nn.Linear(5, 3, bias=False).double()
    model.weight.data.copy_(weight)
    return solution.train_step(model, x, y, getattr(F, loss), Descent(model.parameters(), lr))


@check("train_step", kind="gradient", points=3)
def test_train_step_uses_the_gradient_of_this_batch_alone(student, rng):
    """With a rate of 0 and the same batch three times, the optimiser sees the same gradient three times."""
    weights, x = rng.normal(SIZE, dtype=torch.float64), rng.normal(7, 5, dtype=torch.float64)
    y = rng.integers(0, 3, 7)
    model = network(weights)
    expected = flat(torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters())))
    seen = student.probe(gradients_of_three_calls, weights=weights, x=x, y=y, lr=0.0)["gradients"]
    require(len(seen) == 3, f"three calls of train_step made {len(seen)} calls of optimizer.step(), not 3")
    for call, gradient in enumerate(seen, start=1):
        if gradient is None:
            fail(
                f"in call {call} optimizer.step() found parameters without a gradient (None): it has to come from this "
                "batch's backward(), and nothing may clear it in between"
            )
        for times in (2, 3):
            if isinstance(gradient, torch.Tensor) and bool(close(gradient, times * expected).all()):
                fail(
                    f"the gradient in call {call} is {times} times that of the batch: those of earlier calls are in it"
                )
        assert_close(gradient, expected, f"the gradient in call {call}")


def gradients_of_three_calls(solution, weights, x, y, lr):
    model = network(weights)
    optimizer = Descent(model.parameters(), lr)
    model[0].bias.register_post_accumulate_grad_hook(lambda p: optimizer.events.append("backward"))
    for _ in range(3):
        solution.train_step(model, x, y, F.cross_entropy, optimizer)
    return {"gradients": optimizer.gradients, "events": optimizer.events}


@check("train_step", kind="state", points=3)
def test_train_step_moves_the_weights_in_training_mode(student, rng):
    """Three batches move weights and running statistics as they should, though the model came in evaluation mode."""
    weights, lr = rng.normal(NORM_SIZE, dtype=torch.float64), 0.1
    x, y = rng.normal(3, 7, 5, dtype=torch.float64), rng.integers(0, 3, 3, 7)
    model = network(weights, batch_norm=True).train()
    for inputs, labels in zip(x, y, strict=True):
        descend(model, inputs, labels, lr)
    after = student.probe(state_after_three_calls, weights=weights, x=x, y=y, lr=lr)
    assert_close(after, state_of(model), "after three steps, state")


def descend(model, x, y, lr):
    """The oracle: one step of plain gradient descent on the cross-entropy; returns the loss before it."""
    params = list(model.parameters())
    logits = model(x)
    loss = F.cross_entropy(logits, y)
    with torch.no_grad():
        for p, gradient in zip(params, torch.autograd.grad(loss, params), strict=True):
            p -= lr * gradient
    return loss.item()


def state_after_three_calls(solution, weights, x, y, lr):
    model = network(weights, batch_norm=True)
    optimizer = Descent(model.parameters(), lr)
    for inputs, labels in zip(x, y, strict=True):
        model.eval()
        solution.train_step(model, inputs, labels, F.cross_entropy, optimizer)
    return state_of(model)


@check("train_step", kind="convergence", points=2)
def test_train_step_learns_real_digits(student, rng):
    """Forty steps on 300 real digits bring the loss of a linear classifier far down."""
    images, labels = digits(student, rng, "train", 300)
    weight, bias = student.probe(weights_after_forty_steps, images=images, labels=labels, lr=0.3)
    assert_tensor(weight, (10, 784), torch.float32, "the weights")
    assert_tensor(bias, (10,), torch.float32, "the biases")
    loss = F.cross_entropy(images.flatten(1) / 255 @ weight.detach().T + bias.detach(), labels)
    assert_at_most(loss.item(), 0.75, "the training loss after forty steps")


def weights_after_forty_steps(solution, images, labels, lr):
    model = nn.Linear(784, 10)
    optimizer = Descent(model.parameters(), lr)
    for _ in range(40):
        solution.train_step(model, images.flatten(1) / 255, labels, F.cross_entropy, optimizer)
    return [model.weight.detach(), model.bias.detach()]


# ------------------------------------------------------------------------------------------------- evaluate


@check("evaluate", kind="value", points=4)
def test_evaluate_gives_loss_and_accuracy(student, rng):
    """It returns the mean cross-entropy and the fraction of right answers."""
    # As many samples in a batch as classes: an argmax along the wrong dimension fits without an error.
    judge_evaluation(student, rng, classes=7, samples=21, batch_size=7, wrong=[0, 3, 8, 13, 20])


@check("evaluate", kind="value", points=3)
def test_evaluate_weighs_every_sample_alike(student, rng):
    """A last batch that is smaller than the others counts less: every sample counts the same."""
    judge_evaluation(student, rng, classes=3, samples=11, batch_size=4, wrong=[0, 1, 5])


def judge_evaluation(student, rng, classes, samples, batch_size, wrong):
    weight, x = rng.normal(classes, 5, dtype=torch.float64), rng.normal(samples, 5, dtype=torch.float64)
    y = (x @ weight.T).argmax(1)
    y[wrong] = (y[wrong] + 1) % classes
    result = student.probe(evaluate_linear, weight=weight, x=x, y=y, batch_size=batch_size)
    expected = F.cross_entropy(x @ weight.T, y).item(), 1 - len(wrong) / samples
    judge_pair(result, expected)


def judge_pair(result, expected):
    """Loss and accuracy, each as a number."""
    if type(result) not in (tuple, list) or len(result) != 2:
        fail(f"the result:\n  came back  {show(result)}\n  expected   a tuple of two floats, (loss, accuracy)")
    for value, right, what in zip(result, expected, ("the loss", "the accuracy"), strict=True):
        assert_close(number(value, what), right, what)


def evaluate_linear(solution, weight, x, y, batch_size):
    model = nn.Linear(5, len(weight), bias=False).double()
    model.weight.data.copy_(weight)
    return solution.evaluate(model, DataLoader(TensorDataset(x, y), batch_size))


@check("evaluate", kind="state", points=2)
def test_evaluate_uses_evaluation_mode_and_restores_the_mode(student, rng):
    """The model is evaluated in evaluation mode; afterwards it is in the mode in which it came, otherwise unchanged."""
    weights, x = rng.normal(NORM_SIZE, dtype=torch.float64), rng.normal(11, 5, dtype=torch.float64)
    y = rng.integers(0, 3, 11)
    model = network(weights, batch_norm=True).eval()
    logits = model(x).detach()
    expected = F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).double().mean().item()
    for training in (True, False):
        seen = student.probe(evaluate_in_mode, weights=weights, x=x, y=y, training=training)
        judge_pair(seen["result"], expected)
        assert_close(seen["state"], state_of(model), "the model's state after the call,")
        name = {True: "training", False: "evaluation"}
        require(
            seen["mode"] is training,
            f"the model came in {name[training]} mode and was left in {name[not training]} mode",
        )


def evaluate_in_mode(solution, weights, x, y, training):
    model = network(weights, batch_norm=True).train(training)
    result = solution.evaluate(model, DataLoader(TensorDataset(x, y), 4))
    return {"result": result, "mode": model.training, "state": state_of(model)}


@check("evaluate", kind="state", points=2)
def test_evaluate_records_no_graph(student, rng):
    """Nothing is differentiated, so no graph is recorded: that saves time and memory."""
    weights, x = rng.normal(SIZE, dtype=torch.float64), rng.normal(11, 5, dtype=torch.float64)
    recording = student.probe(graphs_of_an_evaluation, weights=weights, x=x, y=rng.integers(0, 3, 11))
    require(len(recording) > 0, "the model was never called")
    require(not any(recording), f"{sum(recording)} of the {len(recording)} forward passes recorded a graph")


def graphs_of_an_evaluation(solution, weights, x, y):
    model = Watched(network(weights))
    solution.evaluate(model, DataLoader(TensorDataset(x, y), 4))
    return model.recording


# ---------------------------------------------------------------------------------------------- SGD and Adam

SHAPES = [(), (3,), (2, 3), (2, 1, 5)]
COUNT = sum(math.prod(shape) for shape in SHAPES)
EXACT = 1e-9  # float64 throughout: every right order of the operations agrees far better
OPTIMIZERS = ("SGD", "Adam", "AdamW")
PRIVATE = ("_functional", "_fused_sgd_", "_fused_adam_", "_fused_adamw_")
FUNCTIONS = ("sgd", "adam", "adamw")


def forbid_torch_optimizers(student):
    """torch's own SGD and Adam are not to be used, nor their functional forms; its class Optimizer may be."""
    instead = "write the update yourself (to derive from torch.optim.Optimizer is fine)"
    student.forbid(*OPTIMIZERS, *PRIVATE, instead=instead)
    for statement in student.statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.ImportFrom):
                used = (node.module or "").startswith("torch.optim") and any(a.name in FUNCTIONS for a in node.names)
            else:
                used = isinstance(node, ast.Attribute) and node.attr in FUNCTIONS and "optim" in ast.unparse(node.value)
            if used:
                fail(f"line {node.lineno} of your file uses `{ast.unparse(node)}`: {instead}")


def weights_by_torch(kind, start, gradients, rates, shapes=SHAPES, idle=None, **options):
    """The oracle: the weights after each step of torch's own optimiser."""
    params = [nn.Parameter(part) for part in pieces(start, shapes)]
    optimizer = getattr(torch.optim, kind)(params, lr=rates[0], **options)
    seen = []
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        for index, (p, part) in enumerate(zip(params, pieces(gradient, shapes), strict=True)):
            p.grad = None if index == idle else part
        optimizer.step()
        seen.append(flat(params))
    return torch.stack(seen)


def judge_weights(seen, expected, rates, case="", tolerance=EXACT):
    """Step by step, so that the first step that differs is told."""
    if not isinstance(seen, torch.Tensor) or seen.shape != expected.shape:
        assert_close(seen, expected, f"{case}the weights after each step")
    for step, (mine, theirs) in enumerate(zip(seen, expected, strict=True)):
        changed = f", the first at the new rate {rates[step]}" if step and rates[step] != rates[step - 1] else ""
        assert_close(mine, theirs, f"{case}the weights after step {step + 1}{changed}", tolerance=tolerance)


def weights_after_each_step(solution, optimizer, start, gradients, rates, options, shapes, idle=None):
    """Gradients are put into .grad by hand; the parameters come as a generator; the rate follows `rates`."""
    params = [nn.Parameter(part) for part in pieces(start, shapes)]
    optimizer = getattr(solution, optimizer)((p for p in params), rates[0], *options)
    seen = []
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True)):
        if step and rate != rates[step - 1]:
            set_rate(optimizer, rate)
        for index, (p, part) in enumerate(zip(params, pieces(gradient, shapes), strict=True)):
            p.grad = None if index == idle else part
        optimizer.step()
        seen.append(flat(params))
    return torch.stack(seen)


def ask_weights(student, optimizer, start, gradients, rates, options, **idle):
    """The learner's counterpart of weights_by_torch."""
    inputs = {"start": start, "gradients": gradients, "rates": rates, "options": options, "shapes": SHAPES, **idle}
    return student.probe(weights_after_each_step, optimizer=optimizer, **inputs)


def set_rate(optimizer, rate):
    """Change the rate in whichever way the optimiser offers."""
    groups = [g for g in getattr(optimizer, "param_groups", None) or [] if isinstance(g, dict)]
    for group in groups:
        group["lr"] = rate
    if not groups and not hasattr(optimizer, "lr"):
        raise AttributeError("the optimiser has neither `param_groups` nor `lr`, so its rate cannot be changed")
    if not groups or "lr" in getattr(optimizer, "__dict__", {}):
        optimizer.lr = rate


def training_with_backward(solution, optimizer, start, gradients, rate, options, shapes):
    """The usual circle, with the optimiser's own zero_grad and real backward passes; then what is left behind."""
    params = [nn.Parameter(part) for part in pieces(start, shapes)]
    optimizer = getattr(solution, optimizer)((p for p in params), rate, *options)
    seen = []
    for gradient in gradients:
        optimizer.zero_grad()
        sum((p * part).sum() for p, part in zip(params, pieces(gradient, shapes), strict=True)).backward()
        optimizer.step()
        seen.append(flat(params))
    optimizer.zero_grad()
    return {
        "weights": torch.stack(seen),
        "cleared": all(p.grad is None or not p.grad.any() for p in params),
        "leaves": all(p.is_leaf and p.requires_grad for p in params),
        "graphs": graphs_in(getattr(optimizer, "__dict__", {})),
    }


def graphs_in(value):
    """How many tensors in here hang in a graph."""
    if isinstance(value, torch.Tensor):
        return int(value.grad_fn is not None)
    if isinstance(value, (dict, list, tuple)):
        return sum(graphs_in(item) for item in (value.values() if isinstance(value, dict) else value))
    return 0


def judge_training(seen, expected, rate):
    """What training_with_backward found."""
    judge_weights(seen["weights"], expected, [rate] * len(expected))
    require(seen["cleared"], "after zero_grad() some gradient is neither None nor zero")
    require(seen["leaves"], "after the steps some parameter is no leaf any more, or needs no gradient")
    require(
        seen["graphs"] == 0,
        f"the optimiser keeps {seen['graphs']} tensors that hang in a graph: each step keeps all earlier ones alive, "
        "and the memory grows",
    )


@check("SGD", kind="value", points=3)
def test_sgd_steps_against_the_gradient(student, rng):
    """Without momentum and decay each step subtracts the rate times the gradient, for parameters of any shape."""
    forbid_torch_optimizers(student)
    start, gradients = rng.normal(COUNT, dtype=torch.float64), rng.normal(3, COUNT, dtype=torch.float64)
    rates = [0.1] * 3
    seen = ask_weights(student, "SGD", start, gradients, rates, ())
    judge_weights(seen, weights_by_torch("SGD", start, gradients, rates), rates)


@check("SGD", kind="value", points=5)
def test_sgd_agrees_with_torch(student, rng):
    """Momentum, weight decay and both together give torch's weights, also when the rate changes on the way."""
    start, gradients = rng.normal(COUNT, dtype=torch.float64), rng.normal(7, COUNT, dtype=torch.float64)
    rates = [0.1] * 4 + [0.03] * 3
    for momentum, decay in ((0, 0), (0.9, 0), (0, 0.2), (0.9, 0.2), (0.5, 0.01)):
        seen = ask_weights(student, "SGD", start, gradients, rates, (momentum, decay))
        expected = weights_by_torch("SGD", start, gradients, rates, momentum=momentum, weight_decay=decay)
        judge_weights(seen, expected, rates)


@check("SGD", kind="state", points=2)
def test_sgd_leaves_parameters_without_gradient_alone(student, rng):
    """A parameter whose grad is None is passed over: no error, no decay; the others move."""
    start, gradients = rng.normal(COUNT, dtype=torch.float64), rng.normal(3, COUNT, dtype=torch.float64)
    rates = [0.1] * 3
    seen = ask_weights(student, "SGD", start, gradients, rates, (0.9, 0.2), idle=1)
    expected = weights_by_torch("SGD", start, gradients, rates, idle=1, momentum=0.9, weight_decay=0.2)
    judge_weights(seen, expected, rates)


@check("SGD", kind="state", points=2)
def test_sgd_clears_gradients_and_keeps_no_graph(student, rng):
    """With zero_grad and backward it trains like torch's; gradients are cleared, and no graph is kept."""
    start, gradients = rng.normal(COUNT, dtype=torch.float64), rng.normal(4, COUNT, dtype=torch.float64)
    seen = student.probe(
        training_with_backward,
        optimizer="SGD",
        start=start,
        gradients=gradients,
        rate=0.1,
        options=(0.9, 0.2),
        shapes=SHAPES,
    )
    expected = weights_by_torch("SGD", start, gradients, [0.1] * 4, momentum=0.9, weight_decay=0.2)
    judge_training(seen, expected, 0.1)


@check("Adam", kind="value", points=4)
def test_adam_agrees_with_torch(student, rng):
    """Without weight decay the weights are torch's after every step, for parameters of any shape."""
    forbid_torch_optimizers(student)
    start, gradients = rng.normal(COUNT, dtype=torch.float64), rng.uniform(6, COUNT, low=0.5, dtype=torch.float64)
    gradients *= rng.normal(6, COUNT, dtype=torch.float64).sign()  # far from 0: here eps plays no part
    rates = [0.1] * 6
    for betas in ((0.9, 0.999), (0.5, 0.8)):
        seen = ask_weights(student, "Adam", start, gradients, rates, (betas, 1e-8))
        expected = weights_by_torch("Adam", start, gradients, rates, betas=betas, eps=1e-8)
        judge_weights(seen, expected, rates, tolerance=1e-6)


@check("Adam", kind="value", points=2)
def test_adam_has_eps_in_its_place(student, rng):
    """Gradients of 1e-6, and a larger eps, show where eps stands; a gradient of exactly 0 moves nothing."""
    start, gradients = rng.normal(COUNT, dtype=torch.float64), rng.normal(4, COUNT, dtype=torch.float64)
    gradients[:, 0] = 0.0  # the parameter of shape ()
    rates, betas = [0.1] * 4, (0.9, 0.999)
    for scale, eps in ((1e-6, 1e-8), (1.0, 1e-2)):
        seen = ask_weights(student, "Adam", start, scale * gradients, rates, (betas, eps))
        judge_weights(seen, weights_by_torch("Adam", start, scale * gradients, rates, betas=betas, eps=eps), rates)


@check("Adam", kind="value", points=3)
def test_adam_weight_decay_of_both_kinds(student, rng):
    """L2 decay and decoupled decay (AdamW) give torch's weights, also when the rate changes on the way."""
    start, gradients = rng.normal(COUNT, dtype=torch.float64), rng.normal(7, COUNT, dtype=torch.float64)
    rates, options = [0.1] * 4 + [0.03] * 3, {"betas": (0.9, 0.99), "eps": 1e-8}
    kinds = {"Adam": (0.2, False), "AdamW": (0.2, True)}
    seen = {
        kind: ask_weights(student, "Adam", start, gradients, rates, (*options.values(), *decay))
        for kind, decay in kinds.items()
    }  # both before either is judged: only together do they tell which of the two kinds was taken for the other
    for kind, (decay, decoupled) in kinds.items():
        expected = weights_by_torch(kind, start, gradients, rates, weight_decay=decay, **options)
        judge_weights(seen[kind], expected, rates, f"with decoupled={decoupled}, ")


@check("Adam", kind="state", points=2)
def test_adam_leaves_parameters_without_gradient_alone(student, rng):
    """A parameter whose grad is None is passed over: no error, no decay; the others move."""
    start, gradients = rng.normal(COUNT, dtype=torch.float64), rng.normal(3, COUNT, dtype=torch.float64)
    rates, options = [0.1] * 3, {"betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.2}
    for kind, decoupled in (("Adam", False), ("AdamW", True)):
        seen = ask_weights(student, "Adam", start, gradients, rates, (*options.values(), decoupled), idle=1)
        judge_weights(seen, weights_by_torch(kind, start, gradients, rates, idle=1, **options), rates)


@check("Adam", kind="state", points=2)
def test_adam_clears_gradients_and_keeps_no_graph(student, rng):
    """With zero_grad and backward it trains like torch's; gradients are cleared, and no graph is kept."""
    start, gradients = rng.normal(COUNT, dtype=torch.float64), rng.normal(4, COUNT, dtype=torch.float64)
    options = {"betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.2}
    seen = student.probe(
        training_with_backward,
        optimizer="Adam",
        start=start,
        gradients=gradients,
        rate=0.1,
        options=(*options.values(), False),
        shapes=SHAPES,
    )
    judge_training(seen, weights_by_torch("Adam", start, gradients, [0.1] * 4, **options), 0.1)


# -------------------------------------------------------------------------------------------- warmup_cosine


@check("warmup_cosine", kind="value", points=3)
def test_warmup_is_a_ramp(student):
    """In the warm-up the rate grows by equal steps, from lr_max / warmup at step 0 to lr_max at step warmup - 1."""
    for total, warmup, lr_max, lr_min in ((20, 5, 0.4, 0.0), (7, 1, 3.0, 0.5), (30, 8, 0.1, 0.02)):
        judge_rates(student, range(warmup), total, warmup, lr_max, lr_min)


@check("warmup_cosine", kind="value", points=3)
def test_cosine_goes_down_to_the_minimum(student):
    """From step warmup (lr_max) to step total (lr_min) the rate follows half a cosine; with warmup 0 from the start."""
    for total, warmup, lr_max, lr_min in ((20, 5, 0.4, 0.0), (11, 0, 3.0, 0.5), (30, 8, 0.1, 0.02)):
        judge_rates(student, range(warmup, total + 1), total, warmup, lr_max, lr_min)


@check("warmup_cosine", kind="value", points=2)
def test_rate_stays_at_the_minimum(student):
    """After step total the rate stays at lr_min, which is 0 if it is not given."""
    for total, warmup, lr_max, lr_min in ((20, 5, 0.4, None), (11, 0, 3.0, 0.5)):
        judge_rates(student, range(total, 3 * total), total, warmup, lr_max, lr_min)


def judge_rates(student, steps, total, warmup, lr_max, lr_min):
    inputs = {"total": total, "warmup": warmup, "lr_max": lr_max, "lr_min": lr_min}
    rates = student.probe(warmup_cosine_at, steps=list(steps), **inputs)
    low = 0.0 if lr_min is None else lr_min
    for step, rate in zip(steps, rates, strict=True):
        if step < warmup:
            expected = lr_max * (step + 1) / warmup
        else:
            x = min(step, total) - warmup
            # sin and a half angle where the lesson has cos: the oracle shares no formula with the solution.
            expected = low + (lr_max - low) * (1 - math.sin(math.pi / 2 * x / (total - warmup)) ** 2)
        rate = float(rate) if type(rate) is int or isinstance(rate, np.floating) else rate
        assert_close(rate, float(expected), f"the rate at step {step}")


def warmup_cosine_at(solution, steps, total, warmup, lr_max, lr_min):
    minimum = () if lr_min is None else (lr_min,)
    return [solution.warmup_cosine(step, total, warmup, lr_max, *minimum) for step in steps]


# ------------------------------------------------------------------------------------------ clip_grad_norm_

CLIPPED = 1e-5  # torch's own adds 1e-6 to the norm; a solution may or may not
CLIP_SHAPES = [(3,), (2, 3), (2, 1, 5)]


def clipped(solution, gradients, shapes, max_norm, generator=False, idle=None):
    """The returned norm, and the gradients after the call."""
    params = [nn.Parameter(torch.zeros(shape, dtype=gradients.dtype)) for shape in shapes]
    for index, (p, part) in enumerate(zip(params, pieces(gradients, shapes), strict=True)):
        p.grad = None if index == idle else part
    norm = solution.clip_grad_norm_((p for p in params) if generator else params, max_norm)
    return {"norm": norm, "gradients": [p.grad for p in params]}


def judge_clipped(seen, gradients, max_norm, idle=None):
    """The norm before, and the gradients after."""
    used = [None if i == idle else part for i, part in enumerate(pieces(gradients, CLIP_SHAPES))]
    norm = math.sqrt(sum(float((part * part).sum()) for part in used if part is not None))
    if not isinstance(seen["norm"], torch.Tensor) or seen["norm"].shape != ():
        fail(f"the returned norm:\n  came back  {show(seen['norm'])}\n  expected   a 0-d tensor, about {norm:.6g}")
    assert_close(seen["norm"].double().item(), norm, "the returned norm (before clipping)")
    scale = min(1.0, max_norm / norm) if norm else 1.0
    for index, (part, mine) in enumerate(zip(used, seen["gradients"], strict=True)):
        expected = None if part is None else scale * part
        assert_close(mine, expected, f"the gradient of parameter {index} after clipping", tolerance=CLIPPED)


@check("clip_grad_norm_", kind="value", points=3)
def test_clip_shortens_all_gradients_together(student, rng):
    """Too long gradients are all scaled by one factor, so that their common norm is max_norm; the old norm returns."""
    gradients = rng.normal(19, dtype=torch.float64)
    gradients *= 5 / gradients.norm()
    for max_norm in (0.5, 2.0):
        judge_clipped(
            student.probe(clipped, gradients=gradients, shapes=CLIP_SHAPES, max_norm=max_norm), gradients, max_norm
        )


@check("clip_grad_norm_", kind="value", points=2)
def test_clip_leaves_short_gradients_alone(student, rng):
    """If the common norm is below max_norm the gradients stay as they are, and the norm is returned all the same."""
    gradients = rng.normal(19, dtype=torch.float64)
    gradients *= 0.7 / gradients.norm()
    judge_clipped(student.probe(clipped, gradients=gradients, shapes=CLIP_SHAPES, max_norm=1.0), gradients, 1.0)


@check("clip_grad_norm_", kind="state", points=3)
def test_clip_takes_what_a_model_gives(student, rng):
    """Parameters may come as a generator, some without a gradient; gradients of zero stay zero."""
    gradients = rng.normal(19, dtype=torch.float64)
    gradients *= 5 / gradients.norm()
    inputs = {"shapes": CLIP_SHAPES, "max_norm": 1.0, "generator": True}
    judge_clipped(student.probe(clipped, gradients=gradients, **inputs), gradients, 1.0)
    judge_clipped(student.probe(clipped, gradients=gradients, **inputs, idle=1), gradients, 1.0, idle=1)
    zeros = torch.zeros(19, dtype=torch.float64)
    judge_clipped(student.probe(clipped, gradients=zeros, **inputs), zeros, 1.0)


# ------------------------------------------------------------------------------------------ accumulate_step


def accumulated(solution, weights, x, y, sizes, calls, lr):
    """The loss returned and the weights after each call of accumulate_step, on x and y cut into these sizes."""
    model = Watched(network(weights))
    optimizer = Descent(model.parameters(), lr)
    losses, seen = [], []
    for _ in range(calls):
        losses.append(solution.accumulate_step(model, optimizer, F.cross_entropy, micro_batches(x, y, sizes)))
        seen.append(flat(model.parameters()))
    return {"losses": losses, "weights": seen, "largest": max(model.sizes, default=0), "alive": model.alive}


def micro_batches(x, y, sizes):
    return list(zip(x.split(sizes), y.split(sizes), strict=True))


def judge_accumulated(student, rng, sizes, calls):
    weights, n = rng.normal(SIZE, dtype=torch.float64), sum(sizes)
    x, y = rng.normal(n, 5, dtype=torch.float64), rng.integers(0, 3, n)
    seen = student.probe(accumulated, weights=weights, x=x, y=y, sizes=sizes, calls=calls, lr=0.5)
    model = network(weights)
    for call in range(calls):
        loss = descend(model, x, y, 0.5)
        assert_close(seen["losses"][call], loss, f"the loss returned by call {call + 1}")
        assert_close(seen["weights"][call], flat(model.parameters()), f"the weights after call {call + 1}")
    return seen


@check("accumulate_step", kind="value", points=4)
def test_accumulate_equal_pieces(student, rng):
    """Three pieces of four samples give the loss and the weights of one batch of twelve."""
    judge_accumulated(student, rng, sizes=[4, 4, 4], calls=1)


@check("accumulate_step", kind="value", points=4)
def test_accumulate_uneven_pieces(student, rng):
    """Pieces of different sizes count by their samples, and a second call starts from clean gradients."""
    judge_accumulated(student, rng, sizes=[7, 1, 3], calls=2)


@check("accumulate_step", kind="state", points=2)
def test_accumulate_keeps_one_piece_in_memory(student, rng):
    """The pieces go through the model one by one, and the graph of each is gone before the next but one comes."""
    sizes = [2, 3, 2, 1, 3]
    seen = judge_accumulated(student, rng, sizes=sizes, calls=1)
    require(
        seen["largest"] <= max(sizes),
        f"the model was given {seen['largest']} samples at once, though the largest piece has {max(sizes)}",
    )
    most = max(seen["alive"], default=0)
    require(
        most <= 1,
        f"when the last pieces went through the model, the graphs of {most} earlier pieces were still in memory: run "
        "backward() after each piece",
    )


# ------------------------------------------------------------------------------------------------------ fit


class Limited(DataLoader):
    """A loader that ends a training which never ends."""

    def __init__(self, dataset, batch_size, limit):
        super().__init__(dataset, batch_size)
        self.limit = limit
        self.passes = 0

    def __iter__(self):
        self.passes += 1
        if self.passes > self.limit:
            raise RuntimeError(f"the training went through the data more than {self.limit} times: does it ever end?")
        return super().__iter__()


def fitted(solution, weights, x, y, x_val, y_val, epochs, lr, factors=None):
    """History and final state of one call of fit, in batches of four. factors: of the rate, one for each epoch."""
    model = network(weights, batch_norm=True)
    optimizer, scheduler = torch.optim.SGD(model.parameters(), lr), None
    if factors is not None:
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: factors[min(epoch, len(factors) - 1)])
    train_loader = Limited(TensorDataset(x, y), 4, 20 * epochs)
    val_loader = Limited(TensorDataset(x_val, y_val), 4, 20 * epochs)
    history = solution.fit(model, train_loader, val_loader, optimizer, scheduler, epochs)
    return {"history": history, "state": state_of(model)}


def fit_by_hand(model, x, y, x_val, y_val, rates):
    """The oracle: the history, and the state after every epoch."""
    history = {"train_loss": [], "val_loss": [], "val_accuracy": [], "lr": list(rates)}
    states = []
    for rate in rates:
        model.train()
        batches = list(zip(x.split(4), y.split(4), strict=True))
        total = sum(descend(model, inputs, labels, rate) * len(labels) for inputs, labels in batches)
        model.eval()
        logits = model(x_val).detach()
        history["train_loss"].append(total / len(y))
        history["val_loss"].append(F.cross_entropy(logits, y_val).item())
        history["val_accuracy"].append((logits.argmax(1) == y_val).double().mean().item())
        states.append(state_of(model))
    return history, states


def classification(rng, n=11, n_val=10):
    """A start and data that can be learnt: labels of a linear teacher."""
    weights, teacher = rng.normal(NORM_SIZE, dtype=torch.float64), rng.normal(5, 3, dtype=torch.float64)
    x, x_val = rng.normal(n, 5, dtype=torch.float64), rng.normal(n_val, 5, dtype=torch.float64)
    y, y_val = (x @ teacher).argmax(1), (x_val @ teacher).argmax(1)
    return {"weights": weights, "x": x, "y": y, "x_val": x_val, "y_val": y_val}


def by_hand(data, rates):
    """fit_by_hand from the inputs of a probe."""
    rest = {key: value for key, value in data.items() if key != "weights"}
    return fit_by_hand(network(data["weights"], batch_norm=True), **rest, rates=rates)


def as_dict(value, what):
    """A dict, also a defaultdict or another kind."""
    if isinstance(value, Foreign) and type(value.value) is dict:
        value = value.value
    if type(value) is not dict:
        fail(f"{what}:\n  came back  {show(value)}\n  expected   a dict")
    return value


def read_history(history, epochs, what="the history"):
    """The four lists of a history, as floats."""
    found = {}
    for key in ("train_loss", "val_loss", "val_accuracy", "lr"):
        values = as_dict(history, what).get(key)
        if type(values) not in (list, tuple) or len(values) != epochs:
            fail(f"{what}[{key!r}]:\n  came back  {show(values)}\n  expected   a list of {epochs} floats, one an epoch")
        found[key] = [number(v, f"{what}[{key!r}], epoch {i}") for i, v in enumerate(values, start=1)]
    assert_finite(found, what)
    return found


def judge_history(mine, theirs, what="the history"):
    """Key by key, epoch by epoch, the rates first."""
    for key in ("lr", "train_loss", "val_loss", "val_accuracy"):
        for epoch, (value, right) in enumerate(zip(mine[key], theirs[key], strict=True), start=1):
            assert_close(value, right, f"{what}[{key!r}], epoch {epoch}")


@check("fit", kind="shape", points=2)
def test_fit_returns_a_history(student, rng):
    """It returns a dict with train_loss, val_loss, val_accuracy and lr, each a list with a float for every epoch."""
    seen = student.probe(fitted, **classification(rng), epochs=3, lr=0.1)
    read_history(seen["history"], 3)


@check("fit", kind="value", points=4)
def test_fit_history_is_right(student, rng):
    """Losses and accuracies are those of a training on train_loader alone, validated in evaluation mode."""
    data = classification(rng)
    seen = student.probe(fitted, **data, epochs=3, lr=0.1)
    expected, _ = by_hand(data, [0.1] * 3)
    judge_history(read_history(seen["history"], 3), expected)


@check("fit", kind="state", points=3)
def test_fit_steps_the_scheduler_once_an_epoch(student, rng):
    """Each epoch is trained at its own rate, the first at the first one, and the history says which it was."""
    data, factors = classification(rng), [1.0, 0.5, 2.0, 0.2]
    seen = student.probe(fitted, **data, epochs=4, lr=0.1, factors=factors)
    expected, _ = by_hand(data, [0.1 * factor for factor in factors])
    history = read_history(seen["history"], 4)
    lines = {key: history[key] for key in ("train_loss", "val_loss")} | {"val_loss expected": expected["val_loss"]}
    picture_curve("Four epochs, at rates of 0.1, 0.05, 0.2 and 0.02", lines, across="epoch", up="loss")
    judge_history(history, expected)


@check("fit", kind="state", points=3)
def test_fit_restores_the_best_state(student, rng):
    """At the end weights and buffers are those after the epoch of the lowest val_loss, though later ones were worse."""
    factors = [1.0, 1.0, 300.0, 30.0, 1.0]
    for _ in range(1000):  # until lowest and highest loss, highest accuracy and the end are four different epochs
        data = classification(rng)
        history, states = by_hand(data, [0.1 * factor for factor in factors])
        loss, accuracy = torch.tensor(history["val_loss"]), torch.tensor(history["val_accuracy"])
        best, (lowest, second) = int(loss.argmin()), loss.sort().values[:2]
        different = len({best, int(loss.argmax()), int(accuracy.argmax()), 4}) == 4
        if different and int((accuracy == accuracy.max()).sum()) == 1 and lowest < 0.97 * second:
            break
    seen = student.probe(fitted, **data, epochs=5, lr=0.1, factors=factors)
    losses = ", ".join(f"{value:.3f}" for value in history["val_loss"])
    assert_close(seen["state"], states[best], f"val_loss was {losses}; the state after epoch {best + 1} is expected:")


@check("fit", kind="state", points=1)
def test_fit_never_takes_nan_for_the_best(student, rng):
    """When the training blows up and val_loss becomes NaN, the weights from before come back."""
    data, factors = classification(rng), [1.0, 1.0, math.inf, 1.0]
    history, states = by_hand(data, [0.1 * factor for factor in factors])
    best = 0 if history["val_loss"][0] < history["val_loss"][1] else 1
    seen = student.probe(fitted, **data, epochs=4, lr=0.1, factors=factors)
    losses = ", ".join(f"{value:.3f}" for value in history["val_loss"])
    assert_close(seen["state"], states[best], f"val_loss was {losses}; the state after epoch {best + 1} is expected:")


@check("fit", kind="state", points=2)
def test_fit_keeps_no_graphs(student, rng):
    """The graph of a step is gone when the next but one comes: the memory does not grow."""
    alive = student.probe(graphs_during_fit, **classification(rng, n=19), lr=0.1)
    require(type(alive) is list and len(alive) > 0, "the model was never trained")
    most = max(alive)
    require(
        most <= 1, f"in the last steps the graphs of {most} earlier steps were still in memory: add up numbers only"
    )


def graphs_during_fit(solution, weights, x, y, x_val, y_val, lr):
    model = Watched(network(weights, batch_norm=True))
    loaders = (DataLoader(TensorDataset(*pair), 4) for pair in ((x, y), (x_val, y_val)))
    solution.fit(model, *loaders, torch.optim.SGD(model.parameters(), lr=lr), None, 1)
    return model.alive


@check("fit", kind="accuracy", points=3)
def test_fit_reads_held_out_digits(student, rng):
    """Trained on 1,000 real digits at a rate that ruins the last epoch, the best model reads digits it never saw."""
    images, labels = digits(student, rng, "train", 1000)
    held_out, answers = digits(student, rng, "t10k", 500)
    logits = student.probe(logits_for_held_out, images=images, labels=labels, held_out=held_out)
    logits = assert_tensor(logits, (500, 10), torch.float32, "the logits for the held-out digits")
    picture_confusion("500 digits that it never saw", answers, logits.argmax(1), labels="0123456789")
    assert_at_least((logits.argmax(1) == answers).double().mean().item(), 0.7, "the accuracy on held-out digits")


def logits_for_held_out(solution, images, labels, held_out):
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0 if epoch < 4 else 100.0)
    pairs = TensorDataset(images[:800] / 255, labels[:800]), TensorDataset(images[800:] / 255, labels[800:])
    train_loader, val_loader = DataLoader(pairs[0], 50, shuffle=True), DataLoader(pairs[1], 100)
    solution.fit(model, train_loader, val_loader, optimizer, scheduler, 5)
    with torch.no_grad():
        return model.eval()(held_out / 255)


# --------------------------------------------------------------------------------------- compare_optimizers


def compared(solution, weights, x, y, x_val, y_val, rates, epochs, shuffle=""):
    """The histories of plain gradient descents at these rates, from known weights (or, without, from random ones).

    shuffle: "" in order, "global" with torch's generator, "own" with the loader's.
    """
    made = {}

    def make_model():
        if weights is None:
            return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
        return network(weights, batch_norm=True)

    def maker(name, rate):
        def make(params):
            made[name] = Descent(params, rate)
            return made[name]

        return make

    generator = torch.Generator().manual_seed(1234) if shuffle == "own" else None
    train_loader = DataLoader(TensorDataset(x, y), 4, shuffle=bool(shuffle), generator=generator)
    val_loader = DataLoader(TensorDataset(x_val, y_val), 4)
    makers = {name: maker(name, rate) for name, rate in rates.items()}
    histories = solution.compare_optimizers(make_model, train_loader, val_loader, makers, epochs)
    return {"histories": histories, "starts": {name: optimizer.start for name, optimizer in made.items()}}


def read_histories(histories, names, epochs):
    """One history for each name."""
    histories = as_dict(histories, "the result")
    if set(histories) != set(names):
        fail(f"the result:\n  came back  keys {list(histories)}\n  expected   keys {list(names)}")
    return {name: read_history(histories[name], epochs, f"the history of {name!r}") for name in names}


@check("compare_optimizers", kind="value", points=3)
def test_compare_trains_a_model_with_each_optimizer(student, rng):
    """Every optimiser trains a model of its own from the start, and its history is that of `fit`."""
    data, rates = classification(rng), {"slow": 0.02, "fast": 0.3}
    seen = student.probe(compared, **data, rates=rates, epochs=2)
    mine = read_histories(seen["histories"], rates, 2)
    for name, rate in rates.items():
        judge_history(mine[name], by_hand(data, [rate] * 2)[0], f"the history of {name!r}")


@check("compare_optimizers", kind="state", points=2)
def test_compare_starts_from_the_same_weights(student, rng):
    """When make_model draws random weights, all trainings still start from the same ones."""
    data, rates = classification(rng), {"one": 0.1, "two": 0.1}
    seen = student.probe(compared, **{**data, "weights": None}, rates=rates, epochs=2)
    mine = read_histories(seen["histories"], rates, 2)
    starts = as_dict(seen["starts"], "the initial weights")
    for name in rates:
        start = assert_tensor(starts.get(name), (SIZE,), torch.float64, f"the initial weights for {name!r}")
        assert_close(start, starts["one"].detach(), "the initial weights for 'two', beside those for 'one',")
        rest = {key: value for key, value in data.items() if key != "weights"}
        judge_history(mine[name], fit_by_hand(network(start), **rest, rates=[0.1] * 2)[0], f"the history of {name!r}")


@check("compare_optimizers", kind="state", points=2)
def test_compare_shows_the_same_order(student, rng):
    """When train_loader shuffles with torch's global generator, all trainings still see the same batches."""
    judge_order(student, rng, "global")


@check("compare_optimizers", kind="state", points=2)
def test_compare_shows_the_same_order_from_a_loader_with_its_own_generator(student, rng):
    """When train_loader shuffles with a generator of its own, all trainings still see the same batches."""
    judge_order(student, rng, "own")


def judge_order(student, rng, shuffle):
    data, rates = classification(rng), {"one": 0.1, "two": 0.1}
    seen = student.probe(compared, **data, rates=rates, epochs=2, shuffle=shuffle)
    mine = read_histories(seen["histories"], rates, 2)
    ordered, _ = by_hand(data, [0.1] * 2)
    for epoch in range(2):
        one, two = (mine[name]["train_loss"][epoch] for name in rates)
        assert_close(two, one, f"'one' and 'two' have the same rate; the train_loss of 'two' in epoch {epoch + 1}")
    require(
        not bool(close(*(torch.tensor(h["train_loss"]) for h in (mine["one"], ordered))).all()),
        "the trainings saw the data in their original order, though train_loader shuffles: use the loader as it is",
    )
