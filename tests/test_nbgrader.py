"""`grader release nbgrader`: what it writes, and what nbgrader's own commands make of it, end to end."""

from __future__ import annotations

import copy
import os
import shutil
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from support import ROOT, Run, run
from traitlets.config import Config

from grader.kit import Kit
from grader.release.nbgrader import assignment, release_nbgrader

pytestmark = pytest.mark.timeout(900)  # a kernel for each student, one after the other
HIDDEN = '''from grader.checks import check, require


@check("double", kind="value", points=5)
def test_a_secret(student):
    """Known to us alone."""
    require(student.double(2) == 4, "no")
'''
NAME = "s01_tiny"


class Course:
    """A course made from the tiny kit with a hidden check, and nbgrader's commands in it."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(ROOT / "tests" / "tiny", folder / "kit")
        (folder / "kit" / "checks" / "hidden").mkdir()
        (folder / "kit" / "checks" / "hidden" / f"test_{NAME}.py").write_text(HIDDEN)
        self.folder = folder / "course"
        scripts = str(Path(sys.executable).parent)  # nbgrader calls alembic by its bare name
        path = os.pathsep.join([scripts, os.environ["PATH"]])
        self.environment = {**os.environ, "TORCH_KATA": str(folder / "kit"), "PATH": path, "COLUMNS": "80"}

    def nbgrader(self, *arguments: str) -> CompletedProcess[str]:
        command = [sys.executable, "-m", "nbgrader", *arguments]
        return run(command, cwd=self.folder, env=self.environment, timeout=600)

    def read(self, *path: str) -> Any:
        return nbformat.read(self.folder.joinpath(*path, NAME, f"{NAME}.ipynb"), as_version=4)

    def hand_in(self, student: str, answers: dict[str, str]) -> None:
        """The released notebook with these answers in place of stubs."""
        opened = copy.deepcopy(self.read("release"))
        for cell in opened.cells:
            cell.source = answers.get(grade_id(cell), cell.source)
        folder = self.folder / "submitted" / student / NAME
        folder.mkdir(parents=True)
        nbformat.write(opened, folder / f"{NAME}.ipynb")

    def scores(self, student: str) -> dict[str, float | None]:
        with Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}") as book:
            (opened,) = book.find_submission(NAME, student).notebooks
            return {grade.name: grade.auto_score for grade in opened.grades}


def grade_id(cell: Any) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, grader: Run) -> Course:
    course = Course(tmp_path_factory.mktemp("nbgrader"))
    made = grader("release", "nbgrader", str(course.folder), env=course.environment)
    assert made.returncode == 0, made.stderr
    again = grader("release", "nbgrader", str(course.folder), env=course.environment)
    assert again.returncode == 2
    assert "nbgrader_config.py is there already" in again.stderr
    config = course.folder / "nbgrader_config.py"
    config.write_text(config.read_text().replace("c.Execute.timeout = 70", "c.Execute.timeout = 30"))
    done = course.nbgrader("generate_assignment", NAME)
    assert done.returncode == 0, done.stderr

    solved = {grade_id(cell): cell.source for cell in course.read("source").cells if cell.cell_type == "code"}
    answers = {name: text for name, text in solved.items() if name.endswith("-solution")}
    noisy = (
        "import logging, os, sys, warnings\n"
        "def double(x):\n    warnings.warn('w')\n    logging.warning('l')\n    print('e', file=sys.stderr)\n"
        "    os.write(2, b'x')\n    print('a printed line')\n    return x * x"
    )
    course.hand_in("released", {})
    course.hand_in("solved", answers)
    course.hand_in("half", {**answers, "double-solution": noisy, "noise-solution": ENDLESS})
    course.hand_in("broken", {**answers, "double-solution": f"{BROKEN}\ndef double(x)\n    return 2 * x"})
    course.hand_in("shadowed", {**answers, "noise-solution": f"{answers['noise-solution']}\n{SHADOWED}"})
    course.hand_in("dead", {**answers, "double-solution": "def double(x):\n    import os\n    os._exit(0)"})
    return course


ENDLESS = "def noise(n):\n    while n: pass"
BROKEN = "import math"
SHADOWED = """points = check = float = print = sum = list
get_ipython().ast_node_interactivity = "all"
import time
while True:
    time.sleep(1)
