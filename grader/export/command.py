"""`grader export`: a graded class as files for other systems. Reads `results.json` and nothing else of a run."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

from grader.export.common import Exported, ExportError, whole
from grader.export.files import defused, number, read_results
from grader.results import SubmissionResult
from grader.text import tidy

FORMATS = ("csv", "canvas", "moodle", "gradescope", "junit", "github", "nbgrader")
FILLED = {
    "canvas": "the gradebook that you export from Canvas (a CSV)",
    "moodle": "the grading worksheet that you download from the assignment (a CSV)",
    "nbgrader": "the course's gradebook.db",
}


def export(out: Path, kind: str, into: Path | None = None, column: str = "") -> Exported:
    """Write the results in `out` in one of FORMATS, to a file in `out` (nbgrader: into the gradebook itself).

    into: the other system's own file, for those of FILLED. column: where the total goes, if sections have no columns
    of their own. Raises ExportError.
    """
    if kind not in FORMATS:
        raise ExportError(f"no format {kind!r}; there are {', '.join(FORMATS)}")
    if kind in FILLED and into is None:
        raise ExportError(f"--format {kind} fills in {FILLED[kind]}: give it with --into FILE")
    if kind not in FILLED and into is not None:
        raise ExportError(f"--into goes with {', '.join(FILLED)}; {kind} is written anew")
    if column and kind != "canvas":
        raise ExportError("--column names a column of Canvas: it goes with --format canvas")
    submissions = _read(out)
    try:
        done = _WRITERS[kind](submissions, out) if into is None else _fill(submissions, kind, into, out, column)
        done.notes += [f"{tidy(one.student, 100)} was not graded completely" for one in submissions if one.ungraded]
        return done
    except OSError as error:
        raise ExportError(f"{error.filename or out} cannot be written: {error.strerror}") from None


def _read(out: Path) -> list[SubmissionResult]:
    path = out / "results.json"
    if not path.is_file():
        raise ExportError(f"no results.json in {out}: give the --out folder of a `grader grade`")
    try:
        return read_results(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportError(
            f"{path} cannot be read ({tidy(str(error), 200)}): `grader regrade {out}` writes it anew"
        ) from None


def _fill(submissions: list[SubmissionResult], kind: str, into: Path, out: Path, column: str) -> Exported:
    if kind == "canvas":
        from grader.export.gradebooks import fill_canvas

        return fill_canvas(submissions, into, out / "canvas.csv", column)
    if kind == "moodle":
        from grader.export.gradebooks import fill_moodle

        return fill_moodle(submissions, into, out / "moodle.csv")
    from grader.export.nbgrader import fill_gradebook

    return fill_gradebook(submissions, into)


def _csv(submissions: list[SubmissionResult], out: Path) -> Exported:
    """A row for each student and exercise: what a spreadsheet or pandas turns into any other table."""
    head = ["student", "section", "exercise", "points", "max_points", "outcome", "mistake", "message"]
    with whole(out / "exercises.csv", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(head)
        for one in submissions:
            for section in one.sections:
                for exercise in section.exercises:
                    failure = exercise.first_failure
                    told = [failure.outcome, failure.mistake or "", failure.message] if failure else ["passed", "", ""]
                    points = [number(exercise.points), number(exercise.max_points)]
                    texts = [one.student, section.section, exercise.exercise]
                    rows.writerow([*map(defused, texts), *points, *map(defused, told)])
    return Exported([out / "exercises.csv"])


def _gradescope(submissions: list[SubmissionResult], out: Path) -> Exported:
    from grader.export.gradescope import results

    done = Exported()
    for place, submission in enumerate(submissions, start=1):
        name = "".join(c if c.isalnum() or c in "-_.@+" else "_" for c in submission.student)[:80]
        path = out / "gradescope" / f"{place:05}-{name}.json"
        path.parent.mkdir(exist_ok=True)
        with whole(path) as file:
            json.dump(results(submission), file, indent=1)
        done.written.append(path)
    return done


def _junit(submissions: list[SubmissionResult], out: Path) -> Exported:
    from grader.export.junit import document

    with whole(out / "junit.xml", "wb") as file:
        document(submissions).write(file)
    return Exported([out / "junit.xml"])


def _github(submissions: list[SubmissionResult], out: Path) -> Exported:
    from grader.export.github import commands, summary

    text = summary(submissions)
    print("\n".join(commands(submissions)))
    step = os.environ.get("GITHUB_STEP_SUMMARY")
    if step:
        with open(step, "a", encoding="utf-8") as file:
            file.write(text)
        return Exported([Path(step)])
    with whole(out / "summary.md") as file:
        file.write(text)
    return Exported([out / "summary.md"])


_WRITERS: dict[str, Callable[[list[SubmissionResult], Path], Exported]] = {
    "csv": _csv,
    "gradescope": _gradescope,
    "junit": _junit,
    "github": _github,
}
