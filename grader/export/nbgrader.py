"""Sandboxed grades in nbgrader's own gradebook, so that formgrader, `nbgrader export` and feedback show them.

An assignment and its notebook are named after their section, the test cell of an exercise after that, and its comment
stands at `EXERCISE-solution`: as `grader release nbgrader` makes them. What a person graded stays.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from grader.export.common import Exported, ExportError, whole
from grader.export.told import told
from grader.results import NOT_THERE, SectionResult, SubmissionResult
from grader.text import tidy

MAX_COMMENT = 4_000  # characters


def fill_gradebook(submissions: list[SubmissionResult], path: Path) -> Exported:
    """Write points and comments for every section that somebody handed in. All scores are there in the end, or none.

    A course that `nbgrader generate_assignment` has filled keeps its cells; in a new one they are made. Raises
    ExportError if the gradebook is none, or has other cells or points.
    """
    if not path.parent.is_dir():
        raise ExportError(f"no folder {path.parent}: give the gradebook.db in your nbgrader course")
    if path.is_file() and path.read_bytes()[:15] != b"SQLite format 3":
        raise ExportError(f"{path} is no gradebook: nbgrader keeps it as gradebook.db in the folder of the course")
    sections = {section.section: section for one in submissions for section in one.sections if _is_there(section)}
    with _on_path(), _gradebook(path) as book:
        for section in sections.values():
            _make_cells(book, section, path)
        done = Exported([path])
        before = {student.id for student in book.students}
        for one in submissions:
            book.update_or_create_student(one.student)
            for name in sections:
                stamp = _show(path.parent, one.student, name)
                book.update_or_create_submission(name, one.student, timestamp=stamp)
        for one in submissions:
            for section in one.sections:
                if section.section in sections:
                    _grade(book, one.student, section)
        book.db.commit()
    if new := sorted({one.student for one in submissions} - before) if before else []:
        done.notes.append(f"new in the gradebook: {tidy(', '.join(new), 500)}")
    return done


def _is_there(section: SectionResult) -> bool:
    """Whether there was a file to grade."""
    return not section.exercises[0].checks[0].message.endswith(NOT_THERE)


def _show(course: Path, student: str, section: str) -> datetime | None:
    """Put the notebook where formgrader and feedback look for one that is graded; returns when it was handed in.

    One that nbgrader has run itself since then stays.
    """
    from nbgrader.utils import parse_utc

    submitted, graded = (course / folder / student / section for folder in ("submitted", "autograded"))
    if Path(student).name != student or not submitted.is_dir():
        return None
    for name in (f"{section}.ipynb", "timestamp.txt"):
        source, target = submitted / name, graded / name
        if source.is_symlink() or not source.is_file():
            continue
        if not target.is_file() or target.stat().st_mtime < source.stat().st_mtime:
            graded.mkdir(parents=True, exist_ok=True)
            with whole(target, "wb") as file:
                file.write(source.read_bytes())
    at: datetime | None = None
    with contextlib.suppress(OSError, ValueError):
        at = parse_utc((submitted / "timestamp.txt").read_text(encoding="utf-8").strip())
    return at


@contextlib.contextmanager
def _on_path() -> Iterator[None]:
    """nbgrader starts `alembic` by its bare name when it makes a gradebook: let it be found."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


@contextlib.contextmanager
def _gradebook(path: Path) -> Iterator[Any]:
    from nbgrader.api import Gradebook, InvalidEntry
    from sqlalchemy.exc import SAWarning, SQLAlchemyError

    try:
        with warnings.catch_warnings(), Gradebook(f"sqlite:///{path.resolve()}") as book:
            warnings.simplefilter("ignore", SAWarning)  # how nbgrader adds a submission; nothing that a user could mend
            try:
                yield book
            except BaseException:
                book.db.rollback()
                raise
    except (SQLAlchemyError, sqlite3.Error, InvalidEntry) as error:
        said = tidy(str(getattr(error, "orig", None) or error), 200)
        raise ExportError(
            f"{path}: {said}. No score was written. Close formgrader if it is open; after an update of nbgrader"
            " type `nbgrader db upgrade` in the course"
        ) from None


def _make_cells(book: Any, section: SectionResult, path: Path) -> None:
    """The assignment's cells, made if there are none; else they must be those of `grader release nbgrader`."""
    from nbgrader.api import MissingEntry

    name = section.section
    book.update_or_create_assignment(name)
    notebook = book.update_or_create_notebook(name, name)
    new = not notebook.grade_cells
    for exercise in section.exercises:
        try:
            cell = book.find_grade_cell(exercise.exercise, name, name)
        except MissingEntry:
            if not new:
                raise ExportError(
                    f"{path}: the notebook {name} has no cell {exercise.exercise!r}: it was made from"
                    " another kit. `grader release nbgrader` and `nbgrader generate_assignment --force` make it anew"
                ) from None
            points = {"max_score": exercise.max_points, "cell_type": "code"}
            book.add_grade_cell(exercise.exercise, name, name, **points)
            book.add_solution_cell(f"{exercise.exercise}-solution", name, name)
        else:
            if cell.max_score != exercise.max_points:
                raise ExportError(
                    f"{path}: {exercise.exercise} of {name} counts {cell.max_score:g} points, and the grades"
                    f" {exercise.max_points:g}: release the assignment anew, or `grader regrade`"
                )


def _grade(book: Any, student: str, section: SectionResult) -> None:
    from nbgrader.api import Comment, Grade

    notebook = book.find_submission_notebook(section.section, section.section, student)
    grades = {grade.name: grade for grade in notebook.grades}
    comments = {comment.name: comment for comment in notebook.comments}
    # What was handed in before a cell was added has no grade for it yet.
    for cell in notebook.notebook.grade_cells:
        if cell.name not in grades:
            grades[cell.name] = Grade(cell_id=cell.id, notebook=notebook)
    for cell in notebook.notebook.solution_cells:
        if cell.name not in comments:
            comments[cell.name] = Comment(cell_id=cell.id, notebook=notebook)
    ours = [f"{exercise.exercise}-solution" for exercise in section.exercises]
    said: dict[str, list[str]] = {name: [] for name in ours if name in comments}
    place = ""
    for exercise in section.exercises:
        grade = grades[exercise.exercise]
        grade.auto_score = exercise.points
        grade.needs_manual_grade = False
        own = f"{exercise.exercise}-solution"
        place = own if own in said else place  # two exercises that are written in one cell share its comment
        if place and exercise.first_failure:
            said[place].append(f"{exercise.exercise}: {told(exercise)}")
    for name, texts in said.items():
        comments[name].auto_comment = tidy("\n\n".join(texts), MAX_COMMENT) or None
