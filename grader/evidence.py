"""Evidence: what comes back from wherever a learner's code ran, as bytes and as values.

`encode` turns tensors and plain data into one self-contained message; `decode` turns such a message back into values
of exactly the same types, and never runs anything that the message says: no pickle, no import by name, no
allocation beyond the message's own size. `same` says when two pieces of evidence are equal.

A message is `KATA1`, the length of the header (4 bytes, big-endian), the header (JSON), and the raw buffers that the
header points into. Whatever is not tensors or plain data becomes a `Foreign`: its type's name and a short text.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

MAGIC = b"KATA1"
PREFIX = struct.Struct(">5sI")
MAX_MESSAGE = 64 * 2**20  # bytes: many times the largest honest answer (a LeNet's weights are 250 kB)
MAX_HEADER = 4 * 2**20  # bytes
MAX_DEPTH = 32  # of containers within containers
MAX_TEXT = 500  # characters of a foreign value's text

_DTYPES: dict[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
    )
}
_NUMPY_TYPES = "?bhilqBHILQefdFD"  # type codes of bools and numbers: no objects, no strings, no long doubles


class EvidenceError(ValueError):
    """The message is damaged, too large, or says something that no honest encoder says."""


@dataclass(frozen=True)
class Foreign:
    """A value that is neither a tensor nor plain data, described.

    type: the qualified name of its type. value: where the type derives from a tensor, a number, text or a
    container, what it holds as that base type, otherwise None. text: its repr, cut.
    """

    type: str
    value: Any = None
    text: str = ""

    def __repr__(self) -> str:
        return self.text or f"<{self.type}>"


# ---------------------------------------------------------------------------------------------- values to bytes


def encode(value: Any) -> bytes:
    """One message that holds `value`. Raises EvidenceError if it is too large or too deep."""
    buffers: list[bytes] = []
    header = json.dumps(_Encoder(buffers).node(value, 0), separators=(",", ":")).encode("utf-8", "surrogatepass")
    size = PREFIX.size + len(header) + sum(map(len, buffers))
    if len(header) > MAX_HEADER:
        raise EvidenceError(f"the answer is too large: {MAX_HEADER // 2**20} MiB of what is not in tensors, or more")
    if size > MAX_MESSAGE:
        raise EvidenceError(f"the answer is too large: {size / 2**20:.0f} MiB, at most {MAX_MESSAGE // 2**20}")
    return b"".join([PREFIX.pack(MAGIC, len(header)), header, *buffers])


class _Encoder:
    """Writes a value as a tree of JSON nodes `[tag, ...]`, its buffers aside."""

    def __init__(self, buffers: list[bytes]) -> None:
        self.buffers = buffers
        self.size = 0

    def buffer(self, raw: bytes) -> int:
        self.size += len(raw)
        if self.size > MAX_MESSAGE:
            self.refuse()
        self.buffers.append(raw)
        return len(raw)

    def refuse(self) -> NoReturn:
        raise EvidenceError(f"the answer is too large: more than {MAX_MESSAGE // 2**20} MiB")

    def node(self, value: Any, depth: int) -> list[Any]:
        if depth > MAX_DEPTH:
            raise EvidenceError(f"the answer is nested more than {MAX_DEPTH} deep")
        kind = type(value)
        if value is None:
            return ["none"]
        if kind is bool:
            return ["bool", value]
        if kind is int and -(2**63) <= value < 2**63:
            return ["int", value]
        if kind is float:
            return ["float", value]
        if kind is complex:
            return ["complex", value.real, value.imag]
        if kind is str:
            return ["str", value]
        if kind is bytes:
            return ["bytes", self.buffer(value)]
        if kind is list or kind is tuple:
            return [kind.__name__, [self.node(item, depth + 1) for item in value]]
        if kind is dict:
            return ["dict", [[self.node(k, depth + 1), self.node(v, depth + 1)] for k, v in value.items()]]
        if kind is torch.Tensor or kind is nn.Parameter:
            return self.tensor(value, "parameter" if kind is nn.Parameter else "tensor") or self.foreign(value, depth)
        if kind is np.ndarray and value.dtype.char in _NUMPY_TYPES:
            little = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
            return ["ndarray", little.dtype.str, list(value.shape), self.buffer(little.tobytes())]
        if isinstance(value, np.generic) and kind.__module__ == "numpy" and value.dtype.char in _NUMPY_TYPES:
            return ["scalar", value.dtype.newbyteorder("<").str, self.buffer(value.tobytes())]
        if kind is torch.Size:
            return ["size", [int(n) for n in value]]
        if kind is torch.dtype:
            return ["dtype", _name(value)]
        if kind is torch.device:
            return ["device", str(value)]
        if kind is Foreign:
            return ["foreign", value.type, self.node(value.value, depth + 1), value.text]
        return self.foreign(value, depth)

    def tensor(self, value: torch.Tensor, tag: str) -> list[Any] | None:
        if not holds(value):
            return None
        if value.numel() * value.dtype.itemsize > MAX_MESSAGE:
            self.refuse()
        plain = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
        raw = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        return [tag, _name(value.dtype), list(plain.shape), bool(value.requires_grad), self.buffer(raw)]

    def foreign(self, value: Any, depth: int) -> list[Any]:
        """A description; of a subclass of a known type also what it holds. Learner's code may run here."""
        kind = type(value)
        held: list[Any] = ["none"]
        try:
            if isinstance(value, torch.Tensor):
                with torch._C.DisableTorchFunctionSubclass():
                    held = self.tensor(value.detach().as_subclass(torch.Tensor), "tensor") or held
            else:
                bases: tuple[Any, ...] = (int, float, str, bytes, list, tuple, dict)
                for base in bases:
                    if isinstance(value, base) and kind is not base:
                        held = self.node(base(value), depth + 1)
                        break
        except EvidenceError:
            raise
        except Exception:
            held = ["none"]
        try:
            text = repr(value)[:MAX_TEXT]
        except Exception as error:
            text = f"<{kind.__name__} whose repr raises {type(error).__name__}>"
        return ["foreign", f"{kind.__module__}.{kind.__qualname__}"[:MAX_TEXT], held, text]


