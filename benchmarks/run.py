"""Measures, each a ratio of what was taken side by side in one run: `python benchmarks/run.py [NAME ...] [--page]`.

The machine should be quiet; the whole takes some ten minutes on two cores. `--page` writes docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import json
import os
import platform
import re
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from grader.export.files import ResultFiles  # noqa: E402
from grader.grading.batch import Batch, Tell  # noqa: E402
from grader.grading.intake import Submission  # noqa: E402
from grader.grading.judge import Graded, Job, missing  # noqa: E402
from grader.grading.store import Store  # noqa: E402
from grader.kit import Kit  # noqa: E402
from grader.report.pages import ClassPages  # noqa: E402
from grader.results import SectionResult  # noqa: E402

KIT = Kit(ROOT)
CORES = len(os.sched_getaffinity(0))
FIRST_FOUR = [name for name in KIT.sections if name < "s05"]
STUDENTS = 20  # of a class that is graded for real
ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of prctl
ONE = "s02_tensors"  # where one section stands for an assignment
SYNTHETIC = 10_000
BUDGETS = {  # seconds for a section's checks with the reference, imports included
    **{"s05_data": 8, "s06_training": 10, "s07_cnn": 15, "s08_rnn": 10, "s09_advanced": 20, "s10_deployment": 10},
}


def run(command: list[str], **more: str) -> tuple[float, list[tuple[float, str]]]:
    """Wall-clock time of a command, which must succeed, and its lines with the time at which each came."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **more}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    lines = [(time.perf_counter() - started, line.rstrip()) for line in process.stdout]
    if process.wait():
        sys.exit(f"{' '.join(command)} failed:\n" + "\n".join(line for _, line in lines[-40:]))
    return time.perf_counter() - started, lines


def seconds(command: list[str], **more: str) -> float:
    """Wall-clock time of a command, which must succeed."""
    return run(command, **more)[0]


def grader(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "grader.cli", *arguments]


def pytest_of(*sections: str, exercises: str = "reference") -> list[str]:
    """A learner's run over the solved files."""
    files = [f"checks/test_{section}.py" for section in sections]
    return [sys.executable, "-m", "pytest", *files, "--exercises", exercises, "-q"]


def hand_in(folder: Path, students: int, sections: list[str]) -> Path:
    """A class: everybody has solved everything, and no two files are the same."""
    for number in range(students):
        own = folder / f"st{number:03}"
        own.mkdir(parents=True)
        for section in sections:
            text = (KIT.reference / f"{section}.py").read_text(encoding="utf-8")
            (own / f"{section}.py").write_text(f"{text}\n# {own.name}\n", encoding="utf-8")
    return folder


# --------------------------------------------------------------------------------------------- one submission


def start() -> tuple[float, float]:
    """`pytest checks/test_s02_tensors.py` on the solved file, against `import torch`."""
    return seconds(pytest_of(ONE)), seconds([sys.executable, "-c", "import torch"])


def one_submission() -> tuple[float, float]:
    """`grader grade` of one complete submission of sections 1 to 4, against plain pytest over the same files."""
    with tempfile.TemporaryDirectory() as folder:
        handed_in = hand_in(Path(folder, "class"), 1, FIRST_FOUR)
        command = grader("grade", str(handed_in), "--out", f"{folder}/out", "--sections", ",".join(FIRST_FOUR))
        return seconds(command), seconds(pytest_of(*FIRST_FOUR))


def section(name: str) -> Callable[[], tuple[float, float]]:
    return lambda: (seconds(pytest_of(name)), 1.0)


def whole_kit() -> tuple[float, float]:
    """All checks of the kit with the reference in one run, against one second."""
    return seconds(pytest_of(*KIT.sections)), 1.0


# ---------------------------------------------------------------------------------------------------- a class


@dataclass(frozen=True)
class Class:
    """What was taken while a class was graded, all in seconds.

    wall: of the command; first: until its first result; probes: processor time of learners' own calls; ours: that of
    the coordinator and the judges; idle: of all cores; regraded, changed: of a regrade with other points, and with a
    changed check.
    """

    wall: float
    first: float
    probes: float
    ours: float
    idle: float
    regraded: float
    changed: float


