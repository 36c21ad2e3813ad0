"""Checks of section 10: deployment.

What a learner's code saved is loaded beside that code, and in a clean room; never here.
"""

import io
import linecache
import os
import re
import sys
import tempfile
import types
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from grader.checks import (
    assert_at_least,
    assert_at_most,
    assert_close,
    assert_equal,
    assert_finite,
    assert_tensor,
    check,
    fail,
    picture_curve,
    require,
    shared,
    skip,
)

# ------------------------------------------------------------------------------------- save and load checkpoint

RATE = 0.0123  # a learning rate that nobody has by default


def make_net(seed):
    """A small network with a batch norm, the same for the same seed."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, 3))


def train(net, optimizer, steps, seed):
    draws = torch.Generator().manual_seed(seed)
    net.train()
    for _ in range(steps):
        x, y = torch.randn(11, 5, generator=draws), torch.randn(11, 3, generator=draws)
        optimizer.zero_grad()
        ((net(x) - y) ** 2).mean().backward()
        optimizer.step()


def trained():
    """A network and its optimizer after three steps, and two forward passes more (so that their counts differ)."""
    net = make_net(0)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    train(net, optimizer, 3, 1)
    for _ in range(2):
        net(torch.linspace(-1, 1, 55).reshape(11, 5))
    return net, optimizer


def state_of(net):
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def simple_save(path, net, optimizer, epoch):
    """Stands in for save_checkpoint where load_checkpoint alone was imported, as our own variants of it are."""
    torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, path)


def save_with(solution):
    return getattr(solution, "save_checkpoint", simple_save)


def leaves(content):
    """All tensors, numbers and strings in nested dictionaries, lists and tuples, in order."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, (list, tuple)):
        return [leaf for item in content for leaf in leaves(item)]
    if isinstance(content, torch.Tensor):
        return [content.detach().clone()]
    return [content] if type(content) in (bool, int, float, str) and content == content else []


def plain_content(saved):
    """What is in the file, if it is tensors and plain data only; otherwise a sentence."""
    try:
        return leaves(torch.load(io.BytesIO(saved), weights_only=True))
    except Exception as error:
        object_in_it = re.search(r"GLOBAL (\S+)", str(error))
        if object_in_it:
            return f"it holds a pickled `{object_in_it[1]}`"
        return f"{type(error).__name__}: it is damaged, or not what `torch.save` writes"


def saved_content(solution, epoch):
    """Save, and look at what is in the folder and in the file."""
    net, optimizer = trained()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.pt")
        save_with(solution)(str(path), net, optimizer, epoch)
        others = sorted(p.suffix for p in Path(folder).iterdir() if p != path)
        return {"content": plain_content(path.read_bytes()) if path.is_file() else "no file", "others": others}


def saved_file(solution, epoch):
    """The file itself, for a clean room."""
    net, optimizer = trained()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.pt")
        solution.save_checkpoint(str(path), net, optimizer, epoch)
        return path.read_bytes()


def lacking(content):
    """What a file of `trained()` lacks, as a sentence; None if it has all tensors and the learning rate."""
    net, optimizer = trained()
    wanted = {f"the model's `{name}`": value for name, value in state_of(net).items()}
    for index, memory in optimizer.state_dict()["state"].items():
        wanted |= {f"the optimizer's `{name}` of parameter {index}": value for name, value in memory.items()}
    wanted["the optimizer's learning rate"] = torch.tensor(RATE, dtype=torch.float64)
    found = [
        leaf if isinstance(leaf, torch.Tensor) else torch.tensor(leaf) for leaf in content if type(leaf) is not str
    ]
    for name, value in wanted.items():
        if not any(holds(leaf, value) for leaf in found):
            return f"{name} is not in the file"
    return None


def holds(leaf, value):
    leaf, value = leaf.detach().double().reshape(-1), value.double().reshape(-1)
    return leaf.shape == value.shape and bool(torch.allclose(leaf, value, rtol=1e-5, atol=1e-9))


def scalars(content):
    """The numbers and strings in a file."""
    single = [leaf for leaf in content if not isinstance(leaf, torch.Tensor) or leaf.numel() == 1]
    return [leaf.item() if isinstance(leaf, torch.Tensor) else leaf for leaf in single]


def assert_plain(content, where):
    require(content != "no file", "no file was written at the path that was given")
    require(
        isinstance(content, list),
        f"{where}, `torch.load(path, weights_only=True)` refuses the file ({content}): save state dicts and plain "
        "numbers, not objects",
    )


def assert_complete(content, where):
    assert_plain(content, where)
    missing = lacking(content)
    require(missing is None, f"saved after three steps of Adam: {missing}")


@check("save_checkpoint", kind="state", points=3)
def test_a_checkpoint_is_one_plain_file(student, clean_room):
    """One file is written where it was asked for, and it holds tensors and plain data, not a pickled module."""
    found = student.probe(saved_content, epoch=4)
    assert_plain(found["content"], "in your own process")
    require(found["others"] == [], f"{len(found['others'])} other file(s) left in the folder: {found['others']}")
    content = clean_room.probe(plain_content, saved=student.probe(saved_file, epoch=4))
    assert_plain(content, "in a process that never saw your code")
    assert_finite([found["content"], content], "the file's content")


