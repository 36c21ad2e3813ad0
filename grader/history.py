"""What a learner's own runs found, kept in `.torch-kata/history.sqlite` of the kit's folder.

Never imports torch: the board reads it. A history that cannot be read or kept never fails a run: `problem` says why in
a sentence, and the run goes on with an empty one, or with what could be read.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from grader.results import CheckResult

T = TypeVar("T")
Results = dict[str, dict[str, CheckResult]]  # by section and check

# The steps from one version of the schema to the next; `PRAGMA user_version` counts those taken. Only ever add to them:
# a learner who upgrades the kit keeps the history.
MIGRATIONS = (
    """
    CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, at REAL NOT NULL);
    CREATE TABLE IF NOT EXISTS results (
        run INTEGER NOT NULL REFERENCES runs(id), section TEXT NOT NULL, exercise TEXT NOT NULL, name TEXT NOT NULL,
        outcome TEXT NOT NULL, points REAL NOT NULL, mistake TEXT, result TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS hints (
        section TEXT NOT NULL, exercise TEXT NOT NULL, given INTEGER NOT NULL, PRIMARY KEY (section, exercise)
    );
    CREATE INDEX IF NOT EXISTS results_by_name ON results (section, name, run);
    """,
    # When each hint was given; at is NULL for those from before.
    """
    CREATE TABLE given_hints (at REAL, section TEXT NOT NULL, exercise TEXT NOT NULL);
    WITH RECURSIVE each (section, exercise, n) AS (
        SELECT section, exercise, given FROM hints UNION ALL SELECT section, exercise, n - 1 FROM each WHERE n > 1
    ) INSERT INTO given_hints SELECT NULL, section, exercise FROM each;
    DROP TABLE hints;
    CREATE INDEX results_by_run ON results (run);
    """,
)
NEWEST = """
    SELECT section, name, exercise, outcome, result FROM results JOIN (
        SELECT section AS s, name AS n, MAX(run) AS r FROM results WHERE run <= ? GROUP BY section, name
    ) ON section = s AND name = n AND run = r ORDER BY run DESC, results.rowid
"""
LAST = 2**62  # above every run
UNUSABLE = ("no such", "malformed", "has no column")  # what SQLite says of a database that is not ours


class Row(NamedTuple):
    """What one run found of one check."""

    section: str
    exercise: str
    check: str
    outcome: str
    points: float
    mistake: str | None


@dataclass
class Standing:
    """Where a learner stands.

    known: the newest result of every check that ever ran; before: those before today; failed: section and name of the
    checks whose newest result is a failure, the last run's first.
    """

    known: Results = field(default_factory=dict)
    before: Results = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)


class History:
    """The runs of one kit folder. A context manager. problem: why some of it could not be read or kept, if so."""

    def __init__(self, root: Path) -> None:
        self.path = root / ".torch-kata" / "history.sqlite"
        self.problem = ""
        self._db = self._open()

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def record(self, results: Results, exercise_of: dict[str, str]) -> None:
        """Keep what one run found. exercise_of: by check."""

        def write() -> None:
            with self._db:
                run = self._db.execute("INSERT INTO runs (at) VALUES (?)", (time.time(),)).lastrowid
                for section, checks in results.items():
                    for r in checks.values():
                        row = (run, section, exercise_of[r.check], r.check, r.outcome, r.points, r.mistake)
                        kept = json.dumps(asdict(replace(r, pictures=[])))  # they would take most of the room
                        self._db.execute("INSERT INTO results VALUES (?,?,?,?,?,?,?,?)", (*row, kept))

        self._try(write, None)

    def standing(self) -> Standing:
        """The newest results, and those before today began."""

        def read() -> Standing:
            found = Standing()
            midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
            (last,) = self._db.execute("SELECT MAX(id) FROM runs WHERE at < ?", (midnight,)).fetchone()
            for into, until in ((found.known, LAST), (found.before, last or 0)):
                for section, name, _, outcome, kept in self._db.execute(NEWEST, (until,)):
                    result = _result(kept)
                    if result is None:
                        continue
                    into.setdefault(section, {})[name] = result
                    if until == LAST and outcome not in ("passed", "todo", "not_reached"):
                        found.failed.append((section, name))
            return found

        return self._try(read, Standing())

    def runs(self) -> list[tuple[float, list[Row]]]:
        """Every run with its time (seconds since the epoch), in the order in which they were made."""
        query = (
            "SELECT runs.id, at, section, exercise, name, outcome, points, mistake "
            "FROM runs JOIN results ON run = runs.id ORDER BY runs.id, results.rowid"
        )

        def read() -> list[tuple[float, list[Row]]]:
            grouped = itertools.groupby(self._db.execute(query), key=lambda row: row[:2])
            return [(at, [Row(*row[2:]) for row in rows]) for (_, at), rows in grouped]

        return self._try(read, [])

    def last_run(self, section: str) -> float:
        """When a section was last checked, in seconds since the epoch; 0 if never."""
        query = "SELECT at FROM runs WHERE id = (SELECT MAX(run) FROM results WHERE section = ?)"
        row = self._try(lambda: self._db.execute(query, (section,)).fetchone(), None)
        return float(row[0]) if row else 0.0

    def hints(self) -> list[tuple[float | None, str, str]]:
        """The hints that were given: when (None: not known), section and exercise."""
        return self._try(lambda: self._db.execute("SELECT at, section, exercise FROM given_hints").fetchall(), [])

    def count_hint(self, section: str, exercise: str) -> None:
        """One more was given."""

        def write() -> None:
            with self._db:
                self._db.execute("INSERT INTO given_hints VALUES (?, ?, ?)", (time.time(), section, exercise))

        self._try(write, None)

    # -- trouble

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(exist_ok=True)
            db = sqlite3.connect(self.path, timeout=5)
            try:
                return self._usable(db)
            except sqlite3.Error as error:
                if _is_unusable(error):
                    db.close()
                    return self._aside()
                if "readonly" not in str(error):  # busy for long: a backup would wait for ever
                    raise
                copy = _in_memory()
                self.problem = f"{self.path} cannot be written ({error}): what you do now is not kept"
                with closing(db):
                    db.backup(copy)
                _migrate(copy)
                return copy
        except (OSError, sqlite3.Error) as error:
            self.problem = f"{self.path} cannot be used ({error}): what you do now is not kept"
        copy = _in_memory()
        _migrate(copy)
        return copy

    def _usable(self, db: sqlite3.Connection) -> sqlite3.Connection:
        """The database with the newest schema; an empty one in memory if a newer kit wrote it."""
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version <= len(MIGRATIONS):
            _migrate(db)
            return db
        db.close()
        self.problem = f"{self.path} was written by a newer kit: upgrade this one. What you do now is not kept"
        copy = _in_memory()
        _migrate(copy)
        return copy

    def _aside(self) -> sqlite3.Connection:
        """Move a file that is no history away, and begin a new one."""
        name = f"history-unreadable-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09}.sqlite"
        self.path.rename(self.path.with_name(name))
        for suffix in ("-journal", "-wal", "-shm"):  # or it would be played back into the new one
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.problem = f"the history could not be read and a new one was begun; the old one is .torch-kata/{name}"
        db = sqlite3.connect(self.path, timeout=5)
        _migrate(db)
        return db

    def _try(self, action: Callable[[], T], otherwise: T) -> T:
        try:
            return action()
        except sqlite3.Error as error:
            if not _is_unusable(error):
                self.problem = f"{self.path} cannot be used ({error}): what you do now is not kept"
                return otherwise
        self._db.close()
        try:
            self._db = self._aside()
            return action()
        except (OSError, sqlite3.Error) as error:
            self.problem = f"{self.path} cannot be used ({error}): what you do now is not kept"
            self._db = _in_memory()
            _migrate(self._db)
            return otherwise


def _in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:")


def _migrate(db: sqlite3.Connection) -> None:
    """Take the steps that are missing, all or none, alone."""
    if db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    with db:
        (version,) = db.execute("PRAGMA user_version").fetchone()  # another run may have been here
        for step in MIGRATIONS[version:]:
            for statement in step.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _is_unusable(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault, and not a lock, a disk or permissions."""
    return type(error) is sqlite3.DatabaseError or any(words in str(error) for words in UNUSABLE)


def _result(kept: str) -> CheckResult | None:
    try:
        return CheckResult.from_json(json.loads(kept))
    except (ValueError, TypeError, AttributeError):
        return None
