"""`grader grade` and `grader regrade`: from a folder of submissions, or from a store, to a folder of results."""

from __future__ import annotations

import json
import secrets
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from grader.export.files import ResultFiles, number
from grader.grading.batch import Batch, Tell
from grader.grading.cluster import ClusterError
from grader.grading.intake import IntakeError, read_roster, read_submissions
from grader.grading.store import Store, StoreError
from grader.kit import Kit, Section
from grader.report.pages import ClassPages
from grader.report.tables import GradeTable
from grader.results import SectionResult
from grader.solutions.sandbox import LEVELS, SandboxError
from grader.solutions.self_test import self_test
from grader.text import tidy


class GradingError(Exception):
    """Grading cannot start, or cannot go on; the message says why and how."""


def grade(
    kit: Kit,
    sections: dict[str, Section],
    submissions: Path,
    out: Path,
    *,
    jobs: int,
    seed: int | None,
    sandbox: str,
    trust: bool,
    force: bool,
    layout: str = "",
    roster: Path | None = None,
    policy: str = "latest",
    dask: str = "",
) -> int:
    """Grade, write the results and show them. Returns the exit status: 1 if something could not be graded."""
    if sandbox not in LEVELS:
        raise GradingError(f"no sandbox level {sandbox!r}; there are {', '.join(LEVELS)}")
    if policy not in ("latest", "best"):
        raise GradingError(f"no policy {policy!r}; there are latest and best")
    if sandbox == "none" and not trust:
        raise GradingError("--sandbox none protects nothing: add --trust if all of this code is your own")
    if sys.platform != "linux" and not dask and sandbox != "none":
        raise GradingError(
            "the sandbox needs Linux (on Windows: WSL); your own code may run with --sandbox none --trust"
        )
    if kit.root.is_relative_to(submissions.resolve()):
        raise GradingError(
            f"the kit at {kit.root} lies among the submissions, and its checks may be a learner's: call it from your"
            " own kit, or set TORCH_KATA to its folder"
        )
    with _explained(out):
        listed = read_roster(roster) if roster else None
        handed_in = read_submissions(submissions, sections, layout=layout, roster=listed)
        _prepare(out, force)
        with Store(out) as store:
            # On a cluster each worker tests itself.
            warm = True if dask else self_test(sandbox, _secrets(kit, submissions, out))
            kept = int(store.setting("seed", str(secrets.randbelow(2**31) if seed is None else seed)))
            if seed is not None and kept != seed:
                raise GradingError(
                    f"{out} was graded with seed {kept}: leave --seed out to go on, or take another --out"
                )
            store.setting("sandbox", sandbox)
            store.change("policy", policy)
            every = _all_sections(kit, store, sections)
            cache = (out / "mistakes").resolve()
            batch = Batch(kit, sections, every, store, kept, sandbox, jobs, cache, policy, warm, cluster=dask)
            with _Shown() as shown:
                batch.grade(handed_in, shown)
            return _finish(batch, out, sandbox)


def regrade(kit: Kit, out: Path, *, jobs: int) -> int:
    """Judge the evidence in the store again, with the checks as they are now. No learner's code runs."""
    if not (out / "store.sqlite").is_file():
        raise GradingError(f"no store in {out}: give the --out folder of a `grader grade`")
    with _explained(out), Store(out) as store:
        seed, sandbox = int(store.setting("seed", "0")), store.setting("sandbox", "bubblewrap")
        sections = _all_sections(kit, store, {})
        cache, policy = (out / "mistakes").resolve(), store.setting("policy", "latest")
        batch = Batch(kit, sections, sections, store, seed, sandbox, jobs, cache, policy)
        with _Shown() as shown:
            batch.regrade(shown)
        return _finish(batch, out, sandbox)


