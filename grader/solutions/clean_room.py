"""A clean room beside a local solution: a process of its own that never sees a learner's file.

It uses neither fork nor a sandbox, so it works on every system that a learner may have; it imports torch once and then
answers one probe after the other, each with fresh seeds. A process that has torch and has not seen the file yet may
fork one with `fork`, which is there at once.
"""

from __future__ import annotations

import atexit
import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import IO

from grader import evidence
from grader.solutions import Raised, Reply, Request
from grader.solutions.execution import execute
from grader.solutions.pickling import dumps

LENGTH = struct.Struct(">I")
_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from grader.solutions.clean_room import answer
try:  # what the first load of an exported program imports, for a second: now, while the checks of others run
    import torch._export.serde.serialize
except ImportError:
    pass
answers, sys.stdout = sys.stdout.buffer, sys.stderr
answer(sys.stdin.buffer, answers)
"""


def answer(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Run one probe after the other, in the clean room, until no more are asked."""
    while head := requests.read(LENGTH.size):
        reply = execute(pickle.loads(requests.read(LENGTH.unpack(head)[0])), None, "")
        raised = reply.raised
        told = raised and [raised.type, list(raised.bases), raised.message]
        message = evidence.encode([reply.status, reply.value, told, reply.detail, reply.seconds])
        answers.write(LENGTH.pack(len(message)) + message)
        answers.flush()


@dataclass(frozen=True)
class _Running:
    """A process, where it listens and where it answers. join: wait for it after `kill`."""

    requests: IO[bytes]
    answers: IO[bytes]
    kill: Callable[[], None]
    join: Callable[[], object]


class _Process:
    """The process, started when it is first needed."""

    def __init__(self) -> None:
        self.running: _Running | None = None
        atexit.register(self.stop)

    def stop(self) -> None:
        if self.running is not None:
            self.running.kill()
            self.running.join()
            self.running.requests.close()
            self.running.answers.close()
            self.running = None

    def start(self) -> _Running:
        if self.running is None:
            root = str(Path(__file__).resolve().parents[2])
            command = [sys.executable, "-I", "-c", _SCRIPT, root]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert process.stdin is not None
            assert process.stdout is not None
            self.running = _Running(process.stdin, process.stdout, process.kill, process.wait)
        return self.running

    def fork(self) -> None:
        theirs, requests = os.pipe()
        answers, ours = os.pipe()

        def serve() -> None:
            os.close(requests)
            answer(os.fdopen(theirs, "rb"), os.fdopen(ours, "wb"))

        process = get_context("fork").Process(target=serve)
        process.start()
        os.close(theirs)
        os.close(ours)
        self.running = _Running(os.fdopen(requests, "wb"), os.fdopen(answers, "rb"), process.kill, process.join)

    def ask(self, payload: bytes, seconds: float) -> bytes:
        """The answer to a pickled request; empty if the process ended, or was ended after so many seconds."""
        process = self.start()
        watch = threading.Timer(seconds, process.kill)
        watch.start()
        try:
            process.requests.write(LENGTH.pack(len(payload)) + payload)
            process.requests.flush()
            head = process.answers.read(LENGTH.size)
            return process.answers.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""
        except OSError:
            return b""
        finally:
            watch.cancel()


_PROCESS = _Process()


def warm_up() -> None:
    """Start the process now, so that it imports torch while the first checks run."""
    _PROCESS.start()


def fork() -> None:
    """Make this process, as it is now, the clean room: it must not have seen a learner's file."""
    _PROCESS.fork()


def run_clean(request: Request) -> Reply:
    """Run one probe in the clean room."""
    limit = 30 + 8 * request.seconds
    try:
        status, value, told, detail, seconds = evidence.decode(_PROCESS.ask(dumps(request), limit))
    except (evidence.EvidenceError, ValueError):
        _PROCESS.stop()
        return Reply("crashed", detail=f"the process ended, or did not answer within {limit:.0f} s")
    raised = Raised(told[0], tuple(told[1]), told[2]) if told else None
    return Reply(status, value, raised, detail, "", seconds)
