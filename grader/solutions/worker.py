"""The process inside the sandbox: runs a learner's file and its probes, and answers with evidence.

It decides nothing, and whatever it says is believed only as far as it proves something. It imports torch once and forks
once a section, which imports the learner's file, and from there a process that runs probes one after the other, of one
exercise or of several, as the judge tells it. Only one of these processes reads commands at any time: the innermost;
when it ends, for whatever reason, its parent says so and reads on.

    commands (pickled, from the judge)              answers (evidence)
    section(id, program, failures)                  importing(id, line) ..., imported(id, failures)
    exercises(id)                                   started(id)
    probe(id, request)                              reply(id, ...)
    end(id, level)                                  ended(level, status), by the parent of whoever ended
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import pickle
import resource
import signal
import struct
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import torch

from grader import evidence
from grader.solutions import Raised, Reply, Request
from grader.solutions.execution import Loaded, execute, load
from grader.solutions.program import Program
from grader.solutions.syscalls import refuse_system_calls

LENGTH = struct.Struct(">I")


class Channel:
    """Commands in, answers out, both prefixed with their length."""

    def __init__(self, commands: int, answers: int) -> None:
        self.commands = commands
        self.answers = answers

    def read(self) -> Any:
        (size,) = LENGTH.unpack(self._exactly(LENGTH.size))
        return pickle.loads(self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = os.read(self.commands, min(size, 2**20))
            if not part:
                os._exit(0)  # the judge is gone
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def write(self, *answer: Any) -> None:
        message = evidence.encode(list(answer))
        data = memoryview(LENGTH.pack(len(message)) + message)
        while data:
            data = data[os.write(self.answers, data) :]


def main(commands: int, answers: int, home: str, modules: list[str], processes: int, memory: int) -> NoReturn:
    """Answer commands until told to end.

    home: the writable folder; modules: imported before any fork; processes and memory (bytes): a section's limits.
    """
    prepare(modules)
    os.chdir(home)
    quiet = os.open(os.devnull, os.O_RDONLY)
    os.dup2(quiet, 0)  # input() must not read the judge's commands
    filtered = refuse_system_calls()
    channel = Channel(commands, answers)
    channel.write("ready", torch.__version__.split("+")[0], filtered)
    while True:
        kind, *rest = channel.read()  # anything else was meant for a process that has ended, as was told already
        if kind == "section":
            _fork(channel, "section", _section, processes, memory, *rest)
        elif kind == "clean":
            _fork(channel, "clean", _clean, processes, memory, *rest)


_prepared: set[str] = set()


def prepare(modules: list[str]) -> None:
    """Import what all forks need, and make forks cheap: nothing to collect, and memory in huge pages.

    A fork copies the tables of all pages, 20 ms of small ones and 5 of huge ones.
    """
    if _prepared >= {"torch", *modules}:
        return
    torch.set_num_threads(1)
    for module in modules:
        importlib.import_module(module)
    _prepared.update(["torch", *modules])
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":
        _use_huge_pages()


def _use_huge_pages() -> None:
    """Move this process's own memory into huge pages, as far as the kernel (6.1 or later) does so."""
    collapse, huge = 25, 2**21
    madvise = ctypes.CDLL(None).madvise
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, permissions, _, _, _, *name = line.split()
        if permissions == "rw-p" and name in ([], ["[heap]"]):
            start, end = (int(address, 16) for address in place.split("-"))
            first, last = -(-start // huge) * huge, end // huge * huge
            if first < last:
                madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), collapse)


def _fork(channel: Channel, level: str, body: Any, *arguments: Any) -> None:
    """Run `body` in a new process, and tell how that ended."""
    child = _child()
    if child == 0:
        if sys.platform == "linux":  # two of them must never read commands
            end_with_parent = 1
            ctypes.CDLL(None).prctl(end_with_parent, signal.SIGKILL, 0, 0, 0)
        try:
            body(channel, *arguments)
        finally:
            os._exit(1)
    ended, status = os.waitpid(-1, 0)
    while ended != child:  # orphans come to the first process of a namespace, and count against its limit while unheard
        ended, status = os.waitpid(-1, 0)
    channel.write("ended", level, os.waitstatus_to_exitcode(status))


def _child() -> int:
    """Fork; where the limit of processes is reached, those that were ended a moment ago still count for another."""
    for _ in range(200):
        with contextlib.suppress(BlockingIOError):
            return os.fork()
        time.sleep(0.01)
    return os.fork()


def _limit(processes: int, memory: int) -> None:
    """Limits relative to what torch has mapped already: absolute ones would stop torch itself."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    data, space = (int(status[key].split()[0]) * 1024 for key in ("VmData", "VmSize"))
    limits = {
        resource.RLIMIT_DATA: data + memory,
        resource.RLIMIT_AS: space + 4 * memory,
        resource.RLIMIT_FSIZE: 16 * 2**20,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
    }
    if processes:
        limits[resource.RLIMIT_NPROC] = processes
    for which, limit in limits.items():
        _, hard = resource.getrlimit(which)
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(which, (allowed, allowed))


def _section(
    channel: Channel, processes: int, memory: int, number: int, packed: bytes, failures: dict[int, str]
) -> None:
    """Import a learner's file, then fork a process for exercises whenever told to, until told to end."""
    if sys.platform == "linux":
        _limit(processes, memory)
    program = Program.loads(packed)
    # inspect.getsource, and so torch.jit.script, want a file
    Path(program.filename).write_text(program.text, encoding="utf-8", errors="replace")
    known = {line: Reply("broken", detail=detail) for line, detail in failures.items()}
    loaded = load(program, known, lambda line: channel.write("importing", number, line))
    sys.setrecursionlimit(loaded.recursion_limit)
    sys.stdout.flush()
    channel.write("imported", number, {line: reply.detail for line, reply in loaded.failures.items()})
    while True:
        kind, *rest = channel.read()  # a probe, or the end of exercises, was meant for a process that has ended
        if kind == "exercises":
            _fork(channel, "exercises", _exercises, loaded, *rest)
        elif kind != "probe" and rest[1:] != ["exercises"]:
            os._exit(0)


def _exercises(channel: Channel, loaded: Loaded, number: int) -> None:
    """Run probes until told to end."""
    channel.write("started", number)
    while True:
        command = channel.read()
        if command[0] != "probe":
            os._exit(0)
        _probe(channel, command[1], command[2], loaded.module, loaded.filename)


def _clean(channel: Channel, processes: int, memory: int, number: int, pickled: bytes) -> None:
    """Run one probe that never sees a learner's file."""
    if sys.platform == "linux":
        _limit(processes, memory)
    _probe(channel, number, pickled, None, "")
    os._exit(0)


def _probe(channel: Channel, number: int, pickled: bytes, module: Any, filename: str) -> None:
    probe, rest = pickle.loads(pickled)
    request = Request(probe=_loaded(probe), **pickle.loads(rest))
    reply = execute(request, module, filename)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        channel.write("reply", number, *_as_data(reply))
    except evidence.EvidenceError as error:
        channel.write("reply", number, *_as_data(Reply("raised", raised=Raised("EvidenceError", (), str(error)))))


_loaded = lru_cache(maxsize=100)(pickle.loads)  # a probe comes again and again


def _as_data(reply: Reply) -> tuple[Any, ...]:
    raised = reply.raised
    told = None if raised is None else [raised.type, list(raised.bases), raised.message, raised.line, raised.trace]
    return reply.status, reply.value, told, reply.detail, reply.seconds
