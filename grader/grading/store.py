"""What a batch has found so far, in one SQLite file that only the coordinator writes.

A section's result is kept under a key made of all that it depends on, so that what was done once is not done again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import sqlite3
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

from grader import __version__
from grader.grading.intake import Submission
from grader.kit import Kit
from grader.results import SectionResult
from grader.solutions import Record

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
-- What students handed in: every attempt, and of each section the text and the key of its result. The last attempt has
-- the highest turn; a clock may go back.
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, student TEXT NOT NULL, turn INTEGER NOT NULL, at REAL NOT NULL, digest TEXT NOT NULL,
    problems TEXT NOT NULL, unread INTEGER NOT NULL, UNIQUE (student, digest)
);
CREATE TABLE attempt_sections (
    attempt INTEGER NOT NULL REFERENCES attempts(id), section TEXT NOT NULL, text TEXT, key TEXT NOT NULL,
    PRIMARY KEY (attempt, section)
) WITHOUT ROWID;
CREATE TABLE texts (digest TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
-- What came of it. A key is made of all that a result depends on.
-- Provisional ones, of a regrade that found evidence missing, are shown and are graded again.
CREATE TABLE results (
    key TEXT PRIMARY KEY, section TEXT NOT NULL, result TEXT NOT NULL, provisional INTEGER NOT NULL
) WITHOUT ROWID;
-- The evidence: what was asked of which text, and the answer, kept once however often it was given.
CREATE TABLE answers (digest BLOB PRIMARY KEY, answer BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE records (
    content TEXT NOT NULL, request TEXT NOT NULL, answer BLOB NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (content, request)
) WITHOUT ROWID;
"""


class StoreError(Exception):
    """The store cannot be used as it is; the message says what to do."""


@dataclass(frozen=True)
class Attempt:
    """Something handed in: its number, when it first came to be graded (seconds since the epoch), the key of each
    section's result, and what to know of its files."""

    number: int
    at: float
    keys: dict[str, str]
    problems: list[str]
    unread: bool


