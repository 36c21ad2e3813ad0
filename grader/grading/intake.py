"""Files in: finds each student's section files, and says in a sentence what is wrong with any of them.

Reads folders, an archive for each student, or one download of a whole class; files or notebooks, at any depth. Never
runs or imports what it reads, and never unpacks an archive. What cannot be read costs that file alone.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from grader.grading.archives import (
    MAX_ARCHIVE,
    MAX_FILE,
    ArchiveError,
    Entry,
    archive_entries,
    folder_entries,
    is_archive,
    is_other_archive,
)
from grader.grading.layouts import GRADESCOPE, LAYOUTS, Owned, assign, recognise, unwrapped

MAX_TEXT = 256 * 2**10  # bytes of a section's file: the longest of ours has 60 kB, and reading one takes the judge time
MAX_CELLS = 3_000  # of a notebook
# What a first line such as `# -*- coding: latin-1 -*-` may name: not every codec of Python's is quick, or an encoding.
ENCODINGS = re.compile(r"ascii|utf-?8|utf-?16|iso8859|cp\d|mac|koi8|gb|big5|euc|shift_jis")
COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


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
        if place.is_dir() and any(section_of(path.name, wanted) for path in place.iterdir()):
            raise IntakeError(
                f"{place} holds one student's files: give the folder above, with a folder for each student"
            )
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
            if len(entry.path.parts) == 1 and (is_archive(entry.path.name) or is_other_archive(entry.path.name)):
                name = re.sub(r"(\.tar)?\.\w+$", "", entry.path.name)
                students.setdefault(name, []).append(Owned(name, entry.path, entry))
    for one in assign(entries, layout, _gradescope_names(entries) if layout == "gradescope" else None):
        students.setdefault(one.student, []).append(one)
    return _named_in_text(students)


def _named_in_text(students: dict[str, list[Owned]]) -> dict[str, list[Owned]]:
    """The same with names that every file and table can hold: a folder's name may be no text at all."""
    named: dict[str, list[Owned]] = {}
    for student, files in students.items():
        plain = "".join("\N{REPLACEMENT CHARACTER}" if "\ud800" <= c <= "\udfff" else c for c in student)
        text, number = plain, 1
        while text in named:
            number += 1
            text = f"{plain} ({number})"
        named[text] = files
    return named


