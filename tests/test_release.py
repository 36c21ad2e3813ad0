"""What is made from the reference, and that the lessons run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from grader.kit import Kit
from grader.release.exercises import exercise_text
from grader.validate import MAX_POINTS

SECTIONS = list(Kit(ROOT).sections)


@pytest.mark.parametrize("section", SECTIONS)
def test_exercises_are_what_the_reference_makes(kit: Kit, section: str) -> None:
    made = exercise_text(kit.reference / f"{section}.py")
    assert (kit.exercises / f"{section}.py").read_text() == made, "run `make exercises`"
    assert "SOLUTION" not in made


@pytest.mark.parametrize("section", SECTIONS)
def test_a_lesson_runs_from_top_to_bottom(kit: Kit, section: str, tmp_path: Path) -> None:
    environment = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error::UserWarning", str(kit.reference / f"{section}.py")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def test_the_kit_is_worth_what_it_says(kit: Kit) -> None:
    assert [section.max_points for section in kit.sections.values()] == [MAX_POINTS] * len(SECTIONS)
