"""`grader grade` and `grader regrade`, end to end on the tiny section: a class in, results out."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import ROOT, Run, run

TINY = ROOT / "tests" / "tiny"
REFERENCE = (TINY / "reference" / "s01_tiny.py").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny kit to grade with."""
    shutil.copytree(TINY, tmp_path / "kit")
    return tmp_path


def hand_in(folder: Path, **files: str | bytes) -> Path:
    """Submissions: a folder a student, each with one file."""
    for student, content in files.items():
        path = folder / "class" / student / "deep" / "s01_tiny.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / "class"


def totals(folder: Path) -> dict[str, str]:
    with open(folder / "out" / "grades.csv", newline="") as file:
        return {row["student"]: row["total"] for row in csv.DictReader(file)}


def results(folder: Path) -> dict[str, Any]:
    data = json.loads((folder / "out" / "results.json").read_text())
    return {submission["student"]: submission for submission in data["submissions"]}


def grade(grader: Run, folder: Path, *more: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TORCH_KATA": str(folder / "kit"), "COLUMNS": "80", "NO_COLOR": "1"}
    return grader("grade", str(folder / "class"), "--out", str(folder / "out"), *more, env=environment, **options)


def regrade(grader: Run, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return grader("regrade", str(folder / "out"), env={**os.environ, "TORCH_KATA": str(folder / "kit"), **more})


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_class_is_graded_resumed_and_regraded(grader: Run, folder: Path) -> None:
    squared = REFERENCE.replace("return 2 * x", "return x * x")
    hand_in(folder, ada=REFERENCE, ben=squared, cyd=REFERENCE.replace("def double", "def duoble"), dan=b"\x80", eve="")
    (folder / "class" / "fay").mkdir()
    done = grade(grader, folder, "--seed", "11")
    assert done.returncode == 1, done.stderr  # dan's file could not be read
    assert totals(folder) == {"ada": "100", "ben": "60", "cyd": "50", "dan": "0", "eve": "0", "fay": "0"}
    found = results(folder)
    (check,) = [c for c in found["ben"]["sections"][0]["exercises"][0]["checks"] if c["mistake"]]
    assert (check["mistake"], check["outcome"]) == ("squared", "failed")
    assert check["advice"] == "You square. Twice x is x + x."
    assert "did you mean `double` where you wrote `duoble`" in json.dumps(found["cyd"])
    assert found["dan"]["problems"] == ["s01_tiny.py: not valid UTF-8 at byte 0"]
    assert found["fay"]["problems"] == ["s01_tiny.py: not handed in"]
    assert "dan: s01_tiny.py: not valid UTF-8 at byte 0" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines()[:7])

    hand_in(folder, eve=f"{REFERENCE}\n# at last\n")
    assert "5 of 6 are graded already" in grade(grader, folder).stderr
    assert totals(folder)["eve"] == "100"
    assert "graded with seed 11" in grade(grader, folder, "--seed", "12").stderr

    checks = folder / "kit" / "checks" / "test_s01_tiny.py"
    edit(checks, 'kind="value", points=30', 'kind="value", points=5')
    again = regrade(grader, folder, PATH="/nowhere")  # no sandbox to be had
    assert again.returncode == 1, again.stderr  # dan
    assert totals(folder)["ada"] == "75"
    assert totals(folder)["ben"] == "60"
    edit(checks, "rng.normal(5, dtype=torch.float64) + 3", "rng.normal(5, dtype=torch.float64) + 4")
    assert "must be run again" in regrade(grader, folder).stdout
    grade(grader, folder)
    assert totals(folder)["ada"] == "75"


def test_a_submission_cannot_reach_its_judge(grader: Run, folder: Path) -> None:
    """Patched libraries, answers that equal everything, early exits and written results earn what is right and no more."""
    attacks = {
        "patches": "import torch, builtins, sys\ntorch.equal = torch.allclose = lambda *a, **k: True\nbuiltins.abs = None\n",
        "subclass": "class Evil(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, *a, **k): return True\n"
        "    def __eq__(self, other): return True\n"
        "def double(x): return torch.zeros_like(x).as_subclass(Evil)\n",
        "exits": "import os\nos._exit(0)\ndef double(x): os._exit(0)\n",
        "writes": "import json, os\nfor place in ('.', '/', '/tmp', '/kata'):\n    try: open(os.path.join(place, 'results.json'), 'w')"
        ".write('{}')\n    except OSError: pass\n",
        "pytest": "import pytest\npytest.skip = pytest.fail = lambda *a: None\ndef double(x): pytest.exit('all passed', 0)\n",
        "stack": "import sys, inspect\ndef double(x):\n    frame = sys._getframe()\n    while frame:\n"
        "        for v in frame.f_locals.values():\n            if isinstance(v, dict) and 'expected' in v: return v['expected']\n"
        "        frame = frame.f_back\n    return x\n",
    }
    hand_in(folder, honest=REFERENCE, **{name: f"{REFERENCE}\n# %%\n{cell}" for name, cell in attacks.items()})
    (folder / "class" / "patches" / "conftest.py").write_text("raise SystemExit")
    (folder / "class" / "patches" / "torch.py").write_text("raise SystemExit")
    done = grade(grader, folder)
    assert done.returncode == 0, done.stderr
    earned = {
        "honest": "100",
        "patches": "100",
        "subclass": "50",
        "exits": "50",
        "writes": "100",
        "pytest": "50",
        "stack": "60",
    }
    assert totals(folder) == earned
    assert not list(Path("/tmp").glob("results.json"))


def test_the_judge_never_imports_a_submission(folder: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from grader.grading.judge import Job, judge
from grader.grading.verdicts import Roots
from grader.kit import Kit
text = {REFERENCE!r}
kit = Kit(Path({str(folder / "kit")!r}))
roots = Roots(kit, 3, lambda name, work_out: work_out()).of("s01_tiny")
graded = judge(Job(kit.root, "ada", {{"s01_tiny": text}}, {{"s01_tiny": roots}}, 3))
assert graded.sections[0].points == 100, graded
for name, module in list(sys.modules.items()):
    assert "s01_tiny" not in name or name.startswith("torch_kata_"), name
    assert "s01_tiny.py" not in str(getattr(module, "__file__", "")) or name.startswith("torch_kata_checks"), name
    assert "Shift" not in vars(module), name
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_called_from_among_the_submissions_it_imports_none(folder: Path) -> None:
    """Python looks for modules in the folder where it is started, the standard library's too."""
    place = hand_in(folder, ada=REFERENCE)
    for name in ("multiprocessing", "json", "torch", "numpy", "grader"):
        (place / f"{name}.py").write_text(f"open({str(folder / 'imported')!r}, 'w')\n")
    command = [str(Path(sys.executable).with_name("grader")), "grade", ".", "--out", str(folder / "out")]
    done = run(command, cwd=place, env={**os.environ, "TORCH_KATA": str(folder / "kit")})
    assert done.returncode == 0, done.stderr
    assert totals(folder)["ada"] == "100"
    assert not (folder / "imported").exists()


@pytest.mark.parametrize(
    ("prepare", "arguments", "told"),
    [
        ("", ["grade", "missing", "--out", "out"], "no folder missing"),
        ("touch file", ["grade", "file", "--out", "out"], "is a file"),
        ("mkdir empty", ["grade", "empty", "--out", "out"], "is empty"),
        ("", ["grade", ".", "--out", "out"], "lies among the submissions"),
        ("mkdir -p c/a out; touch out/mine", ["grade", "c", "--out", "out"], "holds other files"),
        ("mkdir -p c/a; touch out", ["grade", "c", "--out", "out"], "is a file"),
        ("mkdir -p c/a", ["grade", "c", "--out", "out", "--sandbox", "none"], "--trust"),
        ("mkdir -p c/a", ["grade", "c", "--out", "out", "--sandbox", "docker"], "no sandbox level"),
        ("mkdir -p c/a", ["grade", "c", "--out", "out", "--sections", "s77"], "no section 's77'"),
        ("mkdir -p c/a out; echo junk > out/store.sqlite", ["grade", "c", "--out", "out"], "cannot be read"),
        ("mkdir out", ["regrade", "out"], "no store in out"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(
    grader: Run, folder: Path, prepare: str, arguments: list[str], told: str
) -> None:
    subprocess.run(["bash", "-c", prepare], cwd=folder, check=True)
    done = grader(
        *arguments, cwd=folder, env={**os.environ, "TORCH_KATA": str(folder / "kit"), "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 2, done.stdout
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    if "junk" in prepare:
        assert (folder / "out" / "store.sqlite").read_text() == "junk\n"


def test_force_moves_aside_what_was_there(grader: Run, folder: Path) -> None:
    hand_in(folder, ada="")
    (folder / "out").mkdir()
    (folder / "out" / "thesis.txt").write_text("mine")
    assert grade(grader, folder, "--force").returncode == 0
    assert [path.read_text() for path in folder.glob("out-*/thesis.txt")] == ["mine"]


def test_a_full_disk_keeps_what_is_graded(grader: Run, folder: Path) -> None:
    hand_in(folder, ada=REFERENCE)
    (folder / "out").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder / "out")]
    if subprocess.run(mount, check=False).returncode:
        pytest.fail("this test mounts a small disk: run it as root")
    try:
        (folder / "out" / "store.sqlite").touch()
        subprocess.run(
            ["dd", "if=/dev/zero", f"of={folder / 'out' / 'filler'}", "bs=4k"], capture_output=True, check=False
        )
        done = grade(grader, folder)
        assert done.returncode == 2
        assert "the same command goes on" in done.stderr
        (folder / "out" / "filler").unlink()
        assert grade(grader, folder).returncode == 0
        assert totals(folder) == {"ada": "100"}
    finally:
        subprocess.run(["umount", str(folder / "out")], check=True)


def test_names_that_would_be_formulas_or_markup(grader: Run, folder: Path) -> None:
    name = "=cmd|' calc'!A1 [red]\x1b[31m\n"
    hand_in(folder, **{name: ""})
    done = grade(grader, folder)
    assert "\x1b[31m" not in done.stdout
    (student,) = totals(folder)
    assert student.startswith("'=cmd")
    assert sqlite3.connect(folder / "out" / "store.sqlite").execute("SELECT student FROM attempts").fetchone() == (
        name,
    )


# ---------------------------------------------------------------------------------- what is judged once, and again

SECTION = """# %% [markdown]
# # More

# %%
def triple(x):
    # BEGIN SOLUTION
    return 3 * x
    # END SOLUTION
"""
CHECKS = """import torch

from grader.checks import assert_close, check

LIMIT = None


def expected(x):
    return x + x + x


@check("triple", kind="value", points=100)
def test_triple(student, rng):
    \"\"\"Three times.\"\"\"
    x = rng.normal(4) + torch.rand(())  # torch's own generator gives the same in every process too
    assert_close(student.triple(x), expected(x), tolerance=LIMIT)
"""


def store(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "out" / "store.sqlite")


@pytest.fixture
def graded(grader: Run, folder: Path) -> Path:
    """The tiny kit with a second section, and two students graded in both: one off by one in ten thousand."""
    for place, text in (
        ("reference", SECTION),
        ("exercises", SECTION.replace("return 3 * x", "raise NotImplementedError")),
    ):
        (folder / "kit" / place / "s02_more.py").write_text(text)
    (folder / "kit" / "checks" / "test_s02_more.py").write_text(CHECKS)
    for student, factor in (("ada", "3"), ("ben", "3.0003")):
        hand_in(folder, **{student: REFERENCE + f"\n# {student}\n"})
        (folder / "class" / student / "s02_more.py").write_text(SECTION.replace("3 *", f"{factor} *"))
    done = grade(grader, folder, "--seed", "11")
    assert done.returncode == 0, done.stderr
    assert totals(folder) == {"ada": "200", "ben": "100"}
    return folder


@pytest.mark.parametrize(
    ("file", "old", "new", "ben"),
    [
        ("checks/test_s02_more.py", "LIMIT = None", "LIMIT = 0.1", "200"),  # a tolerance, in a constant
        ("checks/test_s02_more.py", "return x + x + x", "return 3.0003 * x", "200"),  # a helper
        ("checks/test_s02_more.py", "points=100", "points=40", "100"),
        ("checks/test_s02_more.py", "rng.normal(4)", "rng.normal(5)", "100"),  # an input: it must be run again
    ],
)
def test_a_regrade_judges_again_what_has_changed(
    grader: Run, graded: Path, file: str, old: str, new: str, ben: str
) -> None:
    edit(graded / "kit" / file, old, new)
    again = regrade(grader, graded, PATH="/nowhere")
    assert ("2 checks must be run again" in again.stdout) == ("normal(5)" in new), again.stdout + again.stderr
    assert totals(graded)["ben"] == ben


def test_a_regrade_says_what_the_checks_say_now(grader: Run, graded: Path) -> None:
    """Docstrings stand beside verdicts, messages within them; hidden checks and advice come in."""
    edit(graded / "kit" / "checks" / "test_s02_more.py", "Three times.", "Thrice.")
    (graded / "kit" / "checks" / "hidden").mkdir()
    (graded / "kit" / "checks" / "hidden" / "test_s02_more.py").write_text(
        CHECKS.replace("test_triple", "test_secret")
        .replace("points=100", "points=10")
        .replace("LIMIT = None", "LIMIT = 1e-3")
    )
    again = regrade(grader, graded)
    found = {check["check"]: check for check in results(graded)["ada"]["sections"][1]["exercises"][0]["checks"]}
    assert found["test_triple"]["sentence"] == "Thrice."
    assert "must be run again" in found["test_secret"]["message"]  # its inputs were never sent
    assert "1 checks must be run again" in again.stdout  # ada's: ben does not reach it


def test_a_regrade_with_other_points_needs_no_torch(grader: Run, graded: Path) -> None:
    edit(graded / "kit" / "checks" / "test_s02_more.py", "points=100", "points=50")
    (graded / "blocked" / "torch").mkdir(parents=True)
    (graded / "blocked" / "torch" / "__init__.py").write_text("raise RuntimeError('torch is imported')")
    again = regrade(grader, graded, PYTHONPATH=f"{graded / 'blocked'}:{ROOT}")
    assert again.returncode == 0, again.stderr
    assert totals(graded) == {"ada": "150", "ben": "100"}


def test_more_sections_join_those_that_were_graded(grader: Run, folder: Path) -> None:
    (folder / "kit" / "reference" / "s02_more.py").write_text(SECTION)
    (folder / "kit" / "checks" / "test_s02_more.py").write_text(CHECKS)
    hand_in(folder, ada=REFERENCE)
    grade(grader, folder, "--sections", "s01")
    shutil.rmtree(folder / "class")
    (folder / "class" / "ada").mkdir(parents=True)
    (folder / "class" / "ada" / "s02_more.py").write_text(SECTION)
    done = grade(grader, folder, "--sections", "s02")
    assert done.returncode == 0, done.stderr
    assert [section["points"] for section in results(folder)["ada"]["sections"]] == [100, 100]
    assert regrade(grader, folder).returncode == 0
    assert totals(folder) == {"ada": "200"}


def test_equal_evidence_is_judged_once(folder: Path) -> None:
    script = f"""
from pathlib import Path
from grader import runner
from grader.grading.judge import Job, judge
from grader.grading.verdicts import Roots
from grader.kit import Kit
kit = Kit(Path({str(folder / "kit")!r}))
roots = {{"s01_tiny": Roots(kit, 3, lambda name, work_out: work_out()).of("s01_tiny")}}
ran, try_check = [], runner.try_check
runner.try_check = lambda kit, section, check, *rest: ran.append(check.name) or try_check(kit, section, check, *rest)
text = {REFERENCE!r}
first, second, third = (
    judge(Job(kit.root, "x", {{"s01_tiny": text + more}}, roots, 3))
    for more in ("", "# the same, said otherwise\\n", "\\ndef double(x): return x + x\\n")
)
def plain(graded):
    found = graded.sections[0].to_json()
    for exercise in found["exercises"]:
        for check in exercise["checks"]:
            check["seconds"] = 0
    return found
assert plain(first) == plain(second), (first, second)
assert first.sections[0].points == third.sections[0].points == 100
assert first.steps and not second.steps
assert len(ran) == len(set(ran)) == 6, ran
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_a_store_of_the_first_version_goes_on(grader: Run, folder: Path) -> None:
    hand_in(folder, ada=REFERENCE)
    grade(grader, folder)
    with store(folder) as db:
        db.executescript(
            "DROP TABLE readings; DROP TABLE steps; DROP TABLE checks; DROP INDEX attempts_in_order; PRAGMA user_version = 1"
        )
    assert "1 of 1 are graded already" in grade(grader, folder).stderr
    edit(folder / "kit" / "checks" / "test_s01_tiny.py", 'kind="value", points=30', 'kind="value", points=5')
    assert regrade(grader, folder).returncode == 0
    assert totals(folder) == {"ada": "75"}
    with store(folder) as db:
        db.execute("PRAGMA user_version = 99")
    assert "made by a newer grader" in grade(grader, folder).stderr


def test_a_clock_that_goes_back_changes_nothing(grader: Run, folder: Path) -> None:
    hand_in(folder, ada=REFERENCE)
    grade(grader, folder)
    with store(folder) as db:
        db.execute("UPDATE attempts SET at = at + 1e9")  # the first attempt lies in the future
    hand_in(folder, ada="")
    grade(grader, folder)
    assert totals(folder) == {"ada": "0"}


def test_temporary_files_may_lie_deep(grader: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's path has 107 bytes at most."""
    deep = folder / ("d" * 120)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    hand_in(folder, ada=REFERENCE)
    done = grade(grader, folder)
    assert done.returncode == 0, done.stderr
    assert totals(folder) == {"ada": "100"}
    assert list(deep.iterdir()) == []


def begin(folder: Path) -> subprocess.Popen[str]:
    """Grade with one judge, as far as to ada's result."""
    command = [sys.executable, "-m", "grader.cli", "grade", str(folder / "class"), "--out", str(folder / "out")]
    environment = {**os.environ, "TORCH_KATA": str(folder / "kit")}
    process = subprocess.Popen([*command, "--jobs", "1"], stderr=subprocess.PIPE, cwd=ROOT, env=environment, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "ada s01_tiny 100/100\n"
    return process


def test_a_sandbox_that_is_lost_costs_nobody_anything(folder: Path) -> None:
    """Out of memory, the kernel may end what all sandboxes are started from."""
    slow = "import time\ndef double(x):\n    time.sleep(3)\n    return 2 * x\n"
    hand_in(folder, ada=REFERENCE, ben=f"{REFERENCE}\n# %%\n{slow}", cyd=f"{REFERENCE}\n# cyd\n")
    process = begin(folder)
    time.sleep(1)  # into ben's
    sandboxes = [child for child in psutil.Process(process.pid).children() if child.name() == "bwrap"]
    assert sandboxes
    for sandbox in sandboxes:
        sandbox.kill()
    _, told = process.communicate()
    assert process.returncode == 0, told
    assert totals(folder) == {"ada": "100", "ben": "100", "cyd": "100"}


def test_killed_in_the_middle_it_goes_on(grader: Run, folder: Path) -> None:
    """What came before is kept, section by section; a line tells of each as it comes."""
    hand_in(folder, ada=REFERENCE, ben=f"{REFERENCE}\n# %%\nwhile True: pass\ndef double(x): return 2 * x\n")
    process = begin(folder)
    below = psutil.Process(process.pid).children(recursive=True)
    assert "bwrap" in [child.name() for child in below]
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
    assert psutil.wait_procs(below, timeout=10)[1] == []
    hand_in(folder, ben=REFERENCE)
    done = grade(grader, folder)
    assert done.returncode == 0, done.stderr
    assert totals(folder) == {"ada": "100", "ben": "100"}
    with store(folder) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