@cache
def graded_class() -> Class:
    """Grade a class of complete submissions with a copy of the kit, and change the checks afterwards."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("exercises", "checks", "reference"):
            shutil.copytree(ROOT / name, folder / "kit" / name)
        kit = {"TORCH_KATA": str(folder / "kit")}
        handed_in = hand_in(folder / "class", STUDENTS, list(KIT.sections))
        ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
        before, idle = resource.getrusage(resource.RUSAGE_CHILDREN), _idle()
        wall, lines = run(grader("grade", str(handed_in), "--out", str(folder / "out")), **kit)
        after, idle = resource.getrusage(resource.RUSAGE_CHILDREN), _idle() - idle
        ours = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime + _of_orphans()
        with open(folder / "out" / "grades.csv", newline="", encoding="utf-8") as file:
            assert all(float(row["total"]) == 1000 for row in csv.DictReader(file))
        with sqlite3.connect(folder / "out" / "store.sqlite") as db:
            (probes,) = db.execute("SELECT SUM(seconds) FROM records").fetchone()
        check = folder / "kit" / "checks" / f"test_{ONE}.py"
        text = check.read_text(encoding="utf-8")
        check.write_text(re.sub(r"points=\d+", "points=1", text, count=1), encoding="utf-8")
        regraded = seconds(grader("regrade", str(folder / "out")), **kit)
        check.write_text(text.replace("    assert_close(", "    require(True, '')\n    assert_close(", 1))
        changed = seconds(grader("regrade", str(folder / "out")), **kit)
        first = next(at for at, line in lines if line.startswith("st0"))
        return Class(wall, first, probes, ours, idle, regraded, changed)


def _of_orphans() -> float:
    """Processor seconds of what a command left behind, other than bubblewraps: of what judges were forked from."""
    used = 0.0
    for child in psutil.Process().children():
        name = child.name()
        _, _, usage = os.wait4(child.pid, 0)
        used += usage.ru_utime + usage.ru_stime if name != "bwrap" else 0
    return used


def _idle() -> float:
    """Seconds that all cores together have had nothing to do since the machine started."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def overhead() -> tuple[float, float]:
    """A class of complete submissions, against the processor time of the learners' own calls divided by the cores."""
    return graded_class().wall, graded_class().probes / CORES


def first_result() -> tuple[float, float]:
    """The first result of that class, against one second."""
    return graded_class().first, 1.0


def regrade() -> tuple[float, float]:
    """Grading that class, against judging it again with other points."""
    return graded_class().wall, graded_class().regraded


def regrade_changed() -> tuple[float, float]:
    """Grading that class, against judging it again after a check has changed."""
    return graded_class().wall, graded_class().changed


def plain_pytest() -> tuple[float, float]:
    """Plain pytest, a process for each submission and section and no sandbox, as many at once as there are cores,
    against `grader grade` of that class; both a submission."""
    with tempfile.TemporaryDirectory() as folder:
        students = hand_in(Path(folder), CORES, list(KIT.sections))
        commands = [pytest_of(s, exercises=str(own)) for own in sorted(students.iterdir()) for s in KIT.sections]
        started = time.perf_counter()
        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(seconds, commands))
        return (time.perf_counter() - started) / CORES, graded_class().wall / STUDENTS


def nbgrader() -> tuple[float, float]:
    """nbgrader's autograde of one section as notebooks, against `grader grade` of the same notebooks."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        seconds(grader("release", "nbgrader", str(folder / "course")))
        solved = folder / "course" / "source" / ONE / f"{ONE}.ipynb"
        command = [sys.executable, "-m", "nbgrader", "--course-dir", str(folder / "course")]
        seconds([command[0], *command[1:3], "generate_assignment", ONE, *command[3:]])
        for number in range(STUDENTS):
            own = folder / "course" / "submitted" / f"st{number:03}" / ONE
            own.mkdir(parents=True)
            notebook = json.loads(solved.read_text(encoding="utf-8"))
            notebook["cells"].append(
                {"cell_type": "code", "id": "own", "metadata": {}, "source": f"# {number}", "outputs": []}
                | {"execution_count": None}
            )
            (own / solved.name).write_text(json.dumps(notebook), encoding="utf-8")
            shutil.copytree(own.parent, folder / "class" / own.parent.name)
        theirs = seconds([command[0], *command[1:3], "autograde", ONE, *command[3:]])
        ours = seconds(grader("grade", str(folder / "class"), "--out", str(folder / "out"), "--sections", ONE))
        return theirs, ours


# ------------------------------------------------------------------------------------------------------ scale


def no_op(job: Job) -> Graded:
    """A job that does nothing, with a result as large as a real one."""
    return Graded(job.student, [_passed(name) for name in job.files])


@cache
def _passed(section: str) -> SectionResult:
    result = missing(KIT.sections[section])
    for exercise in result.exercises:
        for check in exercise.checks:
            check.outcome, check.points, check.message = "passed", check.max_points, ""
    return result


def synthetic(students: int, sections: list[str]) -> Iterator[Submission]:
    """Submissions made when they are asked for."""
    texts = {name: (KIT.reference / f"{name}.py").read_text(encoding="utf-8") for name in sections}
    for number in range(students):
        yield Submission(f"st{number:03}", {name: f"{text}\n# st{number:03}\n" for name, text in texts.items()}, [])


def grade_synthetic(out: Path, students: int, sections: list[str]) -> None:
    """Grade them with jobs that do nothing, and write files and pages."""
    chosen = KIT.select(sections)
    with Store(out) as store:
        store.setting("seed", "7")
        batch = Batch(KIT, chosen, chosen, store, 7, "none", 1, work=no_op)
        batch.grade(synthetic(students, sections), Tell())
        with ResultFiles(out, sections, 7, "none") as files, ClassPages(out, 7, "none") as pages:
            for result in batch.results():
                files.add(result)
                pages.add(result)


def scale() -> tuple[float, float]:
    """Milliseconds of the coordinator's processor time a submission, among 10,000 with one section; pages included."""
    _, lines = run([sys.executable, __file__, "--scale"])
    return float(lines[-1][1].split()[0]), 1.0


