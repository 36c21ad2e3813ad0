"""Points filled into the files that Canvas and Moodle give out, so that they take them back.

Every other cell stays as it was, but for a name that a spreadsheet would take for a formula: both know a row by its
number. Names and ids come from the system itself; none is written by us.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.export.common import Exported, ExportError, whole
from grader.export.files import FORMULA, defused, number
from grader.export.told import told
from grader.results import SubmissionResult
from grader.text import tidy

ASSIGNMENT = re.compile(r"^(?P<title>.*?) \((?P<id>\d+)\)$", re.DOTALL)
POSSIBLE = "points possible"
EXCUSED = "ex"
MAX_FEEDBACK = 20_000  # characters of one student in Moodle

# Moodle writes its headings in the language of whoever downloads the worksheet; these are its own translations.
MOODLE = {
    "id": ("Identifier", "ID", "Identificador", "Identifiant", "Identificativo", "Identificatie", "Identifikator"),
    "email": (
        *("Email address", "E-mail-Adresse", "E-Mail-Adresse", "Dirección de correo", "Dirección Email"),
        *("Adresse de courriel", "Indirizzo email", "E-mailadres", "Endereço de email", "Correo electrónico"),
    ),
    "number": (
        "ID number",
        "ID-Nummer",
        "Matrikelnummer",
        "Número de ID",
        "Numéro d'identification",
        "Codice identificativo",
    ),
    "name": (
        "Full name",
        "Vollständiger Name",
        "Nombre completo",
        "Nom complet",
        "Cognome Nome",
        "Volledige naam",
        "Nome completo",
    ),
    "grade": ("Grade", "Bewertung", "Calificación", "Note", "Valutazione", "Cijfer", "Nota", "Avaliação"),
    "most": (
        *(
            "Maximum Grade",
            "Maximum grade",
            "Bestwertung",
            "Calificación máxima",
            "Note maximale",
            "Valutazione massima",
        ),
        *("Maximum cijfer", "Nota máxima", "Avaliação máxima"),
    ),
    "feedback": (
        *(
            "Feedback comments",
            "Feedback als Kommentar",
            "Comentarios de retroalimentación",
            "Feedback par commentaires",
        ),
        *("Commenti", "Feedback commentaar", "Comentários de feedback"),
    ),
}


@dataclass
class Sheet:
    """A CSV as it was found. mark: what stood before it (a byte order mark), and stands there again."""

    rows: list[list[str]]
    dialect: type[csv.Dialect]
    mark: str

    def write(self, path: Path) -> None:
        with whole(path, newline="") as file:
            file.write(self.mark)
            csv.writer(file, self.dialect).writerows(self.rows)


def read_sheet(path: Path) -> Sheet:
    """A CSV with commas or semicolons, in UTF-8 (or UTF-16 with its mark). Raises ExportError for anything else."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}") from None
    wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = raw.decode("utf-16" if wide else "utf-8")
    except UnicodeDecodeError as error:
        raise ExportError(
            f"{path} is not UTF-8 at byte {error.start}: download it again, or save it as `CSV UTF-8`"
        ) from None
    mark = "\N{BYTE ORDER MARK}" if wide or text.startswith("\N{BYTE ORDER MARK}") else ""
    text = text.removeprefix("\N{BYTE ORDER MARK}")
    first = text.partition("\n")[0]
    settings = {
        "delimiter": max(",;\t", key=first.count),
        "lineterminator": "\r\n" if "\r\n" in text else "\n",
    }
    dialect = type("AsFound", (csv.excel,), settings)
    try:
        rows = [*csv.reader(io.StringIO(text, newline=""), dialect, strict=True)]
    except csv.Error as error:
        raise ExportError(f"{path} is no CSV: {error}") from None
    if not rows or not any(rows[0]):
        raise ExportError(f"{path} is empty: expected a row of headings")
    return Sheet(rows, dialect, mark)


