"""The autograder zip, in a folder laid out as Gradescope does, with a Python that other users can read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import TINY, autograder, graded

SOLVED = (TINY / "reference" / "s01_tiny.py").read_text()


@pytest.fixture(scope="module")
def gradescope() -> Iterator[Path]:
    with autograder(TINY) as root:
        yield root


def test_what_failed_is_told_and_what_kills_its_process_costs_its_own_points(gradescope: Path) -> None:
    squared = SOLVED.replace("return 2 * x", "return x * x")
    found = graded(gradescope, {"my/work/s01_tiny.py": squared})
    assert found["score"] == 60, found["log"]
    assert "Known mistake: squared" in found["tests"][0]["output"]
    killer = SOLVED.replace("return 2 * x", "import os, signal; os.killpg(0, signal.SIGKILL)")
    found = graded(gradescope, {"s01_tiny.py": killer})
    assert [test["score"] for test in found["tests"]] == [0, 20, 30], found["log"]


def test_nothing_or_something_else_was_handed_in(gradescope: Path) -> None:
    for files in ({}, {"essay.txt": "x", "a_1_2_s01_tiny.py": "\x00", "results.json": '{"score": 100}'}):
        found = graded(gradescope, files)
        assert found["score"] == 0
        assert [test["score"] for test in found["tests"]] == [0, 0, 0]


def test_a_submission_sees_and_changes_nothing_of_ours(gradescope: Path) -> None:
    """It looks for the reference, the results and the other side; what it could do is what it gets points for."""
    spy = (
        "import glob, os\n"
        f"places = ['{gradescope}/source/kit/reference/s01_tiny.py', '{gradescope}/source/out/store.sqlite']\n"
        f"places += glob.glob('{gradescope}/work-*/*/*')\n"
        "def double(x):\n"
        "    for place in places:\n"
        "        try:\n"
        "            open(place).read(1)\n"
        "            return 2 * x\n"
        "        except OSError:\n"
        "            pass\n"
        f"    for name in ('{gradescope}/results/results.json', '{gradescope}/mine'):\n"
        "        try:\n"
        "            open(name, 'w')\n"
        "            return 2 * x\n"
        "        except OSError:\n"
        "            pass\n"
        "    return None\n"
    )
    assert graded(gradescope, {"s01_tiny.py": spy})["score"] == 0


def test_a_broken_autograder_says_so(gradescope: Path) -> None:
    """What cannot be graded at all still leaves a results file, and the reason for the instructor."""
    hidden = gradescope / "source" / "kit" / "checks"
    hidden.rename(hidden.with_name("moved"))
    try:
        found = graded(gradescope, {"s01_tiny.py": SOLVED})
    finally:
        hidden.with_name("moved").rename(hidden)
    assert found["score"] == 0
    assert "could not be graded" in found["output"]
    assert "no checks in" in found["log"]
