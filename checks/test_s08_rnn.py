"""Checks of section 8: recurrent networks."""

import ast
import copy
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from grader.checks import (
    assert_at_most,
    assert_close,
    assert_equal,
    assert_finite,
    assert_tensor,
    check,
    fail,
    picture_matrix,
    require,
    shared,
    show,
)

# ------------------------------------------------------------------------------------------------- rnn_cell


@check("rnn_cell", kind="shape", points=2)
def test_rnn_cell_gives_a_state_for_each_row(student, rng):
    """The new state is (B, H), in the dtype of the inputs."""
    for dtype in (torch.float32, torch.float64):
        x, h, w_x, w_h, b = (rng.normal(*shape, dtype=dtype) for shape in ((2, 3), (2, 3), (3, 3), (3, 3), (3,)))
        assert_tensor(student.rnn_cell(x, h, w_x, w_h, b), (2, 3), dtype)


@check("rnn_cell", kind="value", points=4)
def test_rnn_cell_follows_the_formula(student, rng):
    """Values agree with torch's own RNNCell, whatever the sizes (batch, input, state), equal ones too."""
    for batch, inputs, hidden in ((3, 3, 3), (2, 3, 5), (1, 5, 2)):
        x, h = rng.normal(batch, inputs, dtype=torch.float64), rng.normal(batch, hidden, dtype=torch.float64)
        w_x, w_h = rng.normal(hidden, inputs, dtype=torch.float64), rng.normal(hidden, hidden, dtype=torch.float64)
        b = rng.normal(hidden, dtype=torch.float64)
        cell = nn.RNNCell(inputs, hidden, dtype=torch.float64)
        cell.load_state_dict({"weight_ih": w_x, "weight_hh": w_h, "bias_ih": b, "bias_hh": 0 * b})
        assert_close(student.rnn_cell(x, h, w_x, w_h, b), cell(x, h).detach())


@check("rnn_cell", kind="gradient", points=2)
def test_rnn_cell_lets_the_gradient_through(student, rng):
    """The gradient flows back to the input, the state before, both weights and the bias."""
    shapes = ((2, 3), (2, 5), (5, 3), (5, 5), (5,))
    inputs = [rng.normal(*shape, dtype=torch.float64) for shape in shapes]
    upstream = rng.normal(2, 5, dtype=torch.float64)
    x, h, w_x, w_h, b = (i.clone().requires_grad_() for i in inputs)
    expected = torch.autograd.grad(torch.tanh(F.linear(x, w_x) + F.linear(h, w_h, b)), (x, h, w_x, w_h, b), upstream)
    actual = student.probe(gradients_of_rnn_cell, inputs=inputs, upstream=upstream)
    for name, mine, theirs in zip(("x", "h", "w_x", "w_h", "b"), actual, expected, strict=True):
        assert_close(mine, theirs, f"the gradient with respect to {name}")


def gradients_of_rnn_cell(solution, inputs, upstream):
    inputs = [i.requires_grad_() for i in inputs]
    return list(torch.autograd.grad(solution.rnn_cell(*inputs), inputs, upstream))


# ------------------------------------------------------------------------------------- LSTMCell and GRUCell

SIZES = ((2, 3, 5), (3, 3, 3), (1, 5, 2))  # batch, input, state
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def parameters_of_cell(solution, name, input_size, hidden_size):
    """What a fresh cell holds: shapes, what is trained, and the weights that are the same everywhere."""
    cell = getattr(solution, name)(input_size, hidden_size)
    state, trained = cell.state_dict(), dict(cell.named_parameters())
    return {
        "state_dict": {key: tuple(value.shape) for key, value in state.items()},
        "trained": sorted(key for key, value in trained.items() if value.requires_grad),
        "constant": sorted(k for k, v in state.items() if "weight" in k and bool((v == v.reshape(-1)[0]).all())),
    }


def loaded_cell(solution, name, weights):
    """The learner's cell in float64 with these weights."""
    hidden_size, input_size = weights["weight_hh"].shape[1], weights["weight_ih"].shape[1]
    cell = getattr(solution, name)(input_size, hidden_size).double()
    cell.load_state_dict(weights)
    return cell


def step_of_cell(solution, name, weights, x, state):
    """The new state, and what the given one looks like afterwards."""
    result = loaded_cell(solution, name, weights)(x, state)
    return {"new": list(result) if isinstance(result, (tuple, list)) else result, "given": state}


def gradients_of_cell(solution, name, weights, x, state, upstream):
    """Gradients with respect to x, the state and the parameters by name."""
    cell = loaded_cell(solution, name, weights)
    states = [s.requires_grad_() for s in (state if isinstance(state, tuple) else (state,))]
    result = cell(x.requires_grad_(), tuple(states) if isinstance(state, tuple) else states[0])
    results = result if isinstance(result, (tuple, list)) else (result,)
    leaves = {"x": x, "h": states[0], **({"c": states[1]} if len(states) > 1 else {}), **dict(cell.named_parameters())}
    torch.autograd.backward(list(results), list(upstream))
    return {key: leaf.grad for key, leaf in leaves.items()}


def sequence_of_cell(solution, name, weights, xs, state):
    """The states of a sequence, twice from the same start."""
    cell = loaded_cell(solution, name, weights)
    runs = []
    for _ in range(2):
        now, seen = state, []
        for x in xs.unbind(1):
            now = cell(x, now)
            seen.append(list(now) if isinstance(now, (tuple, list)) else [now])
        runs.append([[s.detach() for s in states] for states in seen])
    return {"first": runs[0], "again": runs[1]}


