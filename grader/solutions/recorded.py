"""Evidence kept and judged again: `Recorder` notes what a solution answered, `RecordedSolution` answers from that.

A record is found by what was asked: the probe's code with the helpers that it uses, and its inputs. So changed points,
tolerances and messages are judged anew without running anything; a changed probe or input finds no record.
"""

from __future__ import annotations

import hashlib
import inspect
import types
from typing import Any

from grader import evidence
from grader.solutions import Raised, Record, Reply, Request, Solution
from grader.solutions.source import Source


class MustRun(Exception):
    """There is no record of this: the check's probe or its inputs have changed since."""


def digest(request: Request) -> str:
    """A name for what is asked, the same in every process."""
    found = hashlib.sha256()
    _feed(found, [request.exercise, request.clean, request.seed, request.probe, request.inputs], set())
    return found.hexdigest()


def _feed(found: Any, value: Any, seen: set[int]) -> None:
    """Hash a value by content; functions by their code and what they refer to."""
    if isinstance(value, types.FunctionType):
        if id(value) not in seen:
            seen.add(id(value))
            _feed_code(found, value.__code__)
            names = _names(value.__code__)
            referred = {name: value.__globals__[name] for name in sorted(names) if name in value.__globals__}
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            _feed(found, [value.__defaults__, value.__kwdefaults__, referred, cells], seen)
    elif isinstance(value, types.ModuleType):
        found.update(f"module {value.__name__}".encode())
    elif isinstance(value, type) or callable(value):
        try:
            found.update(inspect.getsource(value).encode())
        except (OSError, TypeError):
            found.update(f"{type(value)} {getattr(value, '__qualname__', '')}".encode())
    elif isinstance(value, dict):
        for key, item in value.items():
            found.update(f"key {key!r}".encode())
            _feed(found, item, seen)
    elif isinstance(value, (list, tuple)):
        found.update(f"{type(value).__name__} {len(value)}".encode())
        for item in value:
            _feed(found, item, seen)
    else:
        found.update(evidence.encode(value))


def _feed_code(found: Any, code: types.CodeType) -> None:
    found.update(code.co_code + repr((code.co_names, code.co_varnames[: code.co_argcount])).encode())
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _feed_code(found, constant)
        else:
            found.update(repr(constant).encode())


def _names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


def to_record(reply: Reply) -> Record:
    """A reply as one message, its time apart."""
    raised = reply.raised
    told = None if raised is None else [raised.type, list(raised.bases), raised.message, raised.line, raised.trace]
    return Record(evidence.encode([reply.status, reply.value, told, reply.detail, reply.output]), reply.seconds)


def from_record(record: Record) -> Reply:
    """What `to_record` made a record of."""
    status, value, told, detail, output = evidence.decode(record.answer)
    raised = Raised(told[0], tuple(told[1]), told[2], told[3], told[4]) if told else None
    return Reply(status, value, raised, detail, output, record.seconds)


class Recorder:
    """Passes everything on to a solution, and keeps the answers by what was asked."""

    def __init__(self, solution: Solution) -> None:
        self.source = solution.source
        self.records: dict[str, Record] = {}
        self._solution = solution

    def run(self, request: Request) -> Reply:
        """See `Solution`."""
        name = digest(request)  # before the run: a probe gets copies, but nothing says that they stay as they are
        reply = self._solution.run(request)
        self.records[name] = to_record(reply)
        return reply


class RecordedSolution:
    """Answers from records; raises MustRun where there is none. Runs nothing."""

    def __init__(self, source: Source, records: dict[str, Record]) -> None:
        self.source = source
        self._records = records

    def run(self, request: Request) -> Reply:
        """See `Solution`."""
        try:
            return from_record(self._records[digest(request)])
        except KeyError:
            raise MustRun from None
