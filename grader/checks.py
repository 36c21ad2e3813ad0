"""What the author of a check imports: `check`, `shared`, and assertions whose messages teach.

A check is a function that takes `student`, and where it needs them `rng`, `clean_room` and fixtures made with `shared`:

    @check("softmax", kind="value", points=6)
    def test_softmax_along_any_dimension(student, rng):
        '''Softmax works along whichever dimension it is given.'''
        x = rng.normal(2, 3, 5)
        for dim in (0, 1, 2, -1):
            assert_close(student.softmax(x, dim), torch.softmax(x, dim))

Its docstring is what the learner reads on the board. It judges evidence, so it cannot be lied to by a class that equals
everything: what it gets are plain tensors and plain data.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch

from grader.evidence import Foreign, close
from grader.results import Picture
from grader.text import tidy

__all__ = [
    *("CheckFailed", "Rng", "assert_at_least", "assert_at_most", "assert_close", "assert_equal", "assert_tensor"),
    *("check", "fail", "parts", "require", "shared", "show", "skip"),
    *("picture_confusion", "picture_curve", "picture_images", "picture_matrix"),
]

Function = TypeVar("Function", bound=Callable[..., Any])


class CheckFailed(AssertionError):
    """The evidence is not what it should be; the message says what came back and what was expected."""


def check(exercise: str, *, kind: str, points: int, seconds: float = 10.0) -> Callable[[Function], Function]:
    """Declare a check of `exercise`. `grader.kit` reads these values from the source: write them as plain literals.

    kind: shape, value, gradient, state, convergence, accuracy or roundtrip. seconds: processor time for each probe.
    """

    def mark(function: Function) -> Function:
        function.__check__ = exercise  # type: ignore[attr-defined]
        return function

    return mark


def shared(function: Function) -> Function:
    """A fixture whose probes run once a section, for all checks that name it as a parameter: a training, say.

    The function takes `student` and, if it wants, `rng`; what it returns is what each check gets.
    """
    function.__shared__ = True  # type: ignore[attr-defined]
    return function


class CheckSkipped(Exception):
    """This check cannot be run on this machine: it counts as passed, and says why it was not run."""


class Rng:
    """Inputs for a check, drawn from a seed: the same for everybody in one run, others in another run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Standard normal values."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64).to(dtype)

    def uniform(
        self, *shape: int, low: float = 0.0, high: float = 1.0, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """Values between low and high."""
        unit = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return (low + (high - low) * unit).to(dtype)

    def integers(self, low: int, high: int, *shape: int, dtype: torch.dtype = torch.int64) -> torch.Tensor:
        """Integers from low to high - 1."""
        return torch.randint(low, high, shape, generator=self.generator).to(dtype)

    def permutation(self, n: int) -> torch.Tensor:
        """0 to n - 1 in random order."""
        return torch.randperm(n, generator=self.generator)


# ------------------------------------------------------------------------------------------------- assertions


def fail(message: str) -> NoReturn:
    """End the check: it failed, for this reason."""
    raise CheckFailed(message)


def skip(reason: str) -> NoReturn:
    """End the check as passed: what it asks for cannot be had here (an interpreter too new, say), for this reason."""
    raise CheckSkipped(reason)


def require(condition: Any, message: str) -> None:
    """The check fails with this sentence unless the condition holds. The condition must be a plain bool."""
    if condition is not True and not (isinstance(condition, np.bool_) and condition):
        fail(message)


def parts(evidence: Any, expected: int | Collection[Any]) -> Any:
    """The evidence, if it is a list of so many items, or a dict with these keys; otherwise the check fails.

    A loop over what comes back must not end before it begins: no items, no assertions.
    """
    if isinstance(expected, int):
        if type(evidence) is not list or len(evidence) != expected:
            _differ("", show(evidence), f"a list of {expected}")
    elif type(evidence) is not dict or evidence.keys() != set(expected):
        _differ("", show(evidence), f"a dict with {', '.join(map(repr, expected))}")
    return evidence


def assert_equal(actual: Any, expected: Any, what: str = "") -> None:
    """Plain data of the same type and value, containers item by item; numbers exactly."""
    if type(actual) is not type(expected) or not bool(actual == expected):
        _differ(what, show(actual), show(expected))


def assert_tensor(
    actual: Any,
    shape: Sequence[int] | None = None,
    dtype: torch.dtype | None = None,
    what: str = "",
) -> torch.Tensor:
    """A plain tensor (or Parameter) of this shape and dtype, without NaN or infinity; returns it detached."""
    if not isinstance(actual, torch.Tensor):
        _differ(what, show(actual), "a tensor" + (f" of shape {tuple(shape)}" if shape is not None else ""))
    if shape is not None and tuple(actual.shape) != tuple(shape):
        _differ(what, f"shape {tuple(actual.shape)}", f"shape {tuple(shape)}")
    if dtype is not None and actual.dtype != dtype:
        _differ(what, _name(actual.dtype), _name(dtype))
    assert_finite(actual, what)
    return actual.detach()


def assert_finite(evidence: Any, what: str = "") -> None:
    """No NaN and no infinity in it, containers item by item: what is compared with itself would pass with them."""
    if isinstance(evidence, torch.Tensor):
        finite = evidence.detach().isfinite()
        if not bool(finite.all()):
            _differ(what, f"{int((~finite).sum())} of {finite.numel()} values NaN or infinite", "finite values")
    elif isinstance(evidence, float):
        if not math.isfinite(evidence):
            _differ(what, show(evidence), "a finite number")
    elif isinstance(evidence, (list, tuple, dict)):
        for key, item in evidence.items() if isinstance(evidence, dict) else enumerate(evidence):
            assert_finite(item, f"{what or 'the result'}[{key!r}]")


def assert_close(actual: Any, expected: Any, what: str = "", *, tolerance: float | None = None) -> None:
    """The same type, shape and dtype, and values equal within rounding; containers item by item.

    tolerance: relative to the largest expected value; a few roundings of the dtype by default. A float of Python is
    compared within 1e-5. NaN equals only NaN that is expected.
    """
    if isinstance(expected, torch.Tensor):
        if not isinstance(actual, torch.Tensor):
            _differ(what, show(actual), show(expected))
        if tuple(actual.shape) != tuple(expected.shape):
            _differ(what, f"shape {tuple(actual.shape)}", f"shape {tuple(expected.shape)}")
        if actual.dtype != expected.dtype:
            _differ(what, _name(actual.dtype), _name(expected.dtype))
        agree = close(actual, expected, tolerance)
        if not bool(agree.all()):
            _differ(what, show(actual), show(expected), _first_difference(actual, expected, agree))
    elif isinstance(expected, np.ndarray):
        if type(actual) is not np.ndarray or actual.dtype != expected.dtype:
            _differ(what, show(actual), show(expected))
        assert_close(torch.from_numpy(actual), torch.from_numpy(expected), what, tolerance=tolerance)
    elif type(expected) is float:
        if type(actual) is not float:
            _differ(what, show(actual), f"the float {expected:.6g}")
        mine, ours = (torch.tensor(number, dtype=torch.float64) for number in (actual, expected))
        if not bool(close(mine, ours, 1e-5 if tolerance is None else tolerance)):
            _differ(what, show(actual), show(expected))
    elif isinstance(expected, (list, tuple)):
        if type(actual) is not type(expected) or len(actual) != len(expected):
            _differ(what, show(actual), f"a {type(expected).__name__} of {len(expected)}")
        for index, (mine, theirs) in enumerate(zip(actual, expected, strict=True)):
            assert_close(mine, theirs, f"{what or 'the result'}[{index}]", tolerance=tolerance)
    elif isinstance(expected, dict):
        if type(actual) is not dict or actual.keys() != expected.keys():
            _differ(what, f"keys {_keys(actual)}", f"keys {_keys(expected)}")
        for key, theirs in expected.items():
            assert_close(actual[key], theirs, f"{what or 'the result'}[{key!r}]", tolerance=tolerance)
    else:
        assert_equal(actual, expected, what)


@dataclass(frozen=True)
class Measure:
    """A number that a check held against a threshold."""

    what: str
    value: float
    threshold: float
    at_least: bool


measured: ContextVar[list[Measure]] = ContextVar("measured")


def assert_at_least(value: Any, threshold: float, what: str, note: str = "") -> None:
    """A measured float reaches its threshold, as docs/thresholds.md shows for right and wrong solutions.

    what: the same words at every run, which name it there; note: what else to say of this run when it fails.
    """
    _measure(value, threshold, what, note, at_least=True)


def assert_at_most(value: Any, threshold: float, what: str) -> None:
    """A measured float stays below its threshold, as docs/thresholds.md shows for right and wrong solutions."""
    _measure(value, threshold, what, at_least=False)


def _measure(value: Any, threshold: float, what: str, note: str = "", *, at_least: bool) -> None:
    if type(value) is not float:
        _differ(what, show(value), "a float")
    measured.get([]).append(Measure(what, value, threshold, at_least))
    if math.isnan(value) or (value < threshold if at_least else value > threshold):
        told = f" ({note})" if note else ""
        fail(f"{what} is {value:.4g}: {'at least' if at_least else 'at most'} {threshold:g} is expected{told}")


# -------------------------------------------------------------------------------------------------- pictures
#
# What a check shows beside its verdict, on the student's page of a report: call these before the assertions, so that
# the picture is there when the check fails. They take evidence as it came: numbers that are none become gaps, what is
# too much is thinned out, and what cannot be drawn is left out. A picture never decides anything.

MOST_PICTURES, MOST_LINES, MOST_POINTS, MOST_CELLS, MOST_IMAGES, MOST_PIXELS = 4, 4, 100, 30, 8, 32
MOST_LETTERS = 60  # of a title or label
HUGE = 1e30  # beyond it a number is drawn as none

pictured: ContextVar[list[Picture]] = ContextVar("pictured")


def picture_curve(title: str, lines: Mapping[str, Any], *, across: str, up: str) -> None:
    """Curves over a common axis. lines: by name, numbers (at 1, 2, 3, ...) or a pair of places and numbers.

    A line with one number is drawn as a point.
    """
    with _picture(Picture("curve", _label(title), _label(across), _label(up))) as picture:
        for name, values in list(lines.items())[:MOST_LINES]:
            x, y = values if type(values) is tuple and len(values) == 2 else (range(1, len(values) + 1), values)
            if len(x) != len(y):
                raise ValueError(f"{len(x)} places for {len(y)} numbers")
            last, most = len(y) - 1, min(len(y), MOST_POINTS)
            kept = [round(i * last / max(1, most - 1)) for i in range(most)]
            picture.lines[_label(name)] = [[_number(numbers[i]) for i in kept] for numbers in (x, y)]


def picture_matrix(title: str, cells: Any, *, across: str, up: str, labels: Sequence[str] = ()) -> None:
    """A table of numbers, shaded. cells: (rows, columns), of a batch the first; labels: of both, in a square one."""
    with _picture(Picture("matrix", _label(title), _label(across), _label(up))) as picture:
        while isinstance(cells, torch.Tensor) and cells.dim() > 2:
            cells = cells[0]
        picture.cells = [[_number(cell) for cell in row[:MOST_CELLS]] for row in cells[:MOST_CELLS]]
        if len({len(row) for row in picture.cells}) != 1:
            raise ValueError("rows of different lengths")
        picture.labels = [_label(label) for label in labels[:MOST_CELLS]]


def picture_confusion(title: str, answers: torch.Tensor, found: Any, labels: Sequence[str]) -> None:
    """How often what was taken for what. answers, found: (N,) numbers of classes; labels: a name for each class."""
    classes = len(labels)
    if isinstance(found, torch.Tensor) and found.shape == answers.shape and found.dtype == torch.int64:
        inside = (found >= 0) & (found < classes)
        counts = torch.bincount(classes * answers[inside] + found.detach()[inside], minlength=classes**2)
        table = counts.view(classes, classes)
        picture_matrix(title, table, across="taken for", up="really", labels=labels)


def picture_images(title: str, strips: Mapping[str, Any]) -> None:
    """Rows of grey images below each other. strips: by name, (N, height, width), or (N, 1, height, width); 0 to 1."""
    with _picture(Picture("images", _label(title))) as picture:
        from PIL import Image

        for name, images in list(strips.items())[:MOST_LINES]:
            images = images.detach()[:MOST_IMAGES].double().nan_to_num(0.5).clamp(0, 1)
            images = images.reshape(len(images), *images.shape[-2:])[:, :MOST_PIXELS, :MOST_PIXELS]
            row = (255 * torch.cat(list(torch.nn.functional.pad(images, (0, 1), value=1.0)), 1)).round().byte()
            file = io.BytesIO()
            Image.fromarray(row.numpy()).save(file, "PNG", optimize=True)
            picture.strips[_label(name)] = base64.b64encode(file.getvalue()).decode()


@contextmanager
def _picture(picture: Picture) -> Iterator[Picture]:
    """Keep the picture, if it can be drawn: what it is made of may be anything that a learner's code returned."""
    kept = pictured.get([])
    try:
        yield picture
    except Exception:
        return
    if len(kept) < MOST_PICTURES:
        kept.append(picture)


def _number(value: Any) -> float | None:
    if isinstance(value, (torch.Tensor, np.generic)):
        value = value.item()
    return float(f"{value:.4g}") if type(value) in (int, float) and abs(value) < HUGE else None


def _label(text: str) -> str:
    return tidy(text, MOST_LETTERS)


def _differ(what: str, actual: str, expected: str, where: str = "") -> NoReturn:
    lines = [f"{what or 'the result'}:", f"  came back  {_indent(actual)}", f"  expected   {_indent(expected)}"]
    fail("\n".join([*lines, *([f"  {where}"] if where else [])]))


def _indent(text: str) -> str:
    """The rows of a tensor below each other, beside their label."""
    return text.replace("\n", "\n" + " " * (13 + max(0, text.find("["))))


def _keys(value: Any) -> str:
    return ", ".join(map(repr, value)) if type(value) is dict else show(value)


def _name(dtype: torch.dtype) -> str:
    return f"dtype {str(dtype).removeprefix('torch.')}"


def _first_difference(actual: torch.Tensor, expected: torch.Tensor, agree: torch.Tensor) -> str:
    wrong = int((~agree).sum())
    count = f"{wrong} of {agree.numel()} values differ"
    if not agree.dim():
        return ""
    place = tuple(int(i) for i in (~agree).nonzero()[0])
    return f"first difference at {list(place)}: {actual[place].item():.6g}, not {expected[place].item():.6g} ({count})"


def show(value: Any) -> str:
    """A value as a learner should see it: a small one whole, a large tensor by shape, dtype and first values."""
    if isinstance(value, torch.Tensor):
        kind = "Parameter" if isinstance(value, torch.nn.Parameter) else "tensor"
        value = value.detach()
        if value.numel() <= 12:
            body = repr(value).removeprefix("tensor(").removesuffix(")").replace("\n       ", "\n")
            return f"{kind} {body}" if value.numel() else f"{kind} of shape {tuple(value.shape)}, no values"
        first = ", ".join(f"{v:.4g}" for v in value.reshape(-1)[:4].tolist())
        return f"{kind} {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}: {first}, ..."
    if isinstance(value, Foreign):
        return f"{value.text} (a {value.type})"
    if value is None:
        return "None"
    if isinstance(value, bytes) and len(value) > 24:
        return f"{len(value)} bytes"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = repr(value) if not isinstance(value, (list, tuple, dict)) else _show_container(value)
    return text if len(text) <= 200 else text[:200] + "..."


def _show_container(value: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> str:
    """A container with its first items, tensors among them by shape and dtype alone."""

    def short(item: Any) -> str:
        if isinstance(item, torch.Tensor):
            return f"<{tuple(item.shape)} {str(item.dtype).removeprefix('torch.')}>"
        return show(item)

    items = [f"{k!r}: {short(v)}" for k, v in value.items()] if isinstance(value, dict) else [short(v) for v in value]
    inside = ", ".join(items[:8] + ["..."] * (len(items) > 8))
    if isinstance(value, dict):
        return f"{{{inside}}}"
    return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(items) == 1)})"
