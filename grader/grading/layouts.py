"""Whose file is it: the ways in which folders and downloads name their students.

- `folders`: a folder, or an archive, for each student.
- `canvas`: files named `doejane_LATE_1234_56789_s02_tensors.py` (name, user id, submission id, file).
- `moodle`: folders or files named `Jane Doe_123456_assignsubmission_file_`.
- `gradescope`: folders `submission_123456`, named in `submission_metadata.yml`.
- `nbgrader`: `STUDENT/ASSIGNMENT/NOTEBOOK.ipynb`, which is `folders` too; or a whole course with that in `submitted/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from grader.grading.archives import Entry

LAYOUTS = ("folders", "canvas", "moodle", "gradescope", "nbgrader")
CANVAS = re.compile(r"^(?P<name>[^_/]+?)(?:_LATE)?_(?P<id>\d+)_(?P<submission>\d+)_(?P<file>.+)$")
MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_\w+?_(?P<file>.*)$")
COURSE = {"source", "release", "autograded", "feedback"}  # an nbgrader course's other folders
GRADESCOPE = re.compile(r"^submission_(?P<id>\d+)$")


@dataclass(frozen=True)
class Owned:
    """A file with its owner. path: where it lies within what the student handed in."""

    student: str
    path: PurePosixPath
    entry: Entry


def recognise(entries: Iterable[Entry]) -> str:
    """The layout that these files show; `folders` when none of the others does."""
    entries = list(entries)
    votes = dict.fromkeys(LAYOUTS, 0)
    tops = {entry.path.parts[0] for entry in entries}
    if "submitted" in tops and tops & {*COURSE, "gradebook.db", "nbgrader_config.py"}:
        return "nbgrader"
    for entry in entries:
        parts = entry.path.parts
        if any(GRADESCOPE.match(part) for part in parts):
            votes["gradescope"] += 1
        elif any(MOODLE.match(part) for part in parts):
            votes["moodle"] += 1
        elif CANVAS.match(parts[-1]) and len(parts) <= 2:
            votes["canvas"] += 1
        elif len(parts) > 1:
            votes["folders"] += 1
    best = max(votes, key=lambda name: votes[name])
    return best if votes[best] else "folders"


def assign(entries: Iterable[Entry], layout: str, names: dict[str, str] | None = None) -> Iterable[Owned]:
    """Each file with its student; files that belong to nobody are left out. names: Gradescope's, by submission."""
    for entry in entries:
        parts = entry.path.parts
        if layout == "nbgrader" and parts[0] == "submitted":
            parts = parts[1:]  # the whole course was given
        elif layout == "nbgrader" and parts[0] in COURSE:
            continue
        if layout == "canvas":
            if match := CANVAS.match(parts[-1]):
                yield Owned(f"{match['name']}_{match['id']}", PurePosixPath(match["file"]), entry)
        elif layout == "moodle":
            for index, part in enumerate(parts):
                if match := MOODLE.match(part):
                    rest = ([match["file"]] if match["file"] else []) + list(parts[index + 1 :])
                    yield Owned(f"{match['name']}_{match['id']}", PurePosixPath(*rest), entry)
                    break
        elif layout == "gradescope":
            for index, part in enumerate(parts[:-1]):
                if GRADESCOPE.match(part):
                    yield Owned((names or {}).get(part, part), PurePosixPath(*parts[index + 1 :]), entry)
                    break
        elif len(parts) > 1:
            yield Owned(parts[0], PurePosixPath(*parts[1:]), entry)


def unwrapped(entries: list[Entry]) -> list[Entry]:
    """Without the one folder that a download often wraps around everything."""
    tops = {entry.path.parts[0] for entry in entries}
    wrapped = len(tops) == 1 and all(len(e.path.parts) > 2 and e.path.parts[1] != "exercises" for e in entries)
    if not wrapped:
        return entries
    return [replace(entry, path=PurePosixPath(*entry.path.parts[1:])) for entry in entries]
