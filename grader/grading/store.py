"""What a batch has found so far, in one SQLite file that only the coordinator writes.

A section's result is kept under a key made of all that it depends on, so that what was done once is not done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import time
from pathlib import Path
from types import TracebackType

from grader import __version__
from grader.kit import Kit
from grader.results import SectionResult

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE results (key TEXT PRIMARY KEY, section TEXT NOT NULL, result TEXT NOT NULL);
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, student TEXT NOT NULL, at REAL NOT NULL, content TEXT NOT NULL, problems TEXT NOT NULL,
    UNIQUE (student, content)
);
CREATE TABLE attempt_sections (
    attempt INTEGER NOT NULL REFERENCES attempts(id), section TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (attempt, section)
);
"""


class StoreError(Exception):
    """The store cannot be used as it is; the message says what to do."""


class Store:
    """The store in one output folder. A context manager that holds the folder for itself."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.sqlite"
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(folder / ".lock", "w")  # noqa: SIM115
        import fcntl

        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"another grader is at work in {folder}: wait for it, or give another --out") from None
        try:
            self._db = sqlite3.connect(self.path)
            self._db.execute("PRAGMA journal_mode = WAL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                with self._db:
                    self._db.executescript(SCHEMA)
                    self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{self.path} cannot be read ({error}): move it away, or start anew with --force"
            ) from None
        if version > SCHEMA_VERSION:
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

    def attempt(self, student: str, keys: dict[str, str], problems: list[str]) -> None:
        """Note what a student handed in: the key of each section's result, there or still to come."""
        content = hashlib.sha256(json.dumps([keys, problems], sort_keys=True).encode()).hexdigest()
        with self._db:
            row = self._db.execute(
                "INSERT OR IGNORE INTO attempts (student, at, content, problems) VALUES (?, ?, ?, ?) RETURNING id",
                (student, time.time(), content, json.dumps(problems)),
            ).fetchone()
            if row:
                rows = [(row[0], section, key) for section, key in keys.items()]
                self._db.executemany("INSERT INTO attempt_sections VALUES (?, ?, ?)", rows)

    def known(self, key: str) -> SectionResult | None:
        """The result under a key."""
        row = self._db.execute("SELECT result FROM results WHERE key = ?", (key,)).fetchone()
        return SectionResult.from_json(json.loads(row[0])) if row else None

    def keep(self, results: dict[str, SectionResult]) -> None:
        """Keep results by key, all or none."""
        rows = [(key, result.section, json.dumps(result.to_json())) for key, result in results.items()]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", rows)


class Keys:
    """Makes the keys of results: what a section's checks, the kit, torch and the seed contribute is hashed once."""

    def __init__(self, kit: Kit, seed: int) -> None:
        from importlib.metadata import version

        self._versions = f"{__version__} {version('torch')} {version('torchvision')} {seed}"
        self._kit = kit
        self._sections: dict[str, bytes] = {}

    def key(self, section: str, text: str | None) -> str:
        """The key of the result of this text for this section."""
        if section not in self._sections:
            digest = hashlib.sha256(self._versions.encode())
            reference = self._kit.stubs
            for path in (
                *self._kit.check_files(section),
                reference / f"{section}.py",
                reference / "mistakes" / f"{section}.py",
            ):
                digest.update(path.read_bytes() if path.is_file() else b"")
            self._sections[section] = digest.digest()
        content = b"missing" if text is None else text.encode("utf-8", "surrogatepass")
        return hashlib.sha256(self._sections[section] + hashlib.sha256(content).digest()).hexdigest()