@check("save_checkpoint", kind="state", points=4)
def test_a_checkpoint_has_all_that_training_needs(student, clean_room):
    """The file holds the model's parameters and buffers, the optimizer's memory and learning rate, and the epoch."""
    contents = [student.probe(saved_content, epoch=epoch)["content"] for epoch in (4, 9)]
    for content in contents:
        assert_complete(content, "in your own process")
    require(
        scalars(contents[0]) != scalars(contents[1]), "epoch 4 and epoch 9 give the same file: the epoch is missing"
    )
    content = clean_room.probe(plain_content, saved=student.probe(saved_file, epoch=4))
    assert_complete(content, "in a process that never saw your code")


class PowerCut(BaseException):
    """Nobody should catch it."""


class Unsavable:
    def __reduce__(self):
        raise OSError("No space left on device")


class Interrupted(nn.Linear):
    """A layer whose state cannot be saved to the end."""

    def get_extra_state(self):
        return Unsavable()

    def set_extra_state(self, state):
        return None


def second_save(solution, trouble):
    """Save; save again while something happens; what became of the first file, and whether the trouble was told."""
    net, optimizer = trained()
    with tempfile.TemporaryDirectory() as folder:
        path, link = Path(folder, "model.pt"), Path(folder, "link")
        solution.save_checkpoint(str(path), net, optimizer, 1)
        before, told = path.read_bytes(), False
        kept = {name: getattr(os, name) for name in ("replace", "rename")}
        if trouble == "none":
            try:
                os.link(path, link)  # the old file by a second name
            except OSError:
                link.write_bytes(before)  # a file system without links
        if trouble == "full disk":
            net = Interrupted(5, 5)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        if trouble == "power cut":
            os.replace = os.rename = power_cut
        try:
            solution.save_checkpoint(str(path), net, optimizer, 2)
        except (Exception, PowerCut):
            told = True
        finally:
            for name, function in kept.items():
                setattr(os, name, function)
        old = link if trouble == "none" else path
        after = path.read_bytes() if path.is_file() else b""
        return {
            "told": told,
            "old file whole": old.is_file() and old.read_bytes() == before,
            "new file there": len(after) > 0 and after != before,
            "others": sorted(p.suffix for p in Path(folder).iterdir() if p not in (path, link)),
        }


def power_cut(*arguments, **named):
    raise PowerCut


@check("save_checkpoint", kind="state", points=3)
def test_an_interrupted_save_leaves_the_old_file(student):
    """A save that fails half-way says so, and the checkpoint from before is still whole."""
    full = student.probe(second_save, trouble="full disk")
    if full["told"] is True or full["new file there"] is False:  # otherwise the layer's extra state was not even saved
        require(
            full["old file whole"] is True, "a save failed half-way, and the older file at that path is gone or damaged"
        )
        require(full["told"] is True, "a save failed half-way, and nobody was told: let the exception through")
    good = student.probe(second_save, trouble="none")
    require(good["new file there"] is True, "a second save to the same path leaves the first one there")
    require(
        good["old file whole"] is True,
        "the second save writes into the first file itself: were it interrupted, both would be lost. Write another "
        "file, and let it take the old one's place when it is complete",
    )
    cut = student.probe(second_save, trouble="power cut")  # nothing is told where os.replace was imported by its name
    require(
        cut["old file whole"] is True or cut["told"] is False,
        "interrupted at the moment when the new file should take the old one's place, the old one is gone already",
    )


def next_steps(solution, epoch):
    """Save, load into another model and optimizer, and train these on."""
    net, optimizer = trained()
    other = make_net(2)
    other_optimizer = torch.optim.Adam(other.parameters(), lr=0.5)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "model.pt"))
        save_with(solution)(path, net, optimizer, epoch)
        found = solution.load_checkpoint(path, other, other_optimizer)
    loaded = state_of(other)
    train(other, other_optimizer, 2, 3)
    return {"epoch": found, "loaded": loaded, "later": state_of(other)}


@check("load_checkpoint", kind="state", points=4)
def test_a_loaded_checkpoint_trains_on(student):
    """After a load, the weights, the epoch and the next training steps are as if nothing had happened."""
    content = student.probe(saved_content, epoch=4)["content"]
    wrong = lacking(content) if isinstance(content, list) else content
    if wrong:
        fail(f"`load_checkpoint` reads what your `save_checkpoint` writes, and that is not right yet ({wrong})")
    found = student.probe(next_steps, epoch=4)
    net, optimizer = trained()
    assert_close(found["loaded"], state_of(net), "the model's state after loading")
    assert_equal(found["epoch"], 4, "the epoch")
    train(net, optimizer, 2, 3)
    assert_close(found["later"], state_of(net), "the state after two more steps with the optimizer that was loaded")


class Bomb:
    """Runs code while it is unpickled."""

    def __reduce__(self):
        return exec, ("import sys; sys.kata_bomb = True",)


def load_all(solution):
    """Load four files that are no checkpoints of the model. Was each refused, and did code in it run?"""
    return {kind: load_something(solution, kind) for kind in ("code", "module", "truncated", "other")}


