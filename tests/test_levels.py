"""The other ways into a sandbox: started by an ordinary user, and by root where there are no namespaces.

Both need an interpreter that other users can read; ours may lie in root's own folder, so these use the system's, with
the packages of this environment.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from support import ROOT, TINY, open_folder, run

from grader.solutions.sandbox import launcher
from grader.solutions.zygotes import WarmLauncher, Zygotes

USER = 61000  # nobody's


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that everybody may enter: the system's Python with our packages, the tiny kit, and a class of two."""
    solved = (TINY / "reference" / "s01_tiny.py").read_text()
    with open_folder() as folder:
        shutil.copytree(TINY, folder / "kit")
        shutil.copytree(ROOT / "grader", folder / "code" / "grader")
        for student, text in (("ada", solved), ("eve", solved.replace("return 2 * x", "import os; os._exit(0)"))):
            (folder / "class" / student).mkdir(parents=True)
            (folder / "class" / student / "s01_tiny.py").write_text(text)
        yield folder


def grade(place: Path, out: str, *more: str, user: int = 0) -> subprocess.CompletedProcess[str]:
    command = [
        str(place / "env/bin/python"),
        "-m",
        "grader.cli",
        "grade",
        str(place / "class"),
        "--out",
        str(place / out),
    ]
    options = {"user": user, "group": user, "extra_groups": []} if user else {}
    environment = {"TORCH_KATA": str(place / "kit"), "PATH": os.environ["PATH"], "HOME": str(place), "COLUMNS": "80"}
    return run([*command, *more], cwd=str(place), env=environment, **options)


def totals(place: Path, out: str) -> dict[str, str]:
    with open(place / out / "grades.csv", newline="") as file:
        return {row["student"]: row["total"] for row in csv.DictReader(file)}


def test_an_ordinary_user_grades_in_bubblewrap(place: Path) -> None:
    for path in (place, *place.rglob("*")):
        if not path.is_relative_to(place / "env"):
            os.chown(path, USER, USER)
    done = grade(place, "user", user=USER)
    assert done.returncode == 0, done.stderr
    assert totals(place, "user") == {"ada": "100", "eve": "50"}


def test_root_drops_to_another_user_first(place: Path) -> None:
    done = grade(place, "root")
    assert done.returncode == 0, done.stderr
    assert totals(place, "root") == {"ada": "100", "eve": "50"}


def test_root_without_namespaces_grades_at_the_level_uid(place: Path) -> None:
    refused = grade(place, "uid", "--sandbox", "uid")
    assert refused.returncode == 2
    assert "read a reference" in refused.stderr
    for folder in ("kit", "class", "uid"):
        os.chmod(place / folder, 0o700)
    try:
        done = grade(place, "uid", "--sandbox", "uid")
        assert done.returncode == 0, done.stderr
        assert totals(place, "uid") == {"ada": "100", "eve": "50"}
    finally:
        for folder in ("kit", "class"):
            os.chmod(place / folder, 0o755)


def test_the_level_uid_is_for_root(place: Path) -> None:
    done = grade(place, "user-uid", "--sandbox", "uid", user=USER)
    assert done.returncode == 2
    assert "needs root" in done.stderr


def test_no_two_sandboxes_have_one_uid() -> None:
    """Not in one process, and not in two."""
    script = (
        "from grader.solutions.sandbox import launcher\n"
        "start = launcher('bubblewrap')\nprint(start.uid, flush=True)\ninput()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    started = [launcher("bubblewrap") for _ in range(20)]
    uids = [int(other.stdout.readline()), *(start.uid for start in started)]
    other.communicate("\n")
    for start in started:
        start.close()
    assert len(set(uids)) == 21


SEES = """
import json, os, pathlib, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
def writable(path):
    try:
        open(path, "r+b").close()
        return True
    except OSError:
        return False
seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
print(json.dumps({
    "uid": os.getuid(), "pid": os.getpid(), "seen": seen, "files": os.listdir("."),
    "fds": len(os.listdir("/proc/self/fd")),
    "capabilities": sorted({status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}),
    "no_new_privileges": status["NoNewPrivs"].strip(), "core_pattern": writable("/proc/sys/kernel/core_pattern"),
}))
pathlib.Path("left.txt").write_text("for the next one")
if not os.fork():
    os.setsid()
    import time
    time.sleep(1000)
"""


def test_a_warm_sandbox_is_as_closed_and_as_empty_as_a_new_one() -> None:
    """The second fork of a zygote finds nothing of the first: no file, no process, no privilege, no descriptor."""
    with closing(Zygotes(("torch",))) as zygotes:
        zygotes.start()
        warm = WarmLauncher(zygotes.address)
        for _ in range(2):
            with tempfile.TemporaryFile() as out:
                process = warm.python(SEES, [], out.fileno(), out.fileno())
                process.wait()
                out.seek(0)
                told = json.loads(out.read())
            assert told["uid"] == warm.uid != 0
            assert told["pid"] == 1
            assert told["seen"] == [1]
            assert told["files"] == []
            assert told["fds"] == 4  # 0, 1, 2, and the one that lists them
            assert told["capabilities"] == ["0000000000000000"]
            assert told["no_new_privileges"] == "1"
            assert told["core_pattern"] is False
        assert not [p for p in psutil.process_iter(["uids"]) if p.info["uids"] and p.info["uids"].real == warm.uid]
        warm.close()
