"""`pytest checks/` as a learner meets it, on the tiny section."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import Run, run

CHECKS = "checks/test_s01_tiny.py"


def write(folder: Path, old: str, new: str) -> None:
    """Fill in something in the learner's file."""
    path = folder / "exercises" / "s01_tiny.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_untouched_stubs_are_to_do(checks: Run, kit_folder: Path) -> None:
    done = checks("checks", cwd=kit_folder)
    assert done.returncode == 5, done.stdout
    assert "6 todo" in done.stdout
    assert "Traceback" not in done.stdout
    assert "FAILED" not in done.stdout
    assert "0/100 points" in done.stdout
    assert "Next: double - exercises/s01_tiny.py:18" in done.stdout


def test_the_reference_passes(checks: Run, kit_folder: Path) -> None:
    done = checks(CHECKS, "--exercises", "reference", "-v", cwd=kit_folder)
    assert done.returncode == 0, done.stdout
    assert "test_double_values PASSED" in done.stdout
    assert not (kit_folder / ".torch-kata" / "history.sqlite").exists()  # not the learner's own work


def test_a_mistake_is_named_mended_and_remembered(checks: Run, grader: Run, kit_folder: Path) -> None:
    write(kit_folder, "# TODO: double it.\n    raise NotImplementedError", "print('hello'); return x * x")
    done = checks(CHECKS, "-v", cwd=kit_folder)
    assert done.returncode == 1
    assert "test_double_shape_and_dtype PASSED" in done.stdout
    assert "test_double_in_a_clean_room NOT REACHED" in done.stdout
    assert "test_noise_shape TODO" in done.stdout
    for told in ("Every value is doubled.", "double(tensor [", "came back", "expected", "first difference at [0]"):
        assert told in done.stdout
    assert "Known mistake: squared\n  You square. Twice x is x + x." in done.stdout
    assert "hello" in done.stdout

    write(kit_folder, "return x * x", "return x + x")
    assert checks(CHECKS, "-k", "double", cwd=kit_folder).returncode == 0
    board = grader(cwd=kit_folder).stdout
    assert "50/100 points   1/3 exercises" in board
    assert "Next: Shift" in board


def test_the_debugger_stops_in_the_learners_code(kit_folder: Path) -> None:
    write(kit_folder, "raise NotImplementedError", "secret = 41 + 1\n    return x / undefined")
    command = [sys.executable, "-m", "pytest", CHECKS, "--pdb", "-x"]
    done = run(command, cwd=kit_folder, input="p secret\nq\n")
    assert "NameError" in done.stdout
    assert "\n42" in done.stdout.replace("(Pdb) ", "\n")


def test_an_endless_loop_is_stopped_and_costs_its_exercise(checks: Run, kit_folder: Path) -> None:
    write(kit_folder, "raise NotImplementedError", "while True: pass")
    write(kit_folder, "raise NotImplementedError", "self.shift = nn.Parameter(torch.zeros(features))")
    write(kit_folder, "raise NotImplementedError", "return x + self.shift")
    done = checks(CHECKS, "--timeout", "3", "-v", cwd=kit_folder)
    assert done.returncode == 1
    assert "`double` did not end" in done.stdout
    assert "test_double_values NOT REACHED" in done.stdout
    assert "test_shift_is_a_parameter PASSED" in done.stdout


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("def double(x", "def duoble(x"), "did you mean `double` where you wrote `duoble`?"),
        (("def double(x: Tensor)", "def double(x, y, z)"), "`double` must take (x); yours takes (x, y, z)"),
        (("def double(x: Tensor)", "def double(x"), "line 18: invalid syntax; so `double` cannot be read"),
        (
            ("raise NotImplementedError", "return unknown"),
            "NameError: name 'unknown' is not defined (s01_tiny.py, line",
        ),
        (("raise NotImplementedError", "raise ValueError(x)"), "raised ValueError"),
        (("raise NotImplementedError", "return x.mul_(2)"), "changes the caller's x"),
    ],
)
def test_a_slip_is_told_in_a_sentence(checks: Run, kit_folder: Path, change: tuple[str, str], told: str) -> None:
    if "y, z" in told:
        write(kit_folder, "raise NotImplementedError", "return 2 * x")
    write(kit_folder, *change)
    done = checks(CHECKS, "-k", "double", cwd=kit_folder)
    assert done.returncode == 1
    assert told in done.stdout, done.stdout


def test_a_missing_file_and_a_missing_folder(checks: Run, kit_folder: Path) -> None:
    assert "no folder" in checks(CHECKS, "--exercises", "nowhere", cwd=kit_folder).stderr
    (kit_folder / "empty").mkdir()
    done = checks(CHECKS, "--exercises", "empty", cwd=kit_folder)
    assert done.returncode == 1
    assert "No such file" in done.stdout


def test_the_board_needs_no_torch(kit_folder: Path) -> None:
    script = (
        "import sys; from grader.cli import app\n"
        "try: app([])\nexcept SystemExit: pass\nassert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "TORCH_KATA": str(kit_folder)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "s01_tiny" in done.stdout
