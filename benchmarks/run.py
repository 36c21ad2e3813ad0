"""Ratios, each measured side by side in one run, on one thread: `python benchmarks/run.py [NAME ...] [--repeat N]`.

The machine should be quiet. Each ratio is that of the medians; the table says what it is to be at most.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from grader.kit import Kit  # noqa: E402

KIT = Kit(ROOT)
FIRST_FOUR = [name for name in KIT.sections if name < "s05"]
BUDGETS = {  # seconds for a section's checks with the reference, imports included
    **{"s05_data": 8, "s06_training": 10, "s07_cnn": 15, "s08_rnn": 10, "s09_advanced": 20, "s10_deployment": 10},
}


def seconds(command: list[str]) -> float:
    """Wall-clock time of a command, which must succeed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - started


def pytest_of(*sections: str) -> list[str]:
    """A learner's run over the solved files."""
    files = [f"checks/test_{section}.py" for section in sections]
    return [sys.executable, "-m", "pytest", *files, "--exercises", "reference", "-q"]


def start() -> tuple[float, float]:
    """`pytest checks/test_s02_tensors.py` on the solved file, against `import torch`."""
    return seconds(pytest_of("s02_tensors")), seconds([sys.executable, "-c", "import torch"])


def one_submission() -> tuple[float, float]:
    """`grader grade` of one complete submission of sections 1 to 4, against plain pytest over the same file."""
    with tempfile.TemporaryDirectory() as folder:
        student = Path(folder, "class", "ada")
        student.mkdir(parents=True)
        for section in FIRST_FOUR:
            shutil.copy(ROOT / "reference" / f"{section}.py", student)
        out = str(Path(folder, "out"))
        command = [sys.executable, "-m", "grader.cli", "grade", str(student.parent), "--out", out]
        graded = seconds([*command, "--sections", ",".join(FIRST_FOUR)])
    return graded, seconds(pytest_of(*FIRST_FOUR))


def section(name: str) -> Callable[[], tuple[float, float]]:
    """All checks of a section with the reference, against one second."""
    return lambda: (seconds(pytest_of(name)), 1.0)


def whole_kit() -> tuple[float, float]:
    """All checks of the kit with the reference in one run, against one second."""
    return seconds(pytest_of(*KIT.sections)), 1.0


BENCHMARKS: dict[str, tuple[Callable[[], tuple[float, float]], float]] = {
    "start": (start, 2.0),
    "one_submission": (one_submission, 1.5),
    **{name: (section(name), float(limit)) for name, limit in BUDGETS.items() if name in KIT.sections},
    "whole_kit": (whole_kit, 75.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {given.repeat} runs each\n"
    )
    print("| benchmark | ours, s | the other, s | ratio | at most |\n| --- | --- | --- | --- | --- |")
    for name in given.names or BENCHMARKS:
        measure, limit = BENCHMARKS[name]
        runs = [measure() for _ in range(given.repeat)]
        ours, other = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"| {name} | {ours:.2f} | {other:.2f} | {ours / other:.2f} | {limit:g} |", flush=True)


if __name__ == "__main__":
    main()