def load_something(solution, kind):
    net = make_net(0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    sys.kata_bomb = False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.pt")
        save_with(solution)(str(path), net, optimizer, 1)
        if kind == "truncated":
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
        elif kind == "module":
            torch.save(net, path)
        elif kind == "code":
            content = torch.load(path, weights_only=True)
            torch.save({**content, "surprise": Bomb()} if isinstance(content, dict) else [content, Bomb()], path)
        elif kind == "other":
            net = nn.Sequential(OrderedDict(zip(("enter", "norm", "squash", "leave"), net, strict=True)))
        try:
            solution.load_checkpoint(str(path), net, optimizer)
        except Exception as error:
            return {"refused": True, "ran": sys.kata_bomb, "told": str(error) if kind == "other" else ""}
        return {"refused": False, "ran": sys.kata_bomb, "told": ""}


@check("load_checkpoint", kind="roundtrip", points=4)
def test_what_is_no_checkpoint_is_refused(student):
    """A pickle with code in it, a whole module, half a file and another architecture are refused, the keys named."""
    kinds = {
        "code": "a checkpoint with a pickled object in it",
        "module": "a pickle of a whole module",
        "truncated": "half a checkpoint",
        "other": "the checkpoint of a model with other layer names",
    }
    found = student.probe(load_all)
    for kind, what in kinds.items():
        require(found[kind]["ran"] is False, f"{what}: code in the file was run while it was loaded")
        require(found[kind]["refused"] is True, f"{what} was loaded without an error")
    told = found["other"]["told"]
    named = any(key in told for key in ("enter.weight", "0.weight"))
    require(named, f"the error does not name the keys that do not fit: {told[:200]}")


# ------------------------------------------------------------------------------------------------ best_state


def snapshot(solution):
    net = make_net(0)
    state = solution.best_state(net)
    plain = dict(state)
    marked = any(isinstance(v, torch.Tensor) and v.requires_grad for v in plain.values())
    in_graph = any(isinstance(v, torch.Tensor) and v.grad_fn is not None for v in plain.values())
    first = {name: value.detach().clone() for name, value in plain.items()}
    train(net, torch.optim.SGD(net.parameters(), lr=0.1), 2, 1)
    later = {name: value.detach().clone() for name, value in plain.items()}
    kind = type(state).__name__
    return {"type": kind, "first": first, "later": later, "marked": marked, "in graph": in_graph}


@check("best_state", kind="shape", points=2)
def test_best_state_has_every_entry(student):
    """Parameters and buffers are there, under the names of the state dict."""
    found = student.probe(snapshot)
    expected = state_of(make_net(0))
    require(
        sorted(found["first"]) == sorted(expected),
        f"the snapshot has the keys {sorted(found['first'])}, the state dict {sorted(expected)}",
    )
    assert_close({k: found["first"][k] for k in expected}, expected, "the snapshot")


@check("best_state", kind="state", points=4)
def test_best_state_does_not_change_with_the_model(student):
    """Training on does not change the snapshot, and it hangs in no graph."""
    found = student.probe(snapshot)
    expected = state_of(make_net(0))
    assert_close({k: found["later"][k] for k in expected}, expected, "the snapshot after two more steps")
    require(found["in graph"] is False, "the entries hang in a graph: they have a grad_fn, which leads to the model")
    require(found["marked"] is False, "the entries require grad: a snapshot is data, outside any graph")


# ---------------------------------------------------------------------------------------------- TorchScript

# torch.jit.script reads a module's source, so this one goes along as text, for `branching` to make a module of.
BRANCHING = '''
import torch
from torch import nn


class Branching(nn.Module):
    """Another path for batches with a positive sum; dropout while training."""

    def __init__(self):
        super().__init__()
        self.up = nn.Linear(3, 5)
        self.down = nn.Linear(3, 5)
        self.norm = nn.BatchNorm1d(5)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() > 0):
            y = self.up(x)
        else:
            y = self.down(x).tanh()
        return self.drop(self.norm(y)).reshape(len(x), 5)
'''


def branching():
    """The module above with fixed weights, from a file that exists for linecache (and so for inspect) only."""
    name = "kata_branching.py"
    linecache.cache[name] = (len(BRANCHING), None, BRANCHING.splitlines(keepends=True), name)
    module = types.ModuleType("kata_branching")
    module.__file__ = name
    sys.modules["kata_branching"] = module
    exec(compile(BRANCHING, name, "exec"), vars(module))
    torch.manual_seed(0)
    net = module.Branching()
    net(torch.randn(50, 3))  # fills the running statistics
    return net


def batches():
    """Batches with a positive and a negative sum, first of the example's size."""
    generator = torch.Generator().manual_seed(1)
    noise = [torch.randn(n, 3, generator=generator) for n in (2, 1, 5)]
    return [x + shift for x in noise for shift in (2.0, -2.0)]


def outputs_of(model, inputs):
    """The output for each input, or in its place the name of what was raised."""
    outputs = []
    for x in inputs:
        try:
            with torch.no_grad():
                outputs.append(model(x))
        except Exception as error:
            outputs.append(f"it raised {type(error).__name__}")
    return outputs


def script_of(solution):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return solution.to_torchscript(branching(), torch.ones(2, 3))


def script_outputs(solution, inputs):
    """Run the script beside the learner's code."""
    script = script_of(solution)
    kind = "ScriptModule" if isinstance(script, torch.jit.ScriptModule) else type(script).__name__
    return {"type": kind, "outputs": outputs_of(script, inputs) if kind == "ScriptModule" else []}


def script_archive(solution):
    buffer = io.BytesIO()
    script = script_of(solution)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(script, buffer)
    return buffer.getvalue()


def run_archive(archive, inputs):
    """In a clean room: load the archive and run it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            script = torch.jit.load(io.BytesIO(archive))
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0][:200]
            return f"`torch.jit.load` refuses it ({type(error).__name__}: {reason})"
        return outputs_of(script, inputs)


def no_torchscript():
    if sys.version_info >= (3, 14):
        skip("TorchScript is not supported on Python 3.14 and later")


def assert_outputs(found, what):
    require(isinstance(found, list), f"{what}: {found}")
    expected = outputs_of(branching().eval(), batches())
    for x, mine, ours in zip(batches(), found, expected, strict=True):
        given = f"{what}, for a batch of {len(x)} with {'positive' if x.sum() > 0 else 'negative'} sum"
        require(isinstance(mine, torch.Tensor), f"{given}: {mine}")
        assert_close(mine, ours, given)


@check("to_torchscript", kind="value", points=5)
def test_torchscript_does_what_the_model_does(student):
    """The script gives what the model gives in eval mode, for other batch sizes and on the other branch too."""
    no_torchscript()
    found = student.probe(script_outputs, inputs=batches())
    require(found["type"] == "ScriptModule", f"a {found['type']} came back, not a ScriptModule")
    assert_outputs(found["outputs"], "the script")


@check("to_torchscript", kind="roundtrip", points=3)
def test_torchscript_runs_without_the_source(student, clean_room):
    """Saved, and loaded in a process that never saw the model's source, the script still gives the same."""
    no_torchscript()
    archive = student.probe(script_archive)
    assert_outputs(clean_room.probe(run_archive, archive=archive, inputs=batches()), "the saved script")


def saved_script(solution):
    net = branching().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.script(net)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.pt")
            solution.save_torchscript(script, str(path))
            return path.read_bytes() if path.is_file() else None


def saved_script_outputs(solution, inputs):
    try:
        archive = saved_script(solution)
    except NotImplementedError:
        raise
    except RuntimeError as error:  # torch numbers the names of classes, anew in each process
        return "the save raised " + re.sub(r"___torch_mangle_\d+\.", "", f"{type(error).__name__}: {error}")
    return "no file" if archive is None else run_archive(archive, inputs)


@check("save_torchscript", kind="roundtrip", points=4)
def test_the_archive_is_torchscript(student, clean_room):
    """The file is a TorchScript archive that `torch.jit.load` reads without the source."""
    no_torchscript()
    found = student.probe(saved_script_outputs, inputs=batches())
    require(found != "no file", "no file was written at the path that was given")
    assert_outputs(found, "the file")
    archive = student.probe(saved_script)
    assert_outputs(clean_room.probe(run_archive, archive=archive, inputs=batches()), "the file")


# --------------------------------------------------------------------------------------------------- export


def plain_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 2))


