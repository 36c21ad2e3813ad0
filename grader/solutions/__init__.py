"""Where a learner's code runs, behind one protocol: here (`local`), in a sandbox, or not at all (`recorded`).

A check asks a `Solution` to run a probe and gets a `Reply`; it cannot tell which kind of solution answered.
Nothing here knows of pytest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from grader.solutions.source import Source

Status = Literal["returned", "raised", "timeout", "crashed", "broken"]


@dataclass(frozen=True)
class Raised:
    """An exception of a learner's code, as data.

    type: its class name; bases: that and the names of its base classes; message: its text, cut; line: the last line of
    the learner's file on the way there, if any; trace: the traceback, the learner's frames only.
    """

    type: str
    bases: tuple[str, ...]
    message: str
    line: int | None = None
    trace: str = ""


@dataclass(frozen=True)
class Reply:
    """What became of one probe.

    status: `returned` (then `value`), `raised` (then `raised`), `timeout`, `crashed` (the process ended), `broken` (the
    code that the exercise needs could not be imported); the last three are told in `detail`. output: what the learner's
    code printed, cut. seconds: processor time. exception: the exception itself, where it was raised in this process.
    asked, digest: names of the request and of this answer, where both are kept.
    """

    status: Status
    value: Any = None
    raised: Raised | None = None
    detail: str = ""
    output: str = ""
    seconds: float = 0.0
    exception: BaseException | None = field(default=None, compare=False)
    asked: str = field(default="", compare=False)
    digest: bytes = field(default=b"", compare=False)


@dataclass(frozen=True)
class Request:
    """One probe to run: `probe(solution, **inputs)`, or in a clean room `probe(**inputs)`.

    seconds: how much processor time it may take. seed: for torch's, NumPy's and Python's global generators.
    """

    exercise: str
    probe: Callable[..., Any]
    inputs: dict[str, Any]
    seconds: float = 10.0
    seed: int = 0
    clean: bool = False


@dataclass(frozen=True)
class Packed:
    """A request on its way to a sandbox: pickled, with what its sender must know."""

    exercise: str
    payload: bytes
    seconds: float
    clean: bool


class Record(NamedTuple):
    """A reply as it is kept: equal answers are equal bytes, however many seconds of processor time each took."""

    answer: bytes
    seconds: float

    @property
    def digest(self) -> bytes:
        """The name of the answer."""
        return hashlib.sha256(self.answer).digest()


class Solution(Protocol):
    """A learner's filled-in file of one section, wherever it runs."""

    source: Source

    def run(self, request: Request) -> Reply:
        """Run one probe beside the solution. Whatever the learner's code does, this returns."""