def _gradescope_names(entries: list[Entry]) -> dict[str, str]:
    """Students by submission folder, from Gradescope's own list of them."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where it is there
    names: dict[str, str] = {}
    for entry in entries:
        if entry.path.name != "submission_metadata.yml":
            continue
        try:
            listed = yaml.load(entry.read(), loader) or {}
            for key, about in listed.items():
                people = about.get(":submitters") or []
                labels = [str(p.get(":sid") or p.get(":email") or p.get(":name")) for p in people]
                if GRADESCOPE.match(str(key)) and labels:
                    label = "+".join(labels)  # a group has one submission; two of one name have one each
                    names[str(key)] = label if label not in names.values() else f"{label} ({key})"
        except (yaml.YAMLError, AttributeError) as error:
            raise IntakeError(f"{entry.path} cannot be read: {error}") from None
    return names


# How the systems head their columns of ids and of names, the one that tells most first.
IDS = (
    *(
        "id",
        "student",
        "student_id",
        "student id",
        "id number",
        "sid",
        "sis user id",
        "user id",
        "username",
        "login id",
    ),
    *("sis login id", "net id", "netid", "matriculation number", "email", "e-mail", "email address"),
)
NAMES = ("name", "full name", "student name", "student")
FIRST, LAST = ("first name", "first_name", "given name"), ("last name", "last_name", "surname", "family name")


def read_roster(path: Path) -> dict[str, str]:
    """Names by student, from a CSV whose column headed id, student or the like names the student; without heads, the
    first. Commas, semicolons or tabs; UTF-8, UTF-16 with a mark, or what older spreadsheets write.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise IntakeError(f"the roster {path}: {error.strerror}") from None
    try:
        text = raw.decode("utf-16" if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise IntakeError(f"the roster {path} cannot be read as a CSV file: {error}") from None
    heads = [cell.strip().lower() for cell in rows[0][1]] if rows else []

    def column(names: tuple[str, ...]) -> int | None:
        return next((heads.index(name) for name in names if name in heads), None)

    at, named, parts = column(IDS), column(NAMES), (column(FIRST), column(LAST))
    if at is not None:
        rows = rows[1:]
    elif any(place is not None for place in (named, *parts)):
        raise IntakeError(f"the roster {path} has no column of ids: head one `id`; there are {', '.join(heads)}")
    if named == at:
        named = None

    def cell(row: list[str], place: int | None) -> str:
        return row[place].strip() if place is not None and place < len(row) else ""

    roster: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, row in rows:
        student = cell(row, at or 0)
        if not student and "points possible" in row[0].lower():
            continue  # a line of Canvas's own
        if not student:
            raise IntakeError(f"the roster {path}, line {line}: has no id in column {(at or 0) + 1}")
        if student in roster:
            raise IntakeError(
                f"the roster {path}: {student!r} is there twice, in lines {lines[student]} and {line}; leave one"
            )
        lines[student] = line
        roster[student] = cell(row, named) or " ".join(filter(None, (cell(row, place) for place in parts)))
    if not roster:
        raise IntakeError(f"the roster {path} is empty: expected a line a student, the id in the first column")
    return roster


def _apply_roster(found: dict[str, Submission], roster: dict[str, str]) -> None:
    """Tell who is missing and who is unknown. Downloads name students `doejane_1234` or `Jane Doe_1234`, where the
    number may be the id of the roster or one that only the download knows; then the name tells, if nobody shares it.
    """
    count = Counter(roster.values())
    by_name = {name: student for student, name in roster.items() if name and count[name] == 1}

    def known(student: str) -> set[str]:
        name, _, number = student.rpartition("_")
        ids = {one for one in (student, number, *student.split("+")) if one in roster}
        return ids or ({by_name[name]} if name in by_name else set())

    here: set[str] = set()
    for student, submission in found.items():
        ids = known(student)
        here |= ids
        if not ids:
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
            elif one.entry.problem and one.path.suffix.lower() in (".py", ".ipynb", ""):
                submission.refuse(f"{one.path}: {one.entry.problem}")
        for section in sections:
            found = sorted(candidates.get(section, []), key=lambda one: _rank(one, section))
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
        if is_other_archive(one.path.name):
            submission.refuse(f"{one.path}: is an archive of a kind that is not read: hand in a .zip or .tar.gz")
            continue
        if not is_archive(one.path.name):
            yield one
            continue
        try:
            if one.entry.problem:
                raise ArchiveError(one.entry.problem)
            if one.entry.size > MAX_ARCHIVE:
                raise ArchiveError(f"has {one.entry.size / 2**20:.0f} MB, more than {MAX_ARCHIVE // 2**20} MB")
            content = one.entry.read()
            for entry in archive_entries(one.path.name, opened.enter_context(io.BytesIO(content))):
                if is_archive(entry.path.name) or is_other_archive(entry.path.name):
                    submission.refuse(f"{one.path / entry.path}: is an archive within an archive, not read")
                else:
                    yield Owned(one.student, one.path / entry.path, entry)
        except (ArchiveError, OSError) as error:
            submission.refuse(f"{one.path}: {error}")


def _rank(one: Owned, section: str) -> tuple[int, bool, str, float, bool, str]:
    """Which of several files for one section counts: the least deep, the one that is named as it should be; of a file
    and a notebook side by side the one edited last, as in `pytest checks/`.
    """
    path = one.path
    return len(path.parts), path.stem != section, str(path.parent), -one.entry.edited, path.suffix != ".py", str(path)


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
        allowed = f"{limit // 2**20} MB" if limit >= 2**20 else f"{limit // 2**10} kB"
        size = f"{entry.size / 2**20:.0f} MB" if entry.size >= 2**20 else f"{entry.size / 2**10:.0f} kB"
        raise Unread(f"has {size}, more than {allowed}, so it was not read")
    try:
        raw = entry.read()
    except Exception as error:  # zipfile and tarfile raise many kinds for damaged contents
        raise Unread(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > limit:
        raise Unread("is longer than it says, not read")
    text = _decoded(raw)
    if not is_notebook or not text.strip():
        return text
    from grader.pairing import NOTEBOOK, NotebookError, script

    try:
        text = script(_without_outputs(text))
    except NotebookError as error:
        raise Unread(str(error)) from None
    if len(text) > MAX_TEXT:
        raise Unread(f"has {len(text) // 2**10} kB of text, more than {MAX_TEXT // 2**10} kB, so it was not read")
    text = NOTEBOOK + text if text.strip() else ""
    return text.encode("utf-8", "replace").decode()  # JSON can hold half characters, which no file can


def _decoded(raw: bytes) -> str:
    """The text in the encoding that its mark or its first lines name; otherwise it must be UTF-8."""
    encoding = "utf-8-sig"
    if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        encoding = "utf-16"
    elif cookie := next((m for line in raw.split(b"\n", 2)[:2] if (m := COOKIE.match(line))), None):
        named = cookie[1].decode().lower().replace("_", "-").replace("latin", "iso8859").replace("iso-8859", "iso8859")
        if ENCODINGS.match(named) and not named.startswith("utf"):
            encoding = cookie[1].decode()
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        shown = "UTF-8" if encoding == "utf-8-sig" else encoding
        raise Unread(f"not valid {shown} at byte {error.start}") from None
    except LookupError:
        raise Unread(f"names an encoding {encoding!r} that there is not: save it as UTF-8") from None


def _without_outputs(text: str) -> str:
    """A notebook without what its cells have printed and drawn, which may be long and is not read."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unread(f"cannot be read as a notebook: {error}") from None
    if type(content) is not dict:
        raise Unread("cannot be read as a notebook: it holds no cells")
    content.setdefault("metadata", {})
    cells = content.get("cells")
    if type(cells) is not list:
        return text  # an old notebook, or none
    if len(cells) > MAX_CELLS:
        raise Unread(f"has {len(cells):,} cells, more than {MAX_CELLS:,}, so it was not read")
    for cell in cells:
        if type(cell) is dict:
            cell.pop("attachments", None)
            cell.setdefault("metadata", {})
            if cell.get("source") is None:  # some tools leave out what is empty
                cell["source"] = ""
            if "outputs" in cell:
                cell["outputs"] = []
    return json.dumps(content)
