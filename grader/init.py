"""`grader init`: a folder to work in, from the edition that came with the package; and a newer edition into one.

What a learner wrote is never lost: an exercise file that was edited stays, and whatever else is replaced is kept as a
copy below `.torch-kata/kept/`. Never imports torch.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from grader.kit import Kit

EDITION = Path(__file__).with_name("edition")  # in the wheel alone
# Files of a section that a newer kit may no longer have.
OURS = re.compile(r"checks/(test_s\d\d_\w+\.py|stubs/s\d\d_\w+\.py|mistakes/s\d\d_\w+\.\w+\.evidence)")


class InitError(Exception):
    """Nothing was changed; the message says why, and what to do."""


def start(folder: Path, edition: Path = EDITION) -> list[str]:
    """Make a new folder to work in; returns what to say. Raises InitError if there is something in it already."""
    _require(edition)
    typed, folder = folder, folder.resolve()
    if folder.is_dir() and any(folder.iterdir()):
        if _is_kit(folder):
            raise InitError(f"{folder} is a kit already. To bring in a newer one, type `grader init --update {folder}`")
        raise InitError(f"{folder} holds other files: give a new folder, as in `grader init my-kata`")
    if folder.exists() and not folder.is_dir():
        raise InitError(f"{folder} is a file: give a new folder, as in `grader init my-kata`")
    compiled = shutil.ignore_patterns("__pycache__")  # pip compiles what it installs
    shutil.copytree(edition, folder, ignore=compiled, dirs_exist_ok=True)
    first = next(iter(Kit(folder).sections))
    commands = [f"  cd {typed}"] if folder != Path.cwd() else []
    return [f"{folder} is ready. Type", "", *commands, "  pytest checks/", "", f"and open exercises/{first}.py"]


def update(folder: Path, edition: Path = EDITION) -> list[str]:
    """Bring this edition into a folder that an earlier one made; returns what to say.

    Checks, data, evidence and untouched exercise files become the new ones. Edited exercise files stay.
    """
    _require(edition)
    folder = folder.resolve()
    if not _is_kit(folder):
        raise InitError(f"{folder} is no kit: go to the folder that `grader init` made, or give it")
    if (folder / "reference").is_dir() or (folder / "grader").is_dir():
        raise InitError(f"{folder} was not made by `grader init`: take the newer kit as you took this one")
    kept = folder / ".torch-kata" / "kept" / f"update-{time.strftime('%Y%m%d-%H%M%S')}"
    files = (path for path in edition.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    new = {path.relative_to(edition).as_posix() for path in files}
    told: list[str] = []
    replaced: list[str] = []
    added: list[str] = []
    for name in sorted(new):
        source, target = edition / name, folder / name
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        if _is_edited(folder, name):
            stub = f"checks/stubs/{target.name}"
            if (folder / stub).is_file() and (folder / stub).read_bytes() == source.read_bytes():
                continue  # the lesson is as it was
            told.append(f"{name} is yours and stays; its lesson has changed, and the new one is {stub}")
            continue
        (replaced if target.exists() else added).append(name)
    gone = [name for name in _ours(folder) if name not in new]
    for name in [*replaced, *gone]:
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / name, kept / name)
    for name in [*replaced, *added]:
        _put(edition / name, folder / name)
    for name in gone:
        (folder / name).unlink()
    sections = [Path(name).stem for name in added if re.fullmatch(r"exercises/s\d\d_\w+\.py", name)]
    if sections:
        told.append(f"new: {', '.join(sections)}")
    if replaced or gone:
        told.append(f"files replaced: {len(replaced) + len(gone)}; as they were: {kept.relative_to(folder)}")
    if any("stays" in line for line in told):
        told.append("An exercise that your file does not have yet comes with `grader reset NAME`.")
    return told or [f"{folder} is up to date"]


def _require(edition: Path) -> None:
    if not edition.is_dir():
        raise InitError(
            "this `grader` stands in a kit of its own, with exercises/ and checks/ beside it: work there."
            " `grader init` comes with the package that pip installs"
        )


def _is_kit(folder: Path) -> bool:
    return (folder / "exercises").is_dir() and (folder / "checks").is_dir()


def _is_edited(folder: Path, name: str) -> bool:
    """Whether this is an exercise file that is no longer as it was given out, or that goes with a notebook."""
    path = folder / name
    if not re.fullmatch(r"exercises/[^/]+\.py", name) or not path.exists():
        return False
    given = folder / "checks" / "stubs" / path.name
    return path.with_suffix(".ipynb").exists() or not given.is_file() or given.read_bytes() != path.read_bytes()


def _ours(folder: Path) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in (folder / "checks").rglob("*") if path.is_file())
    return sorted(name for name in found if OURS.fullmatch(name))


def _put(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        file.write(source.read_bytes())
    os.chmod(file.name, 0o644)
    os.replace(file.name, target)
