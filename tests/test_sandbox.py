"""The sandbox: what it keeps in, and that whatever happens inside ends as a reply outside."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from grader.kit import Kit
from grader.results import SectionResult
from grader.runner import collect, run_section
from grader.solutions import Request
from grader.solutions.sandbox import SandboxError, launcher
from grader.solutions.sandboxed import Limits, Sandbox, SandboxedSolution
from grader.solutions.self_test import self_test
from grader.solutions.source import Source

pytestmark = pytest.mark.timeout(300)  # one act is noticed by the wall clock only, after a minute

TINY = Kit(Path(__file__).parent / "tiny")
SECTION = TINY.sections["s01_tiny"]
NAMES = [exercise.name for exercise in SECTION.exercises]
REFERENCE = (TINY.reference / "s01_tiny.py").read_text()
LIMITS = Limits(memory=2**29, import_seconds=2.0, wall_factor=2.0)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(limits=LIMITS) as sandbox:
        yield sandbox


def graded(box: Sandbox, text: str, seed: int = 3) -> SectionResult:
    box._starts = 0  # the module's tests share one
    solution = SandboxedSolution(box, Source(text, "s01_tiny.py"), NAMES)
    return collect(SECTION, run_section(TINY, SECTION, solution, seed))


def outcomes(result: SectionResult, exercise: str) -> list[str]:
    return [check.outcome for found in result.exercises if found.exercise == exercise for check in found.checks]


def message(result: SectionResult, exercise: str) -> str:
    return " ".join(c.message for found in result.exercises if found.exercise == exercise for c in found.checks)


def with_double(body: str) -> str:
    """The reference with another `double`."""
    return (
        f"{REFERENCE}\n\n# %%\nimport os, sys, time, signal, ctypes\ndef double(x):\n{textwrap.indent(body, '    ')}\n"
    )


def test_the_reference_earns_everything(box: Sandbox) -> None:
    result = graded(box, REFERENCE)
    assert result.points == result.max_points == 100


@pytest.mark.parametrize(
    ("body", "outcome", "told"),
    [
        ("os._exit(0)", "crashed", "exit status 0"),
        ("sys.exit(0)", "crashed", "sys.exit"),
        ("ctypes.string_at(0)", "crashed", "signal 11"),
        ("while True: pass", "timeout", "processor time"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass", "timeout", "processor time"),
        ("os.kill(os.getppid(), signal.SIGKILL)\nreturn None", "", ""),
        ("os.kill(os.getppid(), signal.SIGSTOP)\nos._exit(0)", "timeout", "waiting"),
        ("os.closerange(0, 256)\nreturn 2 * x", "crashed", ""),
        ("for fd in range(3, 256):\n    try: os.write(fd, b'x' * 100)\n    except OSError: pass\nreturn 2 * x", "crashed", "channel"),
        ("return bytearray(2**32)", "error", "MemoryError"),
        ("a = []\nwhile True: a.append(torch.ones(2**22))", "", "memory"),
        ("import mmap\nm = mmap.mmap(-1, 2**31)\nfor _ in range(2**11): m.write(b'x' * 2**20)", "", "memory"),
        ("while True: os.fork()", "error", "Resource temporarily unavailable"),
        ("import threading\nfor _ in range(100): threading.Thread(target=time.sleep, args=(9,)).start()", "error", "thread"),
        ("open('big', 'wb').write(bytes(2**25))", "error", "too large"),
        ("open('/kata/x', 'w')", "error", "Read-only"),
        ("import socket\nsocket.create_connection(('127.0.0.1', 80))", "error", "not permitted"),
        ("return open('/etc/passwd').read()", "error", "No such file"),
        (f"return open({str(TINY.reference / 's01_tiny.py')!r}).read()", "error", "No such file"),
        ("import reference", "error", "No module"),
        ("return None", "failed", "None"),
        ("return [2 * x]", "failed", "tensor"),
        ("return os", "failed", "module"),
        ("return (n for n in x)", "failed", "generator"),
        ("return double", "failed", "function"),
        ("l = []\nl.append(l)\nreturn l", "error", "nested"),
        ("return torch.zeros(2**26)", "error", "too large"),
        ("x *= 2\nreturn x", "failed", "changes the caller's x"),
        ("raise NotImplementedError", "todo", ""),
        ("raise KeyError('\\x1b[31m')", "error", "KeyError"),
        ("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E", "", ""),
    ],
)  # fmt: skip
def test_one_bad_function_costs_its_own_points(box: Sandbox, body: str, outcome: str, told: str) -> None:
    result = graded(box, with_double(body))
    if outcome:
        assert outcomes(result, "double")[0] == outcome, message(result, "double")
    assert told in message(result, "double")
    assert "\x1b" not in message(result, "double")
    assert outcomes(result, "Shift") == ["passed"]
    assert outcomes(result, "noise") == ["passed", "passed"]
    assert result.points == 50


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("def double(x)\n    return 2 * x", "expected ':'"),
        ("1 / 0\ndouble = 1 / 0", "ZeroDivisionError"),
        ("import missing_module\ndef double(x): return missing_module.double(x)", "missing_module"),
        ("while True:\n    double = 1", "did not end|processor time"),
        ("import os\ndouble = os._exit(0)", "exit status 0"),
        ("import sys\ndouble = sys.exit()", "SystemExit"),
    ],
)
def test_a_broken_cell_costs_the_exercises_that_need_it(box: Sandbox, cell: str, told: str) -> None:
    text = REFERENCE.replace("return 2 * x", "raise RuntimeError")
    result = graded(box, f"{text}\n# %%\n{cell}\n")
    assert outcomes(result, "double")[0] in ("error", "crashed")
    assert any(part in message(result, "double") for part in told.split("|")), message(result, "double")
    assert result.points == 50


def test_what_one_exercise_does_to_torch_does_not_reach_its_neighbours(box: Sandbox) -> None:
    mess = (
        "torch.randn = torch.zeros\ntorch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)\nreturn 2 * x"
    )
    assert graded(box, with_double(mess)).points == 100


def test_leftover_processes_are_gone(box: Sandbox) -> None:
    body = "if os.fork() == 0:\n    if os.fork() == 0:\n        time.sleep(1000)\n    os._exit(0)\nreturn 2 * x"
    assert graded(box, with_double(body)).points == 100
    assert box._launcher is not None
    uid = box._launcher.uid  # no other sandbox of this machine has it
    box.close()
    deadline = time.monotonic() + 5  # the kernel may still be about it
    while left := [p for p in psutil.process_iter(["uids"]) if p.info["uids"] and p.info["uids"].real == uid]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_a_gigabyte_of_output_is_cut(box: Sandbox) -> None:
    result = graded(box, with_double("for _ in range(1000): print('x' * 2**16)\nreturn 2 * x"))
    assert result.points == 100
    assert 1000 < len(result.exercises[0].checks[0].output) < 5000


def test_input_finds_no_commands_to_read(box: Sandbox) -> None:
    assert "EOFError" in message(graded(box, with_double("return input()")), "double")


def test_forged_answers_are_worth_what_they_prove(box: Sandbox) -> None:
    forged = (
        "from grader import evidence\nimport struct\n"
        "m = evidence.encode(['reply', 10**6, 'returned', {'result': x, 'changed': []}, None, '', 0.0])\n"
        "for fd in range(3, 64):\n    try: os.write(fd, struct.pack('>I', len(m)) + m)\n    except OSError: pass\n"
        "return x"
    )
    result = graded(box, with_double(forged))
    assert outcomes(result, "double")[1] in ("failed", "not_reached", "crashed")
    assert result.points <= 60


def test_the_sandbox_is_named_when_it_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxError, match="apt-get install bubblewrap"):
        launcher("bubblewrap")


def test_the_self_test_passes_here_and_refuses_what_it_can_reach() -> None:
    self_test("bubblewrap", [TINY.reference / "s01_tiny.py"])
    with pytest.raises(SandboxError, match="read a reference"):
        self_test("bubblewrap", [Path("/usr/bin/env")])


def test_a_probe_without_a_learners_file_at_the_level_none() -> None:
    with Sandbox("none") as sandbox:
        solution = SandboxedSolution(sandbox, Source(REFERENCE, "s01_tiny.py"), NAMES)
        assert solution.run(Request("double", os.getpid.__class__, {}, clean=True)).status == "raised"
        assert graded(sandbox, REFERENCE).points == 100
