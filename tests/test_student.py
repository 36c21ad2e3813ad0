"""The student edition: complete for a learner, and nothing in it that a learner should find out alone."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from support import ROOT, Run

from grader.kit import Kit
from grader.release.student import _copy

TINY = ROOT / "tests" / "tiny"


def in_edition(folder: Path) -> dict[str, object]:
    """Run there, and with what is there only."""
    environment = {k: v for k, v in os.environ.items() if k not in ("TORCH_KATA", "PYTHONPATH")}
    return {"cwd": folder, "env": {**environment, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}}


def test_a_learner_gets_the_same_verdicts_and_diagnoses(grader: Run, checks: Run, tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "kit")
    hidden = tmp_path / "kit" / "checks" / "hidden"
    hidden.mkdir()
    (hidden / "test_s01_tiny.py").write_text(
        "from grader.checks import check, require\n\n\n@check('double', kind='value', points=5)\n"
        "def test_a_secret(student):\n    '''Known to us alone.'''\n    require(student.double(2) == 4, 'no')\n"
    )
    full = {**os.environ, "TORCH_KATA": str(tmp_path / "kit")}
    made = grader("release", "student", str(tmp_path / "mine" / "kata"), env=full)
    assert made.returncode == 0, made.stderr
    again = grader("release", "student", str(tmp_path / "mine" / "kata"), env=full)
    assert again.returncode == 2
    assert "there already" in again.stderr

    with zipfile.ZipFile(tmp_path / "mine" / "kata.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    folder = tmp_path / "unpacked" / "kata"
    assert not [p for p in folder.rglob("*") if p.name in ("reference", "hidden", "tests", "grading", "validate.py")]
    assert not any(b"test_a_secret" in p.read_bytes() for p in folder.rglob("*") if p.is_file())

    untouched = checks("checks/", **in_edition(folder))
    assert untouched.returncode == 5, untouched.stdout + untouched.stderr
    assert "6 todo" in untouched.stdout
    solved = (TINY / "reference" / "s01_tiny.py").read_text()
    (folder / "exercises" / "s01_tiny.py").write_text(solved.replace("return 2 * x", "return x * x"))
    wrong = checks("checks/", **in_edition(folder))
    assert "Known mistake: squared" in wrong.stdout, wrong.stdout + wrong.stderr
    (folder / "exercises" / "s01_tiny.py").write_text(solved)
    right = checks("checks/", **in_edition(folder))
    assert "100/100 points" in right.stdout, right.stdout + right.stderr
    helped = grader("--help", **in_edition(folder))
    assert "hint" in helped.stdout
    assert "regrade" not in helped.stdout


def solutions(path: Path) -> Iterator[list[str]]:
    """The lines of each solution, comments and blank ones left out."""
    for block in re.findall(r"# BEGIN SOLUTION\n(.*?)# END SOLUTION", path.read_text(encoding="utf-8"), re.DOTALL):
        yield [line.strip() for line in block.splitlines() if line.strip() and not line.strip().startswith("#")]


def test_no_solution_stands_in_it(kit: Kit, tmp_path: Path) -> None:
    """No line of a solution is there, except idioms that lessons and checks use too, and never three in a row."""
    _copy(kit, tmp_path)
    texts = [p.read_text(encoding="utf-8") for p in tmp_path.rglob("*.py")]
    lines = [[line.strip() for line in text.splitlines() if line.strip()] for text in texts]
    everything = {line for file in lines for line in file}
    pairs = {pair for file in lines for pair in itertools.pairwise(file)}
    found = [s for name in kit.sections for s in solutions(kit.reference / f"{name}.py")]
    long = {line for solution in found for line in solution if len(line) >= 15}
    assert len(long) > 400
    assert len(long & everything) / len(long) < 0.1, sorted(long & everything)
    whole = [s for s in found if len(s) > 2 and all(pair in pairs for pair in itertools.pairwise(s))]
    assert whole == []
