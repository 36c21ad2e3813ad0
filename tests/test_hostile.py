"""Hostile submissions, graded beside an honest one: what each earns and is told, and that nobody else notices.

Every file in tests/hostile/acts/ is one act: a cell that follows the solved tiny section. Its head says what it tries,
what it earns (where it kills what it runs in, from what to what), and a part of what it is told (with `|`, one of
several). An act that is more than a file (an archive, a folder with other files in it, a name) is built by
tests/hostile/folders.py.
"""

from __future__ import annotations

import csv
import ctypes
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from hostile.folders import BUILDERS
from support import ROOT

from grader.export.files import number

ACTS = Path(__file__).parent / "hostile" / "acts"
HEAD = re.compile(r"^# (?P<what>.+)\n# earns: (?P<earns>[\d-]+)\n(?:# told: (?P<told>.+)\n)?(?P<code>[\s\S]*)")
SOLVED = (ROOT / "tests" / "tiny" / "reference" / "s01_tiny.py").read_text()
MARK = "kata-was-here"  # in the name of whatever an act leaves behind
SEED = 11
PLACES = ("/", "/tmp", "/var/tmp", "/dev/shm", "/home", "/usr", "/run", "/root")

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Act:
    """What a submission tries. earns: least and most of 100 points; told: what it must be told, one of these."""

    student: str
    earns: tuple[int, int]
    told: tuple[str, ...]


def read_act(path: Path) -> tuple[Act, str]:
    head = HEAD.match(path.read_text())
    assert head, f"{path} must begin with what it tries, and with `# earns:`"
    return make_act(path.stem, head["earns"], head["told"] or ""), head["code"]


def make_act(student: str, earns: str, told: str) -> Act:
    least, _, most = earns.partition("-")
    return Act(student, (int(least), int(most or least)), tuple(told.split("|")))


FILES = {path.stem: read_act(path) for path in sorted(ACTS.glob("*.py"))}
FOLDERS = {name: make_act(b.student, b.earns, b.told) for name, b in BUILDERS.items()}
ALL = {**{name: act for name, (act, _) in FILES.items()}, **FOLDERS}


@dataclass
class World:
    """A class after it was graded, and the machine around it."""

    out: Path
    alone: Path
    done: subprocess.CompletedProcess[str]
    left: list[str]
    before: dict[str, str]
    after: dict[str, str]
    submissions: dict[str, Any]

    def of(self, student: str) -> Any:
        return self.submissions[student]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copytree(ROOT / "tests" / "tiny", folder / "kit")
    checks = folder / "kit" / "checks" / "test_s01_tiny.py"
    quick = re.sub(r"(points=\d+)(, seconds=\d+)?\)", r"\1, seconds=1)", checks.read_text())
    checks.write_text(re.sub(r'(check\("noise".*)seconds=1', r"\1seconds=5", quick))  # to fill the memory takes a while
    for place in (folder / "honest", folder / "class"):
        (place / "honest").mkdir(parents=True)
        (place / "honest" / "s01_tiny.py").write_text(SOLVED)
    for name, (_, code) in FILES.items():
        (folder / "class" / name).mkdir()
        (folder / "class" / name / "s01_tiny.py").write_text(f"{SOLVED}\n\n# %%\n{code}", encoding="utf-8")
    for name, builder in BUILDERS.items():
        builder.build(folder / "class" / name, SOLVED)
    adopt_orphans()
    grade(folder, "honest", "alone")
    before = fingerprints(folder)
    done = grade(folder, "class", "out", "--jobs", "4")
    # On a busy machine the last ones take a moment to go.
    _, staying = psutil.wait_procs(psutil.Process().children(recursive=True), timeout=20)
    left = [f"{p.pid} {' '.join(p.cmdline())}" for p in staying if p.status() != "zombie"]
    data = json.loads((folder / "out" / "results.json").read_text()) if done.returncode < 2 else {"submissions": []}
    submissions = {submission["student"]: submission for submission in data["submissions"]}
    return World(folder / "out", folder / "alone", done, left, before, fingerprints(folder), submissions)


def adopt_orphans() -> None:
    """From now on a process below this one that loses its parent becomes a child of ours, so that we see it."""
    set_child_subreaper = 36
    assert ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0) == 0


