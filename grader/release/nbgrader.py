"""`grader release nbgrader`: a course for nbgrader, an assignment a section, made from the reference.

A cell that holds a solution becomes an autograded answer, and behind it comes a locked test cell worth the points of
that exercise's checks. Hidden checks stand between nbgrader's markers by their names alone: `generate_assignment` takes
them out, `autograde` puts them back. Stubs, checksums and gradebook are nbgrader's own business.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat.v4 import new_code_cell
from nbgrader.nbgraderformat import MetadataValidator

from grader.kit import Exercise, Kit, Section
from grader.pairing import KERNEL
from grader.release.exercises import STUB
from grader.release.student import ReleaseError

BEGIN_SOLUTION = "BEGIN SOLUTION"
SCHEMA = 3  # of nbgrader's cell metadata
SPARE = 60  # seconds that a cell may take beyond the longest of the checks' own limits
CONFIG = """# A course for nbgrader, made by `grader release nbgrader`. Run nbgrader's commands in this folder.
c = get_config()
c.CourseDirectory.course_id = {course!r}
# What stands in place of a solution: the kit tells an exercise that is still to do by it.
c.ClearSolutions.code_stub = {{"python": {stub!r}}}
# Test cells end by themselves, after {longest:g} s at most; this stops a learner's own cell that does not.
c.Execute.timeout = {timeout}
# A test cell that a learner has deleted comes back.
c.OverwriteCells.add_missing_cells = True
"""


def release_nbgrader(kit: Kit, destination: Path) -> list[Path]:
    """Write `source/` and `nbgrader_config.py` into `destination`; returns the notebooks.

    The folder may be there already, but not what would be written. Raises ReleaseError.
    """
    if not kit.has_reference:
        raise ReleaseError(f"{kit.root} has no reference/: a course is made from the full kit")
    config = destination / "nbgrader_config.py"
    folders = {name: destination / "source" / name for name in kit.sections}
    for path in (config, *folders.values()):
        if path.exists():
            raise ReleaseError(f"{path} is there already: move it away, or give another folder")
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination, prefix=".release-") as temporary:
        for section in kit.sections.values():
            folder = Path(temporary, section.name)
            folder.mkdir()
            nbformat.write(assignment(kit, section), folder / f"{section.name}.ipynb")
            _copy_data(kit, section, folder / "data")
        (destination / "source").mkdir(exist_ok=True)
        for name, folder in folders.items():
            Path(temporary, name).rename(folder)
    longest = max(c.seconds for s in kit.sections.values() for e in s.exercises for c in e.checks)
    course = re.sub(r"[^\w-]+", "-", destination.resolve().name)
    text = CONFIG.format(course=course, stub=STUB, longest=longest, timeout=int(longest) + SPARE)
    config.write_text(text, encoding="utf-8")
    return [folder / f"{name}.ipynb" for name, folder in folders.items()]


def assignment(kit: Kit, section: Section) -> Any:
    """The notebook of a section as nbgrader wants it in source/: lesson, solutions, test cells."""
    read = jupytext.read(kit.reference / f"{section.name}.py")
    made = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for cell in read.cells:
        cell.metadata = nbformat.NotebookNode()
        made.cells.append(cell)
        if cell.cell_type != "code":
            continue
        defined = [e for e in section.exercises if re.search(rf"^(?:def|class) {e.name}\b", cell.source, re.MULTILINE)]
        if BEGIN_SOLUTION in cell.source:
            name = defined[0].name if defined else f"cell-{len(made.cells)}"
            cell.metadata = _metadata(f"{name}-solution", solution=True)
        made.cells += [_test_cell(exercise) for exercise in defined]
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"  # the same source gives the same notebook
    nbformat.validate(made)
    MetadataValidator().validate_nb(made)
    return made


def _test_cell(exercise: Exercise) -> Any:
    """What grades an exercise; its last expression is the points, a float."""
    hidden = [check.name for check in exercise.checks if check.hidden]
    lines = ["from grader.notebook import points", ""]
    if hidden:
        lines += ["points(", f'    "{exercise.name}",', f"    {exercise.max_points},"]
        lines += ["    ### BEGIN HIDDEN TESTS", f"    hidden={hidden!r},", "    ### END HIDDEN TESTS", ")"]
    else:
        lines.append(f'points("{exercise.name}", {exercise.max_points})')
    cell = new_code_cell("\n".join(lines))
    cell.metadata = _metadata(exercise.name, grade=True, locked=True, points=exercise.max_points)
    return cell


def _metadata(grade_id: str, **given: Any) -> Any:
    fields = {"grade": False, "locked": False, "solution": False, "task": False, **given}
    return nbformat.from_dict({"nbgrader": {"schema_version": SCHEMA, "grade_id": grade_id, **fields}})


def _copy_data(kit: Kit, section: Section, folder: Path) -> None:
    """What the section's lesson reads of exercises/data, found by name."""
    text = (kit.reference / f"{section.name}.py").read_text(encoding="utf-8")
    if "exercises/data" not in text or not kit.data.is_dir():
        return
    folder.mkdir()
    for path in sorted(kit.data.iterdir()):
        if path.name == "README.md" or re.search(rf"\b{re.escape(path.name)}\b", text):
            copy = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, folder / path.name)
