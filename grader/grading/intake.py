"""Files in: finds each student's section files, and says in a sentence what is wrong with any of them.

Reads folders, an archive for each student, or one download of a whole class; files or notebooks, at any depth. Never
runs or imports what it reads, and never unpacks an archive. What cannot be read costs that file alone.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from grader.grading.archives import MAX_FILE, ArchiveError, Entry, archive_entries, folder_entries, is_archive
from grader.grading.layouts import GRADESCOPE, LAYOUTS, Owned, assign, recognise, unwrapped

MAX_TEXT = 2**20  # bytes of a section's file: the longest of ours has 60 kB


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


def read_submissions(
    place: Path, sections: Iterable[str], *, layout: str = "", roster: dict[str, str] | None = None
) -> list[Submission]:
    """Every student at `place` (a folder, or an archive of the whole class), by name.

    layout: one of LAYOUTS, recognised if empty. roster: names by student; who is on it and handed nothing in is there
    with a problem. Raises IntakeError if there is no such place, or nobody in it.
    """
    if layout and layout not in LAYOUTS:
        raise IntakeError(f"no layout {layout!r}; there are {', '.join(LAYOUTS)}")
    if not place.exists():
        raise IntakeError(f"no folder {place}: give the folder that holds a folder for each student")
    if place.is_file() and not is_archive(place.name):
        raise IntakeError(f"{place} is a file: give the folder that holds a folder for each student, or its zip")
    wanted = list(sections)
    with ExitStack() as opened:
        owned = _owned(place, layout, opened)
        found = {student: _read_submission(student, files, wanted) for student, files in owned.items()}
    if not found:
        raise IntakeError(f"{place} is empty: expected a folder for each student, with files such as s02_tensors.py")
    if roster is not None:
        _apply_roster(found, roster)
    return [found[student] for student in sorted(found)]


# ------------------------------------------------------------------------------------------------- whose files


def _owned(place: Path, layout: str, opened: ExitStack) -> dict[str, list[Owned]]:
    """The files of each student; who has an empty folder has none."""
    students: dict[str, list[Owned]] = {}
    if place.is_file():
        file = opened.enter_context(place.open("rb"))
        try:
            entries = unwrapped(archive_entries(place.name, file, bulk=True))
        except ArchiveError as error:
            raise IntakeError(f"{place} {error}") from None
    else:
        entries = folder_entries(place)
    layout = layout or recognise(entries)
    if place.is_dir() and layout == "folders":
        students = {
            path.name: [] for path in sorted(place.iterdir()) if path.is_dir() and not path.name.startswith(".")
        }
        for entry in entries:  # ada.zip at the top is ada's
            if len(entry.path.parts) == 1 and is_archive(entry.path.name):
                name = re.sub(r"(\.tar)?\.\w+$", "", entry.path.name)
                students.setdefault(name, []).append(Owned(name, entry.path, entry))
    for one in assign(entries, layout, _gradescope_names(entries) if layout == "gradescope" else None):
        students.setdefault(one.student, []).append(one)
    return students


def _gradescope_names(entries: list[Entry]) -> dict[str, str]:
    """Students by submission folder, from Gradescope's own list of them."""
    import yaml

    names = {}
    for entry in entries:
        if entry.path.name != "submission_metadata.yml":
            continue
        try:
            listed = yaml.safe_load(entry.read()) or {}
            for key, about in listed.items():
                people = about.get(":submitters") or []
                labels = [str(p.get(":sid") or p.get(":email") or p.get(":name")) for p in people]
                if GRADESCOPE.match(str(key)) and labels:
                    names[str(key)] = "+".join(labels)
        except (yaml.YAMLError, AttributeError) as error:
            raise IntakeError(f"{entry.path} cannot be read: {error}") from None
    return names