def grade(folder: Path, submissions: str, out: str, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "TORCH_KATA": str(folder / "kit"), "COLUMNS": "80", "NO_COLOR": "1",
        "INSTRUCTORS_SECRET": "INSTRUCTORS_SECRET", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-m", "grader.cli", "grade", folder / submissions, "--out", folder / out]
    return subprocess.run(
        [*command, "--seed", str(SEED), *more],
        capture_output=True, text=True, cwd=folder, env=environment, timeout=800, check=False,
    )  # fmt: skip


def fingerprints(folder: Path) -> dict[str, str]:
    """The kit, the submissions and the code by content; what acts leave behind by name; the kernel's shared memory."""
    found = {}
    for place in (folder / "kit", folder / "class", ROOT / "grader", ROOT / "tests"):
        for path in sorted(place.rglob("*")):
            if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    for place in map(Path, PLACES):
        found |= {str(path): "left" for path in place.glob(f"{MARK}*")}
    found["shared memory"] = Path("/proc/sysvipc/shm").read_text()
    found["core_pattern"] = Path("/proc/sys/kernel/core_pattern").read_text()
    return found


def told(submission: Any) -> str:
    """All sentences of a submission's result."""
    checks = [c for s in submission["sections"] for e in s["exercises"] for c in e["checks"]]
    return "\n".join([*submission["problems"], *(check["message"] for check in checks)])


def test_there_are_many_acts() -> None:
    assert len(ALL) >= 60


def test_everybody_is_graded(world: World) -> None:
    assert world.done.returncode in (0, 1), world.done.stderr
    assert "Traceback" not in world.done.stderr
    assert "could not be graded" not in world.done.stdout
    assert world.submissions.keys() == {"honest", *(act.student for act in ALL.values())}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", world.done.stdout)


@pytest.mark.parametrize("name", ALL)
def test_an_act_earns_what_is_right_and_is_told_why(world: World, name: str) -> None:
    act = ALL[name]
    found = world.of(act.student)
    said = told(found)
    assert act.earns[0] <= found["points"] <= act.earns[1], said
    assert any(part.strip() in said for part in act.told), said
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said), said
    assert "Traceback" not in said
    for section in found["sections"]:
        for exercise in section["exercises"]:
            for check in exercise["checks"]:
                assert check["outcome"] == "passed" or check["points"] == 0
                assert check["message"] or check["outcome"] in ("passed", "todo", "not_reached"), check
                assert len(check["message"]) < 5_000
                assert len(check["output"]) < 5_000


def test_the_honest_one_notices_nothing(world: World) -> None:
    (alone,) = json.loads((world.alone / "results.json").read_text())["submissions"]
    assert without_times(world.of("honest")) == without_times(alone)
    assert alone["points"] == 100
    mine, all_of_them = (
        set(sqlite3.connect(out / "store.sqlite").execute("SELECT content, request, answer FROM records"))
        for out in (world.alone, world.out)
    )
    assert mine
    assert mine <= all_of_them  # to the last bit


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in ("seconds", "at")}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def test_the_machine_and_the_store_are_as_they_were(world: World) -> None:
    assert world.left == []
    assert world.after == world.before
    database = sqlite3.connect(world.out / "store.sqlite")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert {path.name for path in world.out.iterdir()} <= {
        *("store.sqlite", "store.sqlite-wal", "store.sqlite-shm", ".lock"),
        *("results.json", "grades.csv", "report", "mistakes"),
    }


def test_the_sum_is_the_same_number_in_every_output(world: World) -> None:
    """In results.json at every level, in grades.csv, on the terminal and on the pages; within 0 and the maximum."""
    totals = Counter[str]()
    for student in world.submissions.values():
        parts = [student, *student["sections"], *(e for s in student["sections"] for e in s["exercises"])]
        for whole in parts:
            inner = next(whole[name] for name in ("sections", "exercises", "checks") if name in whole)
            for what in ("points", "max_points"):
                assert whole[what] == sum(part[what] for part in inner)
            assert all(part["points"] in (0, part["max_points"]) for part in inner if "check" in part)
            assert 0 <= whole["points"] <= whole["max_points"]
        totals[number(student["points"])] += 1
    with open(world.out / "grades.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["total"] for row in rows) == Counter(row["s01_tiny"] for row in rows) == totals
    pages = [path.read_text() for path in (world.out / "report" / "students").glob("*.html")]
    assert Counter(re.findall(r"([\d.]+) of 100 points", page)[0] for page in pages) == totals
    shown = re.findall(r" +([\d.]+) +([\d.]+)/100$", world.done.stdout, re.MULTILINE)
    assert shown
    assert all(points == total and totals[total] for points, total in shown)
