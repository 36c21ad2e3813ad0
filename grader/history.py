"""What a learner's own runs found, kept in `.torch-kata/history.sqlite` of the kit's folder.

Never imports torch: the board reads it.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from grader.results import CheckResult

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS results (
    run INTEGER NOT NULL REFERENCES runs(id), section TEXT NOT NULL, exercise TEXT NOT NULL, name TEXT NOT NULL,
    outcome TEXT NOT NULL, points REAL NOT NULL, mistake TEXT, result TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS results_by_name ON results (section, name, run);
"""


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

    def record(self, results: dict[str, dict[str, CheckResult]], exercise_of: dict[str, str] | None = None) -> None:
        """Keep what one run found: results by section and check."""
        with self._db:
            run = self._db.execute("INSERT INTO runs (at) VALUES (?)", (time.time(),)).lastrowid
            for section, checks in results.items():
                for result in checks.values():
                    row = (run, section, "", result.check, result.outcome, result.points, result.mistake)
                    self._db.execute("INSERT INTO results VALUES (?,?,?,?,?,?,?,?)", (*row, json.dumps(asdict(result))))

    def latest(self) -> dict[str, dict[str, CheckResult]]:
        """The newest result of every check, by section."""
        found: dict[str, dict[str, CheckResult]] = {}
        query = "SELECT section, name, result, MAX(run) FROM results GROUP BY section, name"
        for section, name, result, _ in self._db.execute(query):
            found.setdefault(section, {})[name] = CheckResult(**json.loads(result))
        return found
