"""Hints, the stub back, and progress, as a learner types them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support import ROOT, Run

TINY = ROOT / "tests" / "tiny"


@pytest.fixture
def here(tmp_path: Path) -> dict[str, object]:
    shutil.copytree(TINY, tmp_path / "kit")
    shutil.copy(ROOT / "checks" / "conftest.py", tmp_path / "kit" / "checks")
    (tmp_path / "kit" / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    environment = {**os.environ, "TORCH_KATA": str(tmp_path / "kit"), "COLUMNS": "80", "NO_COLOR": "1"}
    return {"cwd": tmp_path / "kit", "env": environment}


def test_hints_come_one_by_one(grader: Run, here: dict[str, object]) -> None:
    told = [grader("hint", "double", **here).stdout for _ in range(3)]
    assert told[0].startswith("Hint 1 of 2 for double: Twice over.")
    assert told[1].startswith("Hint 2 of 2 for double: Add x to itself.")
    assert told[2] == told[1]
    unknown = grader("hint", "duoble", **here)
    assert unknown.returncode == 2
    assert "no exercise 'duoble'" in unknown.stderr


def test_a_stub_comes_back_and_nothing_is_lost(grader: Run, here: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "kit" / "exercises" / "s01_tiny.py"
    stub = path.read_text()
    mine = stub.replace("# TODO: double it.\n    raise NotImplementedError", "return x * x")
    assert mine != stub
    path.write_text(mine)
    done = grader("reset", "double", **here)
    assert done.returncode == 0, done.stderr
    (kept,) = (tmp_path / "kit" / ".torch-kata" / "kept").iterdir()
    assert kept.read_text() == mine
    assert str(kept.relative_to(tmp_path / "kit")) in done.stdout
    assert path.read_text() == stub
    path.write_text("def (:\n")
    broken = grader("reset", "double", **here)
    assert broken.returncode == 2
    assert "cannot be read" in broken.stderr
    assert path.read_text() == "def (:\n"


def test_progress_tells_of_points_and_mistakes(
    grader: Run, checks: Run, here: dict[str, object], tmp_path: Path
) -> None:
    assert "Nothing yet" in grader("progress", **here).stdout
    path = tmp_path / "kit" / "exercises" / "s01_tiny.py"
    solved = (TINY / "reference" / "s01_tiny.py").read_text()
    path.write_text(solved.replace("return 2 * x", "return x * x"))
    checks("checks/", **here)
    first = grader("progress", **here).stdout
    assert "60" in first
    assert "open   squared (test_double_values)" in first
    path.write_text(solved)
    checks("checks/", **here)
    second = grader("progress", **here).stdout
    assert "100" in second
    assert "overcome   squared" in second
