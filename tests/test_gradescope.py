"""The autograder zip, in a folder laid out as Gradescope does, with a Python that other users can read."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import TINY, Run, run

SYSTEM_PYTHON = "/usr/bin/python3"
SOLVED = (TINY / "reference" / "s01_tiny.py").read_text()
# Solved, half solved, wrong, broken, and one that ends its process whenever it is called.
CLASS = {
    "solved": SOLVED,
    "half": SOLVED.replace("return torch.randn(n)", "raise NotImplementedError"),
    "squared": SOLVED.replace("return 2 * x", "return x * x"),
    "broken": SOLVED.replace("return 2 * x", "return 2 * (x"),
    "killer": SOLVED.replace("return 2 * x", "import os, signal; os.killpg(0, signal.SIGKILL)"),
}


@pytest.fixture(scope="module")
def autograder(grader: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What stands for /autograder, after setup.sh."""
    if os.geteuid() != 0:
        pytest.fail("inside Gradescope's container everything runs as root: run these tests as root")
    root = Path("/var/tmp/torch-kata-gradescope")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    archive = tmp_path_factory.mktemp("release") / "autograder.zip"
    made = grader("release", "gradescope", str(archive), env={**os.environ, "TORCH_KATA": str(TINY)})
    assert made.returncode == 0, made.stderr
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", root / "env"], check=True)
    packages = root / "env" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (packages / "torch_kata.pth").write_text(next(path for path in sys.path if path.endswith("site-packages")))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(root / "source")
    shutil.copy(root / "source" / "run_autograder", root)
    done = bash(root, root / "source" / "setup.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    yield root
    shutil.rmtree(root)


def bash(root: Path, script: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/root", "AUTOGRADER_ROOT": str(root)}
    return run(["bash", str(script)], cwd="/", env={**environment, "AUTOGRADER_PYTHON": str(root / "env/bin/python")})


def graded(root: Path, files: dict[str, str]) -> dict[str, Any]:
    """What Gradescope reads after a submission of these files."""
    for name in ("submission", "results"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir()
    for name, text in files.items():
        (root / "submission" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "submission" / name).write_text(text)
    (root / "submission_metadata.json").write_text('{"id": 1, "users": [{"email": "ada@example.edu"}]}')
    done = bash(root, root / "run_autograder")
    assert done.returncode == 0
    assert not [*root.glob("work-*")]
    found = json.loads((root / "results" / "results.json").read_text())
    assert isinstance(found, dict)
    return found | {"log": done.stdout + done.stderr}


def test_a_class_gets_the_points_of_grader_grade(autograder: Path, grader: Run, tmp_path: Path) -> None:
    for name, text in CLASS.items():
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "s01_tiny.py").write_text(text)
    here = {**os.environ, "TORCH_KATA": str(TINY)}
    done = grader("grade", str(tmp_path / "class"), "--out", str(tmp_path / "out"), env=here)
    assert done.returncode == 0, done.stderr
    expected = {
        submission["student"]: {
            f"{section['section']}: {exercise['exercise']}": exercise["points"]
            for section in submission["sections"]
            for exercise in section["exercises"]
        }
        for submission in json.loads((tmp_path / "out" / "results.json").read_text())["submissions"]
    }
    for name, text in CLASS.items():
        found = graded(autograder, {"my/work/s01_tiny.py" if name == "half" else "s01_tiny.py": text})
        assert {test["name"]: test["score"] for test in found["tests"]} == expected[name], found["log"]
        assert found["score"] == sum(expected[name].values())
        if name == "squared":
            assert "Known mistake: squared" in found["tests"][0]["output"]
    with (tmp_path / "out" / "grades.csv").open(newline="") as file:
        totals = {row["student"]: float(row["total"]) for row in csv.DictReader(file)}
    assert totals == {"solved": 100, "half": 70, "squared": 60, "broken": 50, "killer": 50}


def test_nothing_or_something_else_was_handed_in(autograder: Path) -> None:
    for files in ({}, {"essay.txt": "x", "a_1_2_s01_tiny.py": "\x00", "results.json": '{"score": 100}'}):
        found = graded(autograder, files)
        assert found["score"] == 0
        assert [test["score"] for test in found["tests"]] == [0, 0, 0]


def test_a_submission_sees_and_changes_nothing_of_ours(autograder: Path) -> None:
    """It looks for the reference, the results and the other side; what it could do is what it gets points for."""
    spy = (
        "import glob, os\n"
        f"places = ['{autograder}/source/kit/reference/s01_tiny.py', '{autograder}/source/out/store.sqlite']\n"
        f"places += glob.glob('{autograder}/work-*/*/*')\n"
        "def double(x):\n"
        "    for place in places:\n"
        "        try:\n"
        "            open(place).read(1)\n"
        "            return 2 * x\n"
        "        except OSError:\n"
        "            pass\n"
        f"    for name in ('{autograder}/results/results.json', '{autograder}/mine'):\n"
        "        try:\n"
        "            open(name, 'w')\n"
        "            return 2 * x\n"
        "        except OSError:\n"
        "            pass\n"
        "    return None\n"
    )
    assert graded(autograder, {"s01_tiny.py": spy})["score"] == 0


def test_a_broken_autograder_says_so(autograder: Path) -> None:
    """What cannot be graded at all still leaves a results file, and the reason for the instructor."""
    hidden = autograder / "source" / "kit" / "checks"
    hidden.rename(hidden.with_name("moved"))
    try:
        found = graded(autograder, {"s01_tiny.py": SOLVED})
    finally:
        hidden.with_name("moved").rename(hidden)
    assert found["score"] == 0
    assert "could not be graded" in found["output"]
    assert "no checks in" in found["log"]