def check_parameters(student, name, gates):
    """The four parameters, by name and shape, trained and not constant."""
    found = student.probe(parameters_of_cell, name=name, input_size=3, hidden_size=5)
    rows = gates * 5
    shapes = {"weight_ih": (rows, 3), "weight_hh": (rows, 5), "bias_ih": (rows,), "bias_hh": (rows,)}
    assert_close(found["state_dict"], shapes, f"the state_dict of {name}(3, 5), with shapes")
    require(
        found["trained"] == sorted(NAMES),
        f"{name}(3, 5) trains {', '.join(found['trained']) or 'nothing'}: all four must be nn.Parameters",
    )
    require(
        not found["constant"],
        f"{', '.join(found['constant'])} of a fresh {name}(3, 5) holds one number only: then all units stay alike. "
        "Draw the weights at random",
    )


def written_by_hand(student, name, *banned):
    """The cell has a forward of its own, which does not leave the work to torch's."""
    student.forbid(*banned, instead="write the gates yourself, from the four parameters")
    earlier = [s for s in student.statements if getattr(s, "name", "") == name][:-1]
    nodes = [node for statement in student.statements if statement not in earlier for node in ast.walk(statement)]
    own = any(isinstance(node, ast.FunctionDef) and node.name in ("forward", "__call__") for node in nodes)
    calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    bases = [base for node in nodes if isinstance(node, ast.ClassDef) for base in node.bases]
    inherits = any(isinstance(base, ast.Attribute) and base.attr == name for base in bases)
    require(
        own and not (inherits and "super().forward" in calls),
        f"{name} leaves its step to torch's own class: write `forward` yourself, from the four parameters",
    )


def cell_weights(rng, gates, inputs, hidden):
    """Random weights in torch's layout."""
    rows = gates * hidden
    shapes = ((rows, inputs), (rows, hidden), (rows,), (rows,))
    return {name: 0.7 * rng.normal(*shape, dtype=torch.float64) for name, shape in zip(NAMES, shapes, strict=True)}


def torch_cell(kind, weights):
    """torch's own cell with these weights, the judge's oracle."""
    cell = kind(weights["weight_ih"].shape[1], weights["weight_hh"].shape[1], dtype=torch.float64)
    cell.load_state_dict(weights)
    return cell


def check_gradients(student, rng, name, kind, gates, parts):
    weights = cell_weights(rng, gates, 3, 5)
    x, states = rng.normal(2, 3, dtype=torch.float64), [rng.normal(2, 5, dtype=torch.float64) for _ in range(parts)]
    upstream = [rng.normal(2, 5, dtype=torch.float64) for _ in range(parts)]
    state = tuple(states) if parts > 1 else states[0]
    actual = student.probe(gradients_of_cell, name=name, weights=weights, x=x, state=state, upstream=upstream)
    cell, leaves = torch_cell(kind, weights), [s.clone().requires_grad_() for s in states]
    mine = x.clone().requires_grad_()
    result = cell(mine, tuple(leaves) if parts > 1 else leaves[0])
    torch.autograd.backward(list(result) if parts > 1 else [result], upstream)
    named = {"x": mine, **dict(zip("hc", leaves, strict=False)), **dict(cell.named_parameters())}
    for key, leaf in named.items():
        require(actual.get(key) is not None, f"no gradient reaches {key}: something on the way was detached")
        assert_close(actual[key], leaf.grad, f"the gradient with respect to {key}")


def check_sequence(student, rng, name, kind, gates, parts):
    weights, xs = cell_weights(rng, gates, 3, 5), rng.normal(2, 7, 3, dtype=torch.float64)
    states = [rng.normal(2, 5, dtype=torch.float64) for _ in range(parts)]
    state = tuple(states) if parts > 1 else states[0]
    found = student.probe(sequence_of_cell, name=name, weights=weights, xs=xs, state=state)
    cell, now, expected = torch_cell(kind, weights), state, []
    for x in xs.unbind(1):
        now = cell(x, now)
        expected.append([s.detach() for s in (now if parts > 1 else (now,))])
    assert_close(found["first"], expected, "the states of a sequence")
    assert_close(found["again"], expected, "the states of the same sequence, started a second time")


@check("LSTMCell", kind="shape", points=2)
def test_lstm_cell_has_torchs_parameters(student):
    """A fresh cell has the four parameters of nn.LSTMCell, by name and shape."""
    check_parameters(student, "LSTMCell", 4)


@check("LSTMCell", kind="value", points=8)
def test_lstm_cell_agrees_with_torch(student, rng):
    """With the weights of an nn.LSTMCell, one step gives its h and c, and leaves the given ones as they were."""
    written_by_hand(student, "LSTMCell", "lstm_cell", "LSTM")
    for batch, inputs, hidden in SIZES:
        weights = cell_weights(rng, 4, inputs, hidden)
        x = rng.normal(batch, inputs, dtype=torch.float64)
        state = rng.normal(batch, hidden, dtype=torch.float64), rng.normal(batch, hidden, dtype=torch.float64)
        found = student.probe(step_of_cell, name="LSTMCell", weights=weights, x=x, state=state)
        new = found["new"]
        if not isinstance(new, list) or len(new) != 2:
            fail(f"LSTMCell(...)(x, (h, c)) must return the pair (h, c): it returned {show(new)}")
        for part, mine, theirs in zip("hc", new, torch_cell(nn.LSTMCell, weights)(x, state), strict=True):
            assert_close(mine, theirs.detach(), f"the new {part}")
        assert_close(found["given"], state, "the pair that you were given, after the call (it must stay as it was)")


@check("LSTMCell", kind="gradient", points=3)
def test_lstm_cell_lets_the_gradient_through(student, rng):
    """The gradient flows back to x, h, c and all four parameters."""
    check_gradients(student, rng, "LSTMCell", nn.LSTMCell, 4, 2)


@check("LSTMCell", kind="state", points=3)
def test_lstm_cell_runs_a_sequence(student, rng):
    """Step after step over a sequence it agrees with torch's, and it keeps nothing for the next sequence."""
    check_sequence(student, rng, "LSTMCell", nn.LSTMCell, 4, 2)