# ---------------------------------------------------------------------------------------------- bytes to values


def decode(message: bytes | memoryview) -> Any:
    """The value that a message holds. Raises EvidenceError for whatever `encode` would not have written."""
    view = memoryview(message)
    if len(view) > MAX_MESSAGE or len(view) < PREFIX.size:
        _refuse(f"{len(view)} bytes")
    magic, header_size = PREFIX.unpack_from(view)
    if magic != MAGIC or header_size > MAX_HEADER or PREFIX.size + header_size > len(view):
        _refuse("no such header")
    start = PREFIX.size + header_size
    try:
        header = json.loads(bytes(view[PREFIX.size : start]).decode("utf-8", "surrogatepass"))
        decoder = _Decoder(view[start:])
        value = decoder.value(header, 0)
    except EvidenceError:
        raise
    except (ValueError, TypeError, RuntimeError, OverflowError, RecursionError, MemoryError, struct.error) as error:
        raise EvidenceError(f"damaged evidence: {type(error).__name__}") from None
    if decoder.position != len(decoder.data):
        _refuse("bytes left over")
    return value


def holds(value: torch.Tensor) -> bool:
    """Whether a message holds this tensor as one, with its numbers; otherwise it is described only."""
    strided = value.layout == torch.strided and value.device.type != "meta" and not value.is_quantized
    return strided and _name(value.dtype) in _DTYPES


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def tensor(message: bytes) -> torch.Tensor:
    """The tensor that a message holds, in memory as torch lays it out: sums depend on that to the last bit."""
    found: torch.Tensor = decode(message)
    return found.clone()


