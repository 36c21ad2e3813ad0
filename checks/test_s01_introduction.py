"""Checks of section 1: introduction.

Versions and devices are asked for on a machine that is only pretended: the same for everybody, whatever is installed.
"""

import importlib.metadata
import math
import platform
import random
import sys
import types
from collections import namedtuple
from contextlib import contextmanager

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from grader.checks import (
    assert_at_most,
    assert_close,
    assert_equal,
    assert_finite,
    assert_tensor,
    check,
    parts,
    require,
    show,
)

# --------------------------------------------------------------------------------------------- first_tensor


@check("first_tensor", kind="shape", points=6)
def test_first_tensor_is_2_by_3_and_float32(student):
    """The tensor has 2 rows, 3 columns and dtype float32."""
    result = student.probe(first_tensor)
    assert_tensor(torch.zeros_like(result) if isinstance(result, torch.Tensor) else result, (2, 3), torch.float32)


@check("first_tensor", kind="value", points=10)
def test_first_tensor_counts_row_by_row(student):
    """The rows are 1 2 3 and 4 5 6."""
    assert_close(student.probe(first_tensor), torch.linspace(1, 6, 6).reshape(2, 3))


def first_tensor(solution):
    """The tensor, where memory that nobody has written to is full of NaN, rather than of anything."""
    torch._C._set_deterministic_algorithms(True)  # torch.use_deterministic_algorithms would import the compiler too
    try:
        return solution.first_tensor()
    finally:
        torch._C._set_deterministic_algorithms(False)


# ------------------------------------------------------------------------------------------------- to_float


@check("to_float", kind="shape", points=3)
def test_to_float_gives_a_python_float(student):
    """The result is a float of Python, no tensor."""
    result = student.to_float(torch.tensor(2.5))
    good = type(result) is float and math.isfinite(result)
    require(good, f"the result:\n  came back  {show(result)}\n  expected   the float 2.5")


@check("to_float", kind="value", points=3)
def test_to_float_keeps_the_number(student, rng):
    """The number is exactly the same, from float32 and float64, and from a loss that has a gradient to come."""
    for x in (rng.normal(), rng.normal(dtype=torch.float64), torch.tensor(-1e300, dtype=torch.float64)):
        assert_equal(student.to_float(x), x.tolist())
    assert_equal(student.probe(float_of_a_loss, x=torch.tensor([1.5, -2.0])), 6.25, "a loss of 6.25")


def float_of_a_loss(solution, x):
    return solution.to_float(x.requires_grad_().square().sum())


# ----------------------------------------------------------------------- share_with_numpy, copy_from_numpy


def arrays():
    """Arrays of several dtypes and shapes, one of them transposed."""
    table = np.arange(15.0).reshape(3, 5)
    return [table, table.T, *(np.array([[0, 1, 7]], dtype) for dtype in ("float32", "int64", "uint8", "bool"))]


@check("share_with_numpy", kind="value", points=6)
def test_shared_tensor_equals_the_array(student):
    """Shape, dtype and values are those of the array."""
    for array in arrays():
        assert_close(student.share_with_numpy(array), torch.tensor(array))


@check("share_with_numpy", kind="state", points=8)
def test_shared_tensor_follows_the_array(student):
    """What is written to the array is seen in the tensor, and the other way round, for a view of an array too."""
    for what, tensor, array in written(student, "share_with_numpy"):
        require(tensor[0, 0].item() == 100, f"{what}: 100 was written to the array, and is not seen in the tensor")
        require(array[1, 1].item() == -100, f"{what}: -100 was written to the tensor, and is not seen in the array")


@check("copy_from_numpy", kind="value", points=4)
def test_copied_tensor_equals_the_array(student):
    """Shape, dtype and values are those of the array."""
    for array in arrays():
        assert_close(student.copy_from_numpy(array), torch.tensor(array))


@check("copy_from_numpy", kind="state", points=6)
def test_copied_tensor_is_independent(student):
    """What is written to the array is not seen in the tensor, nor the other way round."""
    for what, tensor, array in written(student, "copy_from_numpy"):
        require(tensor[0, 0].item() != 100, f"{what}: 100 was written to the array, and is seen in the tensor")
        require(array[1, 1].item() != -100, f"{what}: -100 was written to the tensor, and is seen in the array")
        assert_close(tensor, torch.tensor(laid_out(what)), f"the tensor of {what}")


