"""A clean room beside a local solution: a process of its own that never saw the learner's file.

It uses neither fork nor a sandbox, so it works on every system a learner may have.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cloudpickle

from grader import evidence
from grader.solutions import Raised, Reply, Request

_SCRIPT = """
import pickle, sys
sys.path.insert(0, sys.argv[1])
from grader import evidence
from grader.solutions.execution import execute
answers = sys.stdout.buffer
sys.stdout = sys.stderr
reply = execute(pickle.load(sys.stdin.buffer), None, "")
raised = reply.raised
told = raised and [raised.type, list(raised.bases), raised.message]
answers.write(evidence.encode([reply.status, reply.value, told, reply.detail, reply.seconds]))
"""


def run_clean(request: Request) -> Reply:
    """Run one probe in a new process."""
    root = str(Path(__file__).resolve().parents[2])
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _SCRIPT, root],
            input=cloudpickle.dumps(request),
            capture_output=True,
            timeout=30 + 8 * request.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Reply("timeout", detail=f"stopped after {30 + 8 * request.seconds:.0f} s")
    output = done.stderr.decode("utf-8", "replace")[-4_000:]
    try:
        status, value, told, detail, seconds = evidence.decode(done.stdout)
    except (evidence.EvidenceError, ValueError):
        return Reply("crashed", detail=f"the process ended with status {done.returncode}", output=output)
    raised = Raised(told[0], tuple(told[1]), told[2]) if told else None
    return Reply(status, value, raised, detail, output, seconds)