# ------------------------------------------------------------------------------------------------- who is who


def keys_of(student: str) -> list[str]:
    """What a student may be called elsewhere: as here; each of a group `ada+bob`; the number of `doejane_1234`."""
    members = [student] if "+" not in student else [student, *student.split("+")]
    return [*members, *(match[1] for name in members if (match := re.search(r"_(\d+)$", name)))]


def plain_name(name: str) -> str:
    """A person's name so that `Doe, Jane` and `jane doe` are one, and its words together, as Canvas names files."""
    return " ".join(sorted(re.findall(r"\w+", name.casefold())))


def names_of(student: str) -> set[str]:
    """The names that a student's own may stand for."""
    return {plain_name(re.sub(r"_\d+$", "", part)) for part in {student, *student.split("+")}}


Key = Callable[[list[str]], Iterable[str]]  # what a row is called by one of its columns


def match(
    submissions: list[SubmissionResult], rows: Sequence[list[str]], columns: Sequence[tuple[str, Key]], done: Exported
) -> list[tuple[list[str], SubmissionResult]]:
    """Each row with its submission, by the first column that knows it. Whom nothing knows is told in `done`."""
    owner: dict[int, SubmissionResult] = {}
    for one in submissions:
        found: list[int] = []
        for label, key in columns:
            wanted = {*names_of(one.student)} if label == "name" else {k.casefold() for k in keys_of(one.student)}
            found = [index for index, row in enumerate(rows) if wanted & {k.casefold() for k in key(row) if k}]
            if found:
                break
        if not found:
            done.left_out.append(
                f"{_shown(one.student)} matches nobody: no {', '.join(c for c, _ in columns)} is like it"
            )
        elif len(found) > max(1, one.student.count("+") + 1):
            done.left_out.append(f"{_shown(one.student)} matches {len(found)} rows by {label}, so none was filled in")
        else:
            for index in found:
                if index in owner:
                    raise ExportError(
                        f"{_shown(one.student)} and {_shown(owner[index].student)} are both"
                        f" {_shown(' '.join(rows[index][:2]))}: grade one of them, or give them names that differ"
                    )
                owner[index] = one
    without = len(rows) - len(owner)
    if without:
        done.notes.append(f"{without} rows have no submission and stay as they are")
    return [(rows[index], owner[index]) for index in sorted(owner)]


def _shown(text: str) -> str:
    return tidy(text, 100).replace("\n", " ")


def _cell(row: list[str], column: int | None) -> str:
    return row[column].strip() if column is not None and column < len(row) else ""


def _put(row: list[str], column: int, value: str) -> None:
    row.extend([""] * (column + 1 - len(row)))
    row[column] = value


def share(points: float, most: float, possible: str) -> str:
    """Points on the other system's scale: as they are, or in proportion where its maximum is another one."""
    try:
        scale = float(possible.replace(",", ".")) / most if most else 1.0
    except ValueError:  # not said
        scale = 1.0
    return number(points * scale)


# ----------------------------------------------------------------------------------------------------- Canvas