def memory() -> tuple[float, float]:
    """Megabytes that the coordinator needs for them."""
    _, lines = run([sys.executable, __file__, "--scale"])
    return float(lines[-1][1].split()[1]), 1.0


def _scale_here() -> None:
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        grade_synthetic(Path(folder), SYNTHETIC, [ONE])
    used = (time.process_time() - started) / SYNTHETIC
    print(f"{1000 * used:.2f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


def resume() -> tuple[float, float]:
    """`grader grade` of 200 complete submissions that are all in the store, against one second."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, names = Path(temporary), list(KIT.sections)
        grade_synthetic(folder / "out", 200, names)
        for submission in synthetic(200, names):
            own = folder / "class" / submission.student
            own.mkdir(parents=True)
            for name, text in submission.files.items():
                (own / f"{name}.py").write_text(text, encoding="utf-8")
        wall, lines = run(grader("grade", str(folder / "class"), "--out", str(folder / "out")))
        assert any("200 of 200 are graded already" in line for _, line in lines), lines
        return wall, 1.0


# -------------------------------------------------------------------------------------------------- the table

AT_MOST, AT_LEAST = "at most", "at least"
BENCHMARKS: dict[str, tuple[Callable[[], tuple[float, float]], str, float]] = {
    "start": (start, AT_MOST, 2.0),
    "one_submission": (one_submission, AT_MOST, 1.5),
    **{name: (section(name), AT_MOST, float(limit)) for name, limit in BUDGETS.items() if name in KIT.sections},
    "whole_kit": (whole_kit, AT_MOST, 75.0),
    "overhead": (overhead, AT_MOST, 1.25),
    "first_result": (first_result, AT_MOST, 8.0),
    "regrade": (regrade, AT_LEAST, 50.0),
    "regrade_changed": (regrade_changed, AT_LEAST, 50.0),
    "plain_pytest": (plain_pytest, AT_LEAST, 1.5),
    "nbgrader": (nbgrader, AT_LEAST, 5.0),
    "resume": (resume, AT_MOST, 3.0),
    "scale": (scale, AT_MOST, 5.0),
    "memory": (memory, AT_MOST, 300.0),
}


def machine() -> str:
    """What it is measured on."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    return (
        f"{cpu[1] if cpu else platform.machine()}, {CORES} cores, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}, one thread a process; load before: {load}"
    )


def where_it_goes() -> str:
    """What a class's time was spent on, in words."""
    taken = graded_class()
    whole = taken.wall * CORES
    rest = whole - taken.probes - taken.ours - taken.idle
    parts = [
        ("learners' own calls", taken.probes),
        ("coordinator and judges, their start included", taken.ours),
        ("sandboxes beyond the calls: the zygote's imports, forks, copies of memory that is written to", rest),
        ("idle", taken.idle),
    ]
    lines = [f"| {name} | {value:.1f} | {100 * value / whole:.0f} % |" for name, value in parts]
    return "\n".join(["| where | core seconds | share |", "| --- | ---: | ---: |", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--repeat", type=int, default=1, help="of the quick ones; their medians count")
    parser.add_argument("--page", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--scale", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.scale:
        return _scale_here()
    about = machine()
    print(f"{about}\n")
    rows = ["| benchmark | what | first | second | ratio | wanted |", "| --- | --- | ---: | ---: | ---: | ---: |"]
    print("\n".join(rows))
    for name in given.names or BENCHMARKS:
        measure, bound, limit = BENCHMARKS[name]
        runs = [measure() for _ in range(given.repeat)]
        first, second = (statistics.median(column) for column in zip(*runs, strict=True))
        what = " ".join((measure.__doc__ or f"All checks of {name} with the reference, against one second.").split())
        rows.append(f"| {name} | {what} | {first:.2f} | {second:.2f} | {first / second:.2f} | {bound} {limit:g} |")
        print(rows[-1], flush=True)
    if given.page:
        parts = re.split(r"<!-- (\w+) -->\n", (ROOT / "benchmarks" / "page.md").read_text(encoding="utf-8"))
        made = {"machine": about, "table": "\n".join(rows), "where": where_it_goes()}
        page = "".join(f"{made[part]}\n" if index % 2 else part for index, part in enumerate(parts))
        (ROOT / "docs" / "benchmarks.md").write_text(page, encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