@check("GRUCell", kind="shape", points=2)
def test_gru_cell_has_torchs_parameters(student):
    """A fresh cell has the four parameters of nn.GRUCell, by name and shape."""
    check_parameters(student, "GRUCell", 3)


@check("GRUCell", kind="value", points=7)
def test_gru_cell_agrees_with_torch(student, rng):
    """With the weights of an nn.GRUCell, one step gives its new state, and leaves the given one as it was."""
    written_by_hand(student, "GRUCell", "gru_cell", "GRU")
    for batch, inputs, hidden in SIZES:
        weights = cell_weights(rng, 3, inputs, hidden)
        x, h = rng.normal(batch, inputs, dtype=torch.float64), rng.normal(batch, hidden, dtype=torch.float64)
        found = student.probe(step_of_cell, name="GRUCell", weights=weights, x=x, state=h)
        if not isinstance(found["new"], torch.Tensor):
            fail(f"GRUCell(...)(x, h) must return the new state, a tensor: it returned {show(found['new'])}")
        assert_close(found["new"], torch_cell(nn.GRUCell, weights)(x, h).detach(), "the new state")
        assert_close(found["given"], h, "the state that you were given, after the call (it must stay as it was)")


@check("GRUCell", kind="gradient", points=2)
def test_gru_cell_lets_the_gradient_through(student, rng):
    """The gradient flows back to x, h and all four parameters."""
    check_gradients(student, rng, "GRUCell", nn.GRUCell, 3, 1)


@check("GRUCell", kind="state", points=2)
def test_gru_cell_runs_a_sequence(student, rng):
    """Step after step over a sequence it agrees with torch's, and it keeps nothing for the next sequence."""
    check_sequence(student, rng, "GRUCell", nn.GRUCell, 3, 1)


# ----------------------------------------------------------------------------------------------- last_state


@check("last_state", kind="shape", points=2)
def test_last_state_is_one_row_for_each_sequence(student, rng):
    """The result is (B, 2H), in the dtype of the outputs."""
    for dtype in (torch.float32, torch.float64):
        outputs = rng.normal(3, 5, 14, dtype=dtype)
        assert_tensor(student.last_state(outputs, torch.tensor([5, 2, 3])), (3, 14), dtype)


@check("last_state", kind="value", points=4)
def test_last_state_agrees_with_torch(student, rng):
    """Both halves are the final states of a packed bidirectional GRU, whatever stands in the pads (1e6 here)."""
    for lengths, hidden in (([4, 1, 5, 2], 3), ([3, 3], 2), ([1], 2), ([2, 4, 1, 4], 2)):
        lengths = torch.tensor(lengths)
        layer = nn.GRU(3, hidden, batch_first=True, bidirectional=True, dtype=torch.float64)
        for parameter in layer.parameters():
            parameter.data = rng.normal(*parameter.shape, dtype=torch.float64)
        x = rng.normal(len(lengths), int(lengths.max()), 3, dtype=torch.float64)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        outputs, final = layer(packed)  # final: (2, B, H), forward and backward
        outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, padding_value=1e6)
        actual = student.last_state(outputs.detach(), lengths)
        assert_close(actual, torch.cat([final[0], final[1]], dim=1).detach())


@check("last_state", kind="gradient", points=2)
def test_last_state_sends_the_gradient_to_the_right_steps(student, rng):
    """The gradient reaches the two states that were taken, and no other step."""
    outputs, lengths = rng.normal(3, 5, 4, dtype=torch.float64), torch.tensor([2, 5, 3])
    upstream = rng.normal(3, 4, dtype=torch.float64)
    expected = torch.zeros_like(outputs)
    for row, length in enumerate(lengths.tolist()):
        expected[row, length - 1, :2] += upstream[row, :2]
        expected[row, 0, 2:] += upstream[row, 2:]
    actual = student.probe(gradient_of_last_state, outputs=outputs, lengths=lengths, upstream=upstream)
    assert_close(actual, expected, "the gradient with respect to outputs")


def gradient_of_last_state(solution, outputs, lengths, upstream):
    outputs.requires_grad_()
    return torch.autograd.grad(solution.last_state(outputs, lengths), outputs, upstream)[0]


# -------------------------------------------------------------------------------------------- sequence_loss


@check("sequence_loss", kind="shape", points=2)
def test_sequence_loss_is_a_scalar(student, rng):
    """The loss is a tensor of shape (), in the dtype of the logits."""
    for dtype in (torch.float32, torch.float64):
        logits, targets = rng.normal(2, 5, 5, dtype=dtype), rng.integers(1, 5, 2, 5)
        assert_tensor(student.sequence_loss(logits, targets, 0), (), dtype)


@check("sequence_loss", kind="value", points=3)
def test_sequence_loss_averages_over_all_places(student, rng):
    """Without padding it is the mean of -log p(target) over all B x T places, also where T = V or B = T."""
    for batch, steps, classes in ((2, 3, 5), (3, 4, 4), (3, 3, 3), (1, 1, 4)):
        logits = 2 * rng.normal(batch, steps, classes, dtype=torch.float64)
        targets = rng.integers(1, classes, batch, steps)
        assert_close(student.sequence_loss(logits, targets, 0), mean_surprise(logits, targets, 0))


@check("sequence_loss", kind="value", points=3)
def test_sequence_loss_leaves_padding_out(student, rng):
    """Places whose target is `pad` count neither in the sum nor in the number it is divided by."""
    for pad, lengths in ((0, (4, 1, 3)), (2, (2, 4, 4)), (5, (4, 2, 1))):
        logits = 2 * rng.normal(3, 4, 6, dtype=torch.float64)
        targets = rng.integers(0, 6, 3, 4)
        targets = torch.where(targets == pad, (pad + 1) % 6, targets)
        for row, length in enumerate(lengths):
            targets[row, length:] = pad
            logits[row, length:, (pad + 1) % 6] = 1e4  # a wrong guess where nobody should look
        assert_close(student.sequence_loss(logits, targets, pad), mean_surprise(logits, targets, pad))