def _all_sections(kit: Kit, store: Store, more: dict[str, Section]) -> dict[str, Section]:
    """The sections that this folder's results are of: those graded before and now, in the kit's order."""
    names = {*json.loads(store.setting("sections", "[]")), *more}
    found = {name: section for name, section in kit.sections.items() if name in names}
    store.change("sections", json.dumps(list(found)))
    return found


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    """Turn what may go wrong into a sentence that says what was kept and how to go on."""
    try:
        yield
    except (IntakeError, StoreError, SandboxError) as error:
        raise GradingError(str(error)) from None
    except ClusterError as error:
        raise GradingError(f"{error}\nWhat is graded is kept in {out}: the same command goes on from there") from None
    except KeyboardInterrupt:
        raise GradingError(f"stopped; what is graded is kept in {out}: the same command goes on from there") from None
    except (OSError, sqlite3.OperationalError) as error:
        raise GradingError(
            f"{error}; what is graded is kept in {out}: mend this, and the same command goes on"
        ) from None


def _prepare(out: Path, force: bool) -> None:
    """An output folder that is new, empty or ours."""
    if out.exists() and not out.is_dir():
        raise GradingError(f"{out} is a file: give a folder for the results")
    occupied = out.is_dir() and any(out.iterdir())
    ours = (out / "store.sqlite").exists()
    if force and occupied:
        aside = out.with_name(f"{out.name}-{time.strftime('%Y%m%d-%H%M%S')}")
        out.rename(aside)
        print(f"moved what was in {out} to {aside}")
    elif occupied and not ours:
        raise GradingError(f"{out} holds other files: give another folder, or --force to move them aside")
    out.mkdir(parents=True, exist_ok=True)


def _secrets(kit: Kit, submissions: Path, out: Path) -> list[Path]:
    """Files that no submission may read: one of ours, one of the checks, one of another submission, the store."""
    folders = [kit.reference, kit.checks, submissions]
    found = [next((p for p in sorted(folder.rglob("*.py")) if p.is_file()), None) for folder in folders]
    return [path.resolve() for path in [*found, out / "store.sqlite"] if path is not None]


class _Shown(Tell):
    """Shows each result as it comes: beside a bar on a terminal, in a line elsewhere. A context manager."""

    def __init__(self) -> None:
        columns = (TextColumn("grading"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"))
        latest = TextColumn("{task.fields[latest]}", markup=False)
        self._console = Console(stderr=True)
        self._bar = Progress(*columns, TimeRemainingColumn(), latest, console=self._console, transient=True)
        self._task = self._bar.add_task("grading", total=None, latest="")

    def __enter__(self) -> _Shown:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, todo: int, known: int, of: int) -> None:
        self._bar.update(self._task, total=todo)
        if known:
            self._console.print(f"{known} of {of} are graded already")

    def graded(self, student: str, result: SectionResult) -> None:
        self._line(f"{_name(student)} {result.section} {number(result.points)}/{number(result.max_points)}")

    def failed(self, student: str, section: str, why: str) -> None:
        self._line(f"{_name(student)} {section} {tidy(why, 200)}")

    def _line(self, text: str) -> None:
        self._bar.update(self._task, advance=1, latest=text)
        if not self._console.is_terminal:
            print(text, file=sys.stderr, flush=True)


def _name(student: str) -> str:
    return " ".join(tidy(student, 100).split())


def _finish(batch: Batch, out: Path, sandbox: str) -> int:
    """Write and show the results, one submission at a time."""
    sections = list(batch.all_sections)
    table = GradeTable(sections)
    ungraded = again = 0
    with (
        ResultFiles(out, sections, batch.seed, sandbox) as files,
        ClassPages(out, batch.seed, sandbox) as pages,
    ):
        for result in batch.results():
            files.add(result)
            pages.add(result)
            table.add(result)
            ungraded += result.ungraded
            again += sum(section.must_run for section in result.sections)
    table.print()
    print(f"\n{out}/grades.csv  {out}/results.json  {out}/report/index.html")
    if again:
        print(f"{again} checks must be run again, since their probes or inputs changed: `grader grade` does so")
    return 1 if ungraded or again else 0
