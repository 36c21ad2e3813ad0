"""`results.json` and `grades.csv`, each written whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO

from grader import __version__
from grader.results import SubmissionResult
from grader.text import tidy

FORMULA = "=", "+", "-", "@"  # what a spreadsheet begins to calculate at


class ResultFiles:
    """Writes both files as results come, under other names, and renames them at the end. A context manager.

    `results.json` is the contract that docs/results.schema.json describes; `grades.csv` has a line a student, a column
    for each section and the total.
    """

    def __init__(self, folder: Path, sections: list[str], seed: int, sandbox: str) -> None:
        self._folder = folder
        self._sections = sections
        self._head = {"kit": __version__, "seed": seed, "sandbox": sandbox}

    def __enter__(self) -> ResultFiles:
        self._json, self._csv = (self._open() for _ in range(2))
        self._json.write(json.dumps(self._head)[:-1] + ', "submissions": [')
        self._separator = "\n"
        self._rows = csv.writer(self._csv, lineterminator="\n")
        self._rows.writerow(["student", *self._sections, "total"])
        return self

    def _open(self) -> IO[str]:
        return tempfile.NamedTemporaryFile(
            "w", dir=self._folder, prefix=".", encoding="utf-8", errors="replace", newline="", delete=False
        )

    def add(self, submission: SubmissionResult) -> None:
        """One more submission."""
        self._json.write(self._separator + json.dumps(submission.to_json(), ensure_ascii=False))
        self._separator = ",\n"
        points = {section.section: number(section.points) for section in submission.sections}
        row = [defused(submission.student), *(points.get(name, "0") for name in self._sections)]
        self._rows.writerow([*row, number(submission.points)])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._json.write("\n]}\n")
                for file, name in ((self._json, "results.json"), (self._csv, "grades.csv")):
                    file.close()
                    os.chmod(file.name, 0o644)
                    os.replace(file.name, self._folder / name)
        finally:
            for file in (self._json, self._csv):
                with contextlib.suppress(OSError):
                    file.close()
                with contextlib.suppress(OSError):
                    os.unlink(file.name)


def read_results(path: Path) -> list[SubmissionResult]:
    """What results.json holds."""
    return [SubmissionResult.from_json(row) for row in json.loads(path.read_text(encoding="utf-8"))["submissions"]]


def number(points: float) -> str:
    """Points as people write them: 92, 87.5."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def defused(text: str) -> str:
    """Text that no spreadsheet takes for a formula, and that stays on its line."""
    plain = tidy(text, 200).replace("\n", " ").replace("\t", " ")
    return f"'{plain}" if plain.startswith(FORMULA) else plain
