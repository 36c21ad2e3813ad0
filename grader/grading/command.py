"""`grader grade`, from a folder of submissions to a folder of results."""

from __future__ import annotations

import json
import secrets
import sqlite3
import sys
import time
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from grader.export.files import grades_csv, results_json, write_whole
from grader.grading.batch import Batch
from grader.grading.intake import IntakeError, read_submissions
from grader.grading.store import Store, StoreError
from grader.kit import Kit, Section
from grader.report.tables import print_grades
from grader.results import SubmissionResult
from grader.solutions.sandbox import LEVELS, SandboxError, self_test


class GradingError(Exception):
    """Grading cannot start, or cannot go on; the message says why and how."""


def grade_folder(
    kit: Kit,
    sections: dict[str, Section],
    submissions: Path,
    out: Path,
    jobs: int,
    seed: int | None,
    sandbox: str,
    trust: bool,
    force: bool,
) -> int:
    """Grade, write the results and show them. Returns the exit status: 1 if something could not be graded."""
    if sandbox not in LEVELS:
        raise GradingError(f"no sandbox level {sandbox!r}; there are {', '.join(LEVELS)}")
    if sandbox == "none" and not trust:
        raise GradingError("--sandbox none protects nothing: add --trust if all of this code is your own")
    if sys.platform != "linux" and sandbox != "none":
        raise GradingError("the sandbox needs Linux (on Windows: WSL); see docs/instructors.md")
    try:
        handed_in = read_submissions(submissions, sections)
        _prepare(out, force)
        self_test(sandbox, _secrets(kit, submissions, out))
        with Store(out) as store:
            kept = int(store.setting("seed", str(secrets.randbelow(2**31) if seed is None else seed)))
            if seed is not None and kept != seed:
                raise GradingError(
                    f"{out} was graded with seed {kept}: leave --seed out to go on, or take another --out"
                )
            store.setting("sandbox", sandbox)
            batch = Batch(kit, sections, handed_in, store, kept, sandbox, jobs, (out / "mistakes").resolve())
            results = _run(batch)
        _write(out, results, list(sections), kept, sandbox)
    except (IntakeError, StoreError, SandboxError) as error:
        raise GradingError(str(error)) from None
    except KeyboardInterrupt:
        raise GradingError(f"stopped; what is graded is kept: the same command goes on from there ({out})") from None
    except (OSError, sqlite3.OperationalError) as error:
        raise GradingError(
            f"{error}; what is graded is kept in {out}: mend this, and the same command goes on"
        ) from None
    print_grades(results)
    print(f"\n{out}/grades.csv  {out}/results.json")
    return 1 if any(result.ungraded for result in results) else 0


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
    probe = out / "settings.json"
    write_whole(probe, json.dumps({"made": time.strftime("%Y-%m-%dT%H:%M:%S")}))
    return [path.resolve() for path in [*found, probe] if path is not None]


def _run(batch: Batch) -> list[SubmissionResult]:
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"))
    from rich.console import Console

    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("grading", total=len(batch.submissions))
        told = False

        def tell(done: int, known: int, of: int) -> None:
            nonlocal told
            if known and not told:
                progress.console.print(f"{known} of {of} are graded already")
            told = True
            progress.update(task, completed=done)

        return batch.run(tell)


def _write(out: Path, results: list[SubmissionResult], sections: list[str], seed: int, sandbox: str) -> None:
    write_whole(out / "results.json", json.dumps(results_json(results, seed, sandbox), indent=1, ensure_ascii=False))
    write_whole(out / "grades.csv", grades_csv(results, sections))