@shared
def exported(student, rng):
    inputs = [rng.normal(n, 3) for n in (3, 7, 2)]
    return inputs, student.probe(exported_program, inputs=inputs)


def exported_program(solution, inputs):
    """Export once; run the program beside the learner's code, and save it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = solution.export_program(plain_net(), torch.ones(3, 3))
    if not isinstance(program, torch.export.ExportedProgram):
        return {"type": type(program).__name__, "outputs": [], "archive": b""}
    archive = io.BytesIO()
    torch.export.save(program, archive)
    outputs = outputs_of(program.module(), inputs)
    return {"type": "ExportedProgram", "outputs": outputs, "archive": archive.getvalue()}


def run_program(archive, inputs):
    """In a clean room: load the program and run it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.load(io.BytesIO(archive)).module()
        except Exception as error:
            return [f"`torch.export.load` raised {type(error).__name__}" for _ in inputs]
    return outputs_of(program, inputs)


def assert_program(inputs, outputs, what):
    for x, output, expected in zip(inputs, outputs, outputs_of(plain_net().eval(), inputs), strict=True):
        batch = f"{what}, exported with a batch of 3, given a batch of {len(x)}"
        require(isinstance(output, torch.Tensor), f"{batch}: {output}")
        assert_close(output, expected, batch)


@check("export_program", kind="value", points=5, seconds=30)
def test_the_exported_program_takes_any_batch(exported):
    """The program gives what the model gives in eval mode, for other batch sizes than the example's too."""
    inputs, found = exported
    require(found["type"] == "ExportedProgram", f"a {found['type']} came back, not an ExportedProgram")
    assert_program(inputs, found["outputs"], "the program")


@check("export_program", kind="roundtrip", points=3, seconds=30)
def test_the_exported_program_runs_without_the_source(exported, clean_room):
    """Saved, and loaded in a process that never saw the model's source, the program still gives the same."""
    inputs, found = exported
    outputs = clean_room.probe(run_program, archive=found["archive"], inputs=inputs)
    assert_program(inputs, outputs, "the saved program")


# ------------------------------------------------------------------------------------------------- quantise


