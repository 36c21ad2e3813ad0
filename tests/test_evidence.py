"""Evidence survives the way there and back exactly, and damaged evidence does no harm."""

from __future__ import annotations

import contextlib
import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from grader import evidence
from grader.evidence import EvidenceError, Foreign, decode, encode, same

DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int16,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
]


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    dtype = draw(st.sampled_from([*DTYPES, torch.complex64]))
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    raw = draw(st.lists(st.integers(-100, 100), min_size=math.prod(shape), max_size=math.prod(shape)))
    tensor = torch.tensor(raw, dtype=torch.float64).reshape(shape).to(dtype)
    if dtype.is_floating_point and draw(st.booleans()):
        return nn.Parameter(tensor) if draw(st.booleans()) else tensor.requires_grad_()
    return tensor


plain = st.one_of(
    *(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(), st.binary(max_size=20)),
    *(st.complex_numbers(), tensors(), st.sampled_from([torch.float32, torch.device("cpu"), torch.Size([2, 3])])),
    st.sampled_from([np.arange(3), np.float32(1.5), np.bool_(True), np.zeros((2, 0), np.complex128)]),
)
keys = st.one_of(st.text(max_size=5), st.integers(-5, 5), st.booleans(), st.none())
values = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner), st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_what_comes_back_is_what_was_sent(value: object) -> None:
    back = decode(encode(value))
    assert type(back) is type(value)
    assert same(back, value)
    assert encode(back) == encode(value)


@settings(max_examples=500)
@given(values, st.data())
def test_damaged_messages_are_refused_or_decoded_and_nothing_else(value: object, data: st.DataObject) -> None:
    message = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(message) - 1))
        message[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(message)))
    for damaged in (bytes(message), bytes(message[:cut]), bytes(message) + b"more"):
        with contextlib.suppress(EvidenceError):
            decode(damaged)


@given(st.binary(max_size=300))
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(EvidenceError):
        decode(garbage)
    header = evidence.PREFIX.pack(evidence.MAGIC, len(garbage)) + garbage
    with contextlib.suppress(EvidenceError):
        decode(header)


@pytest.mark.parametrize(
    "header",
    [
        '["tensor","float32",[1099511627775,1099511627775],false,0]',
        '["tensor","float32",[1000000000],false,4000000000]',
        '["tensor","float32",[0,1099511627775],false,0]',
        '["ndarray","<f8",[1000000000000],8]',
        '["ndarray","|O",[1],8]',
        '["bytes",1000000000000]',
        "[" * 100_000,
        '["list",' * 1000 + '["none"]' + "]" * 1000,
        '["dict",[[["list",[]],["none"]]]]',
        '["device","nonsense"]',
        '["int",' + "9" * 5000 + "]",
    ],
)
def test_a_header_that_promises_too_much_allocates_nothing(header: str) -> None:
    message = evidence.PREFIX.pack(evidence.MAGIC, len(header)) + header.encode()
    tracemalloc.start()
    try:
        with pytest.raises(EvidenceError):
            decode(message)
        assert tracemalloc.get_traced_memory()[1] < evidence.MAX_MESSAGE
    finally:
        tracemalloc.stop()


class Evil(torch.Tensor):
    """Equals everything, as far as it is asked."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        return True

    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        return True

    __hash__ = None  # type: ignore[assignment]


class Silent:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (torch.ones(2).as_subclass(Evil), "test_evidence.Evil"),
        (torch.torch_version.TorchVersion("2.0"), "torch.torch_version.TorchVersion"),
        (2**70, "builtins.int"),
        ({1, 2}, "builtins.set"),
        (Silent(), "test_evidence.Silent"),
        (torch, "builtins.module"),
        (torch.relu, "builtins.builtin_function_or_method"),
        ((n for n in range(3)), "builtins.generator"),
        (torch.eye(2).to_sparse(), "torch.Tensor"),
    ],
)
def test_anything_else_becomes_a_description(value: object, kind: str) -> None:
    back = decode(encode(value))
    assert type(back) is Foreign
    assert back.type.endswith(kind)


def test_types_that_look_alike_differ() -> None:
    one = [
        1.0,
        1,
        True,
        "1",
        torch.tensor(1.0),
        torch.tensor(1),
        nn.Parameter(torch.tensor(1.0)),
        np.float64(1),
        np.ones(()),
    ]
    for i, a in enumerate(one):
        for j, b in enumerate(one):
            assert same(decode(encode(a)), decode(encode(b))) == (i == j)


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(EvidenceError, match="nested"):
        encode(loop)


def test_too_large_an_answer_is_refused_with_its_size() -> None:
    with pytest.raises(EvidenceError, match="too large"):
        encode(torch.zeros(evidence.MAX_MESSAGE))


def test_a_forged_bool_is_true_or_false() -> None:
    message = bytearray(encode(torch.tensor([True])))
    message[-1] = 7
    assert decode(bytes(message)).view(torch.uint8).item() == 1


def test_numbers_agree_within_rounding_and_no_further() -> None:
    a = torch.rand(5, dtype=torch.float64)
    assert same(a, a * (1 + 1e-12))
    assert not same(a, a * (1 + 1e-5))
    assert not same(a, a.float())
    assert same(torch.tensor([math.nan, math.inf]), torch.tensor([math.nan, math.inf]))
    assert not same(torch.tensor([math.inf]), torch.tensor([-math.inf]))
