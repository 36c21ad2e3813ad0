"""The warm process behind `grader watch`: torch is imported already, so that a verdict takes a moment.

It runs the checks of one save, tells what it does in lines of JSON, and ends; the next save gets a new one. It runs the
learner's own code on the learner's own machine: what it says is for the learner and never a grade.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from grader.kit import Kit, Section
from grader.mistakes import Bank
from grader.plugin import LEARNERS_SEED
from grader.results import MAX_OUTPUT
from grader.runner import ExerciseRun, load_checks
from grader.solutions import Reply, Request, clean_room
from grader.solutions.execution import Loaded, load
from grader.solutions.local import LocalSolution, read_source
from grader.solutions.source import Source
from grader.text import tidy

Tell = Callable[..., None]
IMPORT_SECONDS = 10.0  # of processor time, for each statement of the learner's file
MEMORY = 2 * 2**30  # bytes beyond what torch itself takes, as in the sandbox


def serve(root: Path, connection: Connection) -> None:
    """Wait for one job, do it, and end."""
    if hasattr(os, "setsid"):
        os.setsid()  # whatever it starts can be ended with it, and Ctrl-C is for the one who watches
    gc.freeze()  # or a collection would search all of torch, and copy its memory
    os.environ["PYTHONBREAKPOINT"] = "0"  # nobody could type to the debugger

    def tell(**message: Any) -> None:
        connection.send_bytes(json.dumps(message).encode())

    kit = Kit(root)
    _ = kit.sections
    try:
        job = json.loads(connection.recv_bytes())
        _silence()
        _prepare_clean_room(kit.check_files(job["section"]))
        threading.Thread(target=_follow, args=(connection,), daemon=True).start()
        _limit_memory()
        _run(kit, kit.sections[job["section"]], job, tell)
        tell(end=True)
    except (EOFError, OSError):
        pass  # the watch has ended
    os._exit(0)  # without waiting for threads that the learner's code has left


def _follow(connection: Connection) -> None:
    """End when the watch has ended, however it has."""
    with contextlib.suppress(OSError, EOFError):
        connection.recv_bytes()
    os._exit(1)


def _silence() -> None:
    """What does not go through `sys.stdout` would write over the watch."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


def _prepare_clean_room(files: list[Path]) -> None:
    """Where a check will need one: this process is clean until it reads the checks and the learner's file."""
    if any(b"clean_room" in file.read_bytes() for file in files):
        clean_room.fork() if sys.platform == "linux" else clean_room.warm_up()


def _run(kit: Kit, section: Section, job: dict[str, Any], tell: Tell) -> None:
    """The checks of the exercises that the job names. job: section, file, exercises, and by line what must not run."""
    bank = Bank(kit, LEARNERS_SEED, kit.root / ".torch-kata" / "mistakes")
    functions = load_checks(kit, section.name)
    solution = Watched(read_source(Path(job["file"])), job["exercises"], job["failures"], tell)
    for exercise in section.exercises:
        if exercise.name not in job["exercises"]:
            continue
        run = ExerciseRun(kit, section, exercise, solution, LEARNERS_SEED, bank)
        for check in exercise.checks:
            tell(check=check.name)
            with _captured() as output:
                _, result = run.step(check, functions[check.name])
            result.output = tidy(output.getvalue().decode("utf-8", "replace"), MAX_OUTPUT)
            tell(result=asdict(result))


class Watched(LocalSolution):
    """A solution that tells what it is about to run, so that whoever watches knows what hung or ended the process."""

    def __init__(self, source: Source, exercises: list[str], failures: dict[str, str], tell: Tell) -> None:
        super().__init__(source, exercises)
        self._failures = {int(line): Reply("broken", detail=detail) for line, detail in failures.items()}
        self._tell = tell

    @cached_property
    def _loaded(self) -> Loaded:
        def before(line: int) -> None:
            self._tell(line=line, place=self.source.place(line), seconds=IMPORT_SECONDS)
            _limit(IMPORT_SECONDS)

        return load(self.source.program(self._exercises), self._failures, before)

    def run(self, request: Request) -> Reply:
        if request.clean:  # elsewhere, and limited there
            return super().run(request)
        _ = self._loaded
        self._tell(line=0, place="", seconds=request.seconds)
        _limit(request.seconds)
        try:
            return super().run(request)
        finally:
            _limit(0)
            self._tell(line=0, place="", seconds=0)


def _limit(seconds: float) -> None:
    """End this process after so much processor time, even within a call that never returns; 0: no limit."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, used + MEMORY))


class _Cut(io.BytesIO):
    """Keeps the beginning of what is written."""

    def write(self, data: Any) -> int:
        room = (
            4 * MAX_OUTPUT + 4 - self.tell()
        )  # a character has four bytes at most; some more, to tell that it was cut
        super().write(bytes(data[: max(0, room)]))
        return len(data)

    def close(self) -> None:
        """Stay readable when the text layer above is gone."""


@contextlib.contextmanager
def _captured() -> Iterator[_Cut]:
    """What is printed meanwhile, the beginning of it. Code that writes to the descriptors is not heard."""
    kept = _Cut()
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = io.TextIOWrapper(kept, "utf-8", errors="replace", write_through=True)
    try:
        yield kept
    finally:
        sys.stdout, sys.stderr = before
