"""Evidence that is kept: a `Recorder` asks a solution only what has not been asked before, if it may ask at all.

A record is found by what was asked: the probe's code with the helpers that it uses, and its inputs. So changed points,
tolerances and messages are judged anew without running anything; a changed probe or input finds no record.
"""

from __future__ import annotations

import hashlib
import inspect
import types
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

from grader import evidence
from grader.solutions import Packed, Raised, Record, Reply, Request
from grader.solutions.pickling import pack
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
        found.update(_text_of(value))
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


@lru_cache(maxsize=10_000)
def _text_of(value: Any) -> bytes:
    """The source text of a class, or the name of what has none."""
    try:
        return inspect.getsource(value).encode()
    except (OSError, TypeError):
        return f"{type(value)} {getattr(value, '__qualname__', '')}".encode()


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


class Asked(Protocol):
    """Whoever answers a request that was packed: a sandbox."""

    def send(self, packed: Packed) -> Reply:
        """Run one probe; see `Solution`."""


MAX_PACKED = 64 * 2**20  # bytes of requests that a process keeps
_PACKED: dict[str, Packed] = {}  # requests by name: the same probes with the same inputs go to every submission


class Recorder:
    """Answers from records, and asks where there is none; whatever is asked twice is answered once.

    asked: whom to ask; None for nobody: then what has no record raises MustRun.
    """

    def __init__(self, source: Source, records: dict[str, Record], asked: Asked | None) -> None:
        self.source = source
        self.records = records
        self._asked = asked

    def answer(self, name: str) -> bytes | None:
        """The digest of the answer to a request of this name; None where the request itself is needed to get one."""
        if name not in self.records:
            packed = _PACKED.get(name)
            if self._asked is None or packed is None:
                return None
            self.records[name] = to_record(self._asked.send(packed))
        return self.records[name].digest

    def run(self, request: Request) -> Reply:
        """See `Solution`."""
        name = digest(request)
        if name not in self.records:
            if self._asked is None:
                raise MustRun
            self.records[name] = to_record(self._asked.send(_pack(name, request)))
        record = self.records[name]
        return replace(from_record(record), asked=name, digest=record.digest)


def _pack(name: str, request: Request) -> Packed:
    """A request packed, once for all submissions of a process."""
    if name not in _PACKED:
        if sum(len(packed.payload) for packed in _PACKED.values()) > MAX_PACKED:
            _PACKED.clear()
        _PACKED[name] = pack(request)
    return _PACKED[name]
