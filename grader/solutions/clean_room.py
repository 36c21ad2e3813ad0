"""A clean room beside a local solution: a process of its own that never sees a learner's file.

It uses neither fork nor a sandbox, so it works on every system that a learner may have; it imports torch once and then
answers one probe after the other, each with fresh seeds.
"""

from __future__ import annotations

import atexit
import struct
import subprocess
import sys
import threading
from pathlib import Path

from grader import evidence
from grader.solutions import Raised, Reply, Request
from grader.solutions.pickling import dumps

LENGTH = struct.Struct(">I")
_SCRIPT = """
import pickle, struct, sys
sys.path.insert(0, sys.argv[1])
from grader import evidence
from grader.solutions.execution import execute
try:  # what the first load of an exported program imports, for a second: now, while the checks of others run
    import torch._export.serde.serialize
except ImportError:
    pass
requests, answers = sys.stdin.buffer, sys.stdout.buffer
sys.stdout = sys.stderr
while head := requests.read(4):
    reply = execute(pickle.loads(requests.read(struct.unpack(">I", head)[0])), None, "")
    raised = reply.raised
    told = raised and [raised.type, list(raised.bases), raised.message]
    message = evidence.encode([reply.status, reply.value, told, reply.detail, reply.seconds])
    answers.write(struct.pack(">I", len(message)) + message)
    answers.flush()
"""


class _Process:
    """The process, started when it is first needed."""

    def __init__(self) -> None:
        self.running: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)

    def stop(self) -> None:
        if self.running is not None:
            self.running.kill()
            self.running.communicate()
            self.running = None

    def start(self) -> subprocess.Popen[bytes]:
        if self.running is None:
            root = str(Path(__file__).resolve().parents[2])
            command = [sys.executable, "-I", "-c", _SCRIPT, root]
            self.running = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self.running

    def ask(self, payload: bytes, seconds: float) -> bytes:
        """The answer to a pickled request; empty if the process ended, or was ended after so many seconds."""
        process = self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        watch = threading.Timer(seconds, process.kill)
        watch.start()
        try:
            process.stdin.write(LENGTH.pack(len(payload)) + payload)
            process.stdin.flush()
            head = process.stdout.read(LENGTH.size)
            return process.stdout.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""
        except OSError:
            return b""
        finally:
            watch.cancel()


_PROCESS = _Process()


def warm_up() -> None:
    """Start the process now, so that it imports torch while the first checks run."""
    _PROCESS.start()


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