class Store:
    """The store in one output folder. A context manager that holds the folder for itself."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.sqlite"
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(folder / ".lock", "w")  # noqa: SIM115
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"another grader is at work in {folder}: wait for it, or give another --out") from None
        try:
            self._db = sqlite3.connect(self.path)
            self._db.execute("PRAGMA journal_mode = WAL")
            (found,) = self._db.execute("PRAGMA user_version").fetchone()
            if found == 0:
                with self._db:
                    self._db.executescript(SCHEMA)
                    self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except sqlite3.OperationalError:  # a full disk, say: nothing is wrong with the store
            raise
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{self.path} cannot be read ({error}): move it away, or start anew with --force"
            ) from None
        if found > SCHEMA_VERSION:
            raise StoreError(f"{self.path} was made by a newer grader: use that one, or another --out")

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._lock.close()

    def setting(self, name: str, default: str) -> str:
        """A setting of this batch; the default is kept if there is none yet."""
        with self._db:
            self._db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, default))
        (value,) = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return str(value)

    def change(self, name: str, value: str) -> None:
        """Set a setting of this batch."""
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    # -- what was handed in

    def attempt(self, submission: Submission, keys: dict[str, str]) -> None:
        """Note what a student handed in; the same as some time before counts as the latest again."""
        texts = {name: text_digest(text) for name, text in submission.files.items()}
        content = json.dumps([texts, submission.problems])
        digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        with self._db:
            (turn,) = self._db.execute("SELECT COALESCE(MAX(turn), 0) + 1 FROM attempts").fetchone()
            (attempt,) = self._db.execute(
                "INSERT INTO attempts (student, turn, at, digest, problems, unread) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (student, digest) DO UPDATE SET turn = excluded.turn RETURNING id",
                (submission.student, turn, time.time(), digest, json.dumps(submission.problems), submission.unread),
            ).fetchone()
            self._db.executemany(
                "INSERT OR IGNORE INTO texts VALUES (?, ?)", [(texts[n], t) for n, t in submission.files.items()]
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO attempt_sections VALUES (?, ?, ?, ?)",
                [(attempt, name, texts.get(name), key) for name, key in keys.items()],
            )

    def students(self) -> Iterator[tuple[str, list[Attempt]]]:
        """Every student by name, with what they handed in, the latest first. Texts are left in the store."""
        rows = self._db.execute("SELECT student, id, at, problems, unread FROM attempts ORDER BY student, turn DESC")
        for student, attempts in itertools.groupby(rows, key=lambda row: str(row[0])):
            found = []
            for _, attempt, at, problems, unread in attempts:
                keys = self._db.execute("SELECT section, key FROM attempt_sections WHERE attempt = ?", (attempt,))
                found.append(Attempt(attempt, at, dict(keys), json.loads(problems), bool(unread)))
            yield student, found

    def all_submissions(self) -> list[Submission]:
        """All that was ever handed in, the earliest first, so that grading it again leaves the order as it is."""
        found = []
        for attempt, student, problems, unread in self._db.execute(
            "SELECT id, student, problems, unread FROM attempts ORDER BY turn"
        ):
            rows = self._db.execute(
                "SELECT section, texts.text FROM attempt_sections JOIN texts ON texts.digest = attempt_sections.text "
                "WHERE attempt = ? ORDER BY section",
                (attempt,),
            )
            found.append(Submission(student, dict(rows), json.loads(problems), bool(unread)))
        return found

    # -- what came of it

    def known(self, key: str) -> bool:
        """Whether there is a result under a key that needs no second look."""
        return (
            self._db.execute("SELECT 1 FROM results WHERE key = ? AND NOT provisional", (key,)).fetchone() is not None
        )

    def result(self, key: str) -> SectionResult | None:
        """The result under a key."""
        row = self._db.execute("SELECT result FROM results WHERE key = ?", (key,)).fetchone()
        return SectionResult.from_json(json.loads(row[0])) if row else None

    def keep(self, results: dict[str, SectionResult], records: dict[str, dict[str, Record]] | None = None) -> None:
        """Keep results by key, and the evidence behind them by content and request: all of it or none."""
        rows = [(k, r.section, json.dumps(r.to_json()), r.must_run > 0) for k, r in results.items()]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", rows)
            for content, answers in (records or {}).items():
                named = [(request, hashlib.sha256(r.answer).digest(), r) for request, r in answers.items()]
                self._db.executemany(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?)",
                    [(name, zlib.compress(record.answer, 1)) for _, name, record in named],
                )
                self._db.executemany(
                    "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)",
                    [(content, request, name, record.seconds) for request, name, record in named],
                )

    def records(self, content: str) -> dict[str, Record]:
        """The evidence of one text, by request."""
        query = (
            "SELECT request, answers.answer, seconds FROM records JOIN answers ON digest = records.answer "
            "WHERE content = ?"
        )
        rows = self._db.execute(query, (content,))
        return {request: Record(zlib.decompress(answer), seconds) for request, answer, seconds in rows}


def text_digest(text: str) -> str:
    """The name of a text in the store."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Keys:
    """Makes the keys of results and of evidence; what all of them share is hashed once."""

    def __init__(self, kit: Kit, seed: int) -> None:
        self._versions = f"{__version__} {version('torch')} {version('torchvision')} {seed}"
        self._kit = kit
        self._sections: dict[str, str] = {}

    def key(self, section: str, text: str | None) -> str:
        """The key of the result of this text: another check, mistake, version or seed makes another key."""
        if section not in self._sections:
            digest = hashlib.sha256(self._versions.encode())
            stubs = self._kit.stubs
            for path in (
                *self._kit.check_files(section),
                stubs / f"{section}.py",
                stubs / "mistakes" / f"{section}.py",
            ):
                digest.update(path.read_bytes() if path.is_file() else b"")
            self._sections[section] = digest.hexdigest()
        name = "missing" if text is None else text_digest(text)
        return hashlib.sha256(f"{section} {self._sections[section]} {name}".encode()).hexdigest()

    def content(self, section: str, text: str) -> str:
        """The key of the evidence of this text, whatever the checks make of it."""
        return hashlib.sha256(f"{section} {self._versions} {text_digest(text)}".encode()).hexdigest()
