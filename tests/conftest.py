"""Fixtures of the kit's own tests."""

from __future__ import annotations

import os
import sys

import pytest

os.environ["OMP_NUM_THREADS"] = "1"

from support import ROOT, Run, run

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