LAYOUTS = ("an array", "a transposed array", "every second column of an array")


def laid_out(what):
    array = np.arange(15.0).reshape(3, 5)
    return {"an array": array, "a transposed array": array.T}.get(what, array[:, ::2])


def written(student, exercise):
    for what, pair in parts(student.probe(write_to_both, exercise=exercise), LAYOUTS).items():
        tensor, array = parts(pair, 2)
        yield what, assert_tensor(tensor, laid_out(what).shape, torch.float64, f"the tensor of {what}"), array


def write_to_both(solution, exercise):
    """For three layouts: the tensor after a write to the array, and the array after a write to the tensor."""
    seen = {}
    for what in LAYOUTS:
        array = laid_out(what)
        tensor = getattr(solution, exercise)(array)
        array[0, 0] = 100
        before = tensor.clone()
        tensor[1, 1] = -100
        seen[what] = [before, array]
    return seen


# -------------------------------------------------------------------------------------------- seeded_normal


@check("seeded_normal", kind="shape", points=3)
def test_random_tensor_has_the_shape(student):
    """The result has the shape that was asked for, and dtype float32."""
    for shape in ((2, 3, 5), (7,)):
        assert_tensor(student.seeded_normal(shape, 3), shape, torch.float32)


@check("seeded_normal", kind="value", points=4)
def test_random_numbers_are_standard_normal(student, rng):
    """The numbers follow the bell of mean 0 and standard deviation 1."""
    numbers = student.seeded_normal((20_011,), rng.integers(0, 1000).item())
    mean, std = numbers.mean().item(), numbers.std().item()
    require(
        abs(mean) < 0.05 and abs(std - 1) < 0.05,  # seven times what chance allows
        f"20,011 numbers have the mean {mean:.2f} and the standard deviation {std:.2f}; about 0 and 1 are expected",
    )
    below = torch.special.ndtr(numbers.double().sort().values)  # the share of a normal distribution below each number
    share = torch.linspace(0, 1, 20_011, dtype=torch.float64)  # and the share of these numbers
    distance = (below - share).abs().max().item()
    assert_at_most(distance, 0.025, "the largest distance between their distribution and the bell")


@check("seeded_normal", kind="state", points=4)
def test_the_seed_alone_decides(student, rng):
    """The same seed gives the same numbers, whatever was drawn before; another seed gives others."""
    seed = rng.integers(1, 1000).item()
    first, again, other = student.probe(draws, seed=seed, other=seed + 1)
    assert_finite(first, f"seeded_normal((5,), {seed})")
    assert_close(again, first, f"seeded_normal((5,), {seed}) for the second time")
    require(not torch.equal(first, other), f"seeds {seed} and {seed + 1} give the same numbers: {show(first)}")


def draws(solution, seed, other):
    torch.manual_seed(1)
    first = solution.seeded_normal((5,), seed)
    torch.manual_seed(2)
    return [first, solution.seeded_normal((5,), seed), solution.seeded_normal((5,), other)]


@check("seeded_normal", kind="state", points=3)
def test_no_global_generator_moves(student):
    """What the program draws afterwards from torch, NumPy or Python is what it would have drawn anyway."""
    anyway = [torch.rand(3, generator=torch.Generator().manual_seed(11)), np.random.RandomState(11).rand(3)]
    for name, actual, expected in zip(
        ("torch", "NumPy", "Python"),
        student.probe(drawn_afterwards, seed=11),
        [*anyway, random.Random(11).random()],
        strict=True,
    ):
        assert_close(actual, expected, f"what the program draws from {name}'s global generator after the call")


def drawn_afterwards(solution, seed):
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    solution.seeded_normal((5,), 3)
    return [torch.rand(3), np.random.rand(3), random.random()]


# -------------------------------------------------------------------------------------- environment_report

TEXTS = ("python", "torch", "torchvision", "default_dtype")


