"""`grader watch` in a terminal of its own: whatever is saved, it goes on, says what is wrong, and ends when told to."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from support import ROOT, Run

TINY = ROOT / "tests" / "tiny"
STUB = (TINY / "exercises" / "s01_tiny.py").read_text()
SETTLED = "q quit"
pytestmark = pytest.mark.timeout(300)
WATCH = [sys.executable, "-m", "grader.cli", "watch"]
NOISE = r"print(chr(27) + '[2J' + chr(27) + ']0;title' + chr(7), chr(0x1F600), 'x' * 10_000_000); return 3 * x"


@pytest.fixture
def kit_folder(tmp_path: Path) -> Path:
    shutil.copytree(TINY, tmp_path / "kit")
    old = time.time() - 1000
    os.utime(tmp_path / "kit" / "exercises" / "s01_tiny.py", (old, old))
    return tmp_path / "kit"


@pytest.fixture
def environment(kit_folder: Path) -> dict[str, str]:
    return {**os.environ, "TORCH_KATA": str(kit_folder), "COLUMNS": "80", "TERM": "dumb"}


@pytest.fixture
def watch(environment: dict[str, str]) -> Iterator[pexpect.spawn]:
    """A shell that starts the watch, and tells of the terminal's settings before and after."""
    command = f"stty -g; {' '.join(WATCH)}; echo status $?; stty -g; echo over"
    terminal = pexpect.spawn("bash", ["-c", command], cwd=str(ROOT), env=environment, encoding="utf-8", timeout=60)
    yield terminal
    terminal.close(force=True)


def save(folder: Path, *changes: tuple[str, str]) -> None:
    """As editors do: a new file takes the place of the old one."""
    text = STUB
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    new_file = folder / "exercises" / ".s01_tiny.py.swp"
    new_file.write_text(text)
    new_file.replace(folder / "exercises" / "s01_tiny.py")


def test_nothing_ends_the_watch(watch: pexpect.spawn, kit_folder: Path) -> None:
    double = "raise NotImplementedError"

    def told(*changes: tuple[str, str]) -> str:
        save(kit_folder, *changes)
        watch.expect(SETTLED)
        return str(watch.before)

    watch.expect("Next: double - exercises/s01_tiny.py:18")
    settings = str(watch.before).splitlines()[0].strip()
    assert re.search(r"passed +double  50/50 points", told((double, "return 2 * x")))
    wrong = told((double, "return x * x"))
    assert re.search(r"failed +double  10/50 points", wrong)
    assert "Known mistake: squared" in wrong
    assert "ended the process (exit status 0)" in told((double, "import os; os._exit(0)"))
    assert "killed by SIGSEGV" in told((double, "import ctypes; ctypes.string_at(0)"))
    assert "sys.exit(3)" in told((double, "import sys; sys.exit(3)"))
    loop = told((double, "while x.dtype == torch.float64:\n        pass\n    return 2 * x"))
    assert re.search(r"timeout +double  10/50", loop)
    assert "did not end" in loop
    assert "invalid syntax" in told(("def double(x: Tensor)", "def double(x"))
    missing = told((double, "return no_such.double(x)"), ("import torch\n", "import torch\nimport no_such\n"))
    assert "No module named 'no_such'" in missing
    ended = told((double, "return STEP * x"), ("import torch\n", "import torch\nimport os\nSTEP = os._exit(3)\n"))
    assert "ended the process (exit status 3)" in ended
    noisy = told((double, NOISE))
    assert "\x1b" not in noisy
    assert "\N{GRINNING FACE}" in noisy
    assert "(cut)" in noisy
    assert len(noisy) < 20_000

    (kit_folder / "exercises" / "s01_tiny.py").unlink()
    watch.expect("s01_tiny.py: No such file")
    assert "passed" in told((double, "return x + x"))
    watch.send("x\x1b[B")  # no key, and an arrow, whose last letter is one
    watch.expect("Keys: n next")
    watch.send("b")
    watch.expect(r"s01_tiny \[#+\.+\]  50/100 points")
    watch.expect("Next: Shift")
    watch.send("n")
    watch.expect("Next: Shift - exercises/s01_tiny.py:31")
    watch.send("h")
    watch.expect("Hint 1 of 1 for Shift: A parameter.")
    watch.send("r")
    watch.expect("passed +double")
    watch.expect(SETTLED)
    watch.send("q")
    watch.expect("status 0")
    watch.expect("over")
    assert settings in watch.before

    with sqlite3.connect(kit_folder / ".torch-kata" / "history.sqlite") as history:
        outcomes = {outcome for (outcome,) in history.execute("SELECT outcome FROM results")}
    assert outcomes >= {"passed", "failed", "crashed", "timeout", "error", "not_reached"}


def test_a_new_save_takes_the_place_of_a_run(watch: pexpect.spawn, kit_folder: Path) -> None:
    watch.expect("Next: double")
    save(kit_folder, ("raise NotImplementedError", "import time; time.sleep(1000)"))
    watch.expect(r"\d\d:\d\d:\d\d s01_tiny")
    watch.send("h")  # keys are heard meanwhile
    watch.expect("Hint 1 of 2")
    save(kit_folder, ("raise NotImplementedError", "return 2 * x"))
    watch.expect("passed +double")
    save(kit_folder, ("raise NotImplementedError", "import time; time.sleep(1000)"))
    watch.expect(r"\d\d:\d\d:\d\d s01_tiny")
    watch.sendintr()
    watch.expect("status 0")


def test_it_begins_with_what_was_saved_since_the_last_run(watch: pexpect.spawn, kit_folder: Path) -> None:
    save(kit_folder, ("raise NotImplementedError", "return x * x"))
    watch.expect("failed +double")
    watch.expect(SETTLED)
    assert "noise" not in watch.before
    watch.sendeof()
    watch.send("q")
    watch.expect("status 0")


@pytest.mark.parametrize("option", [[], ["--manual"]])
def test_without_a_terminal_keys_are_lines(option: list[str], environment: dict[str, str], kit_folder: Path) -> None:
    with subprocess.Popen(
        [*WATCH, "s01", *option], cwd=ROOT, env=environment, stdin=-1, stdout=-1, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def until(words: str) -> str:
            for line in process.stdout or []:
                if words in line:
                    return line
            pytest.fail(f"no {words!r}")

        until("Next: double")
        save(kit_folder, ("raise NotImplementedError", "return 2 * x"))
        if option:
            process.stdin.write("\n")
        assert "passed" in until("double")
        until(SETTLED)
        if option:
            process.stdin.close()  # nothing more could happen
        else:
            process.stdin.write("q\n")
        assert process.wait(30) == 0


def test_where_no_changes_are_told_enter_is_asked_for(environment: dict[str, str], kit_folder: Path) -> None:
    """As on some network drives: here the package that hears of changes is not there."""
    (kit_folder / "watchfiles.py").write_text("raise ImportError('no such package')\n")
    environment["PYTHONPATH"] = f"{kit_folder}:{environment.get('PYTHONPATH', ROOT)}"
    told = kit_folder / "told"  # a pipe would be open as long as the process that still imports torch
    with told.open("w") as out:
        done = subprocess.run(WATCH, cwd=ROOT, env=environment, input=b"", stdout=out, timeout=60, check=False)
    assert done.returncode == 0
    assert "cannot be watched (no such package): press Enter after a save" in told.read_text()


def test_a_section_that_is_not_there(grader: Run, environment: dict[str, str]) -> None:
    unknown = grader("watch", "s99", env=environment)
    assert unknown.returncode == 2
    assert "no section 's99'" in unknown.stderr
