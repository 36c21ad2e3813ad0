"""Fixtures of the kit's own tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"

from support import ROOT, Run, run, tiny_kit

from grader.kit import Kit

collect_ignore = ["tiny"]  # a kit of its own


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit(ROOT)


@pytest.fixture(scope="session")
def grader() -> Run:
    """Run the `grader` command."""
    return lambda *arguments, **options: run([sys.executable, "-m", "grader.cli", *arguments], **options)


@pytest.fixture(scope="session")
def checks() -> Run:
    """Run `pytest` as a learner does."""
    return lambda *arguments, **options: run([sys.executable, "-m", "pytest", *arguments], **options)


@pytest.fixture
def kit_folder(tmp_path: Path) -> Path:
    """The tiny kit, copied."""
    return tiny_kit(tmp_path / "kit")


@pytest.fixture
def here(kit_folder: Path) -> dict[str, object]:
    """How a learner's commands are run in it."""
    environment = {**os.environ, "TORCH_KATA": str(kit_folder), "COLUMNS": "80", "NO_COLOR": "1"}
    return {"cwd": kit_folder, "env": environment}
