"""A solution that runs in a sandbox: the judge's end of the conversation with `worker`.

Everything that comes back is untrusted: lengths are checked before anything is read, answers that make no sense end the
sandbox, and time and memory are watched from here. Whatever happens, a `Reply` comes of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import selectors
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import psutil

from grader.solutions import Packed, Raised, Reply, Request
from grader.solutions.pickling import pack
from grader.solutions.sandbox import MAIN, START_TIMEOUT, CannotStart, Launcher, SandboxError, Started, UsedUp, launcher
from grader.solutions.source import Source
from grader.solutions.watch import Namespace, Seen, Tree, Watch
from grader.solutions.zygotes import WarmLauncher

LENGTH = struct.Struct(">I")
TICK = 0.05  # seconds between two looks at what the sandbox uses
MAX_STARTS = 6  # sandboxes that one submission may use up
KEPT_OUTPUT = 4_000  # bytes of printed text kept for a probe


@dataclass(frozen=True)
class Limits:
    """What a learner's code may use.

    memory: bytes beyond what torch itself takes; processes: at once; wall_factor: wall-clock time in multiples of a
    probe's processor time, so that a busy machine fails nobody; import_seconds: processor time for importing the file.
    """

    memory: int = 2 * 2**30
    processes: int = 24
    wall_factor: float = 8.0
    import_seconds: float = 20.0


class Trouble(Exception):
    """The conversation cannot go on as it was.

    fatal: the sandbox is gone or cannot be trusted to answer. ended: the level whose process ended, if one did.
    """

    def __init__(
        self, status: Literal["timeout", "crashed"], detail: str, *, fatal: bool = False, ended: str = ""
    ) -> None:
        super().__init__(detail)
        self.status: Literal["timeout", "crashed"] = status
        self.detail = detail
        self.fatal = fatal
        self.ended = ended


class Sandbox:
    """One sandbox for one submission, started anew when it is lost. A context manager.

    modules: imported before the learner's code is, so that sections share them (torchvision, where one needs it). warm:
    what starts it, of that level, if there is such a one; it outlives the sandbox.
    """

    def __init__(
        self,
        level: str = "bubblewrap",
        *,
        modules: Iterable[str] = (),
        limits: Limits | None = None,
        warm: WarmLauncher | None = None,
    ) -> None:
        self.level = level
        self.limits = limits or Limits()
        self.filtered = False
        self._modules = list(modules)
        self._warm = warm
        self._starts = 0
        self._number = 0
        self._launcher: Launcher | WarmLauncher | None = None
        self._process: Started | None = None
        self._watch: Watch | None = None
        self._base: set[int] = set()  # what started the outermost worker, and that
        self._trusted: set[int] = set()
        self.section: SandboxedSolution | None = None
        self.ran: set[str] = set()  # exercises in the process that runs probes; empty where there is none

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- starting and ending

    def start(self) -> None:
        """Start the process, and go on while it imports torch. Raises SandboxError if there have been too many."""
        if self._process is not None:
            return
        self._starts += 1
        if self._starts > MAX_STARTS:
            raise UsedUp(f"this submission used up {MAX_STARTS} sandboxes")
        self._launcher = self._warm or launcher(self.level)
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self._output, output = os.pipe()
        arguments = {
            "commands": commands,
            "answers": answers,
            "home": self._launcher.home,
            "modules": self._modules,
            "processes": self._processes(),
            "memory": self.limits.memory,
        }
        try:
            script, told = MAIN.format(module="worker"), [self._launcher.code, json.dumps(arguments)]
            self._process = self._launcher.python(script, told, output, output, (commands, answers))
        except SandboxError:
            for fd in (self._commands, self._answers, self._output):
                os.close(fd)
            raise
        finally:
            for fd in (commands, answers, output):
                os.close(fd)
        for fd in (self._commands, self._answers, self._output):
            os.set_blocking(fd, False)
        self._received = bytearray()
        self._printed = bytearray()
        self._ready = False
        self.section = None
        self.ran = set()

    def _processes(self) -> int:
        """The limit of processes; the kernel counts all of a user's, so those that are there already come on top."""
        if self.level == "none":
            return 0
        if os.geteuid() == 0:
            return self.limits.processes
        mine = sum(p.info["num_threads"] or 1 for p in psutil.process_iter(["uids", "num_threads"]) if _is_mine(p))
        return mine + self.limits.processes

    def close(self) -> None:
        """End everything that runs in it. Raises CannotStart if what it was started from has gone too."""
        process, self._process = self._process, None
        if process is None:
            return
        if self._launcher is not self._warm:  # there the kernel does so
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(process.pid).children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        child.kill()
        process.kill()
        try:
            process.wait()
        finally:
            for fd in (self._commands, self._answers, self._output):
                os.close(fd)
            if self._launcher is not None and self._launcher is not self._warm:
                self._launcher.close()
            self.section = self._watch = None

    def path(self, name: str) -> str:
        """Where a file of that name lies inside, once it is started."""
        assert self._launcher is not None
        return f"{self._launcher.home}/{name}"

    # -- talking

    def ask(self, kind: str, *arguments: Any) -> int:
        """Send a command; returns its number."""
        self.start()
        if not self._ready:
            self._ready_now()
        self._number += 1
        self._send(kind, self._number, *arguments)
        return self._number

    def _ready_now(self) -> None:
        """Wait until torch is imported."""
        try:
            _, _, self.filtered = self.listen("ready", None, START_TIMEOUT)
        except (Trouble, ValueError, TypeError) as trouble:
            said = bytes(self._printed).decode(errors="replace").strip()
            self.close()
            raise CannotStart(f"the sandbox ({self.level}) does not start: {said or trouble}") from None
        self._watch = self._look_inside()
        self._base = self._trusted = set(self._watch.look())
        self._ready = True

    def _look_inside(self) -> Watch:
        assert self._process is not None
        assert self._launcher is not None
        if self._launcher is self._warm:
            with contextlib.suppress(OSError, psutil.Error):
                return Namespace(self._process.pid)
        return Tree(self._process.pid, self._launcher.uid if self._launcher.level == "uid" else None)

    def _send(self, *command: Any) -> None:
        payload = pickle.dumps(command)
        self._outgoing = memoryview(LENGTH.pack(len(payload)) + payload)
        while self._outgoing:
            try:
                self._outgoing = self._outgoing[os.write(self._commands, self._outgoing) :]
            except BlockingIOError:
                return  # `listen` writes the rest
            except BrokenPipeError:
                raise Trouble("crashed", "it ended the sandbox", fatal=True) from None

    def listen(
        self, kind: str, seconds: float | None, wall: float, number: int | None = None, on: Any = None
    ) -> list[Any]:
        """The next answer of this kind (and number), before the limits run out.

        seconds: of processor time, None for no limit; wall: of wall-clock time; on: called with each answer of another
        kind. Raises Trouble for a limit, a process that ended, or an answer that makes no sense.
        """
        started = time.monotonic()
        used_before: float | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            selector.register(self._output, selectors.EVENT_READ)
            if getattr(self, "_outgoing", None):
                selector.register(self._commands, selectors.EVENT_WRITE)
            while True:
                for answer in self._complete():
                    if answer[0] == kind and (number is None or (len(answer) > 1 and answer[1] == number)):
                        self._drain()
                        return answer
                    if answer[0] == "ended" and len(answer) == 3:
                        raise Trouble("crashed", _how_it_ended(answer[2]), ended=str(answer[1]))
                    if on is not None:
                        on(answer)
                for key, _ in selector.select(TICK):
                    if key.fd == self._commands:
                        with contextlib.suppress(BlockingIOError, BrokenPipeError):
                            self._outgoing = self._outgoing[os.write(self._commands, self._outgoing) :]
                        if not self._outgoing:
                            selector.unregister(self._commands)
                    elif key.fd == self._output:
                        if not self._drain():
                            selector.unregister(self._output)
                    elif not self._receive():
                        raise Trouble("crashed", "it ended the sandbox", fatal=True)
                elapsed = time.monotonic() - started
                if elapsed > wall:
                    raise Trouble("timeout", f"stopped after {wall:.0f} s of waiting")
                if self._ready and elapsed > TICK:
                    used, memory = self._usage()
                    used_before = used if used_before is None else used_before
                    if seconds is not None and used - used_before > seconds:
                        raise Trouble("timeout", f"stopped after {seconds:g} s of processor time")
                    if memory > self.limits.memory:
                        raise Trouble("crashed", f"it used more than {self.limits.memory / 2**20:.0f} MiB of memory")

    def _receive(self) -> bool:
        """Take in what is there of the answers; False at their end."""
        try:
            part = os.read(self._answers, 2**20)
        except BlockingIOError:
            return True
        self._received += part
        return bool(part)

    def _complete(self) -> Iterable[list[Any]]:
        """The answers that have come in whole."""
        from grader import evidence  # imports torch: not before the worker has been started, which does so too

        while len(self._received) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._received)
            if size > evidence.MAX_MESSAGE:
                raise Trouble("crashed", "it wrote something on the answer channel that is no answer", fatal=True)
            if len(self._received) < LENGTH.size + size:
                return
            message = bytes(self._received[LENGTH.size : LENGTH.size + size])
            del self._received[: LENGTH.size + size]
            try:
                answer = evidence.decode(message)
            except evidence.EvidenceError as error:
                raise Trouble("crashed", f"it wrote something on the answer channel: {error}", fatal=True) from None
            if type(answer) is not list or not answer or type(answer[0]) is not str:
                raise Trouble("crashed", "it wrote something on the answer channel that is no answer", fatal=True)
            yield answer

    def _drain(self) -> bool:
        """Take in printed text and keep the beginning; False at its end."""
        for _ in range(64):
            try:
                part = os.read(self._output, 2**16)
            except BlockingIOError:
                return True
            if not part:
                return False
            self._printed += part[: max(0, KEPT_OUTPUT - len(self._printed))]
        return True

    def printed(self) -> str:
        """What was printed since the last call, cut."""
        text = bytes(self._printed).decode("utf-8", "replace")
        self._printed.clear()
        return text

    # -- watching

    def trust_section(self) -> None:
        """From now on the section's own process is ours; what it forks, or left behind, is the learner's.

        It is the worker's oldest child: others are orphans that came to it.
        """
        assert self._watch is not None
        seen = self._watch.look().values()
        children = [s.pid for s in seen if s.parent == self._watch.worker and s.pid not in self._base]
        self._trusted = self._base | set(sorted(children)[:1])

    def end_section(self) -> None:
        """Whatever a section left behind goes with it."""
        self.section, self.ran = None, set()
        self._trusted = self._base
        self.interrupt()

    def _learners(self) -> list[Seen]:
        """The processes that are not ours."""
        return [seen for pid, seen in self._watch.look().items() if pid not in self._trusted] if self._watch else []

    def _usage(self) -> tuple[float, int]:
        """Processor seconds and resident bytes of the learner's processes."""
        assert self._watch is not None
        learners = self._learners()
        memory = sum(seen.memory for seen in learners)
        if memory > self.limits.memory:  # a fork's resident memory counts what it shares: look closer
            memory = sum(self._watch.share(seen.pid) for seen in learners)
        return sum(seen.seconds for seen in learners), memory

    def is_quiet(self) -> bool:
        """Whether nothing but one thread of the process that runs probes is there: no child, and no thread left."""
        learners = self._learners()
        return len(learners) == 1 and learners[0].threads == 1

    def interrupt(self) -> None:
        """Kill every process of the learner's, so that the innermost of ours goes on."""
        for _ in range(20):  # a fork bomb needs more than one look
            learners = {seen.pid for seen in self._learners()}
            if not self._watch or not learners:
                return
            self._watch.kill(learners)
            time.sleep(0.005)