@check("sequence_loss", kind="gradient", points=1)
def test_sequence_loss_gives_padding_no_gradient(student, rng):
    """The gradient flows to the logits of real places, and is zero at padding."""
    logits, upstream = rng.normal(2, 3, 5, dtype=torch.float64), torch.tensor(2.5, dtype=torch.float64)
    targets = torch.tensor([[1, 4, 2], [3, 0, 0]])
    leaf = logits.clone().requires_grad_()
    (expected,) = torch.autograd.grad(mean_surprise(leaf, targets, 0), leaf, upstream)
    actual = student.probe(gradient_of_sequence_loss, logits=logits, targets=targets, pad=0, upstream=upstream)
    assert_close(actual, expected, "the gradient with respect to the logits")


def gradient_of_sequence_loss(solution, logits, targets, pad, upstream):
    logits.requires_grad_()
    return torch.autograd.grad(solution.sequence_loss(logits, targets, pad), logits, upstream)[0]


def mean_surprise(logits, targets, pad):
    """The loss by its definition."""
    chosen = (logits - logits.logsumexp(-1, keepdim=True)).gather(-1, targets[..., None])[..., 0]
    return -chosen[targets != pad].mean()


# --------------------------------------------------------------------------------------------- char_batches

TEXTS = ((50, 3, 4), (41, 2, 5), (40, 2, 5), (30, 3, 3), (23, 1, 7), (14, 13, 1))  # length, batch size, steps


@check("char_batches", kind="shape", points=3)
def test_char_batches_are_full_and_none_is_missing(student, rng):
    """A list of (L - 1) // (B * T) pairs of int64 tensors, all of them (B, T)."""
    for length, batch, steps in (*TEXTS, (10, 2, 5)):
        batches_of(student, rng.permutation(length), batch, steps)


@check("char_batches", kind="value", points=4)
def test_char_batches_have_the_next_character_as_target(student, rng):
    """y holds, for every character of x, the one after it in the text."""
    for length, batch, steps in TEXTS:
        ids = rng.permutation(length)
        for number, (x, y) in enumerate(places(batches_of(student, ids, batch, steps), ids)):
            wrong = (y != x + 1).nonzero()
            if len(wrong):
                row, step = wrong[0].tolist()
                fail(
                    f"batch {number}, row {row}, step {step}: x has the character at place {x[row, step]} of the text, "
                    f"and y the one at place {y[row, step]}, not {x[row, step] + 1}"
                )


@check("char_batches", kind="value", points=4)
def test_char_batches_go_on_where_they_stopped(student, rng):
    """Over the whole list a row is one unbroken piece of the text, and no two rows overlap."""
    for length, batch, steps in TEXTS:
        ids = rng.permutation(length)
        streams = torch.cat([x for x, _ in places(batches_of(student, ids, batch, steps), ids)], dim=1)
        breaks = (streams[:, 1:] != streams[:, :-1] + 1).nonzero()
        if len(breaks):
            row, step = breaks[0].tolist()
            fail(
                f"row {row} should be one unbroken piece of the text: after the character at place "
                f"{streams[row, step]} comes the one at place {streams[row, step + 1]}, at step {(step + 1) % steps} "
                f"of batch {(step + 1) // steps}"
            )
        twice = streams.numel() - len(streams.unique())
        require(not twice, f"{twice} characters of the text are inputs more than once: the rows must not overlap")


def batches_of(student, ids, batch, steps):
    """The learner's batches, if they have the right form."""
    result = student.char_batches(ids, batch, steps)
    number = (len(ids) - 1) // (batch * steps)
    if type(result) is not list or len(result) != number:
        found = f"a list of {len(result)}" if type(result) is list else show(result)
        fail(f"the result:\n  came back  {found}\n  expected   a list of {number} pairs, (L - 1) // (B * T)")
    for index, pair in enumerate(result):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            fail(f"item {index} of the list:\n  came back  {show(pair)}\n  expected   a pair (x, y)")
        for name, values in zip("xy", pair, strict=True):
            assert_tensor(values, (batch, steps), torch.int64, f"{name} of batch {index}")
            require(
                bool(((values >= 0) & (values < len(ids))).all()),
                f"{name} of batch {index} holds numbers that are not among the ids",
            )
    return result


def places(batches, ids):
    """The batches with every number replaced by its place in the text (each number occurs there once)."""
    where = ids.argsort()
    return [(where[x], where[y]) for x, y in batches]


# -------------------------------------------------------------------------------------------------- CharRNN

LETTERS = "heo lwrdtab"  # 11 different characters, not sorted


def shapes_of_model(solution, vocabulary, embedding, hidden, cell, ids):
    result = solution.CharRNN(vocabulary, embedding, hidden, cell)(ids)
    return list(result) if isinstance(result, (tuple, list)) else result


