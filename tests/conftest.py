"""Fixtures of the kit's own tests: the kit itself, and folders of submissions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"

from grader.kit import Kit

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit(ROOT)


@pytest.fixture
def grader() -> Run:
    """Run the `grader` command."""
    return lambda *arguments, **options: run([sys.executable, "-m", "grader.cli", *arguments], **options)


@pytest.fixture
def checks() -> Run:
    """Run `pytest checks/...` as a learner does."""
    return lambda *arguments, **options: run([sys.executable, "-m", "pytest", *arguments], **options)


def run(command: list[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    given = {"cwd": ROOT, "timeout": 300, "env": environment, **options}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **given)  # type: ignore[call-overload]