def _is_mine(process: psutil.Process) -> bool:
    uids = process.info["uids"]
    return uids is not None and uids.real == os.getuid()


def _how_it_ended(status: Any) -> str:
    if type(status) is int and status < 0:
        return f"the process was ended by signal {-status}"
    return f"it ended the process with exit status {status}" if type(status) is int else "it ended the process"


class SandboxedSolution:
    """A learner's file of one section, imported in a sandbox when the first probe needs it.

    share: let an exercise run in the process that others have used, as long as they left no thread and no child there;
    whoever asks for that lets one that is then found wrong `run_alone`.
    """

    def __init__(self, sandbox: Sandbox, source: Source, exercises: list[str], *, share: bool = False) -> None:
        self.sandbox = sandbox
        self.source = source
        self._program = source.program(exercises)
        self._failures: dict[int, str] = {}
        self._given_up = ""
        self._lines: dict[str, list[int]] = {}  # of the statements that an exercise needs
        self._alone = set() if share else set(exercises)  # those that need a process of their own
        self._after_others: set[str] = set()  # exercises that ran where others had run before

    def shared(self, exercise: str) -> bool:
        """Whether it ran in a process that others had used before."""
        return exercise in self._after_others

    def run_alone(self, exercise: str) -> None:
        """From now on it gets a process of its own."""
        self._alone.add(exercise)
        self._after_others.discard(exercise)

    def run(self, request: Request) -> Reply:
        """Run one probe; see `Solution`."""
        return self.send(pack(request))

    def send(self, request: Packed) -> Reply:
        """Run one probe that was packed. Raises SandboxError where none is to be had: no fault of the probe's."""
        if self._given_up:
            return Reply("crashed", detail=self._given_up)
        try:
            return self._run(request)
        except Trouble as trouble:
            self.sandbox.close()
            return Reply(trouble.status, detail=trouble.detail)
        except UsedUp as error:
            self._given_up = str(error)
            return Reply("crashed", detail=self._given_up)

    def _run(self, request: Packed) -> Reply:
        box = self.sandbox
        if request.clean:
            self._leave()
            number = box.ask("clean", request.payload)
            return self._probe(request, number)
        trouble = self._enter(request.exercise)
        if trouble is not None:
            return trouble
        return self._probe(request, box.ask("probe", request.payload))

    def _probe(self, request: Packed, number: int) -> Reply:
        """Wait for what becomes of a probe."""
        box = self.sandbox
        wall = 30 + self.sandbox.limits.wall_factor * request.seconds
        try:
            answer = box.listen("reply", request.seconds, wall, number)
        except Trouble as trouble:
            reply = Reply(trouble.status, detail=trouble.detail)
            if trouble.fatal:
                box.close()
                return reply
            if trouble.ended == "section":
                box.end_section()
            elif not trouble.ended:
                box.interrupt()
                self._wait_for_end()
            box.ran = set()
            return _with_output(reply, box)
        if request.clean:
            self._wait_for_end()
        return _with_output(_reply(answer), box)

    def _wait_for_end(self) -> None:
        """The parent of a process that was told to end, or killed, says so."""
        try:
            answer = self.sandbox.listen("ended", None, 10.0)
        except Trouble:
            self.sandbox.close()
            return
        if answer[1:2] == ["section"] and self.sandbox.section is not None:
            self.sandbox.end_section()

    def _end_probing(self) -> None:
        """Back to the section's process, leaving nothing behind."""
        box = self.sandbox
        if box.ran:
            if box.is_quiet():
                box.ask("end", "exercises")
            else:  # what is there may read commands too
                box.interrupt()
            self._wait_for_end()
            box.ran = set()
            if box.section is not None:
                box.interrupt()

    def _leave(self) -> None:
        """Back to the outermost process."""
        box = self.sandbox
        self._end_probing()
        if box.section is not None:
            box.ask("end", "section")
            self._wait_for_end()
            if box.section is not None:
                box.end_section()

    def _enter(self, exercise: str) -> Reply | None:
        """To the process of this exercise, importing the file and starting the process as needed."""
        box = self.sandbox
        box.start()
        if box.section is not self:
            self._leave()
            self._import()
        if exercise not in self._lines:
            self._lines[exercise] = [s.line for s in self.source.needed([exercise]) if not s.optional]
        for line in self._lines[exercise]:
            if line in self._failures:
                return Reply("broken", detail=self._failures[line])
        if exercise not in box.ran or (exercise in self._alone and len(box.ran) > 1):
            if box.ran and not self._may_join(exercise):
                self._end_probing()
            if box.section is not self:  # lost on the way
                self._import()
            if not box.ran:
                number = box.ask("exercises")
                box.listen("started", None, 30.0, number)
            else:
                self._after_others.add(exercise)
            box.ran.add(exercise)
        return None

    def _may_join(self, exercise: str) -> bool:
        """Whether it may run where others have run: not if one of them is to be alone, or left something behind."""
        return exercise not in self._alone and self._alone.isdisjoint(self.sandbox.ran) and self.sandbox.is_quiet()

    def _import(self) -> None:
        """Import the file; a statement that hangs or ends the process is left out the next time."""
        box = self.sandbox
        while True:
            line = 0

            def note(answer: list[Any]) -> None:
                nonlocal line
                if answer[0] == "importing" and len(answer) == 3 and type(answer[2]) is int:
                    line = answer[2]

            box.start()
            seconds = box.limits.import_seconds
            number = box.ask("section", self._program.dumps(box.path(self.source.filename)), dict(self._failures))
            try:
                answer = box.listen("imported", seconds, 30 + box.limits.wall_factor * seconds, number, note)
            except Trouble as trouble:
                if trouble.fatal:
                    box.close()
                else:
                    box.interrupt()
                    if not trouble.ended:
                        self._wait_for_end()
                if line == 0 or line in self._failures:
                    raise
                self._failures[line] = f"{self.source.place(line)}: {trouble.detail}, while the file was imported"
                continue
            found = answer[2] if len(answer) == 3 and type(answer[2]) is dict else {}
            for key, detail in found.items():
                if type(key) is int and type(detail) is str:
                    self._failures.setdefault(key, detail)
            box.trust_section()
            box.section, box.ran = self, set()
            return


def _with_output(reply: Reply, box: Sandbox) -> Reply:
    return Reply(reply.status, reply.value, reply.raised, reply.detail, box.printed(), reply.seconds)


def _reply(answer: list[Any]) -> Reply:
    """An answer of the worker as a Reply, if it has the form of one."""
    match answer[2:]:
        case ["returned", value, None, str(), float(seconds)]:
            return Reply("returned", value, seconds=seconds)
        case ["crashed", None, None, str(detail), float(seconds)]:
            return Reply("crashed", detail=detail, seconds=seconds)
        case ["raised", None, [str(kind), list(bases), str(message), line, str(trace)], str(), float(seconds)]:
            names = tuple(base for base in bases if type(base) is str)
            place = line if type(line) is int else None
            return Reply("raised", raised=Raised(kind, names, message, place, trace), seconds=seconds)
    return Reply("crashed", detail="it answered in a form that no honest run gives")