@check("environment_report", kind="shape", points=6)
def test_report_has_its_keys(student):
    """The report is a dict with the five keys, of texts and one bool."""
    report = student.probe(report_elsewhere, torch_version="9.8.7", torchvision_version="6.5.4")
    require(type(report) is dict, f"the report:\n  came back  {show(report)}\n  expected   a dict")
    expected = {*TEXTS, "cuda_available"}
    require(report.keys() == expected, f"the keys:\n  came back  {[*report]}\n  expected   {sorted(expected)}")
    for key, value in report.items():
        kind = bool if key == "cuda_available" else str
        name = "True or False" if kind is bool else "a text"
        require(type(value) is kind, f"report[{key!r}]:\n  came back  {show(value)}\n  expected   {name}")


@check("environment_report", kind="value", points=8)
def test_report_tells_the_versions_in_use(student):
    """The versions are asked for when the function is called: on another machine the report tells others."""
    for torch_version, torchvision_version in (("9.8.7", "6.5.4"), ("9.9.0", "6.6.0")):
        report = student.probe(report_elsewhere, torch_version=torch_version, torchvision_version=torchvision_version)
        assert_equal(report["torch"], torch_version, f"report['torch'] where torch {torch_version} is installed")
        what = f"report['torchvision'] where torchvision {torchvision_version} is installed"
        assert_equal(report["torchvision"], torchvision_version, what)
        if report["python"] != platform.python_version():  # asked for in a way that sees through the pretence
            assert_equal(report["python"], "3.99.1", "report['python'] under Python 3.99.1")


@check("environment_report", kind="value", points=6)
def test_report_tells_what_the_machine_can_do(student):
    """A graphics card is reported where there is one, and the default dtype as it is set."""
    for cuda, dtype in ((False, torch.float32), (True, torch.float32), (False, torch.float64)):
        report = student.probe(
            report_elsewhere, torch_version="9.8.7", torchvision_version="6.5.4", cuda=cuda, dtype=dtype
        )
        card = "a card" if cuda else "no card"
        assert_equal(report["cuda_available"], cuda, f"report['cuda_available'] on a machine with {card}")
        what = f"report['default_dtype'] after torch.set_default_dtype({dtype})"
        assert_equal(report["default_dtype"], str(dtype), what)


def report_elsewhere(solution, torch_version, torchvision_version, cuda=False, dtype=torch.float32):
    """The report on a pretended machine; versions may be asked for in any of the usual ways."""
    packages = {"torch": torch_version, "torchvision": torchvision_version}
    version = torch.torch_version.TorchVersion(torch_version)
    version_info = namedtuple("version_info", "major minor micro releaselevel serial")(3, 99, 1, "final", 0)
    if "torchvision" not in sys.modules:  # a stand-in: importing the real one takes longer than everything else here
        sys.modules["torchvision"] = types.ModuleType("torchvision")
        sys.modules["torchvision.version"] = sys.modules["torchvision"].version = types.ModuleType(
            "torchvision.version"
        )
    torchvision = sys.modules["torchvision"]
    try:
        with pretended(
            *machine(["cuda"] if cuda else []),
            (sys, "version", "3.99.1 (main, Jan  1 2030, 00:00:00) [GCC 15.1.0]"),
            (sys, "version_info", version_info),
            (torch, "__version__", version),
            (torch.version, "__version__", version),
            (torchvision, "__version__", torchvision_version),
            (torchvision.version, "__version__", torchvision_version),
            (
                importlib.metadata.Distribution,
                "version",
                property(lambda self: packages[self.metadata["Name"].lower()]),
            ),
        ):
            torch.set_default_dtype(dtype)
            report = solution.environment_report()
    finally:
        torch.set_default_dtype(torch.float32)
        if not hasattr(torchvision, "__file__"):
            del sys.modules["torchvision"], sys.modules["torchvision.version"]
    if isinstance(report, dict):
        return {key: str(value) if isinstance(value, str) else value for key, value in report.items()}
    return report


# ---------------------------------------------------------------------------------------------- pick_device

WISHES = ("cpu", "cuda", "mps")
MACHINES = {"only a CPU": ("cpu",), "an NVIDIA card": ("cpu", "cuda"), "an Apple chip": ("cpu", "mps")}


@check("pick_device", kind="shape", points=4)
def test_device_is_a_torch_device(student):
    """The result is a torch.device, no text."""
    for name, device in parts(student.probe(devices_without_a_wish), MACHINES).items():
        assert_device(device, None, f"pick_device() on a machine with {name}")


