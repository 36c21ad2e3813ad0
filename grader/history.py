"""What a learner's own runs found, kept in `.torch-kata/history.sqlite` of the kit's folder.

Never imports torch: the board reads it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from grader.results import CheckResult

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS results (
    run INTEGER NOT NULL REFERENCES runs(id), section TEXT NOT NULL, exercise TEXT NOT NULL, name TEXT NOT NULL,
    outcome TEXT NOT NULL, points REAL NOT NULL, mistake TEXT, result TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS hints (
    section TEXT NOT NULL, exercise TEXT NOT NULL, given INTEGER NOT NULL, PRIMARY KEY (section, exercise)
);
CREATE INDEX IF NOT EXISTS results_by_name ON results (section, name, run);
"""


class Row(NamedTuple):
    """What one run found of one check."""

    section: str
    exercise: str
    check: str
    outcome: str
    points: float
    mistake: str | None


class History:
    """The runs of one kit folder. A context manager; a history that cannot be kept is no reason to fail a run."""

    def __init__(self, root: Path) -> None:
        self.path = root / ".torch-kata" / "history.sqlite"
        self._db = sqlite3.connect(":memory:")
        with contextlib.suppress(OSError, sqlite3.Error):
            self.path.parent.mkdir(exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=5)
        self._db.executescript(SCHEMA)

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def record(self, results: dict[str, dict[str, CheckResult]], exercise_of: dict[str, str]) -> None:
        """Keep what one run found: results by section and check. exercise_of: by check."""
        with self._db:
            run = self._db.execute("INSERT INTO runs (at) VALUES (?)", (time.time(),)).lastrowid
            for section, checks in results.items():
                for result in checks.values():
                    row = (
                        run,
                        section,
                        exercise_of[result.check],
                        result.check,
                        result.outcome,
                        result.points,
                        result.mistake,
                    )
                    self._db.execute("INSERT INTO results VALUES (?,?,?,?,?,?,?,?)", (*row, json.dumps(asdict(result))))

    def latest(self) -> dict[str, dict[str, CheckResult]]:
        """The newest result of every check, by section."""
        found: dict[str, dict[str, CheckResult]] = {}
        query = "SELECT section, name, result, MAX(run) FROM results GROUP BY section, name"
        for section, name, result, _ in self._db.execute(query):
            found.setdefault(section, {})[name] = CheckResult(**json.loads(result))
        return found

    def runs(self) -> Iterator[tuple[float, list[Row]]]:
        """Every run with its time (seconds since the epoch), the earliest first."""
        query = (
            "SELECT runs.id, at, section, exercise, name, outcome, points, mistake "
            "FROM runs JOIN results ON run = runs.id ORDER BY runs.id"
        )
        for (_, at), rows in itertools.groupby(self._db.execute(query), key=lambda row: row[:2]):
            yield at, [Row(*row[2:]) for row in rows]

    def hints(self, section: str, exercise: str) -> int:
        """How many hints of an exercise were given."""
        query = "SELECT given FROM hints WHERE section = ? AND exercise = ?"
        row = self._db.execute(query, (section, exercise)).fetchone()
        return int(row[0]) if row else 0

    def all_hints(self) -> dict[str, int]:
        """How many were given, by exercise."""
        return dict(self._db.execute("SELECT exercise, given FROM hints ORDER BY section, exercise"))

    def count_hint(self, section: str, exercise: str) -> None:
        """One more was given."""
        with self._db:
            self._db.execute(
                "INSERT INTO hints VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET given = given + 1", (section, exercise)
            )
