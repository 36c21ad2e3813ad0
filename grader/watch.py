"""`grader watch`: at every save, the checks of what changed.

This process reads files, keys and results. It never runs a learner's code and never imports torch: a warm process (see
`grader.warm`) runs the checks of one save and ends, and the next one waits already. Whatever a learner's code does,
only that process ends.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from grader.history import History
from grader.kit import Exercise, Kit, Section
from grader.learner import next_hint
from grader.pairing import edited_last, read_text
from grader.report.board import board_lines, failure_text, next_exercise, next_step
from grader.report.terminal import Terminal
from grader.results import CheckResult, ExerciseResult, Outcome, check_result
from grader.solutions.source import Source

# A fork of a process that has imported torch is there at once. Where forks are not safe or not there, a new process
# imports torch while the learner types.
METHOD = "forkserver" if sys.platform == "linux" else "spawn"
WALL = 4  # a probe ends after so many times its processor time, in seconds of a clock: it may sleep for ever
SETTLE = 50  # milliseconds without a change after which a save is complete: editors write, rename, and write again
DEBOUNCE = 500  # milliseconds after which it is taken as complete anyway
PATIENCE = 3.0  # seconds in which the file system must have told of a change
# Starting a process asks after all others: two threads at a time would take an exit status from each other.
_PROCESSES = threading.Lock()
KEYS = "n next   h hint   b board   r run again   q quit"
LABELS = {"passed": "green", "todo": "dim"}


def _serve(root: Path, connection: Connection) -> None:
    from grader.warm import serve

    serve(root, connection)


class Warm:
    """A process that waits for one job. It puts ("message", self, ...) and at last ("ended", self) into a queue."""

    def __init__(self, context: Any, root: Path, events: queue.SimpleQueue[tuple[Any, ...]]) -> None:
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(root, theirs))
        self._events = events
        threading.Thread(target=self._listen, args=(theirs,), daemon=True).start()

    def _listen(self, theirs: Connection) -> None:
        with _PROCESSES:
            self._process.start()  # takes as long as torch does, the first time
        theirs.close()
        with contextlib.suppress(OSError, EOFError, ValueError):
            while self._connection in wait([self._connection, self._process.sentinel]):
                self._events.put(("message", self, json.loads(self._connection.recv_bytes())))
        self._events.put(("ended", self))

    def start(self, job: dict[str, Any]) -> None:
        """Give it its job."""
        with contextlib.suppress(OSError):  # it has ended: the queue says so
            self._connection.send_bytes(json.dumps(job).encode())

    def end(self) -> int:
        """End it, with all that it has started; returns its exit status, below 0 for a signal."""
        if self._process.pid is None:  # it is still being started, and will find nobody there
            self._connection.close()
            return 0
        with _PROCESSES:
            ended = self._process.exitcode is not None
            with contextlib.suppress(OSError):
                if sys.platform != "win32":
                    os.killpg(self._process.pid, signal.SIGKILL)
            if not ended:
                self._process.kill()
            self._process.join()
            return int(self._process.exitcode or 0)


@dataclass
class Run:
    """The checks of one save. left: exercises without a verdict; failures: lines not to be run again, and why."""

    section: Section
    file: Path
    left: list[Exercise]
    warm: Warm
    failures: dict[str, str] = field(default_factory=dict)
    results: dict[str, list[CheckResult]] = field(default_factory=dict)  # by exercise
    line: int = 0  # of the statement that is running
    place: str = ""  # that line, as a sentence names it
    deadline: float | None = None


class Watch:
    """One `grader watch`. `run` returns when the learner quits."""

    def __init__(self, kit: Kit, sections: dict[str, Section], *, manual: bool, plain: bool, method: str = METHOD):
        self.kit, self.sections, self.manual, self.plain = kit, sections, manual, plain
        self.events: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self.terminal = Terminal.of(sys.stdout)
        self._context = get_context(method)
        self._seen: dict[str, dict[str, Any]] = {}
        self._pending: dict[str, list[Exercise]] = {}
        self._run: Run | None = None
        self._last: list[Exercise] = []
        self._stuck: Exercise | None = None  # what a hint would be about
        self._warm: Warm | None = None
        self._stop = threading.Event()
        self._deaf = False
        self._exercise_of = {c.name: e.name for s in kit.sections.values() for e in s.exercises for c in e.checks}

    def run(self) -> None:
        """Watch until the learner quits."""
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread before any fork: more would hang in it
        if self._context.get_start_method() == "forkserver":
            # The second is what the first load of an exported program in a clean room imports, for a second.
            self._context.set_forkserver_preload(["grader.warm", "torch._export.serde.serialize"])
        self._warm = self._new()
        with self._keys():
            try:
                self._greet()
                if not self.manual:
                    self._watch_files()
                while self._step():
                    pass
            except KeyboardInterrupt:
                pass
            finally:
                self._stop.set()
                for warm in (self._run and self._run.warm, self._warm):
                    if warm:
                        warm.end()

    def _new(self) -> Warm:
        return Warm(self._context, self.kit.root, self.events)

    def _say(self, text: str = "", style: str = "") -> None:
        print(self.terminal.style(text, style) if style else text, flush=True)

    def _greet(self) -> None:
        names = ", ".join(self.sections) if len(self.sections) < len(self.kit.sections) else "all sections"
        when = "Press Enter, and what changed is checked" if self.manual else "Save a file, and what changed is checked"
        for text in (f"Watching {names}. {when}.", f"Keys: {KEYS}"):
            self._say(text)
        with History(self.kit.root) as history:
            if history.problem:
                self._say(history.problem, "red")
            for section in self.sections.values():
                path = self._file(section)
                source = self._read(section, path)
                if source and path.stat().st_mtime > history.last_run(section.name):
                    written = [e for e in section.exercises if not source.has_placeholder(e.name)]
                    if written:
                        self._pending[section.name] = written
        if not self._pending:
            self._next()

    # -- events

    def _step(self) -> bool:
        """Deal with one event; False to quit."""
        if self._run is None and self._pending:
            self._start(*next(iter(self._pending.items())))
        try:
            kind, *event = self.events.get(timeout=1)  # or Windows would not hear Ctrl-C
        except queue.Empty:
            if self._run and self._run.deadline and time.monotonic() > self._run.deadline:
                self._lost(self._run, "timeout")
            return True
        if kind == "key":
            return self._key(event[0])
        if kind == "saved":
            for section in self.sections.values():
                if event[0] is None or event[0] & {f"{section.name}.py", f"{section.name}.ipynb"}:
                    self._saved(section)
        elif kind == "manual":
            self.manual = True
            self._say(f"{event[0]}: press Enter after a save.", "yellow")
            return not self._deaf
        elif self._run is not None and event[0] is self._run.warm:
            if kind == "message":
                self._message(self._run, event[1])
            else:
                self._lost(self._run, "crashed")
        elif kind == "ended" and event[0] is self._warm:  # it was killed while it waited
            self._warm = None
        return True

    def _key(self, key: str) -> bool:
        if key == "q":
            return False
        if not key:  # no more will come, and without them nothing would happen
            self._deaf = True
            return not self.manual
        if key == "n":
            self._next()
        elif key == "h":
            self._hint()
        elif key == "b":
            with History(self.kit.root) as history:
                for line in board_lines(self.kit, history.standing(), self.terminal, plain=self.plain):
                    self._say(line)
        elif key in "\r\nr":
            self._again()
        else:
            self._say(f"Keys: {KEYS}")
        return True

    def _next(self) -> None:
        with History(self.kit.root) as history:
            for line in next_step(self.kit, self.sections.values(), history.standing().known, self.terminal):
                self._say(line)

    def _hint(self) -> None:
        with History(self.kit.root) as history:
            known = history.standing().known
            exercise = self._stuck or next_exercise(self.sections.values(), known)
            if exercise is None:
                self._say("All of it is done.")
            else:
                for line in next_hint(self.kit, exercise, history, "press h").splitlines():
                    for part in self.terminal.wrap(line):
                        self._say(part)

    # -- what changed

    def _file(self, section: Section) -> Path:
        return edited_last(self.kit.exercises, section.name)

    def _read(self, section: Section, path: Path) -> Source | None:
        """The learner's file, and what each exercise needs of it noted; None, said, if it cannot be read."""
        try:
            source = Source(read_text(path), str(path))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._say(f"{path.relative_to(self.kit.root)}: {reason}", "red")
            self._seen.pop(section.name, None)
            return None
        dumps = {id(statement): ast.dump(statement.node) for statement in source.statements}
        self._seen[section.name] = {
            e.name: ([dumps[id(s)] for s in source.needed([e.name])], source.problem(e.name)) for e in section.exercises
        }
        return source

    def _saved(self, section: Section) -> None:
        before = self._seen.get(section.name, {})
        if self._read(section, self._file(section)) is None:
            return
        now = self._seen[section.name]
        changed = [e for e in section.exercises if before.get(e.name) != now[e.name]]
        if changed:
            self._check(section, changed)

    def _again(self) -> None:
        """Check what changed; if nothing did, what was checked last."""
        for section in self.sections.values():
            self._saved(section)
        if not self._pending and self._run is None:
            with History(self.kit.root) as history:
                first = next_exercise(self.sections.values(), history.standing().known)
            last = self._last or ([first] if first else [])
            for name in {e.section for e in last}:
                self._check(self.sections[name], [e for e in last if e.section == name])

    def _check(self, section: Section, exercises: list[Exercise]) -> None:
        """Check these next; a run of the same section is given up, and what it left is checked too."""
        wanted = {e.name for e in (*exercises, *self._pending.get(section.name, []))}
        if self._run is not None and self._run.section.name == section.name:
            run, self._run = self._run, None
            wanted |= {e.name for e in run.left}
            run.warm.end()
            self._keep(run)
        self._pending[section.name] = [e for e in section.exercises if e.name in wanted]

    # -- a run

    def _start(self, name: str, exercises: list[Exercise]) -> None:
        del self._pending[name]
        section = self.sections[name]
        self._say(f"{time.strftime('%H:%M:%S')} {name}", "bold")
        self._last = list(exercises)
        self._run = Run(section, self._file(section), list(exercises), self._take())
        self._give(self._run)

    def _take(self) -> Warm:
        """The process that waits, and a new one in its place."""
        warm = self._warm or self._new()
        self._warm = self._new()
        return warm

    def _give(self, run: Run) -> None:
        run.line, run.deadline = 0, None
        exercises = [exercise.name for exercise in run.left]
        run.warm.start(
            {"section": run.section.name, "file": str(run.file), "exercises": exercises, "failures": run.failures}
        )

    def _message(self, run: Run, message: dict[str, Any]) -> None:
        if "line" in message:
            run.line, run.place = message["line"], message["place"]
            run.deadline = time.monotonic() + WALL * message["seconds"] if message["seconds"] else None
        elif "result" in message:
            result = CheckResult.from_json(message["result"])
            if not run.left:  # the check file has changed meanwhile
                return
            exercise = run.left[0]
            run.results.setdefault(exercise.name, []).append(result)
            if result.check == exercise.checks[-1].name:
                self._tell(run, run.left.pop(0))
        elif "end" in message:
            run.warm.end()
            self._finish(run)

    def _lost(self, run: Run, outcome: Outcome) -> None:
        """The process hung or ended: that costs a statement of the file, or an exercise; the rest gets a new one."""
        status = run.warm.end()
        if not run.left:
            self._finish(run)
            return
        if outcome == "timeout" or status == -getattr(signal, "SIGPROF", 0):
            outcome, how = "timeout", "did not end: look for a loop that never ends"
        else:
            how = f"ended the process ({_status(status)})"
        if run.line and str(run.line) not in run.failures:
            run.failures[str(run.line)] = f"{run.place} {how}"
        else:
            exercise = run.left.pop(0)
            results = run.results.setdefault(exercise.name, [])
            for number, check in enumerate(exercise.checks[len(results) :]):
                message = "" if number else f"`{exercise.name}` {how}"
                results.append(check_result(check, "not_reached" if number else outcome, message, 0, ""))
            self._tell(run, exercise)
        if run.left:
            run.warm = self._take()
            self._give(run)
        else:
            self._finish(run)

    def _tell(self, run: Run, exercise: Exercise) -> None:
        result = ExerciseResult(exercise.name, run.results[exercise.name])
        failure = result.first_failure
        outcome = failure.outcome if failure else "passed"
        label = self.terminal.style(f"{outcome:<8}", LABELS.get(outcome, "red"))
        self._say(f"  {label} {exercise.name}  {result.points:g}/{result.max_points:g} points")
        if failure is None:
            if self._stuck == exercise:
                self._stuck = None
        elif outcome != "todo":
            self._stuck = exercise
            for line in failure_text(failure).splitlines():
                self._say(f"    {line}" if line else "")

    def _finish(self, run: Run) -> None:
        self._run = None
        self._keep(run)
        if not self._pending:
            self._say(KEYS, "dim")

    def _keep(self, run: Run) -> None:
        """What came to a verdict goes to the history."""
        left = {e.name for e in run.left}
        found = {r.check: r for name, results in run.results.items() if name not in left for r in results}
        if found:
            with History(self.kit.root) as history:
                history.record({run.section.name: found}, self._exercise_of)

    # -- files and keys

    def _watch_files(self) -> None:
        """Tell of saves as the file system does; ask for `Enter` where it does not."""
        proof = self.kit.exercises / f".torch-kata-{os.getpid()}"
        proven = threading.Event()

        def watch() -> None:
            try:
                from watchfiles import watch as changes

                for found in changes(
                    self.kit.exercises,
                    watch_filter=None,
                    debounce=DEBOUNCE,
                    step=SETTLE,
                    rust_timeout=1000,
                    stop_event=self._stop,
                    raise_interrupt=False,
                    recursive=False,
                ):
                    first = not proven.is_set()
                    proven.set()  # whatever was saved while the watch began has not been told
                    self.events.put(("saved", None if first else {Path(path).name for _, path in found}))
            except Exception as error:  # no such package here, no such folder, no watches left: each raises its own
                proven.set()
                self.events.put(("manual", f"The folder cannot be watched ({error})"))

        def prove() -> None:
            """A change of our own must be told, whenever the watch has begun."""
            end = time.monotonic() + PATIENCE
            with contextlib.suppress(OSError):  # a folder that is read-only: believe it
                while not proven.wait(0.2):
                    if time.monotonic() > end:
                        self.events.put(("manual", "The file system tells of no changes"))
                        break
                    proof.touch()
                proof.unlink(missing_ok=True)

        threading.Thread(target=watch, daemon=True).start()
        threading.Thread(target=prove, daemon=True).start()

    @contextlib.contextmanager
    def _keys(self) -> Iterator[None]:
        """Read keys meanwhile: one by one from a terminal, which is put back afterwards, else by lines."""

        def leave(number: int, _: Any) -> None:
            sys.exit(128 + number)

        def ask(*_: Any) -> None:
            """Ctrl-C is a key like `q`: an exception could come where it is lost. A second one does not wait."""
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self.events.put(("key", "q"))

        signal.signal(signal.SIGTERM, leave)
        signal.signal(signal.SIGINT, ask)
        if sys.platform == "win32" or not _is_ours(0):
            is_terminal = sys.platform == "win32" and sys.stdin.isatty()
            threading.Thread(target=self._read_windows if is_terminal else self._read_lines, daemon=True).start()
            yield
            return
        import termios
        import tty

        before = termios.tcgetattr(0)

        def raw(*_: Any) -> None:
            tty.setcbreak(0)

        signal.signal(signal.SIGHUP, leave)
        signal.signal(signal.SIGCONT, raw)  # after Ctrl-Z and fg
        raw()
        threading.Thread(target=self._read_keys, daemon=True).start()
        try:
            yield
        finally:
            signal.signal(signal.SIGCONT, signal.SIG_DFL)
            termios.tcsetattr(0, termios.TCSADRAIN, before)

    def _read_keys(self) -> None:
        with contextlib.suppress(OSError):
            while typed := os.read(0, 64):
                if not typed.startswith(b"\x1b"):  # an arrow is no key of ours, though its letters may be
                    for key in typed.decode("utf-8", "replace").lower():
                        self.events.put(("key", key))
        self.events.put(("key", "q"))  # the terminal is gone

    def _read_windows(self) -> None:
        if sys.platform == "win32":
            import msvcrt

            while True:
                key = msvcrt.getwch()
                if key in "\x00\xe0":  # an arrow or a function key: its code follows
                    msvcrt.getwch()
                else:
                    self.events.put(("key", "q" if key == "\x03" else key.lower()))

    def _read_lines(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in sys.stdin:
                self.events.put(("key", line.strip()[:1].lower() or "\n"))
        self.events.put(("key", ""))


def _is_ours(descriptor: int) -> bool:
    """Whether this is a terminal, and we are in its foreground: one in the background would be stopped."""
    try:
        return os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def _status(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"
