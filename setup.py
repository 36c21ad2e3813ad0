"""Builds what learners install: the student edition, in the wheel and in the source distribution alike.

Everything else about the package is in pyproject.toml. From the full kit the edition is made first, by an interpreter
that has torch (the evidence of the known mistakes takes minutes, and is kept); within an edition it is there already.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
NEEDED = "torch", "nbgrader", "jupytext"
PARTS = "checks", "exercises", "grader", ".gitignore", "LICENSE", "README.md", "pyproject.toml", "setup.py"
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", ".pytest_cache", ".torch-kata")


def edition() -> Path:
    """The folder of the student edition, made if this is the full kit."""
    if not (ROOT / "reference").is_dir():
        return ROOT
    made = ROOT / "build" / "edition"
    shutil.rmtree(made, ignore_errors=True)
    environment = {"TORCH_KATA": str(ROOT), **os.environ}
    environment.pop("PYTHONPATH", None)  # that of an isolated build
    command = [interpreter(), "-m", "grader.cli", "release", "student", str(made)]
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        sys.exit("the student edition could not be made: see above")
    return made


def interpreter() -> str:
    """A Python that can make the edition: TORCH_KATA_PYTHON, this one, or that of .venv."""
    scripts = ROOT / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    test = f"import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, {NEEDED})))"
    for python in (os.environ.get("TORCH_KATA_PYTHON"), sys.executable, scripts / "python"):
        if python and shutil.which(python) and not subprocess.run([python, "-c", test], check=False).returncode:
            return str(python)
    sys.exit(
        f"The wheel is made from the full kit by a Python with {', '.join(NEEDED)}, and there is none in .venv."
        " Type `make wheel`, or set TORCH_KATA_PYTHON. (To work in this folder, type `pip install -e .`)"
    )


class BuildEdition(build_py):
    """The learners' part of the package, and the edition as its data."""

    def run(self) -> None:
        if self.editable_mode:
            super().run()
            return
        source, package = edition(), Path(self.build_lib, "grader")
        shutil.rmtree(self.build_lib, ignore_errors=True)
        shutil.copytree(source / "grader", package, ignore=IGNORED)
        for part in ("checks", "exercises"):
            shutil.copytree(source / part, package / "edition" / part, ignore=IGNORED)
        for part in (".gitignore", "LICENSE", "README.md"):
            shutil.copy(source / part, package / "edition")
        (package / "edition" / "pyproject.toml").write_text(pytest_settings(), encoding="utf-8")


def pytest_settings() -> str:
    """What pytest needs to know in a learner's folder, where nothing is left to install."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r"^\[tool\.pytest\.ini_options\]\n(?:(?!\[).*\n)*", text, re.MULTILINE)
    if found is None:
        sys.exit("pyproject.toml has no [tool.pytest.ini_options]")
    return re.sub(r"^pythonpath = .*\n", "", found[0], flags=re.MULTILINE).rstrip() + "\n"


class PackEdition(sdist):
    """The edition as it is, from which the wheel can be built without torch."""

    def make_release_tree(self, base_dir: str, files: Any) -> None:
        super().make_release_tree(base_dir, [])
        source = edition()
        for part in PARTS:
            path = source / part
            if path.is_dir():
                shutil.copytree(path, Path(base_dir, part), ignore=IGNORED)
            else:
                shutil.copy(path, base_dir)


setup(cmdclass={"build_py": BuildEdition, "sdist": PackEdition})