def fixed_model(solution, vocabulary, cell):
    """A model in float64 whose parameters depend on their shapes alone, so that equal designs give equal values."""
    model = solution.CharRNN(vocabulary, 5, 7, cell).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            generator = torch.Generator().manual_seed(parameter.numel())
            parameter.copy_(0.6 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def answers_of_model(solution, vocabulary, cell, texts):
    """The logits for each of these batches, from the start."""
    model = fixed_model(solution, vocabulary, cell)
    return [model(ids)[0].detach() for ids in texts]


def pieces_of_model(solution, vocabulary, cell, ids, cuts):
    """The logits of a text read at once, and in pieces with the state carried on."""
    model = fixed_model(solution, vocabulary, cell)
    whole = model(ids)[0].detach()
    pieces, state = [], None
    for piece in ids.tensor_split(cuts, dim=1):
        logits, state = model(piece, state)
        pieces.append(logits.detach())
    return {"whole": whole, "pieces": torch.cat(pieces, dim=1), "no state": state is None}


def untrained_parts(solution, vocabulary, cell, ids):
    """How many parameters there are, and which of them get no gradient, after a backward pass."""
    model = solution.CharRNN(vocabulary, 5, 7, cell)
    logits, _ = model(ids)
    (logits * torch.linspace(-1, 2, logits.numel()).view_as(logits)).sum().backward()
    missing = [tuple(p.shape) for p in model.parameters() if p.grad is None or not bool(p.grad.any())]
    return {"number": len(list(model.parameters())), "missing": missing}


def sizes_of_models(solution, vocabulary):
    """How many numbers each kind of cell trains, and the vocabulary that the model keeps."""
    sizes = {}
    for cell in ("rnn", "gru", "lstm"):
        model = solution.CharRNN(vocabulary, 5, 7, cell)
        sizes[cell] = sum(p.numel() for p in model.parameters())
    default = sum(p.numel() for p in solution.CharRNN(vocabulary, 5, 7).parameters())
    kept = getattr(model, "vocabulary", None)
    return {**sizes, "default": default, "kept": "".join(kept) if isinstance(kept, (list, tuple)) else kept}


@check("CharRNN", kind="shape", points=2)
def test_char_rnn_scores_every_step(student, rng):
    """Called with ids (B, T), it returns logits (B, T, V) and a state, whichever the cell."""
    for cell in ("gru", "rnn", "lstm"):
        for batch, steps in ((2, 3), (1, 1), (5, 2)):
            ids = rng.integers(0, 11, batch, steps)
            found = student.probe(shapes_of_model, vocabulary=LETTERS, embedding=5, hidden=7, cell=cell, ids=ids)
            if not isinstance(found, list) or len(found) != 2:
                fail(f"the model must return the pair (logits, state): it returned {show(found)}")
            assert_tensor(found[0], (batch, steps, 11), torch.float32, f"the logits of the {cell} model")


@check("CharRNN", kind="value", points=5)
def test_char_rnn_reads_each_row_from_left_to_right(student, rng):
    """A prediction depends on the characters up to its own place, in its own row: all of these and no others."""
    ids = rng.integers(0, 11, 3, 5)
    other_row, other_first, other_last = ids.clone(), ids.clone(), ids.clone()
    other_row[0] = (ids[0] + 1 + rng.integers(0, 10, 5)) % 11
    other_first[:, 0] = (ids[:, 0] + 4) % 11
    other_last[:, -1] = (ids[:, -1] + 4) % 11
    for cell in ("gru", "rnn", "lstm"):
        texts = [ids, ids, other_row, other_first, other_last]
        base, again, row, first, last = student.probe(answers_of_model, vocabulary=LETTERS, cell=cell, texts=texts)
        for logits in (base, again, row, first, last):
            assert_tensor(logits, (3, 5, 11), torch.float64, f"the logits of the {cell} model")
        assert_close(again, base, f"the {cell} model's logits for the same text, started a second time")
        if bool((base >= 0).all()) and bool(((base.sum(-1) - 1).abs() < 1e-9).all()):
            fail("the logits are positive and add up to 1: these are probabilities; return the scores before softmax")
        if differ(base[1:], row[1:]):
            fail(f"other characters in row 0 change what the {cell} model says of other rows: the rows must not mix")
        if differ(base[:, :-1], last[:, :-1]):
            fail(f"another last character changes what the {cell} model says before it: it sees the future")
        if not all(differ(base[i, -1], last[i, -1]) for i in range(3)):
            fail(f"another last character leaves the {cell} model's last prediction as it was")
        if not all(differ(base[i, -1], first[i, -1]) for i in range(3)):
            fail(f"another first character leaves the {cell} model's last prediction as it was: it has no memory")


def differ(a, b):
    """Whether two sets of logits are different beyond rounding."""
    return bool(((a - b).abs() > 1e-8).any())


@check("CharRNN", kind="gradient", points=2)
def test_char_rnn_trains_all_its_parts(student, rng):
    """Every parameter gets a gradient."""
    for cell in ("gru", "rnn", "lstm"):
        found = student.probe(untrained_parts, vocabulary=LETTERS, cell=cell, ids=rng.integers(0, 11, 3, 7))
        require(found["number"] >= 4, f"the {cell} model has {found['number']} parameters: a part is not registered")
        if found["missing"]:
            shapes = ", ".join(map(str, found["missing"]))
            fail(f"these parameters of the {cell} model get no gradient from the logits: {shapes}")


@check("CharRNN", kind="state", points=3)
def test_char_rnn_goes_on_from_a_state(student, rng):
    """Read in pieces, each from the state that the piece before gave, a text gets the same logits as read at once."""
    ids = rng.integers(0, 11, 2, 7)
    for cell in ("gru", "rnn", "lstm"):
        found = student.probe(pieces_of_model, vocabulary=LETTERS, cell=cell, ids=ids, cuts=[3, 4])
        assert_finite(found["whole"], f"the {cell} model's logits")
        assert_close(found["pieces"], found["whole"], f"the {cell} model's logits for the text in pieces of 3, 1 and 3")


@check("CharRNN", kind="state", points=1)
def test_char_rnn_builds_the_cell_that_is_asked_for(student):
    """ "rnn", "gru" and "lstm" are three different layers, "gru" is the default, and the vocabulary is kept."""
    found = student.probe(sizes_of_models, vocabulary=LETTERS)
    sizes = f"rnn {found['rnn']}, gru {found['gru']}, lstm {found['lstm']}, default {found['default']}"
    require(
        found["rnn"] < found["gru"] < found["lstm"],
        f"the models train this many numbers: {sizes}. A GRU has more weights than an RNN, and an LSTM more still",
    )
    require(found["default"] == found["gru"], f"the models train this many numbers: {sizes}. The default is the GRU")
    assert_equal(found["kept"], LETTERS, "model.vocabulary")


# ----------------------------------------------------------------------------- train_char_rnn, sample_text


class CharModel(nn.Module):
    """What CharRNN promises, so that a learner's CharRNN need not be right to check what uses it.

    In training it keeps what it was given and what it said.
    """

    def __init__(self, vocabulary, hidden, layer):
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(len(vocabulary), 32)
        self.recurrent = layer(32, hidden, batch_first=True)
        self.head = nn.Linear(hidden, self.embedding.num_embeddings)
        self.calls = None

    def forward(self, ids, state=None):
        outputs, new = self.recurrent(self.embedding(ids), state)
        logits = self.head(outputs)
        if self.calls is not None and torch.is_grad_enabled():
            self.calls.append((ids.clone(), logits.detach().clone(), state))
        return logits, new


def lend(model, solution, hidden):
    """Gives a model what else the learner's CharRNN keeps, such as a dictionary of its characters: they may use it."""
    try:
        with torch.random.fork_rng([]):
            theirs = solution.CharRNN(model.vocabulary, 32, hidden)
        for name in dir(theirs):
            if not name.startswith("_") and not hasattr(model, name):
                value = getattr(theirs, name)
                if not isinstance(value, (nn.Module, torch.Tensor)):
                    setattr(model, name, value)
    except Exception:
        pass  # not written yet, or not right: that is another exercise's matter
    return model


def watch_training(solution, vocabulary, text, steps, kind):
    """What can be seen of a few updates: what the losses are, and what the model was given.

    All of it is independent of the batch size, the optimizer and the rate that the learner chose.
    """
    torch.set_num_threads(1)
    layer = {"rnn": nn.RNN, "lstm": nn.LSTM}[kind]
    model = lend(CharModel(vocabulary, 16, layer), solution, 16)
    nn.init.normal_(model.head.weight)  # so that the losses of different targets are far apart
    model.calls, given, kept = [], [], []
    bias = model.head.bias
    bias.register_hook(lambda gradient: given.append(gradient.clone()))
    bias.register_post_accumulate_grad_hook(lambda p: kept.append(p.grad.clone()))
    before = [p.detach().clone() for p in model.parameters()]
    losses = solution.train_char_rnn(model, text, steps, 3)
    seen = {"type": type(losses).__name__, "types": [], "predict": []}
    if isinstance(losses, (list, tuple)):
        seen["types"] = [type(loss).__name__ for loss in losses]
    if len(seen["types"]) == steps:
        seen["predict"] = [offsets(torch.as_tensor(loss).item(), model.calls, text, vocabulary) for loss in losses]
    seen["moved"] = any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    seen["piled up"] = any(not torch.equal(a, b) for a, b in zip(given, kept, strict=False))
    seen["attached"], seen["jumps"], rows = False, False, []
    for ids, _, state in model.calls:
        parts = () if state is None else state if isinstance(state, (tuple, list)) else (state,)
        now = spell(ids, vocabulary)
        if any(bool(part.any()) for part in parts):  # zeros are a fresh start, as None is
            seen["attached"] |= any(part.requires_grad for part in parts)
            seen["jumps"] |= any(a + b not in text for a, b in zip(rows, now, strict=False))
        rows = now
    batches = [tuple(spell(ids, vocabulary)) for ids, _, _ in model.calls]
    seen["repeats"] = len(set(batches)) < steps <= len(batches)
    return seen


def spell(ids, vocabulary):
    """Each row of numbers as text."""
    return ["".join(vocabulary[i] for i in row) for row in ids.tolist()]


def offsets(loss, calls, text, vocabulary):
    """For which k this is a loss of predicting the character k places on, in some call: the mean, or the sum."""
    number = {character: i for i, character in enumerate(vocabulary)}
    found = set()
    for ids, logits, _ in calls:
        starts = [text.find(row) for row in spell(ids, vocabulary)]
        for k in (-1, 0, 1, 2):
            pieces = [text[s + k : s + k + ids.shape[1]] for s in starts]
            if min(starts) + min(k, 0) < 0 or any(len(piece) != ids.shape[1] for piece in pieces):
                continue
            targets = torch.tensor([[number[c] for c in piece] for piece in pieces])
            each = F.cross_entropy(logits.double().flatten(0, 1), targets.flatten(), reduction="none")
            if abs(each.mean().item() - loss) < 1e-5 * abs(loss):
                found.add(("mean", k))
            if abs(each.sum().item() - loss) < 1e-5 * abs(loss):
                found.add(("sum", k))
    return sorted(found)


@shared
def few_updates(student, rng):
    """Three updates of a small model on a random text, in which every piece of ten characters occurs once."""
    text = "".join(LETTERS[i] for i in rng.integers(0, 11, 60_000).tolist())
    return {
        kind: student.probe(watch_training, vocabulary=LETTERS, text=text, steps=3, kind=kind)
        for kind in ("rnn", "lstm")
    }


@check("train_char_rnn", kind="shape", points=2, seconds=30)
def test_train_char_rnn_returns_one_loss_for_each_update(student, few_updates):
    """It returns a list with one float for each of `steps` updates."""
    for seen in few_updates.values():
        if seen["type"] != "list" or seen["types"] != ["float"] * 3:
            fail(
                f"train_char_rnn(model, text, 3, seed):\n  came back  a {seen['type']}"
                + (f" of {len(seen['types'])}: {', '.join(seen['types'][:4])}" if seen["types"] else "")
                + "\n  expected   a list of 3: float, float, float"
            )


@check("train_char_rnn", kind="value", points=4, seconds=30)
def test_train_char_rnn_predicts_the_next_character(student, few_updates):
    """Each loss is the mean cross-entropy of predicting, at every place of its batch, the next character."""
    for seen in few_updates.values():
        for step, found in enumerate(seen["predict"]):
            if ("mean", 1) in found:
                continue
            if found == [("sum", 1)]:
                fail(f"the loss of update {step} is the sum over all characters of its batch: the mean is expected")
            if len(found) == 1:
                what = {-1: "the one before it", 0: "itself", 2: "the second after it"}[found[0][1]]
                fail(f"the loss of update {step} is that of predicting, from each character, {what}, not the next one")
            fail(
                f"the loss of update {step} is not the mean cross-entropy of predicting the next character with the "
                "logits that the model gave for that batch"
            )


@check("train_char_rnn", kind="state", points=3, seconds=30)
def test_train_char_rnn_updates_step_by_step(student, few_updates):
    """Weights move, gradients start from zero, batches differ, and a carried state is detached and fits the text."""
    for seen in few_updates.values():
        require(not seen["attached"], "the state given to the model still has its graph: detach it after each batch")
        require(seen["moved"], "after 3 updates every parameter is what it was before")
        require(not seen["piled up"], "a gradient is added to that of the update before: clear it first")
        require(not seen["repeats"], "the model was given the same batch twice within 3 updates of a long text")
        require(
            not seen["jumps"],
            "the model was given a state from another place: row b must go on in the text where row b stopped "
            "when that state was made; at a jump begin with None",
        )


@check("train_char_rnn", kind="state", points=1, seconds=30)
def test_train_char_rnn_repeats_itself_for_a_seed(student, rng):
    """The same model and the same seed give the same losses, whatever the global random numbers are."""
    text = "".join(LETTERS[i] for i in rng.integers(0, 11, 60_000).tolist())
    same = student.probe(compare_two_trainings, vocabulary=LETTERS, text=text, steps=2)
    require(same == [True, True], "two trainings of the same model with the same seed give different losses")


def compare_two_trainings(solution, vocabulary, text, steps):
    model, runs = lend(CharModel(vocabulary, 8, nn.RNN), solution, 8), []
    start = copy.deepcopy(model.state_dict())
    for seed in (5, 6):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        model.load_state_dict(start)
        runs.append(solution.train_char_rnn(model, text, steps, 3))
    return [abs(a - b) <= 1e-6 * abs(b) for a, b in zip(*runs, strict=True)]


@check("train_char_rnn", kind="convergence", points=3, seconds=90)
def test_train_char_rnn_beats_counting(student):
    """After 200 updates the model predicts text that it never saw better than the bigram model, which counts pairs."""
    text = (student.data / "text" / "pride_and_prejudice_1-12.txt").read_text(encoding="ascii")
    text = " ".join(text.lower().split())
    vocabulary = "".join(sorted(set(text)))
    cut = len(text) * 9 // 10
    seen, held_out = ([vocabulary.index(c) for c in part] for part in (text[:cut], text[cut:]))
    weights = student.probe(train_on_novel, vocabulary=vocabulary, text=text[:cut], steps=200)
    model = CharModel(vocabulary, 128, nn.RNN)
    model.load_state_dict(weights)
    ids = torch.tensor(held_out)
    with torch.no_grad():
        logits, _ = model(ids[None, :-1])
    loss = F.cross_entropy(logits[0].double(), ids[1:]).item()
    picture_expectations(logits[0].softmax(-1), ids[:-1], vocabulary)
    assert_at_most(
        loss,
        bigram_loss(torch.tensor(seen), ids, len(vocabulary)),
        "nats per character on text that the model never saw (the threshold is the bigram model's)",
    )


def picture_expectations(chances, ids, vocabulary):
    """What the model expects after the most frequent characters, averaged over the text."""
    counts = torch.bincount(ids, minlength=len(vocabulary))
    table = torch.zeros(len(vocabulary), len(vocabulary)).index_add_(0, ids, chances) / counts.clamp(min=1)[:, None]
    frequent = counts.argsort(descending=True)[:12].sort().values
    labels = [vocabulary[i].replace(" ", "\N{OPEN BOX}") for i in frequent.tolist()]
    title = "How probable each next character is, averaged"
    picture_matrix(title, table[frequent][:, frequent], across="the next one", up="after", labels=labels)


def train_on_novel(solution, vocabulary, text, steps):
    """The weights after training; a line that the model writes is printed for whoever looks."""
    torch.set_num_threads(1)  # such small matrices: more threads only wait for each other
    torch.manual_seed(0)
    model = lend(CharModel(vocabulary, 128, nn.RNN), solution, 128)
    solution.train_char_rnn(model, text, steps, 0)
    weights = {key: value.detach().clone() for key, value in model.state_dict().items()}
    written, ids, state, generator = "mr. ", [vocabulary.index(c) for c in "mr. "], None, torch.Generator()
    with torch.no_grad():
        for _ in range(120):
            logits, state = model(torch.tensor([ids]), state)
            ids = torch.multinomial((logits[0, -1] / 0.6).softmax(0), 1, generator=generator).tolist()
            written += vocabulary[ids[0]]
    print(f"After {steps} updates the model writes: {written}")
    return weights


def bigram_loss(seen, held_out, size):
    """Nats per character of the bigram model, smoothed with the unigram model, on text that it never saw."""
    unigram = torch.bincount(seen, minlength=size).double() + 1
    unigram /= unigram.sum()
    pairs = torch.bincount(size * seen[:-1] + seen[1:], minlength=size * size).view(size, size).double()
    bigram = (pairs + 5 * unigram) / (pairs.sum(1, keepdim=True) + 5)
    return -bigram[held_out[:-1], held_out[1:]].log().mean().item()


class Automaton(nn.Module):
    """A model whose next character follows from all the characters before, in their order: its text is known."""

    def __init__(self, vocabulary):
        super().__init__()
        self.vocabulary = vocabulary
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, ids, state=None):
        place = torch.zeros(1, ids.shape[0], 1) if state is None else state
        following = []
        for t in range(ids.shape[1]):
            place = (3 * place + ids[:, t].view(1, -1, 1) + 1) % len(self.vocabulary)
            following.append(place[0, :, 0].long())
        scores = F.one_hot(torch.stack(following, dim=1), len(self.vocabulary)).float()
        return 60 * scores + self.unused, place


