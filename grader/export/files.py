"""`results.json` and `grades.csv`, each written whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from grader import __version__
from grader.results import SubmissionResult
from grader.text import tidy


def write_whole(path: Path, text: str) -> None:
    """Write a file under another name and rename it, so that nobody ever sees half of it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", newline="", delete=False) as file:
        try:
            file.write(text)
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(file.name)
            raise


def results_json(submissions: list[SubmissionResult], seed: int, sandbox: str) -> dict[str, Any]:
    """The contract that docs/results.schema.json describes."""
    return {
        "kit": __version__,
        "seed": seed,
        "sandbox": sandbox,
        "submissions": [submission.to_json() for submission in submissions],
    }


def read_results(path: Path) -> list[SubmissionResult]:
    """What `results_json` wrote."""
    return [SubmissionResult.from_json(row) for row in json.loads(path.read_text(encoding="utf-8"))["submissions"]]


def grades_csv(submissions: list[SubmissionResult], sections: list[str]) -> str:
    """One line a student: a column for each section and the total."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["student", *sections, "total"])
    for submission in submissions:
        points = {section.section: section.points for section in submission.sections}
        writer.writerow(
            [defused(submission.student), *(number(points.get(s, 0)) for s in sections), number(submission.points)]
        )
    return out.getvalue()


def number(points: float) -> str:
    """Points as people write them: 92, 87.5."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def defused(text: str) -> str:
    """Text that no spreadsheet takes for a formula, and that stays on its line."""
    plain = tidy(text, 200).replace("\n", " ").replace("\t", " ")
    return f"'{plain}" if plain.startswith(("=", "+", "-", "@")) else plain
