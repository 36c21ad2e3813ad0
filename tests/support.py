"""What the tests share: where the kit is, and how its commands are run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "tests" / "tiny"
SYSTEM_PYTHON = "/usr/bin/python3"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command in the kit's folder, and keep what it prints."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    given = {"cwd": ROOT, "timeout": 300, "env": environment, **options}
    return subprocess.run(command, capture_output=True, text=True, check=False, **given)  # type: ignore[call-overload, no-any-return]


def tiny_kit(folder: Path) -> Path:
    """The tiny kit copied to a new folder, in which `pytest checks/` runs."""
    shutil.copytree(TINY, folder)
    shutil.copy(ROOT / "checks" / "conftest.py", folder / "checks")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    return folder


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, with a Python in env/ that has this environment's packages.

    The interpreter that runs the tests may lie in root's own folder. What is put into code/ can be imported too.
    """
    if os.geteuid() != 0:
        pytest.fail("these tests become other users: run them as root")
    version = run([SYSTEM_PYTHON, "-c", "import sys; print(sys.version_info[:2])"]).stdout.strip()
    if version != str(sys.version_info[:2]):
        pytest.fail(f"{SYSTEM_PYTHON} is {version}: install the Debian package of the Python that runs these tests")
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="torch-kata-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", folder / "env"], check=True)
        (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
        ours = next(path for path in sys.path if path.endswith("site-packages"))
        (packages / "torch_kata.pth").write_text(f"{folder / 'code'}\n{ours}\n")
        yield folder


@contextmanager
def autograder(kit: Path, sections: str = "") -> Iterator[Path]:
    """What stands for /autograder inside Gradescope, after setup.sh."""
    with open_folder() as root:
        command = [sys.executable, "-m", "grader.cli", "release", "gradescope", str(root / "autograder.zip")]
        made = run([*command, "--sections", sections], env={**os.environ, "TORCH_KATA": str(kit)})
        assert made.returncode == 0, made.stderr
        with zipfile.ZipFile(root / "autograder.zip") as packed:
            packed.extractall(root / "source")
        shutil.copy(root / "source" / "run_autograder", root)
        done = _bash(root, root / "source" / "setup.sh")
        assert done.returncode == 0, done.stdout + done.stderr
        yield root


def graded(root: Path, files: dict[str, str]) -> dict[str, Any]:
    """What Gradescope reads after a submission of these files; log: what its instructor reads."""
    for name in ("submission", "results"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir()
    for name, text in files.items():
        (root / "submission" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "submission" / name).write_text(text)
    (root / "submission_metadata.json").write_text('{"id": 1, "users": [{"email": "ada@example.edu"}]}')
    done = _bash(root, root / "run_autograder")
    assert done.returncode == 0
    assert not [*root.glob("work-*")]
    found = json.loads((root / "results" / "results.json").read_text())
    assert isinstance(found, dict)
    return found | {"log": done.stdout + done.stderr}


def _bash(root: Path, script: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/root", "AUTOGRADER_ROOT": str(root)}
    return run(["bash", str(script)], cwd="/", env={**environment, "AUTOGRADER_PYTHON": str(root / "env/bin/python")})