class Dice(nn.Module):
    """A model that gives the same scores whatever it reads."""

    def __init__(self, vocabulary, scores):
        super().__init__()
        self.vocabulary = vocabulary
        self.scores = nn.Parameter(scores)

    def forward(self, ids, state=None):
        state = torch.zeros(1, ids.shape[0], 1) if state is None else state
        return self.scores.expand(*ids.shape, -1), state


def write_from_automaton(solution, vocabulary, prompts, numbers):
    """What follows each prompt, in as many characters."""
    model = lend(Automaton(vocabulary), solution, 8)
    generator = torch.Generator().manual_seed(1)
    return [solution.sample_text(model, prompt, n, 1.0, generator) for prompt, n in zip(prompts, numbers, strict=True)]


def write_from_dice(solution, vocabulary, scores, n, temperature):
    model = lend(Dice(vocabulary, scores), solution, 8)
    return solution.sample_text(model, vocabulary[0], n, temperature, torch.Generator().manual_seed(2))


def write_with_seeds(solution, vocabulary, seeds):
    """The text for each seed of the generator, and whether the global random numbers moved meanwhile."""
    model = lend(Dice(vocabulary, torch.zeros(len(vocabulary))), solution, 8)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    texts = [
        solution.sample_text(model, vocabulary[:2], 40, 1.0, torch.Generator().manual_seed(seed)) for seed in seeds
    ]
    after = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    return {"texts": texts, "moved": not torch.equal(before[0], after[0]) or before[1:] != after[1:]}