def _refuse(why: str) -> NoReturn:
    raise EvidenceError(f"damaged evidence: {why}")


class _Decoder:
    """Reads nodes; every buffer is checked against what is there before anything is allocated."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.position = 0

    def take(self, size: Any) -> memoryview:
        if type(size) is not int or not 0 <= size <= len(self.data) - self.position:
            _refuse("a buffer of the wrong size")
        self.position += size
        return self.data[self.position - size : self.position]

    def value(self, node: Any, depth: int) -> Any:
        if depth > MAX_DEPTH or type(node) is not list or not node or type(node[0]) is not str:
            _refuse("no such node")
        tag, *rest = node
        read = getattr(self, f"read_{tag}", None) if tag.isidentifier() else None
        if read is None:
            _refuse("no such tag")
        return read(*rest, depth=depth + 1)

    @staticmethod
    def plain(value: Any, kind: type) -> Any:
        if type(value) is not kind:
            _refuse(f"no {kind.__name__}")
        return value

    def read_none(self, *, depth: int) -> None:
        return None

    def read_bool(self, value: Any, *, depth: int) -> Any:
        return self.plain(value, bool)

    def read_int(self, value: Any, *, depth: int) -> Any:
        if not -(2**63) <= self.plain(value, int) < 2**63:
            _refuse("an int beyond 64 bits")
        return value

    def read_float(self, value: Any, *, depth: int) -> Any:
        return self.plain(value, float)

    def read_complex(self, real: Any, imaginary: Any, *, depth: int) -> complex:
        return complex(self.plain(real, float), self.plain(imaginary, float))

    def read_str(self, value: Any, *, depth: int) -> Any:
        return self.plain(value, str)

    def read_bytes(self, size: Any, *, depth: int) -> bytes:
        return bytes(self.take(size))

    def read_list(self, items: Any, *, depth: int) -> list[Any]:
        return [self.value(item, depth) for item in self.plain(items, list)]

    def read_tuple(self, items: Any, *, depth: int) -> tuple[Any, ...]:
        return tuple(self.read_list(items, depth=depth))

    def read_dict(self, items: Any, *, depth: int) -> dict[Any, Any]:
        pairs = [(self.value(key, depth), self.value(item, depth)) for key, item in self.plain(items, list)]
        return dict(pairs)

    def shape(self, shape: Any, item_size: int, size: int) -> list[int]:
        """A shape whose items take exactly `size` bytes."""
        for n in self.plain(shape, list):
            if type(n) is not int or not 0 <= n < 2**40:
                _refuse("no such shape")
        # An empty tensor may have a large dimension too, and whoever sums over the empty one would get it.
        if len(shape) > 64 or math.prod(shape) * item_size != size or math.prod(n or 1 for n in shape) > MAX_MESSAGE:
            _refuse("a shape that does not fit its buffer")
        return list(shape)

    def read_tensor(self, dtype: Any, shape: Any, requires_grad: Any, size: Any, *, depth: int) -> torch.Tensor:
        kind = _DTYPES.get(self.plain(dtype, str)) or _refuse("no such dtype")
        raw = self.take(size)
        sizes = self.shape(shape, kind.itemsize, len(raw))
        if not raw:
            tensor = torch.empty(sizes, dtype=kind)
        elif kind is torch.bool:  # a byte that is neither 0 nor 1 must not become a bool that is neither
            tensor = (torch.frombuffer(bytearray(raw), dtype=torch.uint8) != 0).reshape(sizes)
        else:
            tensor = torch.frombuffer(bytearray(raw), dtype=kind).reshape(sizes)
        return tensor.requires_grad_(self.plain(requires_grad, bool))

    def read_parameter(self, dtype: Any, shape: Any, requires_grad: Any, size: Any, *, depth: int) -> nn.Parameter:
        tensor = self.read_tensor(dtype, shape, requires_grad, size, depth=depth)
        return nn.Parameter(tensor.detach(), requires_grad=requires_grad)

    def array(self, dtype: Any, size: Any, shape: Any = None) -> np.ndarray[Any, Any]:
        kind = np.dtype(self.plain(dtype, str))
        if kind.char not in _NUMPY_TYPES:
            _refuse("no such dtype")
        raw = self.take(size)
        sizes = self.shape([] if shape is None else shape, kind.itemsize, len(raw))
        if kind.kind == "b":
            found: np.ndarray[Any, Any] = np.frombuffer(bytes(raw), np.uint8) != 0
        else:
            found = np.frombuffer(bytearray(raw), kind)
        return found.reshape(sizes)

    def read_ndarray(self, dtype: Any, shape: Any, size: Any, *, depth: int) -> np.ndarray[Any, Any]:
        return self.array(dtype, size, shape)

    def read_scalar(self, dtype: Any, size: Any, *, depth: int) -> Any:
        return self.array(dtype, size)[()]

    def read_size(self, shape: Any, *, depth: int) -> torch.Size:
        return torch.Size([self.read_int(n, depth=depth) for n in self.plain(shape, list)])

    def read_dtype(self, name: Any, *, depth: int) -> torch.dtype | Foreign:
        known = _DTYPES.get(self.plain(name, str))
        return known if known is not None else Foreign("torch.dtype", None, f"torch.{name}"[:MAX_TEXT])

    def read_device(self, name: Any, *, depth: int) -> torch.device:
        return torch.device(self.plain(name, str))

    def read_foreign(self, kind: Any, held: Any, text: Any, *, depth: int) -> Foreign:
        return Foreign(self.plain(kind, str), self.value(held, depth), self.plain(text, str)[:MAX_TEXT])


# ---------------------------------------------------------------------------------------------- equal evidence


def tolerance_of(dtype: torch.dtype) -> float:
    """How far two values may differ, relative to the largest of them: a few roundings of a short computation."""
    if dtype in (torch.float64, torch.complex128):
        return 1e-7
    return {torch.float16: 1e-2, torch.bfloat16: 3e-2}.get(dtype, 1e-5)


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float | None = None) -> torch.Tensor:
    """Where two tensors of one shape and dtype agree (bool, same shape). NaN agrees with NaN, inf with the same inf."""
    a, b = a.detach(), b.detach()
    if not (a.is_floating_point() or a.is_complex()):
        return a == b
    wide = torch.complex128 if a.is_complex() else torch.float64
    limit = tolerance_of(a.dtype) if tolerance is None else tolerance
    a, b = a.to(wide), b.to(wide)
    finite = b[b.isfinite()].abs()
    scale = float(finite.max()) if finite.numel() else 0.0
    return (a == b) | (a.isnan() & b.isnan()) | ((a - b).abs() <= limit * (scale or 1.0))


def same(a: Any, b: Any) -> bool:
    """Whether two decoded values are equal evidence: types and shapes exactly, numbers within rounding."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        if a.dtype != b.dtype or a.shape != b.shape or a.requires_grad != b.requires_grad:
            return False
        return bool(close(a, b).all())
    if isinstance(a, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        if a.dtype.kind not in "fc":
            return bool((a == b).all())
        wide = np.complex128 if a.dtype.kind == "c" else np.float64
        x, y = (torch.from_numpy(array.astype(wide)) for array in (a, b))
        return bool(close(x, y, 1e-7 if a.itemsize >= 8 else 1e-5).all())
    if isinstance(a, (float, complex, np.inexact)):
        kind = torch.complex128 if isinstance(a, (complex, np.complexfloating)) else torch.float64
        return bool(close(torch.tensor(a, dtype=kind), torch.tensor(b, dtype=kind), 1e-5))
    if isinstance(a, Foreign):
        # The text may hold an address or a name that the learner chose; the type's name and content tell more.
        return a.type == b.type and same(a.value, b.value)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b)
