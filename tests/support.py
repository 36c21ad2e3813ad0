"""What the tests share: where the kit is, and how its commands are run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "tests" / "tiny"
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
