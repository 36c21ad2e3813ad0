"""From a save to the verdict under `grader watch`, against a cold pytest: `python benchmarks/watch.py [SECTION]`.

The solved section is copied into a kit of its own; each save breaks one exercise or mends it, in turn. The machine
should be quiet, with two cores for this.
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
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTLED = "q quit"  # what the watch says when all has its verdict
MOST_SECONDS, MOST_SHARE = 1.0, 1 / 3


def copy_kit(folder: Path, section: str) -> Path:
    """A kit with this section, solved; returns the learner's file."""
    for name in ("checks", "reference"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "exercises").mkdir()
    (folder / "exercises" / "data").symlink_to(ROOT / "exercises" / "data")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib -p no:hypothesispytest\n")
    path = folder / "exercises" / f"{section}.py"
    shutil.copy(ROOT / "reference" / path.name, path)
    os.utime(path, (0, 0))  # older than any run, so that the watch begins by waiting
    return path


def save(path: Path, text: str) -> None:
    """As editors do: a new file takes the place of the old one."""
    new = path.with_suffix(".tmp")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def watched(folder: Path, path: Path, section: str, saves: int) -> list[float]:
    """Seconds from each save to its verdict."""
    text = path.read_text(encoding="utf-8")
    lines = [n for n, line in enumerate(text.splitlines()) if line.startswith("    # BEGIN SOLUTION")]
    environment = {**os.environ, "TORCH_KATA": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "grader.cli", "watch", section]
    found = []
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        read_until(process, SETTLED)
        time.sleep(8)  # the learner reads and types; torch is imported meanwhile
        for number in range(saves):
            changed = text.splitlines()
            # Odd saves break an exercise, even ones mend it and break nothing.
            changed[lines[(number // 2) % len(lines)]] = "    raise ValueError" if number % 2 == 0 else "    pass"
            started = time.perf_counter()
            save(path, "\n".join(changed) + "\n")
            read_until(process, SETTLED)
            found.append(time.perf_counter() - started)
            time.sleep(0.5)
        process.stdin.write("q\n")
        process.stdin.flush()
    return found


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    sys.exit("the watch has ended")


def cold(folder: Path, section: str) -> float:
    """Seconds of a `pytest` of the section."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    command = [sys.executable, "-m", "pytest", f"checks/test_{section}.py", "-q"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", nargs="?", default="s02_tensors")
    parser.add_argument("--saves", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = copy_kit(folder, given.section)
        cold(folder, given.section)  # compiles the checks
        first = [cold(folder, given.section) for _ in range(3)]
        found = watched(folder, path, given.section, given.saves)
    ours, other = statistics.median(found), statistics.median(first)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| benchmark | ours, s | cold pytest, s | ratio | at most |\n| --- | --- | --- | --- | --- |")
    print(
        f"| watch {given.section}, {given.saves} saves | {ours:.2f} (slowest {max(found):.2f}) | {other:.2f} |"
        f" {ours / other:.2f} | {MOST_SECONDS:g} s and {MOST_SHARE:.2f} |"
    )


if __name__ == "__main__":
    main()
