"""Files in: finds each student's section files, and says in a sentence what is wrong with any of them.

Reads; never runs or imports. What cannot be read costs that file alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

MAX_FILE = 2**20  # bytes: the longest section is 40 kB
SKIPPED = {"__pycache__", "__MACOSX", "node_modules", "site-packages"}


class IntakeError(Exception):
    """There is nothing to grade at that place; the message says why."""


@dataclass
class Submission:
    """One student's files. files: text by section; problems: what to know of the files, in sentences.

    unread: whether something that was handed in could not be read.
    """

    student: str
    files: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unread: bool = False

    def refuse(self, problem: str) -> None:
        """Note a file that was handed in and cannot be graded."""
        self.problems.append(problem)
        self.unread = True


def read_submissions(folder: Path, sections: Iterable[str]) -> list[Submission]:
    """Every student below `folder`, by name. Raises IntakeError if there is no such folder, or nobody in it."""
    if not folder.exists():
        raise IntakeError(f"no folder {folder}: give the folder that holds a folder for each student")
    if not folder.is_dir():
        raise IntakeError(f"{folder} is a file: give the folder that holds a folder for each student")
    names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith(".") and entry.is_dir())
    if not names:
        raise IntakeError(f"{folder} is empty: expected a folder for each student, with files such as s02_tensors.py")
    wanted = list(sections)
    return [read_submission(folder / name, wanted) for name in names]


def read_submission(folder: Path, sections: list[str]) -> Submission:
    """One student's section files, at any depth."""
    submission = Submission(folder.name)
    candidates: dict[str, list[Path]] = {}
    for path in _walk(folder, submission):
        section = section_of(path.name, sections)
        if section:
            candidates.setdefault(section, []).append(path)
    for section in sections:
        found = sorted(candidates.get(section, []), key=lambda p: (len(p.parts), p.name != f"{section}.py", str(p)))
        if not found:
            submission.problems.append(f"{section}.py: not handed in")
            continue
        if len(found) > 1:
            others = ", ".join(str(p.relative_to(folder)) for p in found[1:])
            submission.problems.append(
                f"{section}.py: found more than once; graded {found[0].relative_to(folder)}, not {others}"
            )
        text = _read(found[0], submission)
        if text is not None:
            submission.files[section] = text
    return submission


def section_of(name: str, sections: list[str]) -> str | None:
    """The section that a file's name tells, as in `s02_tensors.py`, `S02_tensors (1).py`, `late_s02_tensors-2.py`."""
    if not name.lower().endswith(".py"):
        return None
    for section in sections:
        if re.search(rf"(?<![a-z0-9]){section}(?![a-z])", name.lower()):
            return section
    return None


def _walk(folder: Path, submission: Submission) -> Iterable[Path]:
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        directories = [name for name in folders if name.endswith(".py")]
        for name in links:
            submission.refuse(f"{name}: is a link, not read")
        for name in directories:
            submission.refuse(f"{name}: is a directory, not a file")
        folders[:] = sorted(n for n in folders if n not in SKIPPED and n not in links and not n.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))


def _read(path: Path, submission: Submission) -> str | None:
    """The text of a file, or None with a problem told."""
    try:
        if path.is_symlink() or not path.is_file():
            submission.refuse(f"{path.name}: is not a regular file, not read")
            return None
        size = path.stat().st_size
        if size > MAX_FILE:
            submission.refuse(f"{path.name}: has {size / 2**20:.0f} MB, more than 1 MB, so it was not read")
            return None
        raw = path.read_bytes()
    except OSError as error:
        submission.refuse(f"{path.name}: cannot be read: {error.strerror}")
        return None
    if not raw.strip():
        submission.problems.append(f"{path.name}: is empty")
        return ""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        submission.refuse(f"{path.name}: not valid UTF-8 at byte {error.start}")
        return None