@check("pick_device", kind="value", points=8)
def test_device_is_the_best_there_is(student):
    """Without a wish: an NVIDIA card or an Apple chip if there is one, otherwise the CPU."""
    for name, device in parts(student.probe(devices_without_a_wish), MACHINES).items():
        assert_device(device, MACHINES[name][-1], f"pick_device() on a machine with {name}")


@check("pick_device", kind="value", points=8)
def test_device_is_the_preferred_one_if_it_is_there(student):
    """A wish is granted if the device is there; if not, the best that there is takes its place."""
    for name, devices in parts(student.probe(devices_with_a_wish), MACHINES).items():
        for prefer, device in parts(devices, WISHES).items():
            expected = prefer if prefer in MACHINES[name] else MACHINES[name][-1]
            assert_device(device, expected, f"pick_device({prefer!r}) on a machine with {name}")


def assert_device(device, kind, what):
    """A torch.device, of this kind if one is given, with a number or without."""
    good = type(device) is torch.device and kind in (None, device.type)
    expected = f"device(type={kind!r})" if kind else "a torch.device"
    require(good, f"{what}:\n  came back  {show(device)}\n  expected   {expected}")


def devices_without_a_wish(solution):
    picked = {}
    for name, there in MACHINES.items():
        with pretended(*machine(there)), Allocations(there):
            picked[name] = solution.pick_device()
    return picked


def devices_with_a_wish(solution):
    picked = {name: {} for name in MACHINES}
    for name, there in MACHINES.items():
        for prefer in WISHES:
            with pretended(*machine(there)), Allocations(there):
                picked[name][prefer] = solution.pick_device(prefer)
    return picked


# ------------------------------------------------------------------------- a machine that is only pretended


@contextmanager
def pretended(*changes):
    """Attributes (owner, name, value) are set for a while, and afterwards are what they were, or gone."""
    absent = object()
    before = [(owner, name, getattr(owner, name, absent)) for owner, name, _ in changes]

    def forget():
        """What was imported by its name is still called: it must ask again, then and afterwards."""
        for _, _, value in before:
            if hasattr(value, "cache_clear"):
                value.cache_clear()

    forget()
    try:
        for owner, name, value in changes:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(before):
            if value is absent:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
        forget()


def machine(there):
    """What torch says on a machine with these devices: a build for all of them, whatever is there."""
    cuda, mps = "cuda" in there, "mps" in there
    # Found by name: torch.backends is no plain module, and cloudpickle would try to send it along with this function.
    cuda_backend, mps_backend = sys.modules["torch.backends.cuda"], sys.modules["torch.backends.mps"]
    answers = [
        (torch.cuda, "is_available", cuda),
        (torch.cuda, "device_count", int(cuda)),
        (torch._C, "_cuda_getDeviceCount", int(cuda)),
        (cuda_backend, "is_built", True),
        (torch._C, "_mps_is_available", mps),
        (mps_backend, "is_available", mps),
        (mps_backend, "is_built", True),
        (torch.mps, "is_available", mps),
        (torch.mps, "device_count", int(mps)),
        (torch.xpu, "is_available", False),
        (torch._C, "_accelerator_getAccelerator", torch.device("mps" if mps else "cuda")),
    ]

    def function(name, value):
        def answer(*args, **kwargs):
            return value

        answer.__qualname__ = name
        return answer

    return [(torch.version, "cuda", "13.0"), *((owner, name, function(name, value)) for owner, name, value in answers)]


class Allocations(TorchFunctionMode):
    """For those who find out by trying: a tensor for a pretended device goes to the CPU, for an absent one nowhere."""

    def __init__(self, there):
        super().__init__()
        self.there = there

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.device:  # naming a device is no allocation
            return function(*args, **(kwargs or {}))
        if function in (torch.Tensor.cuda, torch.Tensor.cpu):
            return args[0].to(self.place(function.__name__))
        args = [self.place(value) for value in args]
        return function(*args, **{name: self.place(value) for name, value in (kwargs or {}).items()})

    def place(self, value):
        if not isinstance(value, (str, torch.device)):
            return value
        try:
            kind = torch.device(value).type
        except RuntimeError:  # a text that names no device
            return value
        if kind not in self.there:
            raise RuntimeError(f"there is no device {kind!r} on this machine")
        return torch.device("cpu")
