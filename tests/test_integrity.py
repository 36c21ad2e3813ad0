"""Forged evidence: whatever comes back in place of an answer, no check passes, trips over, or fails without a sentence.

A solution of the right text whose every answer is one of these values stands for a worker that a learner has taken
over: the judge cannot know who answers, only what the answer proves. And a right answer whose numbers are NaN or
infinite proves nothing either.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from grader.evidence import Foreign, decode, encode
from grader.kit import Kit
from grader.runner import load_checks, try_check
from grader.solutions import Reply, Request, Solution
from grader.solutions.execution import call
from grader.solutions.local import LocalSolution, read_source
from grader.solutions.recorded import digest
from grader.solutions.source import Source
from grader.student import Shared

pytestmark = pytest.mark.timeout(300)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


POISONS: dict[str, Any] = {
    "None": None,
    "True": True,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "zero": 0,
    "minus one": -1,
    "a text": "passed",
    "bytes": b"passed",
    "an empty list": [],
    "an empty dict": {},
    "an empty tuple": (),
    "a dict with other keys": {"result": [], "changed": [], 3: None},
    "an object": Foreign("evil.Yes", None, "yes"),
    "an object that holds a tensor": Foreign("evil.Tensor", torch.ones(2, 3), "tensor"),
    "lists in lists": nested(25),
    "no values": torch.empty(0),
    "no rows": torch.empty(0, 2**20),
    "a scalar": torch.tensor(1.0),
    "a tensor of NaN": torch.full((2, 3), float("nan")),
    "a tensor of infinities": torch.full((3,), float("inf")),
    "a tensor of integers": torch.ones(3, dtype=torch.int64),
    "a sparse one": torch.eye(2).to_sparse(),
    "texts": ["a", "b"],
    "numbers": [1.0, 2.0],
    "an array of NaN": np.full(3, np.nan),
    "NumPy's NaN": np.float64("nan"),
    "a negative size": torch.Size([-1]),
    "a complex NaN": complex("nan"),
}
# Where one of them happens to be the right answer: is the result contiguous? True.
RIGHT = {
    ("test_result_is_contiguous", "True"),
    # Only the shape is asked for here, since numbers that nobody has written are the mistake of the check after it.
    ("test_first_tensor_is_2_by_3_and_float32", "a tensor of NaN"),
}


class Forged:
    """Answers every probe with the same value."""

    def __init__(self, source: Source, value: Any) -> None:
        self.source = source
        self.value = value

    def run(self, request: Request) -> Reply:
        value = copy.deepcopy(self.value)
        return Reply("returned", {"result": value, "changed": []} if request.probe is call else value)


@pytest.mark.parametrize("name", [f"s{number:02}" for number in range(1, 11)])
def test_no_check_passes_for_forged_evidence(kit: Kit, name: str) -> None:
    (section,) = kit.select([name]).values()
    functions = load_checks(kit, section.name)
    source = read_source(kit.reference / f"{section.name}.py")
    passed, silent, asked = [], [], 0
    for exercise in section.exercises:
        for check in exercise.checks:
            for what, value in POISONS.items():
                solution = Forged(source, decode(encode(value)))
                trial = try_check(kit, section, check, functions[check.name], solution, 0, Shared())
                asked += bool(trial.log)
                if trial.outcome == "passed" and trial.log and (check.name, what) not in RIGHT:
                    passed.append(f"{check.name} passes for {what}")
                elif trial.outcome != "passed" and (len(trial.message) < 20 or "Traceback" in trial.message):
                    silent.append(f"{check.name} says of {what}: {trial.message!r}")
                assert trial.error is None or isinstance(trial.error, Exception)
    assert asked > 10 * len(POISONS)
    assert passed == []
    assert silent == []


class Spoiled:
    """Answers as the reference does, but all floats are this number. spoiled: how many answers had any."""

    def __init__(self, honest: Solution, answers: dict[str, Reply], number: float) -> None:
        self.source = honest.source
        self.honest, self.answers, self.number = honest, answers, number
        self.spoiled = 0

    def run(self, request: Request) -> Reply:
        name = digest(request)
        if name not in self.answers:
            self.answers[name] = self.honest.run(request)
        reply = self.answers[name]
        value = self.spoil(reply.value)
        self.spoiled += encode(value) != encode(reply.value)
        return replace(reply, value=value)

    def spoil(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.layout == torch.strided and value.dtype.is_floating_point:
            return torch.full_like(value, self.number)
        if isinstance(value, (float, np.floating)):
            return type(value)(self.number)
        if isinstance(value, dict):
            return {key: self.spoil(item) for key, item in value.items()}
        return type(value)(map(self.spoil, value)) if type(value) in (list, tuple) else value


@pytest.mark.parametrize("name", [f"s{number:02}" for number in range(1, 11)])
def test_no_check_passes_where_all_numbers_are_nan_or_infinite(kit: Kit, name: str) -> None:
    (section,) = kit.select([name]).values()
    functions = load_checks(kit, section.name)
    honest = LocalSolution(read_source(kit.reference / f"{section.name}.py"), [e.name for e in section.exercises])
    answers: dict[str, Reply] = {}
    passed = []
    for exercise in section.exercises:
        for check in exercise.checks:
            for number in (float("nan"), float("inf")):
                solution = Spoiled(honest, answers, number)
                trial = try_check(kit, section, check, functions[check.name], solution, 0, Shared())
                if trial.outcome == "passed" and solution.spoiled and (check.name, "a tensor of NaN") not in RIGHT:
                    passed.append(f"{check.name} passes for {number}")
                assert trial.outcome in ("passed", "failed"), f"{check.name}: {trial.message}"
    assert passed == []
