"""However a class is graded, each exercise earns the same: one solved class of five, and one half-solved."""

from __future__ import annotations

import itertools
import json
import os
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from support import autograder, graded, run, tiny_kit

from grader.kit import Kit, Section
from grader.mistakes import load_variants
from grader.pairing import notebook
from grader.release.exercises import exercise_text
from grader.release.nbgrader import assignment, release_nbgrader

pytestmark = pytest.mark.timeout(900)  # torch starts fifty times
Points = dict[str, dict[str, float]]  # by student and exercise


@dataclass
class Class:
    """Ten students of one section, each with the code of every exercise that they have written."""

    kit: Kit
    section: Section
    students: dict[str, dict[str, str]]
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        scripts = str(Path(sys.executable).parent)
        path = os.pathsep.join([scripts, os.environ["PATH"]])
        return {**os.environ, "TORCH_KATA": str(self.kit.root), "PATH": path}

    def file(self, student: str) -> str:
        """As a file: the stubs, and below them what the student wrote."""
        stub = exercise_text(self.kit.reference / f"{self.section.name}.py")
        return "\n\n# %%\n".join([stub, *self.students[student].values()])


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Class:
    folder = tmp_path_factory.mktemp("class")
    return a_class(Kit(tiny_kit(folder / "kit")), "s01_tiny", folder)


def a_class(kit: Kit, name: str, folder: Path) -> Class:
    """Solved: ours, and other right ways. Half-solved: mistakes, stubs, what raises or cannot be read, right ones."""
    section = kit.sections[name]
    ours = {
        cell.metadata.nbgrader.grade_id.removesuffix("-solution"): cell.source
        for cell in assignment(kit, section).cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    right, wrong = (
        {e: [f"{ours[e]}\n\n\n{v.code}" for v in load_variants(kit, name, kind) if v.exercise == e] for e in ours}
        for kind in ("alternatives", "mistakes")
    )
    students: dict[str, dict[str, str]] = {}
    for number in range(5):
        solved = {e: itertools.cycle([ours[e], *right[e]]) for e in ours}
        students[f"solved{number}"] = {e: list(itertools.islice(ways, 6))[number] for e, ways in solved.items()}
        half = students[f"half{number}"] = dict(students[f"solved{number}"])
        for place, exercise in enumerate(ours):
            match (place + number) % 4:
                case 2 if number % 2:
                    half[exercise] = f"def {exercise}(*args:\n    return args"
                case 0 | 2:
                    half[exercise] = list(itertools.islice(itertools.cycle(wrong[exercise]), 6))[number]
                case 3 if number % 2:
                    half[exercise] = f"def {exercise}(*args):\n    return undefined"
                case 3:
                    del half[exercise]
    return Class(kit, section, students, folder)


def by_pytest(ten: Class) -> Points:
    points: Points = {}
    for student in ten.students:
        folder = ten.folder / "mine" / student
        folder.mkdir(parents=True)
        (folder / f"{ten.section.name}.py").write_text(ten.file(student))
        command = [sys.executable, "-m", "pytest", f"checks/test_{ten.section.name}.py", "--exercises", str(folder)]
        run([*command, "--junit-xml", str(folder / "junit.xml"), "-q"], cwd=ten.kit.root, env=ten.environment)
        earned: dict[str, float] = defaultdict(float)
        for case in ET.parse(folder / "junit.xml").iter("testcase"):
            told = {p.get("name"): p.get("value") for p in case.iter("property")}
            earned[str(told["exercise"])] += float(told["points"] or 0)
        points[student] = dict(earned)
    return points


def by_grade_of_files(ten: Class) -> Points:
    return _by_grade(ten, "files", lambda student: (f"{ten.section.name}.py", ten.file(student)))


def by_grade_of_notebooks(ten: Class) -> Points:
    return _by_grade(
        ten, "notebooks", lambda student: (f"{ten.section.name}.ipynb", notebook(ten.file(student), ten.section))
    )


def _by_grade(ten: Class, kind: str, made: Callable[[str], tuple[str, str]]) -> Points:
    for student in ten.students:
        name, text = made(student)
        folder = ten.folder / kind / student
        folder.mkdir(parents=True)
        (folder / name).write_text(text)
    out = ten.folder / f"{kind}-out"
    command = [sys.executable, "-m", "grader.cli", "grade", str(ten.folder / kind), "--out", str(out)]
    done = run([*command, "--sections", ten.section.name], env=ten.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((out / "results.json").read_text())
    return {
        one["student"]: {e["exercise"]: e["points"] for s in one["sections"] for e in s["exercises"]}
        for one in results["submissions"]
    }


def by_nbgrader(ten: Class) -> Points:
    name, course = ten.section.name, ten.folder / "course"
    release_nbgrader(ten.kit, course)
    command = [sys.executable, "-m", "nbgrader"]
    options = {"cwd": course, "env": ten.environment, "timeout": 900}
    done = run([*command, "generate_assignment", name], **options)
    assert done.returncode == 0, done.stderr
    for student, answers in ten.students.items():
        opened = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
        for cell in opened.cells:
            exercise = cell.metadata.get("nbgrader", {}).get("grade_id", "").removesuffix("-solution")
            if cell.metadata.get("nbgrader", {}).get("solution") and exercise in answers:
                cell.source = answers[exercise]
        folder = course / "submitted" / student / name
        folder.mkdir(parents=True)
        nbformat.write(opened, folder / f"{name}.ipynb")
    done = run([*command, "autograde", name], **options)
    assert done.returncode == 0, done.stderr
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        opened = {student: book.find_submission(name, student).notebooks[0] for student in ten.students}
        return {student: {grade.name: grade.auto_score for grade in n.grades} for student, n in opened.items()}


def by_gradescope(ten: Class) -> Points:
    name, points = ten.section.name, {}
    with autograder(ten.kit.root, name) as root:
        for student in ten.students:
            found = graded(root, {f"{name}.py": ten.file(student)})
            points[student] = {test["name"].removeprefix(f"{name}: "): test["score"] for test in found["tests"]}
    return points


@pytest.mark.parametrize("way", [by_grade_of_files, by_grade_of_notebooks, by_nbgrader, by_gradescope])
def test_each_way_gives_the_points_of_a_learners_own_run(
    ten: Class, expected: Points, way: Callable[[Class], Points]
) -> None:
    assert way(ten) == expected


@pytest.fixture(scope="module")
def expected(ten: Class) -> Points:
    points = by_pytest(ten)
    most = {exercise.name: exercise.max_points for exercise in ten.section.exercises}
    assert all(points[student] == most for student in points if student.startswith("solved"))
    assert all(0 < sum(points[student].values()) < sum(most.values()) for student in points if "half" in student)
    return points