def fill_canvas(submissions: list[SubmissionResult], into: Path, out: Path, column: str = "") -> Exported:
    """Canvas's gradebook with our points. Sections go to the assignments of their names; or the total to `column`.

    https://community.canvaslms.com/t5/Instructor-Guide/How-do-I-import-grades-in-the-Gradebook/ta-p/807
    """
    sheet = read_sheet(into)
    heads = [head.strip() for head in sheet.rows[0]]
    for needed in ("ID", "Section"):
        if needed not in heads:
            raise ExportError(f"{into} has no column {needed!r}: give the gradebook as Canvas exports it")
    if not {"Student", "LastName"} & {*heads}:
        raise ExportError(f"{into} has no column 'Student': give the gradebook as Canvas exports it")
    places = _canvas_columns(heads, submissions, column, into)
    body = sheet.rows[1:]
    possible = next((row for row in body if _cell(row, 0).casefold() == POSSIBLE), [])
    known = _columns(heads, {"ID": "ID", "SIS User ID": "SIS User ID", "SIS Login ID": "SIS Login ID"})
    names = ("Student",) if "Student" in heads else ("LastName", "FirstName")
    named = [heads.index(name) for name in names if name in heads]
    known.append(("name", _canvas_name(named)))
    people = [row for row in body if _cell(row, heads.index("ID")) or _cell(row, heads.index("Section"))]
    _refuse_twins(people, heads.index("ID"), into)
    done = Exported([out])
    if not column:
        graded = {section.section for one in submissions for section in one.sections}
        done.notes += [f"{name} has no assignment of its name" for name in sorted(graded - {*places.values()})]
    scaled: set[str] = set()
    excused = 0
    for row, one in match(submissions, people, known, done):
        for place, section in places.items():
            points, most = _points(one, section)
            if _cell(row, place).casefold() == EXCUSED:
                excused += 1
            elif most:
                value = share(points, most, _cell(possible, place))
                if value != number(points):
                    scaled.add(f"{_shown(heads[place])} counts {_cell(possible, place)}, not {number(most)}, points")
                _put(row, place, value)
    done.notes += [f"{text}: ours are in proportion" for text in sorted(scaled)]
    done.notes += [f"{excused} excused grades (EX) stay"] if excused else []
    _defuse(people, named)
    sheet.write(out)
    return done


def _canvas_columns(heads: list[str], submissions: list[SubmissionResult], column: str, into: Path) -> dict[int, str]:
    """Which column gets which section; "" is the total."""
    assignments = {i: found["title"] for i, head in enumerate(heads) if (found := ASSIGNMENT.match(head))}
    listed = ", ".join(_shown(heads[i]) for i in assignments) or "none"
    if column:
        chosen = [i for i in assignments if column in (heads[i], assignments[i])]
        if len(chosen) != 1:
            raise ExportError(f"{into} has {len(chosen)} assignments {column!r}; its assignments: {listed}")
        return {chosen[0]: ""}
    sections = list(dict.fromkeys(section.section for one in submissions for section in one.sections))
    places: dict[int, str] = {}
    for section in sections:
        for name in (section, section.partition("_")[0]):  # s02_tensors, or else s02
            pattern = rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])"
            fitting = [i for i, title in assignments.items() if re.search(pattern, title.casefold())]
            if len(fitting) > 1:
                names = ", ".join(_shown(heads[i]) for i in fitting)
                raise ExportError(f"{into}: {section} fits {names}; say where the total goes with --column TITLE")
            if fitting:
                places[fitting[0]] = section
                break
    if not places:
        raise ExportError(
            f"{into} has no assignment named after a section ({', '.join(sections)}): say with --column TITLE where"
            f" the total goes. Its assignments: {listed}"
        )
    return places


def _points(one: SubmissionResult, section: str) -> tuple[float, float]:
    if not section:
        return one.points, one.max_points
    found = next((s for s in one.sections if s.section == section), None)
    return (found.points, found.max_points) if found else (0.0, 0.0)


def _columns(heads: list[str], names: dict[str, str]) -> list[tuple[str, Key]]:
    """The columns that are there, each as a way to know a row."""

    def by(place: int) -> Key:
        return lambda row: [_cell(row, place)]

    return [(label, by(heads.index(name))) for label, name in names.items() if name in heads]


def _canvas_name(named: list[int]) -> Key:
    """Canvas writes `Doe, Jane`, or two columns, and names files `doejane`."""

    def names(row: list[str]) -> list[str]:
        whole_name = " ".join(_cell(row, column) for column in named)
        return [plain_name(whole_name), "".join(re.findall(r"\w+", whole_name.casefold()))]

    return names


def _defuse(rows: list[list[str]], columns: Iterable[int]) -> None:
    """Names that a spreadsheet would take for formulas, as text."""
    for row in rows:
        for column in columns:
            if _cell(row, column).startswith(FORMULA):
                row[column] = defused(row[column].strip())


