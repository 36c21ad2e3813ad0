"""Hints, the stub back, our solution beside theirs, and progress, as a learner types them; a history that lasts."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from support import TINY, Run

from grader.history import MIGRATIONS, History, Standing
from grader.kit import Kit
from grader.learner import reset
from grader.report.progress import progress_lines, read_progress, write_page
from grader.report.terminal import Terminal, columns
from grader.results import CheckResult


def test_hints_come_one_by_one(grader: Run, here: dict[str, object]) -> None:
    told = [grader("hint", "double", **here).stdout for _ in range(3)]
    assert told[0].startswith("Hint 1 of 2 for double: Twice over.")
    assert told[1].startswith("Hint 2 of 2 for double: Add x to itself.")
    assert told[2] == told[1]
    unknown = grader("hint", "duoble", **here)
    assert unknown.returncode == 2
    assert "no exercise 'duoble'" in unknown.stderr


def test_a_stub_comes_back_and_nothing_is_lost(grader: Run, here: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "kit" / "exercises" / "s01_tiny.py"
    stub = path.read_text()
    mine = stub.replace("# TODO: double it.\n    raise NotImplementedError", "return x * x")
    assert mine != stub
    path.write_text(mine)
    done = grader("reset", "double", **here)
    assert done.returncode == 0, done.stderr
    (kept,) = (tmp_path / "kit" / ".torch-kata" / "kept").iterdir()
    assert kept.read_text() == mine
    assert str(kept.relative_to(tmp_path / "kit")) in done.stdout
    assert path.read_text() == stub
    for number in range(3):  # within a second
        path.write_text(f"# {number}\n{mine}")
        assert grader("reset", "double", **here).returncode == 0
    kept_texts = {p.read_text() for p in kept.parent.iterdir()}
    assert kept_texts == {mine, *(f"# {number}\n{mine}" for number in range(3))}
    path.write_text("def (:\n")
    broken = grader("reset", "double", **here)
    assert broken.returncode == 2
    assert "cannot be read" in broken.stderr
    assert path.read_text() == "def (:\n"


def test_progress_tells_of_points_and_mistakes(
    grader: Run, checks: Run, here: dict[str, object], tmp_path: Path
) -> None:
    assert "Nothing yet" in grader("progress", **here).stdout
    path = tmp_path / "kit" / "exercises" / "s01_tiny.py"
    solved = (TINY / "reference" / "s01_tiny.py").read_text()
    path.write_text(solved.replace("return 2 * x", "return x * x"))
    checks("checks/", **here)
    first = grader("progress", **here).stdout
    assert "60" in first
    assert re.search(r"open +squared \(double\), in 1 run", first)
    path.write_text(solved)
    checks("checks/", **here)
    second = grader("progress", **here).stdout
    assert "100" in second
    assert re.search(r"overcome +squared", second)


@pytest.mark.parametrize(
    "mine",
    [
        "def double(x: Tensor) -> Tensor:\n    return (x *\n",  # does not parse
        "@torch.no_grad()\n@torch.jit.ignore(\n    drop=False\n)\ndef double(x):\n    return x\n",
        "def double(\n    x,\n):\n\treturn '\x0c \N{GRINNING FACE}'\n",
        "class double:\n    pass\n",
        "async def double(x):\n    return x\n",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_whatever_stands_there_the_stub_comes_back(mine: str, newline: str, tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "kit")
    kit = Kit(tmp_path / "kit")
    path = kit.exercises / "s01_tiny.py"
    stub = path.read_text()
    first, rest = stub.split("def double(", 1)
    after = rest[rest.index("\n\n\n") + 1 :]
    path.write_bytes(f"\ufeff{first}{mine}{after}".replace("\n", newline).encode())
    path.chmod(0o640)
    reset(kit, kit.find("double"))
    assert path.read_bytes().decode() == ("\ufeff" + stub).replace("\n", newline)
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_is_gone_comes_back_too(tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "kit")
    kit = Kit(tmp_path / "kit")
    path = kit.exercises / "s01_tiny.py"
    stub = path.read_text()
    path.write_text("import torch\n")
    reset(kit, kit.find("Shift"))
    assert path.read_text().startswith("import torch\n\n\nclass Shift(nn.Module):")
    path.unlink()
    assert reset(kit, kit.find("Shift")) is None
    assert path.read_text() == stub


def test_no_hint_is_the_solution(kit: Kit) -> None:
    """No hint holds a whole line of the solution of its exercise, unless it is a word or two."""
    for section in kit.sections.values():
        text = (kit.reference / f"{section.name}.py").read_text()
        for exercise in section.exercises:
            assert exercise.hints, exercise.name
            start = next(m.start() for m in re.finditer(rf"^(?:def|class) {exercise.name}\b", text, re.MULTILINE))
            end = text.find("\n# %%", start)
            blocks = re.findall(r"# BEGIN SOLUTION\n(.*?)# END SOLUTION", text[start:end], re.DOTALL)
            lines = {line.strip() for block in blocks for line in block.splitlines()}
            told = [
                line
                for line in lines
                if len(line) >= 15 and line[-1] != ":" and any(line in hint for hint in exercise.hints)
            ]
            assert not told, (exercise.name, told)


def test_our_solution_shows_when_theirs_is_right(
    grader: Run, checks: Run, here: dict[str, object], tmp_path: Path
) -> None:
    early = grader("solution", "double", **here)
    assert early.returncode == 2
    assert "not solved yet" in early.stderr
    path = tmp_path / "kit" / "exercises" / "s01_tiny.py"
    theirs = "return x + x  # \x1b[2J [red] \N{GRINNING FACE}日本"
    path.write_text(path.read_text().replace("raise NotImplementedError", theirs, 1))
    assert checks("checks/", "-k", "double", **here).returncode == 0
    environment: dict[str, str] = here["env"]  # type: ignore[assignment]
    for width in (80, 120):
        shown = grader("solution", "double", cwd=here["cwd"], env=environment | {"COLUMNS": str(width)}).stdout
        assert "\x1b" not in shown
        assert "[red] \N{GRINNING FACE}日本" in shown
        assert "SOLUTION" not in shown
        beside = any("return 2 * x" in line and "return x + x" in line for line in shown.splitlines())
        assert beside == (width == 120)
        assert all(columns(line) <= width for line in shown.splitlines())
    shutil.move(tmp_path / "kit" / "reference", tmp_path / "kit" / "checks" / "stubs")
    without = grader("solution", "double", **here)
    assert without.returncode == 2
    assert "no reference" in without.stderr


def row(check: str = "test_double_values", outcome: str = "passed", mistake: str | None = None) -> CheckResult:
    return CheckResult(check, "value", outcome, 0, 30, "\x1b[2J<script>", mistake)  # type: ignore[arg-type]


EXERCISES = {"test_double_values": "double", "test_gone": "gone"}


def test_an_older_history_is_kept(tmp_path: Path) -> None:
    """As the first version of the kit wrote it."""
    (tmp_path / ".torch-kata").mkdir()
    with closing(sqlite3.connect(tmp_path / ".torch-kata" / "history.sqlite")) as db, db:
        db.executescript(MIGRATIONS[0])
        db.execute("INSERT INTO runs VALUES (1, 1e9)")
        kept = json.dumps({**asdict(row()), "a field of tomorrow": 1})
        db.execute(
            "INSERT INTO results VALUES (1, 's01_tiny', 'double', 'test_double_values', 'passed', 30, NULL, ?)", (kept,)
        )
        db.execute("INSERT INTO hints VALUES ('s01_tiny', 'double', 2)")
    for _ in range(2):
        with History(tmp_path) as history:
            assert history.hints() == [(None, "s01_tiny", "double")] * 2
            assert history.standing().known["s01_tiny"]["test_double_values"].outcome == "passed"
            assert history.standing().before == history.standing().known
            assert not history.problem


def test_trouble_with_the_history_fails_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".torch-kata" / "history.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 999)
    with History(tmp_path) as history:
        assert "history-unreadable" in history.problem
        history.record({"s01_tiny": {"test_double_values": row()}}, EXERCISES)
    with History(tmp_path) as history:
        assert not history.problem
        assert history.standing().known
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)  # damaged within: it opens, and cannot be read
    path.write_bytes(data)
    with History(tmp_path) as history:
        assert not history.standing().known
        assert "history-unreadable" in history.problem
        history.record({"s01_tiny": {"test_double_values": row()}}, EXERCISES)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with History(tmp_path) as history:
        history.record({"s01_tiny": {"test_double_values": row()}}, EXERCISES)
        assert "newer kit" in history.problem
    assert path.read_bytes() == before
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with History(tmp_path) as history:
            assert "locked" in history.problem
            assert history.standing() == Standing()
    shutil.rmtree(path.parent)
    path.parent.write_text("a file where the folder should be")
    with History(tmp_path) as history:
        history.record({"s01_tiny": {"test_double_values": row()}}, EXERCISES)
        assert "cannot be used" in history.problem


def test_two_runs_at_once_are_both_kept(tmp_path: Path) -> None:
    def run(_: int) -> str:
        with History(tmp_path) as history:
            history.record({"s01_tiny": {"test_double_values": row()}}, EXERCISES)
            return history.problem

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(run, range(40))) == {""}
    with History(tmp_path) as history:
        assert len(history.runs()) == 40


def test_progress_survives_odd_clocks_and_other_kits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = 86_400
    wrong = row(outcome="failed", mistake="<squared>")
    with History(tmp_path) as history:
        for at, result in (
            (20 * day, wrong),
            (20 * day + 600, wrong),
            (18 * day, row()),
            (18 * day + 60, row("test_gone")),
        ):
            monkeypatch.setattr("time.time", lambda at=at: at)
            history.record({"s01_tiny" if result.check != "test_gone" else "s99": {result.check: result}}, EXERCISES)
        history.count_hint("s01_tiny", "double")
        progress = read_progress(Kit(TINY), history)
    assert (progress.points, progress.max_points) == (30, 100)
    assert [day.date for day in progress.days] == sorted(day.date for day in progress.days)
    assert [(effort.exercise, effort.minutes) for effort in progress.efforts] == [("double", 10), ("gone", 1)]
    assert [(met.mistake, met.runs, met.overcome) for met in progress.mistakes] == [("<squared>", 2, True)]
    lines = list(progress_lines(progress, Terminal(80)))
    assert all(columns(line) <= 80 for line in lines)

    shutil.copytree(TINY, tmp_path / "kit")
    page = write_page(Kit(tmp_path / "kit"), progress).read_text()
    assert "&lt;squared&gt;" in page
    assert '<svg role="img" aria-label="Points over time: ' in page
    assert not re.search(
        r"(?:src|href)=[\"']?(?!#)", re.sub(r"<metadata>.*?</metadata>|xlink:href=\"#", "", page, flags=re.DOTALL)
    )
