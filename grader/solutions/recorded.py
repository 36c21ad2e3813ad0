"""Evidence that is kept: a `Recorder` asks a solution only what has not been asked before, if it may ask at all.

A record is found by what was asked: the probe's code with the helpers that it uses, and its inputs. So changed points,
tolerances and messages are judged anew without running anything; a changed probe or input finds no record.
"""

from __future__ import annotations

import hashlib
import inspect
import types
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

import cloudpickle
import numpy as np
import torch

from grader import evidence
from grader.solutions import Packed, Raised, Record, Reply, Request
from grader.solutions.pickling import pack
from grader.solutions.source import Source


class MustRun(Exception):
    """There is no record of this: the check's probe or its inputs have changed since."""


def digest(request: Request) -> str:
    """A name for what is asked, the same in every process."""
    found = hashlib.sha256()
    _feed(found, [request.exercise, request.clean, request.seed, request.probe, request.inputs], {})
    return found.hexdigest()


PLAIN = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    torch.Tensor,
    np.ndarray,
    np.generic,
    torch.dtype,
    torch.device,
)


def _feed(found: Any, value: Any, seen: dict[int, Any]) -> None:
    """Hash a value by content: functions by their code and what they refer to, instances by their class and state.

    seen: what has been hashed already, kept alive so that no other takes its place.
    """
    if isinstance(value, PLAIN) and not isinstance(value, torch.nn.UninitializedParameter):
        found.update(evidence.encode(value))
    elif isinstance(value, (list, tuple)):
        found.update(f"{type(value).__name__} {len(value)}".encode())
        for item in value:
            _feed(found, item, seen)
    elif isinstance(value, dict):
        found.update(f"{type(value).__name__} {len(value)}".encode())
        for key, item in value.items():
            _feed(found, key, seen)
            _feed(found, item, seen)
    elif isinstance(value, (set, frozenset)):
        parts = [hashlib.sha256() for _ in value]
        for part, item in zip(parts, value, strict=True):
            _feed(part, item, seen)
        found.update(f"{type(value).__name__} {sorted(part.hexdigest() for part in parts)}".encode())
    elif isinstance(value, types.ModuleType):
        found.update(f"module {value.__name__}".encode())
    elif id(value) in seen:
        found.update(f"again {list(seen).index(id(value))}".encode())
    else:
        seen[id(value)] = value
        if isinstance(value, types.FunctionType):
            _feed_code(found, value.__code__)
            names = _names(value.__code__)
            referred = {name: value.__globals__[name] for name in sorted(names) if name in value.__globals__}
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            _feed(found, [value.__defaults__, value.__kwdefaults__, referred, cells], seen)
        elif isinstance(value, (type, types.BuiltinFunctionType)):
            found.update(_text_of(value))
        else:
            found.update(_text_of(value.__class__))
            _feed(found, _state(value), seen)


def _state(value: Any) -> Any:
    """What an instance is made of: all that a copy of it would be made from."""
    try:
        parts = value.__reduce_ex__(4)
    except Exception:
        return repr(value)
    return (
        parts
        if isinstance(parts, str)
        else [list(part) if index > 2 and part else part for index, part in enumerate(parts)]
    )


@lru_cache(maxsize=10_000)
def _text_of(value: Any) -> bytes:
    """The source text of a class of ours, or the name of any other: the versions of packages are kept with evidence."""
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')} "
    if getattr(value, "__module__", "") not in cloudpickle.list_registry_pickle_by_value():
        return name.encode()
    try:
        return (name + inspect.getsource(value)).encode()
    except (OSError, TypeError):
        return name.encode()


def _feed_code(found: Any, code: types.CodeType) -> None:
    found.update(code.co_code + repr((code.co_names, code.co_varnames[: code.co_argcount])).encode())
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _feed_code(found, constant)
        else:  # the order of a set of texts is another in every process
            found.update(repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant).encode())


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
_packed_bytes = 0


class Recorder:
    """Answers from records, and asks where there is none; whatever is asked twice is answered once.

    asked: whom to ask; None for nobody: then what has no record raises MustRun.
    """

    def __init__(self, source: Source, records: dict[str, Record], asked: Asked | None) -> None:
        self.source = source
        self.records = records
        self._asked = asked

    def forget(self, names: Iterable[str]) -> None:
        """Ask these anew."""
        for name in names:
            del self.records[name]

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
    global _packed_bytes
    if name not in _PACKED:
        if _packed_bytes > MAX_PACKED:
            _PACKED.clear()
            _packed_bytes = 0
        _PACKED[name] = pack(request)
        _packed_bytes += len(_PACKED[name].payload)
    return _PACKED[name]
