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
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from grader.grading.intake import Submission
from grader.grading.verdicts import Reading, Step, judging, pack, unpack, versions
from grader.kit import Kit
from grader.results import SectionResult
from grader.solutions import Record

MAX_STEPS = 50_000  # steps of checks at hand, some hundred bytes each
SCHEMA_VERSION = 2
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
# What came later, by the version that it came with; a new store gets it all.
CHANGES = {
    2: """
CREATE INDEX IF NOT EXISTS attempts_in_order ON attempts (student, turn);
-- Verdicts without a run: what files say unrun, the steps of checks, and the digests of checks by their file's text.
CREATE TABLE readings (name TEXT PRIMARY KEY, reading TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE steps (name BLOB PRIMARY KEY, step TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE checks (name TEXT PRIMARY KEY, digests TEXT NOT NULL) WITHOUT ROWID;
""",
}


class StoreError(Exception):
    """The store cannot be used as it is; the message says what to do."""


@dataclass(frozen=True)
class Attempt:
    """Something handed in: when it first came to be graded (seconds since the epoch), what to know of its files, and of
    each section the key of its result and that result."""

    at: float
    problems: list[str]
    unread: bool
    keys: dict[str, str]
    results: dict[str, SectionResult]


class Store:
    """The store in one output folder. A context manager that holds the folder for itself."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.sqlite"
        self._steps: dict[bytes, Step] = {}  # those read lately
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(folder / ".lock", "w")  # noqa: SIM115
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"another grader is at work in {folder}: wait for it, or give another --out") from None
        try:
            self._db = sqlite3.connect(self.path)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(
                "PRAGMA synchronous = NORMAL"
            )  # a killed process loses nothing, a lost machine the last jobs
            (found,) = self._db.execute("PRAGMA user_version").fetchone()
            if found < SCHEMA_VERSION:
                news = [SCHEMA] if found == 0 else []
                news += [change for number, change in sorted(CHANGES.items()) if number > found]
                self._db.executescript(f"BEGIN; {''.join(news)} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
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
        """Every student by name, with all attempts and their results, the latest first."""
        rows = self._db.execute(
            "SELECT student, id, at, problems, unread, attempt_sections.section, attempt_sections.key, result "
            "FROM attempts LEFT JOIN attempt_sections ON attempt = id LEFT JOIN results USING (key) "
            "ORDER BY student, turn DESC"
        )
        for student, of_student in itertools.groupby(rows, key=lambda row: str(row[0])):
            attempts = []
            for _, of_attempt in itertools.groupby(of_student, key=lambda row: int(row[1])):
                sections = list(of_attempt)
                keys = {row[5]: row[6] for row in sections if row[5]}
                found = {row[5]: SectionResult.from_json(json.loads(row[7])) for row in sections if row[7]}
                _, _, at, problems, unread, *_ = sections[0]
                attempts.append(Attempt(at, json.loads(problems), bool(unread), keys, found))
            yield student, attempts

    def texts(self) -> Iterator[tuple[str, str | None, str]]:
        """Every text of every section that was handed in, the earliest first: section, digest, and whose it was."""
        yield from self._db.execute(
            "SELECT section, text, student FROM attempts JOIN attempt_sections ON attempt = id "
            "GROUP BY section, text ORDER BY MIN(turn), section"
        ).fetchall()

    def text(self, digest: str) -> str:
        """A text that was handed in."""
        (text,) = self._db.execute("SELECT text FROM texts WHERE digest = ?", (digest,)).fetchone()
        return str(text)

    def name_results(self, keys: dict[tuple[str, str | None], str]) -> None:
        """Give all attempts the keys that results of their texts have now. keys: by section and digest of the text."""
        rows = self._db.execute("SELECT attempt, section, text, key FROM attempt_sections").fetchall()
        with self._db:
            self._db.executemany(
                "UPDATE attempt_sections SET key = ? WHERE attempt = ? AND section = ?",
                [(new, a, s) for a, s, text, key in rows if (new := keys.get((s, text), key)) != key],
            )

    # -- what came of it

    def known(self, key: str) -> bool:
        """Whether there is a result under a key that needs no second look."""
        return (
            self._db.execute("SELECT 1 FROM results WHERE key = ? AND NOT provisional", (key,)).fetchone() is not None
        )

    def keep(
        self,
        results: dict[str, SectionResult],
        records: dict[str, dict[str, Record]] | None = None,
        readings: dict[str, Reading] | None = None,
        steps: dict[bytes, Step] | None = None,
    ) -> None:
        """Keep results by key, the evidence behind them by content and request, and verdicts: all of it or none."""
        rows = [(k, r.section, json.dumps(r.to_json()), r.must_run > 0) for k, r in results.items()]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", rows)
            for content, answers in (records or {}).items():
                named = [(request, hashlib.sha256(r.answer).digest(), r) for request, r in answers.items()]
                news = {name: record.answer for _, name, record in named if not self._has_answer(name)}
                self._db.executemany(
                    "INSERT INTO answers VALUES (?, ?)",
                    [(name, zlib.compress(answer, 1)) for name, answer in news.items()],
                )
                self._db.executemany(
                    "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)",
                    [(content, request, name, record.seconds) for request, name, record in named],
                )
            self._db.executemany(
                "INSERT OR REPLACE INTO readings VALUES (?, ?)",
                [(name, json.dumps(asdict(reading))) for name, reading in (readings or {}).items()],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO steps VALUES (?, ?)",
                [(name, pack(step)) for name, step in (steps or {}).items()],
            )

    def _has_answer(self, digest: bytes) -> bool:
        return self._db.execute("SELECT 1 FROM answers WHERE digest = ?", (digest,)).fetchone() is not None

    def reading(self, name: str) -> Reading | None:
        """What a file says without being run, if that is known."""
        row = self._db.execute("SELECT reading FROM readings WHERE name = ?", (name,)).fetchone()
        return Reading.from_json(row[0]) if row else None

    def answers(self, content: str) -> dict[str, tuple[bytes, float]]:
        """The evidence of one text by name only: for each request the digest of the answer, and its seconds."""
        rows = self._db.execute("SELECT request, answer, seconds FROM records WHERE content = ?", (content,))
        return {request: (answer, seconds) for request, answer, seconds in rows}

    def step(self, name: bytes) -> Step | None:
        """A step of a check, if it is known."""
        if name not in self._steps:
            row = self._db.execute("SELECT step FROM steps WHERE name = ?", (name,)).fetchone()
            if row is None:
                return None
            if len(self._steps) > MAX_STEPS:
                self._steps.clear()
            self._steps[name] = unpack(row[0])
        return self._steps[name]

    def checks(self, name: str, work_out: Callable[[], dict[str, str]]) -> dict[str, str]:
        """The digests of a file's checks, worked out if they are not there yet. name: of the file's text."""
        row = self._db.execute("SELECT digests FROM checks WHERE name = ?", (name,)).fetchone()
        if row:
            return dict(json.loads(row[0]))
        found = work_out()
        with self._db:
            self._db.execute("INSERT INTO checks VALUES (?, ?)", (name, json.dumps(found)))
        return found

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
        self._versions = f"{versions()} {seed}"
        self._kit = kit
        self._sections: dict[str, str] = {}

    def key(self, section: str, text: str | None) -> str:
        """The key of the result of a text (its digest): another check, mistake, version or seed makes another key."""
        if section not in self._sections:
            digest = hashlib.sha256(f"{self._versions} {judging()}".encode())
            stubs = self._kit.stubs
            for path in (
                *self._kit.check_files(section),
                stubs / f"{section}.py",
                stubs / "mistakes" / f"{section}.py",
            ):
                digest.update(path.read_bytes() if path.is_file() else b"")
            self._sections[section] = digest.hexdigest()
        return hashlib.sha256(f"{section} {self._sections[section]} {text or 'missing'}".encode()).hexdigest()

    def content(self, section: str, text: str) -> str:
        """The key of the evidence of a text (its digest), whatever the checks make of it."""
        return hashlib.sha256(f"{section} {self._versions} {text}".encode()).hexdigest()
