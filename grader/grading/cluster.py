"""`--dask ADDRESS`: judges on the workers of a Dask cluster.

The kit travels to each worker once, as an archive that is unpacked in the worker's own folder, and submissions travel
with their jobs. So a worker needs torch, torchvision, what the `cluster` extra brings and a sandbox; neither a shared
disk nor a copy of the kit. Every worker passes the sandbox's self-test before it gets a job; a worker that dies is
Dask's to replace, and its jobs run again elsewhere.
"""

from __future__ import annotations

import hashlib
import io
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from grader.grading.judge import Graded, Job, judge
from grader.grading.verdicts import versions
from grader.kit import Kit
from grader.solutions.zygotes import Zygotes

CONNECT_SECONDS = 10
IN_FLIGHT = 1_000  # jobs handed to the scheduler: enough for any cluster, and a text each takes little memory
PARTS = ("grader", "reference", "checks", "exercises")
PACKAGE = Path(__file__).resolve().parents[1]
_ONE_AT_A_TIME = threading.Lock()  # a worker with several threads still judges one job after the other
_WARM: dict[str, bool] = {}  # by level: whether this worker's sandboxes start from a zygote
_zygotes: Zygotes | None = None  # this worker's


class ClusterError(Exception):
    """The cluster cannot be used, or is gone; the message says what to do."""


@contextmanager
def judges(address: str, kit: Kit, level: str) -> Iterator[Executor]:
    """An executor on the cluster's workers, each with the kit in place. Raises ClusterError."""
    try:
        from distributed import Client
    except ImportError:
        raise ClusterError(
            '--dask needs Dask, which is not installed. Type: pip install "torch-kata[cluster]"'
        ) from None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at {address!r} ({error}): is it running?") from None
    with client:
        try:
            client.register_plugin(_plugin(packed(kit), level, versions()))
        except Exception as error:  # whatever a worker's self-test, disk or Python says
            raise ClusterError(f"a worker of {address} cannot grade: {error}") from None
        if not client.nthreads():
            print(f"no worker at {address} yet: the jobs wait for the first", file=sys.stderr)
        with client.get_executor(pure=False, retries=0) as executor:
            try:
                yield executor
            except BaseException:
                executor.shutdown(wait=False)
                raise


def packed(kit: Kit) -> bytes:
    """The kit as a zip archive: the package, references, checks and data, the same bytes each time."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for part in PARTS:
            folder = PACKAGE if part == "grader" else kit.root / part
            for path in sorted(folder.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    name = f"{part}/{path.relative_to(folder).as_posix()}"
                    zipped.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def _plugin(archive: bytes, level: str, expected: str) -> Any:
    """What prepares a worker, sent to it by value: the worker may never have heard of this package."""
    from distributed import WorkerPlugin

    class TorchKata(WorkerPlugin):
        """Unpacks the kit, makes it the one that is imported, and tests the sandbox."""

        name = f"torch-kata-{hashlib.sha256(archive + level.encode()).hexdigest()[:16]}"
        idempotent = True

        def setup(self, worker: Any) -> None:
            import io
            import sys
            import zipfile
            from pathlib import Path

            folder = Path(worker.local_directory, self.name)
            folder.mkdir(mode=0o700, exist_ok=True)
            with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
                zipped.extractall(folder)
            for name in [name for name in sys.modules if name.split(".")[0] == "grader"]:
                del sys.modules[name]  # another copy, installed there or sent by an earlier batch
            sys.path.insert(0, str(folder))
            from grader.grading.cluster import prepare

            prepare(level, expected)

    return TorchKata()


def prepare(level: str, expected: str) -> None:
    """On a worker: see that it can grade. Raises ClusterError for other versions, SandboxError for no safe sandbox."""
    if versions() != expected:
        raise ClusterError(f"a worker has (kit, torch, torchvision) {versions()}, the coordinator {expected}")
    import torch

    from grader.solutions.self_test import self_test

    torch.set_num_threads(1)
    root = PACKAGE.parent
    _WARM[level] = self_test(level, [next((root / part).glob("*.py")) for part in ("reference", "checks")])


def judge_there(job: Job) -> Graded:
    """On a worker: grade the sections of one submission with the kit that was sent."""
    with _ONE_AT_A_TIME:
        address = _address(job.modules) if _WARM.get(job.sandbox) else ""
        return judge(replace(job, kit=PACKAGE.parent, cache=PACKAGE.parent / "mistakes", zygotes=address))


def _address(modules: tuple[str, ...]) -> str:
    """Of this worker's zygote, which lives as long, and is started anew only for other modules."""
    global _zygotes
    if _zygotes is None or _zygotes.modules != modules:
        if _zygotes is not None:
            _zygotes.close()
        _zygotes = Zygotes(modules)
    _zygotes.start()
    return _zygotes.address