"""


def test_a_release_holds_nothing_that_learners_should_find_out(course: Course) -> None:
    source, released = course.read("source"), course.read("release")
    assert "hidden=['test_a_secret']" in nbformat.writes(source)
    text = nbformat.writes(released)
    for secret in ("secret", "HIDDEN", "SOLUTION", "return 2 * x", "torch.randn(n)"):
        assert secret not in text
    cells = {grade_id(cell): cell for cell in released.cells}
    assert "raise NotImplementedError" in cells["double-solution"].source
    assert cells["double"].metadata.nbgrader["points"] == 55
    assert cells["double"].metadata.nbgrader["locked"]
    order = [grade_id(cell) for cell in released.cells if grade_id(cell)]
    assert order == ["double-solution", "double", "Shift-solution", "Shift", "noise-solution", "noise"]


def test_nbgraders_own_commands_grade_it(course: Course) -> None:
    done = course.nbgrader("autograde", NAME)
    assert done.returncode == 1
    assert f"There was an error processing assignment '{NAME}' for student 'dead'" in done.stderr
    assert "for student 'half'" not in done.stderr
    assert course.scores("released") == {"double": 0, "Shift": 0, "noise": 0}
    assert course.scores("solved") == {"double": 55, "Shift": 20, "noise": 30}
    assert course.scores("half") == {"double": 10, "Shift": 20, "noise": 0}
    assert course.scores("broken") == {"double": 0, "Shift": 20, "noise": 30}
    assert course.scores("shadowed") == {"double": 55, "Shift": 20, "noise": 30}
    assert course.scores("dead") == {"double": None, "Shift": None, "noise": None}

    outputs = {grade_id(cell): cell.outputs for cell in course.read("autograded", "half").cells if grade_id(cell)}
    assert all(out.get("name") != "stderr" for name in ("double", "Shift", "noise") for out in outputs[name])
    done = course.nbgrader("generate_feedback", NAME)
    assert done.returncode == 0, done.stderr
    feedback = (course.folder / "feedback" / "half" / NAME / f"{NAME}.html").read_text()
    for told in ("Known mistake: squared", "a printed line", "did not end", "A hidden check."):
        assert told in feedback
    assert "Known to us alone" not in feedback

    done = course.nbgrader("export")
    assert done.returncode == 0, done.stderr
    grades = (course.folder / "grades.csv").read_text()
    assert f"{NAME},,,solved,,,,105.0,0.0,105.0,105.0" in grades
    assert f"{NAME},,,half,,,,30.0,0.0,30.0,105.0" in grades

    config = Config()
    config.CourseDirectory.root = str(course.folder)
    (listed,) = NbGraderAPI(config=config).get_assignments()  # what formgrader shows
    assert (listed["name"], listed["max_score"], listed["num_submissions"]) == (NAME, 105, 6)


def test_all_sections_make_valid_assignments_worth_their_points(kit: Kit, tmp_path: Path) -> None:
    written = release_nbgrader(kit, tmp_path / "a course")
    assert [path.stem for path in written] == list(kit.sections)
    for section, path in zip(kit.sections.values(), written, strict=True):
        made = nbformat.read(path, as_version=4)
        assert made == assignment(kit, section)  # the same each time
        tests = [cell for cell in made.cells if cell.metadata.get("nbgrader", {}).get("grade")]
        assert sum(cell.metadata.nbgrader["points"] for cell in tests) == section.max_points
        assert {grade_id(cell) for cell in tests} == {exercise.name for exercise in section.exercises}
        assert all(cell.source.splitlines()[-1].startswith(("points(", ")")) for cell in tests)
        text = (kit.reference / f"{section.name}.py").read_text()
        assert (path.parent / "data").is_dir() == ("exercises/data" in text)
    assert (tmp_path / "a course" / "source" / "s09_advanced" / "data" / "resnet_digits.pt").is_file()
    assert "course_id = 'a-course'" in (tmp_path / "a course" / "nbgrader_config.py").read_text()