@check("quantize_affine", kind="shape", points=2)
def test_quantize_affine_gives_small_integers(student, rng):
    """q is uint8 of the shape of x, the scale a positive float, the zero point an int; all within the bits."""
    for bits in (8, 4, 2):
        q, scale, zero_point = unpacked(student.quantize_affine(rng.normal(2, 3, 5), bits))
        assert_tensor(q, (2, 3, 5), torch.uint8, "q")
        require(type(scale) is float and scale > 0, f"the scale is {scale!r}, not a positive float")
        assert_finite(scale, "the scale")
        require(type(zero_point) is int, f"the zero point is a {type(zero_point).__name__}, not an int")
        most = 2**bits - 1
        require(int(q.max()) <= most and 0 <= zero_point <= most, f"with {bits} bits, integers lie in 0 to {most}")


def unpacked(answer):
    if type(answer) is not tuple or len(answer) != 3:
        fail("the result: expected a tuple (q, scale, zero_point)")
    return answer


@check("quantize_affine", kind="value", points=4)
def test_quantize_affine_on_a_round_scale(student):
    """With the range from -1 to 1.55 the scale is 0.01, and everything can be read off."""
    x = torch.tensor([-1.0, -0.304, 0.0, 0.006, 0.257, 1.55])
    q, scale, zero_point = unpacked(student.quantize_affine(x, 8))
    assert_close(q, torch.tensor([0, 70, 100, 101, 126, 255], dtype=torch.uint8), "q")
    assert_close(scale, 0.01, "the scale")
    assert_equal(zero_point, 100, "the zero point")


@check("quantize_affine", kind="value", points=4)
def test_quantize_affine_keeps_zero_and_the_ends(student, rng):
    """Zero comes back as exactly zero, and no value is off by more than a step, at the ends of the range neither."""
    cases = {
        "all positive": rng.uniform(50, low=2.0, high=5.0),
        "all negative": rng.uniform(50, low=-5.0, high=-2.0),
        "with a zero": torch.cat([rng.normal(200), torch.zeros(1)]),
        "all zero": torch.zeros(5),
    }
    for name, x in cases.items():
        for bits in (8, 3):
            assert_quantized(x, bits, name, student.quantize_affine(x, bits))
    for bits in (8, 2):  # a scale of exactly 1, and the zero point and both ends just between two integers
        half = 2 ** (bits - 1) - 0.5
        x = torch.tensor([-half, -1.0, 0.0, 1.0, half])
        assert_quantized(x, bits, f"from {-half} to {half}", student.quantize_affine(x, bits))


def assert_quantized(x, bits, name, answer):
    q, scale, zero_point = unpacked(answer)
    name, most = f"x {name}, {bits} bits", 2**bits - 1
    assert_tensor(q, x.shape, torch.uint8, f"{name}: q")
    require(type(scale) is float and 0 < scale < float("inf"), f"{name}: the scale is {scale!r}, not a positive float")
    require(
        type(zero_point) is int and 0 <= zero_point <= most,
        f"{name}: the zero point is {zero_point!r}, not an int from 0 to {most}: so 0.0 cannot be represented",
    )
    require(int(q.max()) <= most, f"{name}: q has the value {int(q.max())}, more than {most}")
    back = scale * (q.double() - zero_point)
    off = (back - x).abs()
    worst = int(off.argmax())
    require(
        float(off[worst]) <= 1.02 * scale + 1e-6,
        f"{name}: {float(x[worst]):.4g} comes back as {float(back[worst]):.4g}, with a scale of {scale:.4g}",
    )
    require(bool((back[x == 0] == 0).all()), f"{name}: 0.0 comes back as {back[x == 0][:1].tolist()}")
    full = max(float(x.max()), 0.0) - min(float(x.min()), 0.0)
    require(
        scale <= 1.1 * full / most or full == 0,
        f"{name}: the scale {scale:.4g} wastes a part of the integers; the range is {full:.4g} wide",
    )


@check("dequantize_affine", kind="shape", points=1)
def test_dequantize_affine_gives_floats(student, rng):
    """The result is float32, of the shape of q."""
    q = rng.integers(0, 256, 2, 3, 5, dtype=torch.uint8)
    assert_tensor(student.dequantize_affine(q, 0.25, 5), (2, 3, 5), torch.float32)


@check("dequantize_affine", kind="value", points=2)
def test_dequantize_affine_goes_below_zero(student):
    """Integers below the zero point become negative floats."""
    q = torch.tensor([[0, 3, 5], [6, 200, 255]], dtype=torch.uint8)
    expected = torch.tensor([[-1.25, -0.5, 0.0], [0.25, 48.75, 62.5]])
    assert_close(student.dequantize_affine(q, 0.25, 5), expected)


# ----------------------------------------------------------------------------------------------- Int8Linear


def int8_linear(solution, weight, bias, x):
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        linear.weight.copy_(weight)
        if bias is not None:
            linear.bias.copy_(bias)
    before = state_of(linear)
    module = solution.Int8Linear.from_float(linear)
    with torch.no_grad():
        output = module(x)
    state = module.state_dict()
    return {
        "output": output,
        "parameters": {name: value.detach().clone() for name, value in module.named_parameters()},
        "int8": sum(value.numel() for value in state.values() if getattr(value, "dtype", None) == torch.int8),
        "share": file_size(state) / file_size(linear.state_dict()),
        "kept": all(torch.equal(before[name], value) for name, value in linear.state_dict().items()),
    }


