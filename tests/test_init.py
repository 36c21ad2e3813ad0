"""The wheel: what is in it, a folder to work in made from it, and a newer kit brought into that folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from support import ROOT, TINY, Run


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`python -m build`, of this tree with the tiny kit in place of the ten sections: first the sdist, then from it."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "grader", tree / "grader", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    shutil.copytree(TINY, tree, dirs_exist_ok=True)
    shutil.copy(ROOT / "checks" / "conftest.py", tree / "checks")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "TORCH_KATA")}
    command = [sys.executable, "-m", "build", "--no-isolation"]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (made,) = (tree / "dist").glob("torch_kata-*.whl")
    return made


@pytest.fixture
def learner(wheel: Path, tmp_path: Path) -> dict[str, object]:
    """Where the wheel is installed, beside this environment's packages."""
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    environment = {k: v for k, v in os.environ.items() if k != "TORCH_KATA"}
    environment |= {"PYTHONPATH": str(site), "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    return {"cwd": tmp_path, "env": environment}


def test_the_wheel_and_the_sdist_hold_the_student_edition_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        text = b"".join(archive.read(name) for name in names)
    folders = {"/".join(name.split("/")[:2]) for name in names if name.count("/") > 1}
    assert {f for f in folders if "dist-info" not in f} == {"grader/edition", "grader/report", "grader/solutions"}
    assert {"checks", "exercises", "README.md"} <= {n.split("/")[2] for n in names if n.startswith("grader/edition/")}
    assert "grader/edition/checks/mistakes/s01_tiny.double.evidence" in names
    with tarfile.open(next(wheel.parent.glob("*.tar.gz"))) as sources:
        names += sources.getnames()
    for secret in ("reference", "hidden", "grading", "validate", "release", "export", "sandbox", "tests"):
        assert not [name for name in names if secret in name], secret
    for line in (b"return 2 * x", b"nn.Parameter(torch.zeros", b"BEGIN SOLUTION", b"alternative: "):
        assert line not in text


def test_a_learner_starts_from_the_wheel(learner: dict[str, object], grader: Run, checks: Run, tmp_path: Path) -> None:
    lost = grader("hint", "double", **learner)
    assert lost.returncode == 2
    assert "grader init DIR" in lost.stderr
    made = grader("init", "my-kata", **learner)
    assert made.returncode == 0, made.stderr
    assert "cd my-kata" in made.stdout
    again = grader("init", "my-kata", **learner)
    assert again.returncode == 2
    assert "--update" in again.stderr
    assert "give a new folder" in grader("init", **learner).stderr

    folder = tmp_path / "my-kata"
    inside = {**learner, "cwd": folder}
    solved = (TINY / "reference" / "s01_tiny.py").read_text()
    (folder / "exercises" / "s01_tiny.py").write_text(solved.replace("return 2 * x", "return x * x"))
    wrong = checks("checks/", **inside)
    assert wrong.returncode == 1, wrong.stdout + wrong.stderr
    assert "Known mistake: squared" in wrong.stdout
    (folder / "exercises" / "s01_tiny.py").write_text(solved)
    right = checks(**inside)
    assert "100/100 points" in right.stdout, right.stdout + right.stderr
    assert "100/100 points" in grader(**inside).stdout
    assert "regrade" not in grader("--help", **inside).stdout
    assert not [p for p in folder.rglob("*.py") if p.parts[-2] == "grader"]


def test_a_newer_kit_loses_nothing(learner: dict[str, object], grader: Run, tmp_path: Path) -> None:
    grader("init", "kata", **learner)
    folder, edition = tmp_path / "kata", tmp_path / "site" / "grader" / "edition"
    assert "is up to date" in grader("init", "--update", "kata", **learner).stdout
    (folder / ".torch-kata").mkdir()
    (folder / ".torch-kata" / "history.sqlite").write_text("mine")
    (folder / "exercises" / "notes.py").write_text("mine")
    check = folder / "checks" / "test_s01_tiny.py"
    check.write_text(check.read_text() + "\nprint('mine')\n")
    for name in ("s02_other", "s03_gone"):  # a section that comes, and one that goes
        for path in (f"exercises/{name}.py", f"checks/stubs/{name}.py", f"checks/test_{name}.py"):
            (folder if name == "s03_gone" else edition).joinpath(path).write_text(f"# {name}")
    work = folder / "exercises" / "s01_tiny.py"
    stub = work.read_text()
    for path in (edition / "exercises" / "s01_tiny.py", edition / "checks" / "stubs" / "s01_tiny.py"):
        path.write_text(stub.replace("Twice x.", "Two times x."))

    work.write_text(stub + "\nmine = 1\n")
    done = grader("init", "--update", "kata", **learner)
    assert done.returncode == 0, done.stderr
    assert "exercises/s01_tiny.py is yours and stays" in done.stdout
    assert "new: s02_other" in done.stdout
    (kept,) = (folder / ".torch-kata" / "kept").iterdir()
    assert str(kept.relative_to(folder)) in done.stdout
    assert work.read_text() == stub + "\nmine = 1\n"
    assert "mine" not in check.read_text()
    assert "mine" in (kept / "checks" / "test_s01_tiny.py").read_text()
    assert not (folder / "checks" / "test_s03_gone.py").exists()
    assert (kept / "checks" / "test_s03_gone.py").is_file()
    assert (folder / "exercises" / "s03_gone.py").is_file()
    assert (folder / "exercises" / "s02_other.py").is_file()
    assert (folder / "exercises" / "notes.py").read_text() == "mine"
    assert (folder / ".torch-kata" / "history.sqlite").read_text() == "mine"
    assert "is up to date" in grader("init", "--update", **{**learner, "cwd": folder}).stdout
    # A file that was not touched follows the kit, unless the learner works in a notebook beside it.
    work.write_text((folder / "checks" / "stubs" / "s01_tiny.py").read_text())
    for path in (edition / "exercises" / "s01_tiny.py", edition / "checks" / "stubs" / "s01_tiny.py"):
        path.write_text(stub.replace("Twice x.", "Double x."))
    work.with_suffix(".ipynb").write_text("{}")
    assert "is yours and stays" in grader("init", "--update", "kata", **learner).stdout
    work.with_suffix(".ipynb").unlink()
    given = folder / "checks" / "stubs" / "s01_tiny.py"
    work.write_text(given.read_text())
    for path in (edition / "exercises" / "s01_tiny.py", edition / "checks" / "stubs" / "s01_tiny.py"):
        path.write_text(stub.replace("Twice x.", "x, doubled."))
    grader("init", "--update", "kata", **learner)
    assert "x, doubled." in work.read_text()
    (tmp_path / "empty").mkdir()
    other = grader("init", "--update", "empty", **learner)
    assert other.returncode == 2
    assert "is no kit" in other.stderr