def _refuse_twins(rows: list[list[str]], column: int | None, into: Path) -> None:
    seen: set[str] = set()
    for row in rows:
        value = _cell(row, column)
        if value and value in seen:
            raise ExportError(f"{into}: {_shown(value)} is there twice; leave one row")
        seen.add(value)


# ----------------------------------------------------------------------------------------------------- Moodle


def fill_moodle(submissions: list[SubmissionResult], into: Path, out: Path) -> Exported:
    """Moodle's grading worksheet with our total, and a comment if it has a column for feedback.

    https://docs.moodle.org/en/Assignment_grading#Offline_grading_worksheet
    """
    sheet = read_sheet(into)
    if sheet.dialect.delimiter != ",":
        raise ExportError(f"{into} has no commas between its columns, and Moodle takes nothing else: download it again")
    heads = [head.strip() for head in sheet.rows[0]]
    place = {what: next((heads.index(n) for n in names if n in heads), None) for what, names in MOODLE.items()}
    if place["id"] is None:
        place["id"] = _participants(sheet.rows)
    grade = place["grade"]
    if grade is None and place["most"] is not None:
        grade = place["most"] - 1  # the grade stands before its maximum, whatever its heading
    for what, column in (("Identifier", place["id"]), ("Grade", grade)):
        if column is None:
            raise ExportError(f"{into} has no column {what!r}: give the grading worksheet as Moodle makes it")
    assert grade is not None
    body = [row for row in sheet.rows[1:] if any(row)]
    _refuse_twins(body, place["id"], into)

    def participant(row: list[str]) -> list[str]:
        cell = _cell(row, place["id"])
        return [cell, *re.findall(r"\d+$", cell)]

    known: list[tuple[str, Key]] = [("Identifier", participant)]
    known += _columns(heads, {w: heads[c] for w in ("email", "number") if (c := place[w]) is not None})
    known += [("name", lambda row: [plain_name(_cell(row, place["name"]))])] if place["name"] is not None else []
    done = Exported([out])
    scaled: set[str] = set()
    for row, one in match(submissions, body, known, done):
        most = _cell(row, place["most"])
        value = share(one.points, one.max_points, most)
        if value != number(one.points):
            scaled.add(f"Moodle counts {most}, not {number(one.max_points)}, points: ours are in proportion")
        _put(row, grade, value)
        if place["feedback"] is not None:
            _put(row, place["feedback"], feedback(one))
    done.notes += sorted(scaled)
    _defuse(body, [column for column in [place["name"]] if column is not None])
    sheet.write(out)
    return done


def _participants(rows: list[list[str]]) -> int | None:
    """The column of Moodle's participants in a language that we don't know: a word and a number in every row."""
    width = min((len(row) for row in rows[1:] if any(row)), default=0)
    for column in range(width):
        if all(re.fullmatch(r"\D+\d+", row[column].strip()) for row in rows[1:] if any(row)):
            return column
    return None


def feedback(one: SubmissionResult) -> str:
    """What a student reads in Moodle, which takes it for HTML."""
    import html

    parts = [f"<p>{html.escape(tidy(problem, 500))}</p>" for problem in one.problems]
    for section in one.sections:
        for exercise in section.exercises:
            failure = exercise.first_failure
            if failure is not None:
                points = f"{number(exercise.points)} of {number(exercise.max_points)} points"
                text = html.escape(tidy(told(exercise), 2_000)).replace("\n", "<br>")
                parts.append(f"<p><b>{html.escape(exercise.exercise)}: {points}</b><br>{text}</p>")
    kept, size = [], 0
    for part in parts:
        size += len(part)
        if size > MAX_FEEDBACK:
            kept.append("<p>... (cut)</p>")
            break
        kept.append(part)
    return "".join(kept) or "<p>All checks passed.</p>"