KEYS = "qwertyuiopasdfghjklzxcv"  # 23 characters


@check("sample_text", kind="shape", points=2)
def test_sample_text_begins_with_the_prompt(student):
    """The result is a string: the prompt, and n more characters of the vocabulary."""
    prompts, numbers = ["dog", "a", "types"], [5, 1, 0]
    texts = student.probe(write_from_automaton, vocabulary=KEYS, prompts=prompts, numbers=numbers)
    for prompt, n, text in zip(prompts, numbers, texts, strict=True):
        call = f"sample_text(model, {prompt!r}, {n}, ...)"
        if type(text) is not str:
            fail(f"{call}:\n  came back  {show(text)}\n  expected   a string")
        strange = sorted(set(text) - set(KEYS))
        require(not strange, f"{call} returned {text!r}: {strange} are not in the vocabulary")
        require(text.startswith(prompt), f"{call} returned {text!r}: it does not begin with the prompt")
        extra = len(text) - len(prompt)
        require(extra == n, f"{call} returned {text!r}: {extra} characters after the prompt, not {n}")


@check("sample_text", kind="value", points=3)
def test_sample_text_feeds_everything_once(student, rng):
    """A model that is sure of each next character, from all of those before it, writes what it must."""
    numbers = [12, 9, 7, 5]
    prompts = ["".join(KEYS[i] for i in rng.permutation(23)[:length].tolist()) for length in (3, 5, 2, 1)]
    texts = student.probe(write_from_automaton, vocabulary=KEYS, prompts=prompts, numbers=numbers)
    for prompt, n, text in zip(prompts, numbers, texts, strict=True):
        place, expected = 0, prompt
        for character in prompt:
            place = (3 * place + KEYS.index(character) + 1) % 23
        while len(expected) < len(prompt) + n:
            expected += KEYS[place]
            place = (3 * place + place + 1) % 23
        assert_equal(text, expected, f"the text after the prompt {prompt!r}")


