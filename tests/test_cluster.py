"""`grader grade --dask`: a real scheduler and two real worker processes, one of them killed while it grades."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client, LocalCluster
from support import ROOT
from test_grading import REFERENCE, TINY, grade, hand_in, results, totals

STUDENTS = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(TINY, tmp_path / "kit")
    hand_in(tmp_path, **{f"st{number:02}": f"{REFERENCE}\n# {number}\n" for number in range(STUDENTS)})
    return tmp_path


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    """Two workers with a disk of their own, as far as one machine has two."""
    place = str(tmp_path / "workers")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=place
    ) as found:
        yield found


def pids(cluster: LocalCluster) -> dict[str, int]:
    with Client(cluster) as client:
        return client.run(os.getpid)  # type: ignore[no-any-return]


def imported(cluster: LocalCluster) -> set[str]:
    """Where each worker's copy of the kit lies."""
    with Client(cluster) as client:
        return set(client.run(lambda: sys.modules["grader"].__file__ or "").values())


def test_a_worker_is_killed_and_its_jobs_run_again(folder: Path, cluster: LocalCluster) -> None:
    before = pids(cluster)
    command = [sys.executable, "-m", "grader.cli", "grade", str(folder / "class"), "--out", str(folder / "out")]
    environment = {**os.environ, "TORCH_KATA": str(folder / "kit"), "NO_COLOR": "1"}
    with subprocess.Popen(
        [*command, "--dask", cluster.scheduler_address],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stderr is not None
        first = next(line for line in running.stderr if "s01_tiny" in line)
        os.kill(next(iter(before.values())), signal.SIGKILL)
        _, said = running.communicate(timeout=200)
    assert running.returncode == 0, first + said
    assert totals(folder) == {f"st{number:02}": "100" for number in range(STUDENTS)}
    assert {submission["ungraded"] for submission in results(folder).values()} == {False}
    assert len(first.splitlines() + [line for line in said.splitlines() if "s01_tiny" in line]) == STUDENTS
    deadline = time.monotonic() + 60
    while len(now := pids(cluster)) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert set(now.values()) - set(before.values()), "no worker took the dead one's place"
    assert all(str(folder / "workers") in place for place in imported(cluster)), "the kit was not taken from the plugin"


def test_no_scheduler_is_told(grader: object, folder: Path) -> None:
    done = grade(grader, folder, "--dask", "tcp://127.0.0.1:9", timeout=100)  # type: ignore[arg-type]
    assert done.returncode == 2
    assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'" in done.stderr
