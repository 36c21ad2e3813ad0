"""The board at every width, without colour, for a screen reader, and quickly; strange text does no harm in it."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from support import ROOT, Run

from grader.history import History, Standing
from grader.kit import Kit
from grader.report.board import board_lines
from grader.report.terminal import Terminal, columns
from grader.results import CheckResult

TINY = ROOT / "tests" / "tiny"
STRANGE = "\x1b[2J[red]\N{GRINNING FACE}日本語<b>" + "x" * 10_000_000


def result(check: str, outcome: str, message: str = "", **more: object) -> CheckResult:
    return CheckResult(check, "value", outcome, 1, 1, message, **more)  # type: ignore[arg-type]


@pytest.fixture
def standing() -> Standing:
    """Half of the first section is done, half of that today; the last failure says strange things."""
    passed = ("test_double_shape_and_dtype", "test_shift_is_a_parameter", "test_no_longer_there")
    known = {"s01_tiny": {name: result(name, "passed") for name in passed}, "s99_gone": {}}
    known["s01_tiny"]["test_double_values"] = result("test_double_values", "error", STRANGE)
    before = {"s01_tiny": {passed[0]: result(passed[0], "passed")}}
    return Standing(known, before, [("s99_gone", "test_old"), ("s01_tiny", "test_double_values")])


@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_it_fits(width: int, standing: Standing, kit: Kit) -> None:
    tiny = Kit(TINY)
    text = "\n".join(board_lines(tiny, standing, Terminal(width)))
    assert "30/100" in text
    assert "1/3" in text
    assert "+20 points today" in " ".join(text.split())
    assert "Last failure: double:" in " ".join(text.split())
    for lines in (text.splitlines(), board_lines(kit, Standing(), Terminal(width))):
        assert all(columns(line) <= width for line in lines), lines
        assert all(line.isprintable() for line in lines)


def test_a_screen_reader_gets_sentences(standing: Standing) -> None:
    lines = board_lines(Kit(TINY), standing, Terminal(80, colour=True, links=True), plain=True)
    assert lines[0] == "s01_tiny: 30 of 100 points, 1 of 3 exercises."
    assert lines[-1] == "Next: double, in exercises/s01_tiny.py, line 18."
    assert not any(character in lines[0] + lines[1] + lines[-1] for character in "#[]|│─█")


def test_colour_and_links_only_where_they_are_known(tmp_path: Path, grader: Run) -> None:
    shutil.copytree(TINY, tmp_path / "kit")
    with History(tmp_path / "kit") as history:
        history.record(
            {"s01_tiny": {"test_noise_shape": result("test_noise_shape", "passed")}}, {"test_noise_shape": "noise"}
        )
    base = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")} | {
        "TORCH_KATA": str(tmp_path / "kit")
    }

    def shown(**environment: str) -> str:
        command = ["-m", "grader.cli"]
        return str(
            pexpect.run(sys.executable + " " + " ".join(command), cwd=str(ROOT), env=base | environment).decode()
        )

    link = re.compile(r"\x1b\]8;;file://\S+/s01_tiny\.py\x1b\\exercises/s01_tiny\.py:18\x1b\]8;;\x1b\\")
    rich = shown(TERM="xterm-256color")
    assert link.search(rich)
    assert "\x1b[32m" in rich
    assert "\x1b[" not in shown(TERM="xterm-256color", NO_COLOR="1")
    assert "\x1b" not in shown(TERM="dumb")
    assert "\x1b" not in grader(env=base | {"TERM": "xterm-256color"}).stdout


def test_it_answers_at_once() -> None:
    """In processor time, which a busy machine does not change much; torch is not imported for it (see test_plugin)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "grader.cli"], cwd=ROOT, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