def file_size(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.tell()


def uneven_weight(rng):
    """(64, 128), rows of very different size: one scale for all would drown the small ones."""
    return rng.normal(64, 128) * torch.logspace(-3, 0, 64)[:, None]


@check("Int8Linear", kind="shape", points=2)
def test_int8_linear_takes_any_batch(student, rng):
    """(..., in) becomes (..., out), with and without a bias, in float32."""
    for shape, bias in (((3, 128), rng.normal(64)), ((2, 3, 128), None), ((128,), None)):
        found = student.probe(int8_linear, weight=uneven_weight(rng), bias=bias, x=rng.normal(*shape))
        assert_tensor(found["output"], (*shape[:-1], 64), torch.float32, "the output")


@check("Int8Linear", kind="value", points=4)
def test_int8_linear_is_close_in_every_channel(student, rng):
    """Each output channel is as exact as eight bits allow, the small ones too, and the bias is added."""
    weight, bias, x = uneven_weight(rng), rng.normal(64), rng.normal(50, 128)
    found = student.probe(int8_linear, weight=weight, bias=None, x=torch.eye(128))
    output = assert_tensor(found["output"], (128, 64), torch.float32, "the output for an identity matrix")
    step = weight.abs().amax(1) / 127  # (64,)
    error = (output.T - weight).double().pow(2).mean(1).sqrt() / step  # (64,)
    assert_at_most(float(error.max()), 0.4, "the root mean square error of the worst row, in steps of its scale,")
    for given in (bias, None):
        found = student.probe(int8_linear, weight=weight, bias=given, x=x)
        output = assert_tensor(found["output"], (50, 64), torch.float32, "the output")
        signal = x.double() @ weight.double().T
        exact = signal if given is None else signal + given
        error = (output.double() - exact).pow(2).mean(0).sqrt() / signal.pow(2).mean(0).sqrt()  # (64,)
        name = "without a bias" if given is None else "with a bias"
        assert_at_most(float(error.max()), 0.03, f"the relative error of the worst output channel, {name},")
    weight[5] = 0
    found = student.probe(int8_linear, weight=weight, bias=None, x=x)
    output = assert_tensor(found["output"], what="the output for a weight with a row of zeros")
    assert_close(output[:, 5], torch.zeros(50), "the channel whose weights are all zero")


@check("Int8Linear", kind="state", points=4)
def test_int8_linear_is_small_and_not_trained(student, rng):
    """The weight is int8 in a buffer: nothing to train, and a file a quarter of the size. The float layer stays."""
    bias = rng.normal(64)
    found = student.probe(int8_linear, weight=uneven_weight(rng), bias=bias, x=rng.normal(2, 128))
    for name, value in found["parameters"].items():
        if not (value.shape == bias.shape and value.dtype == bias.dtype and torch.equal(value, bias)):
            fail(f"`{name}` is a Parameter, which an optimizer would train: keep it in a buffer")
    require(
        found["int8"] == 64 * 128,
        f"the state dict has {found['int8']} values of dtype int8, and the weight {64 * 128}",
    )
    assert_at_most(float(found["share"]), 0.45, "the size of the file, as a share of the float layer's,")
    require(found["kept"] is True, "the float layer that was given has changed")


# ------------------------------------------------------------------------------------------- quantize_model


def digits(student, count=300):
    """The judge's own reading of MNIST's files: images (N, 784) in [0, 1] and labels (N,)."""
    folder = student.data / "MNIST" / "raw"
    images = np.fromfile(folder / "t10k-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 784)
    labels = np.fromfile(folder / "t10k-labels-idx1-ubyte", np.uint8, offset=8)
    return torch.from_numpy(images[:count]).float() / 255, torch.from_numpy(labels[:count]).long()


def trained_on(x, y):
    """A network that knows these digits."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))
    velocity = [torch.zeros_like(p) for p in net.parameters()]
    net.eval()
    for _ in range(40):
        gradients = torch.autograd.grad(nn.functional.cross_entropy(net(x), y), list(net.parameters()))
        with torch.no_grad():
            for p, v, g in zip(net.parameters(), velocity, gradients, strict=True):
                v.mul_(0.9).add_(g)
                p.sub_(0.1 * v)
    return net


def quantized(solution, state, x):
    net = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))
    net.load_state_dict(state)
    net.train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = solution.quantize_model(net)
        with torch.no_grad():
            outputs = [model(x) for _ in range(2)]
        share = file_size(model.state_dict()) / file_size(net.state_dict())
    return {
        "outputs": outputs,
        "training": model.training,
        "dropout": any(m.training for m in model.modules() if isinstance(m, nn.Dropout)),
        "share": share,
        "classes": [f"{type(m).__module__}.{type(m).__name__}" for m in net],
        "caller_training": net.training,
        "caller": {name: value.detach().clone() for name, value in net.state_dict().items() if torch.is_tensor(value)},
    }


@shared
def quantized_digits(student):
    x, y = digits(student)
    net = trained_on(x, y)
    return x, y, net, student.probe(quantized, state=state_of(net), x=x)


@check("quantize_model", kind="state", points=3)
def test_quantize_model_leaves_the_callers_model(quantized_digits):
    """The quantised model is in eval mode, its dropout too; the caller's model is as it was, mode included."""
    _, _, net, found = quantized_digits
    layers = [f"{type(m).__module__}.{type(m).__name__}" for m in net]
    assert_equal(found["classes"], layers, "the layers of the caller's model")
    assert_close(found["caller"], state_of(net), "the caller's weights")
    require(found["caller_training"] is True, "the caller's model was in training mode, and is not any more")
    require(found["training"] is False, "the quantised model is in training mode: its `training` is True")
    require(found["dropout"] is False, "the dropout of the quantised model is in training mode")
    assert_close(found["outputs"][0], found["outputs"][1], "the output for the same input, once more")


@check("quantize_model", kind="accuracy", points=5)
def test_quantize_model_is_small_and_still_right(quantized_digits):
    """The file is less than half the size, and the digits are recognised as before."""
    x, y, net, found = quantized_digits
    output = assert_tensor(found["outputs"][0], (len(x), 10), torch.float32, "the output")
    with torch.no_grad():
        exact = net(x)
    before = float((exact.argmax(1) == y).float().mean())
    after = float((output.argmax(1) == y).float().mean())
    points = {"the float model": ([1.0], [before]), "yours": ([found["share"]], [after])}
    picture_curve(
        "Size and accuracy", points, across="size of the file, as a share of the float model's", up="accuracy"
    )
    assert_at_most(float(found["share"]), 0.45, "the size of the file, as a share of the float model's")
    assert_at_least(after - before, -0.02, "the gain in accuracy")
    assert_at_most(float((output - exact).abs().max() / exact.abs().max()), 0.1, "the relative error of the logits")


# ---------------------------------------------------------------------------------------------------- prune


PRUNABLE = ("0.0", "2", "3")


def conv_net():
    """Layers of different scales, so that pruning each by itself differs from pruning all together; 160 weights."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.ReLU()), nn.Flatten(), nn.Linear(20, 5), nn.Linear(5, 3)
    )
    with torch.no_grad():
        net[2].weight.mul_(3)
        net[3].bias.fill_(1e-6)
    return net


def weights_of(net):
    """The weights that count in a forward pass, as torch's hooks have left them after one."""
    with torch.no_grad():
        net(torch.zeros(2, 1, 4, 4))
    return {name: net.get_submodule(name).weight.detach().clone() for name in PRUNABLE}


def pruned(solution, amount):
    net = conv_net().eval()
    solution.prune_magnitude_(net, amount)
    biases = {name: net.get_submodule(name).bias.detach().clone() for name in PRUNABLE}
    return {"weights": weights_of(net), "biases": biases}


def pruned_and_trained(solution, amount):
    net = conv_net().eval()
    solution.prune_magnitude_(net, amount)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    generator = torch.Generator().manual_seed(1)
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.randn(3, 1, 4, 4, generator=generator)).square().sum().backward()
        optimizer.step()
    return weights_of(net)


def expected_masks(amount):
    """True where a weight survives: the largest of all layers together."""
    weights = {name: conv_net().get_submodule(name).weight.detach() for name in PRUNABLE}
    sizes = torch.cat([w.abs().reshape(-1) for w in weights.values()]).sort().values
    threshold = sizes[round(amount * len(sizes)) - 1]
    return {name: w.abs() > threshold for name, w in weights.items()}


@check("prune_magnitude_", kind="value", points=5)
def test_pruning_cuts_the_smallest_of_all_layers(student):
    """The smallest weights by magnitude, of all layers together, are zero; the others and the biases stay."""
    for amount in (0.25, 0.75):
        found = student.probe(pruned, amount=amount)
        net = conv_net()
        for name, mask in expected_masks(amount).items():
            layer = net.get_submodule(name)
            kind = type(layer).__name__
            expected = layer.weight.detach() * mask
            zeros = tuple(int((w == 0).sum()) for w in (found["weights"][name], expected))
            if zeros[0] != zeros[1]:
                fail(f"the weight of layer {name} ({kind}) has {zeros[0]} zeros of {mask.numel()}, expected {zeros[1]}")
            assert_close(found["weights"][name], expected, f"the weight of layer {name} ({kind})")
            assert_close(found["biases"][name], layer.bias.detach(), f"the bias of layer {name} ({kind})")


@check("prune_magnitude_", kind="state", points=4)
def test_training_on_revives_nothing(student):
    """Two steps of training later the zeros are still zero, and the other weights have moved."""
    trained_on = student.probe(pruned_and_trained, amount=0.75)
    masks = expected_masks(0.75)
    for name, mask in masks.items():
        revived = int((trained_on[name][~mask] != 0).sum())
        require(revived == 0, f"training on revived {revived} of the {int((~mask).sum())} zeros in layer {name}")
    start = conv_net()[2].weight.detach() * masks["2"]
    require(not torch.equal(trained_on["2"], start), "no weight of layer 2 moved in training: what is left must learn")


def sparsities(solution):
    from torch.nn.utils import prune

    net = conv_net()
    with torch.no_grad():
        net[0][0].weight[:2] = 0
        net[2].bias.zero_()
        net[0][1].weight.zero_()
    lone = nn.Linear(4, 2)
    with torch.no_grad():
        lone.weight[0] = 0
    masked = conv_net()
    prune.global_unstructured(
        [(masked.get_submodule(name), "weight") for name in PRUNABLE], prune.L1Unstructured, amount=0.25
    )
    return {
        "some zeros": solution.sparsity(net),
        "a single layer": solution.sparsity(lone),
        "no zeros": solution.sparsity(conv_net()),
        "pruned by torch, not finalized": solution.sparsity(masked),
    }


@check("sparsity", kind="value", points=4)
def test_sparsity_counts_weights_alone(student):
    """The fraction of zeros over all weights of Linear and Conv2d layers: not a mean of fractions, and no biases."""
    expected = {"some zeros": 18 / 160, "a single layer": 0.5, "no zeros": 0.0, "pruned by torch, not finalized": 0.25}
    found = student.probe(sparsities)
    for name, value in expected.items():
        assert_close(found[name], value, f"the sparsity of a module: {name}")


def finalized(solution):
    """Pruned by the learner's own prune_magnitude_ where that is right, by torch's tool where it is not."""
    from torch.nn.utils import prune

    net = conv_net().eval()
    names = sorted(net.state_dict())
    try:
        solution.prune_magnitude_(net, 0.75)
        zeros = sum(int((w == 0).sum()) for w in weights_of(net).values())
    except Exception:
        zeros = 0
    if zeros != 120:
        net = conv_net().eval()
        layers = [(net.get_submodule(name), "weight") for name in PRUNABLE]
        prune.global_unstructured(layers, prune.L1Unstructured, amount=0.75)
    before = weights_of(net)
    solution.finalize_pruning(net)
    after = weights_of(net)
    trainable = all(isinstance(net.get_submodule(name).weight, nn.Parameter) for name in PRUNABLE)
    found = sorted(net.state_dict())
    return {"names": names, "found": found, "before": before, "after": after, "trainable": trainable}


@check("finalize_pruning", kind="state", points=4)
def test_finalizing_leaves_zeros_and_no_masks(student):
    """The weights keep their zeros, and the state dict has its original keys: no mask goes into the file."""
    found = student.probe(finalized)
    extra, lost = (sorted({*found[a]} - {*found[b]}) for a, b in (("found", "names"), ("names", "found")))
    require(
        not extra and not lost, f"the state dict has keys that it had not before pruning, {extra}, and lacks {lost}"
    )
    assert_finite(found["before"], "the weights before")
    for name, weight in found["before"].items():
        zeros = int((weight == 0).sum()), int((found["after"][name] == 0).sum())
        require(zeros[0] == zeros[1], f"layer {name} had {zeros[0]} zeros before finalizing, and {zeros[1]} afterwards")
    assert_close(found["after"], found["before"], "the weights")
    require(found["trainable"] is True, "a weight is no Parameter any more")


# ---------------------------------------------------------------------------------------------------- fold


def make_pair(options):
    torch.manual_seed(0)
    conv, bn = nn.Conv2d(6, 6, 3, **options), nn.BatchNorm2d(6, eps=0.1)
    ranges = ((bn.weight, -2, 2), (bn.bias, -1, 1), (bn.running_mean, -1, 1), (bn.running_var, 0.1, 3))
    with torch.no_grad():
        for value, low, high in ranges:
            value.copy_(torch.rand(6) * (high - low) + low)
    return conv.eval(), bn.eval()


def folded(solution, options, x):
    conv, bn = make_pair(options)
    before = {**state_of(conv), **{f"bn.{k}": v for k, v in state_of(bn).items()}}
    module = solution.fold_batchnorm(conv, bn)
    after = {**state_of(conv), **{f"bn.{k}": v for k, v in state_of(bn).items()}}
    kept = before.keys() == after.keys() and all(torch.equal(before[name], value) for name, value in after.items())
    return {
        "output": outputs_of(module, [x])[0],
        "type": type(module).__name__,
        "conv": isinstance(module, nn.Conv2d),
        "kept": kept,
    }


def assert_folded(found, options, x):
    require(found["conv"] is True, f"a {found['type']} came back, not a Conv2d")
    conv, bn = make_pair(options)
    with torch.no_grad():
        expected = bn(conv(x))
    written = ", ".join(f"{name}={value}" for name, value in options.items()) or "bias=True"
    require(
        isinstance(found["output"], torch.Tensor), f"run on x, the result of a Conv2d({written}): {found['output']}"
    )
    assert_close(found["output"], expected, f"the output, folded from a Conv2d({written})")


@check("fold_batchnorm", kind="value", points=5)
def test_the_folded_convolution_does_both(student, rng):
    """One Conv2d gives what the convolution and the batch norm give, with a bias and without."""
    x = rng.normal(2, 6, 7, 5)
    for options in ({"bias": False}, {}):
        assert_folded(student.probe(folded, options=options, x=x), options, x)


@check("fold_batchnorm", kind="state", points=3)
def test_folding_keeps_the_geometry_and_the_originals(student, rng):
    """Stride, padding, dilation and groups are kept, and neither of the two originals is changed."""
    x = rng.normal(2, 6, 11, 9)
    for options in ({"stride": 2, "padding": (1, 2)}, {"dilation": 2, "groups": 3}):
        found = student.probe(folded, options=options, x=x)
        assert_folded(found, options, x)
        require(found["kept"] is True, "the convolution or the batch norm that was given has changed")
