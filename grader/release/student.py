"""`grader release student`: what learners get, as a folder and a zip.

Exercises, checks, data, the parts of the grader that checking needs, and the evidence of the known mistakes, so that a
learner at home gets the same diagnoses. No reference, no mistake's code, no hidden check, nothing that grades a class.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from grader.kit import Kit
from grader.release.exercises import exercise_text

PACKAGE = Path(__file__).resolve().parents[1]
# All of the package that a learner's run uses.
GRADER = (
    *("__init__.py", "cli.py", "evidence.py", "kit.py", "checks.py", "student.py", "runner.py", "mistakes.py"),
    *("results.py", "plugin.py", "history.py", "learner.py", "text.py", "report/__init__.py", "report/board.py"),
    *("pairing.py", "notebook.py", "init.py"),
    *("solutions/__init__.py", "solutions/program.py", "solutions/source.py"),
    *("solutions/execution.py", "solutions/local.py"),
    *("watch.py", "warm.py", "report/terminal.py", "report/progress.py", "report/solution.py"),
    *("report/templates/base.html.j2", "report/templates/progress.html.j2"),
    *("solutions/clean_room.py", "solutions/pickling.py", "solutions/recorded.py"),
)
README = """# Torch Kata

Exercises that take you from a first PyTorch tensor to a deployed model, and tell you what went wrong when something
did. You need Python 3.11 or later, on Linux, macOS or Windows. A folder that `grader init` made is ready. Any other one
is set up so:

```sh
python -m venv .venv
source .venv/bin/activate        # Windows: .venv\\Scripts\\activate
pip install -e .
pytest checks/
```

On Linux plain `pip` brings a torch for GPUs of several gigabytes. For the small CPU-only one, install torch and
torchvision together first, with the index that <https://pytorch.org/get-started/locally/> shows for "CPU".

Open the first file in `exercises/` in your editor, read, fill in the first function, and run

```sh
pytest checks/test_{first}.py     # one section
pytest checks/ -k NAME            # one exercise
pytest checks/ -x --pdb           # stop at the first failure, in the debugger
grader                            # the board: where you stand, and what comes next
grader watch                      # check again at every save, within a second
grader hint NAME                  # a hint; again, the next one
grader reset NAME                 # the stub back; yours is kept as a copy
grader notebook {first}   # a section as a notebook with check cells, and back
grader progress --html            # days, points, time, mistakes met and overcome
```

An exercise that you have not written yet is *todo*, not an error. For each exercise you see the first check that fails;
the ones after it are *not reached*. Hand in the files of `exercises/` under their own names.
"""


class ReleaseError(Exception):
    """Nothing was written; the message says why, and what to do."""


def release_student(
    kit: Kit, destination: Path, jobs: int, tell: Callable[[int, int], None] = lambda done, of: None
) -> Path:
    """Write the student edition to a new folder `destination` and to a zip beside it; returns the zip.

    The mistakes' evidence is worked out (about two minutes for the whole kit) or taken from `.torch-kata/`, where it is
    kept. Raises ReleaseError if the folder is there already, or this kit has no reference.
    """
    if not kit.has_reference:
        raise ReleaseError(f"{kit.root} has no reference/: a student edition is made from the full kit")
    if destination.exists():
        raise ReleaseError(f"{destination} is there already: move it away, or give another folder")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}-") as temporary:
        folder = Path(temporary, destination.name)
        folder.mkdir()
        _copy(kit, folder)
        _write_evidence(kit, folder / "checks" / "mistakes", jobs, tell)
        packed = shutil.make_archive(str(Path(temporary, "student")), "zip", temporary, destination.name)
        archive = destination.with_name(f"{destination.name}.zip")
        Path(packed).replace(archive)
        folder.rename(destination)
    return archive


def _copy(kit: Kit, folder: Path) -> None:
    for name in kit.sections:
        stub = exercise_text(kit.reference / f"{name}.py")
        for place in (folder / "exercises", folder / "checks" / "stubs"):
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{name}.py").write_text(stub, encoding="utf-8")
        shutil.copy(kit.checks / f"test_{name}.py", folder / "checks")
    if kit.data.is_dir():
        shutil.copytree(kit.data, folder / "exercises" / "data")
    for file in GRADER:
        target = folder / "grader" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / file, target)
    shutil.copy(PACKAGE.parent / "checks" / "conftest.py", folder / "checks")
    for file in ("pyproject.toml", "setup.py", "LICENSE"):
        shutil.copy(PACKAGE.parent / file, folder)
    (folder / "README.md").write_text(README.replace("{first}", next(iter(kit.sections))), encoding="utf-8")
    (folder / ".gitignore").write_text("__pycache__/\n.venv/\n.torch-kata/\n*.egg-info/\n", encoding="utf-8")


def _write_evidence(kit: Kit, folder: Path, jobs: int, tell: Callable[[int, int], None]) -> None:
    from grader.validate import one_thread

    work = [(kit.root, s.name, e.name, folder) for s in kit.sections.values() for e in s.exercises]
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=one_thread) as pool:
        for done, future in enumerate([pool.submit(_write_one, *item) for item in work], start=1):
            future.result()
            tell(done, len(work))


def _write_one(root: Path, section: str, exercise: str, folder: Path) -> None:
    """The evidence of one exercise's mistakes, for the inputs that every learner sees, hidden checks left out."""
    from grader.mistakes import Bank, save
    from grader.plugin import LEARNERS_SEED

    kit = Kit(root)
    known = Bank(kit, LEARNERS_SEED, root / ".torch-kata" / "mistakes").fingerprints(section, exercise)
    hidden = {check.name for check in kit.sections[section].exercise(exercise).checks if check.hidden}
    shown = [fingerprint for fingerprint in known if fingerprint.check not in hidden]
    save(folder / f"{section}.{exercise}.evidence", shown, LEARNERS_SEED)