@check("sample_text", kind="value", points=3)
def test_sample_text_draws_with_the_temperature(student):
    """Characters come as often as softmax(logits / temperature) says."""
    vocabulary, scores, n = "abcd", torch.tensor([0.0, 1.0, 2.0, -1.0]), 500
    for temperature in (0.5, 2.0, 1.0):
        text = student.probe(write_from_dice, vocabulary=vocabulary, scores=scores, n=n, temperature=temperature)
        for character, p in zip(vocabulary, torch.softmax(scores / temperature, 0).tolist(), strict=True):
            share = text[1:].count(character) / n
            if abs(share - p) > 5.5 * (p * (1 - p) / n) ** 0.5 + 0.5 / n:  # less than once in ten million right runs
                fail(
                    f"with scores {scores.tolist()} for {', '.join(vocabulary)} and temperature {temperature:g}, "
                    f"{share:.0%} of {n} characters are {character!r}: {p:.0%} are expected"
                )
    scores = torch.tensor([3.0, 9.0, 6.0, 0.0])
    text = student.probe(write_from_dice, vocabulary=vocabulary, scores=scores, n=30, temperature=0.05)
    assert_equal(text, "a" + 30 * "b", "the text at temperature 0.05, which leaves only the likeliest character")


@check("sample_text", kind="state", points=1)
def test_sample_text_uses_the_generator_alone(student):
    """The same generator writes the same text, another one another, and the global random numbers do not move."""
    found = student.probe(write_with_seeds, vocabulary="abcde", seeds=[1, 2, 1])
    first, other, again = found["texts"]
    require(not found["moved"], "sample_text moves the global random numbers: draw from the generator it is given")
    require(first == again, "two generators with the same seed write different texts")
    require(first != other, "generators with different seeds write the same text of 40 random characters")