def read_roster(path: Path) -> dict[str, str]:
    """Names by student, from a CSV whose first column (or the one headed id or student) names the student."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise IntakeError(f"the roster {path}: {error.strerror}") from None
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")  # what older spreadsheets write
    dialect: type[csv.Dialect] = csv.excel
    if text.count(";") > text.count(","):
        dialect = type("semicolons", (csv.excel,), {"delimiter": ";"})
    rows = [row for row in csv.reader(io.StringIO(text), dialect) if any(cell.strip() for cell in row)]
    heads = [cell.strip().lower() for cell in rows[0]] if rows else []
    known = ("id", "student", "student_id", "student id", "sis user id", "id number")
    column = next((heads.index(name) for name in known if name in heads), None)
    named = next((heads.index(name) for name in ("name", "full name", "student name") if name in heads), None)
    if column is not None:
        rows = rows[1:]
    column = column or 0
    roster: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        student = row[column].strip() if column < len(row) else ""
        if not student:
            raise IntakeError(f"the roster {path}: entry {number} has no id in column {column + 1}")
        if student in roster:
            raise IntakeError(f"the roster {path}: {student!r} is there twice; leave one line")
        roster[student] = row[named].strip() if named is not None and named < len(row) else ""
    if not roster:
        raise IntakeError(f"the roster {path} is empty: expected a line a student, the id in the first column")
    return roster


def _apply_roster(found: dict[str, Submission], roster: dict[str, str]) -> None:
    def key(student: str) -> str:  # LMS downloads name students `doejane_1234`
        return next((r for r in roster if r == student or student.endswith(f"_{r}") or r in student.split("+")), "")

    here = {key(student) for student in found}
    for student, submission in found.items():
        if not key(student):
            submission.problems.append("is not on the roster")
    for student, name in roster.items():
        if student not in here:
            found[student] = Submission(student, problems=[f"{name or student} handed nothing in"])


# ------------------------------------------------------------------------------------------------- one student


def _read_submission(student: str, owned: list[Owned], sections: list[str]) -> Submission:
    submission = Submission(student)
    candidates: dict[str, list[Owned]] = {}
    with ExitStack() as opened:
        for one in _with_archives(submission, owned, opened):
            section = section_of(one.path.name, sections)
            if section:
                candidates.setdefault(section, []).append(one)
            elif one.entry.problem and one.path.suffix in (".py", ".ipynb", ""):
                submission.refuse(f"{one.path}: {one.entry.problem}")
        for section in sections:
            found = sorted(candidates.get(section, []), key=lambda one: _rank(one.path, section))
            if not found:
                submission.problems.append(f"{section}.py: not handed in")
                continue
            if len(found) > 1:
                others = ", ".join(str(one.path) for one in found[1:])
                submission.problems.append(f"{section}: found more than once; graded {found[0].path}, not {others}")
            try:
                text = submission.files[section] = _text(found[0])
                if not text.strip():
                    submission.problems.append(f"{found[0].path.name}: is empty")
            except Unread as error:
                submission.refuse(f"{found[0].path.name}: {error}")
    return submission


def _with_archives(submission: Submission, owned: Iterable[Owned], opened: ExitStack) -> Iterator[Owned]:
    """A student's files, those in archives too (but not in archives within archives)."""
    for one in owned:
        if not is_archive(one.path.name):
            yield one
            continue
        try:
            if one.entry.problem:
                raise ArchiveError(one.entry.problem)
            content = one.entry.read()
            for entry in archive_entries(one.path.name, opened.enter_context(io.BytesIO(content))):
                yield Owned(one.student, one.path / entry.path, entry)
        except (ArchiveError, OSError) as error:
            submission.refuse(f"{one.path}: {error}")


def _rank(path: PurePosixPath, section: str) -> tuple[int, bool, str]:
    """Which of several files for one section counts: the least deep, the one that is named as it should be."""
    return len(path.parts), path.stem != section, str(path)


def section_of(name: str, sections: list[str]) -> str | None:
    """The section that a file's name tells, as in `s02_tensors.py`, `S02_tensors (1).ipynb`, `my_s02_tensors-2.py`."""
    if not name.lower().endswith((".py", ".ipynb")):
        return None
    for section in sections:
        if re.search(rf"(?<![a-z0-9]){section}(?![a-z])", name.lower()):
            return section
    return None


class Unread(Exception):
    """A file that was handed in cannot be read; the message says why."""


def _text(one: Owned) -> str:
    """The text of a file; of a notebook, as a script."""
    entry = one.entry
    is_notebook = one.path.name.lower().endswith(".ipynb")
    limit = MAX_FILE if is_notebook else MAX_TEXT
    if entry.problem:
        raise Unread(entry.problem)
    if entry.size > limit:
        raise Unread(f"has {entry.size / 2**20:.0f} MB, more than {limit // 2**20} MB, so it was not read")
    try:
        raw = entry.read()
    except Exception as error:  # zipfile and tarfile raise many kinds for damaged contents
        raise Unread(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > limit:
        raise Unread("is longer than it says, not read")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unread(f"not valid UTF-8 at byte {error.start}") from None
    if not is_notebook or not text.strip():
        return text
    from grader.pairing import NotebookError, script

    try:
        return script(text)
    except NotebookError as error:
        raise Unread(str(error)) from None
