"""A section as a file and as a notebook: which of the two was edited last, and one made from the other.

jupytext takes a second to import: it is asked only when there is a notebook to read or to write. Never imports torch.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.kit import Kit, Section

IMPORT = "from grader.notebook import check"
# What `grader notebook` adds to a notebook, and takes out of it again.
ADDED = re.compile(rf"^(?:{re.escape(IMPORT)}|check\(([\"'])\w+\1\);?)[ \t]*(?:#.*)?$", re.MULTILINE)
MAX_CELLS = 2000  # the longest of ours has 92; jupytext takes a millisecond for each
MAX_CODE = 2**20  # characters in all cells of code; the longest of ours has 30 thousand
NOTEBOOK = "# A notebook, as a file.\n"  # how the text of one begins that was handed in: no line has a number there
# In a file these are comments; what they say of the notebook, an editor needs to know.
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
WITHOUT = {"notebook_metadata_filter": "-all", "cell_metadata_filter": "-all"}


class NotebookError(ValueError):
    """This is no notebook, or cannot be made one; the message says why, and what to do."""


def edited_last(folder: Path, section: str) -> Path:
    """The notebook of a section if it was edited after the file (or there is no file), else the file."""
    file, notebook = folder / f"{section}.py", folder / f"{section}.ipynb"
    if not notebook.is_file():
        return file
    return notebook if not file.is_file() or _edited(notebook) > _edited(file) else file


def which(folder: Path, section: str) -> str:
    """A sentence that says which of the two `edited_last` chose; empty where there is no notebook."""
    file, notebook = folder / f"{section}.py", folder / f"{section}.ipynb"
    if not notebook.is_file():
        return ""
    if not file.is_file():
        return f"{notebook.name} is what was checked; there is no {file.name}"
    if _edited(file) == _edited(notebook):
        return f"{file.name} is what was checked; {notebook.name} says the same"
    last, first = (notebook, file) if edited_last(folder, section) == notebook else (file, notebook)
    return f"{last.name} is what was checked: it was edited after {first.name}"


def _edited(path: Path) -> int:
    return path.stat().st_mtime_ns


def read_text(path: Path) -> str:
    """The text of a learner's file; of a notebook, as a file of the same cells.

    Raises OSError if it cannot be read, ValueError with a sentence if it is not what it should be.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not valid UTF-8 at byte {error.start}; save it as UTF-8") from None
    return script(text) if path.suffix == ".ipynb" else text


def script(text: str) -> str:
    """The percent-format file that a notebook says the same as, without the check cells.

    Magics and shell lines become comments; the body of a cell under `%%time` and its like stays code.
    """
    jupytext, nbformat = _libraries()
    try:
        notebook = nbformat.reads(text, as_version=4)
        notebook.cells = [cell for cell in notebook.cells if _keep(cell)]
        code = sum(len(cell.source) for cell in notebook.cells if cell.cell_type == "code")
        if len(notebook.cells) > MAX_CELLS or code > MAX_CODE:
            raise ValueError(f"it has {len(notebook.cells)} cells and {code} characters of code, too much to be read")
        for cell in notebook.cells:
            blank = cell.metadata.get("lines_to_next_cell")  # how jupytext remembers the layout of the file
            fits = type(blank) is int and 0 <= blank <= 3
            cell.metadata = nbformat.NotebookNode({"lines_to_next_cell": blank} if fits else {})
        notebook.metadata = nbformat.NotebookNode(jupytext=dict(WITHOUT))
        return str(jupytext.writes(notebook, fmt="py:percent"))
    except Exception as error:  # nbformat, its schema and jupytext each raise their own
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise NotebookError(f"cannot be read as a notebook: {first[:200]}") from None


def _keep(cell: Any) -> bool:
    """Take what `notebook` has added out of a cell; whether something else is left."""
    if cell.cell_type != "code" or not ADDED.search(cell.source):
        return True
    cell.source = ADDED.sub("", cell.source).strip("\n")
    return bool(cell.source.strip())


def notebook(text: str, section: Section, before: str | None = None) -> str:
    """The notebook that a percent-format file says the same as, with a check cell after each exercise.

    before: the notebook as it was, whose outputs and attachments go to the cells that have not changed.
    """
    jupytext, nbformat = _libraries()
    from jupytext.combine import combine_inputs_with_outputs
    from nbformat.v4 import new_code_cell

    made = jupytext.reads(text, fmt="py:percent")
    kept = [cell for cell in made.cells if _keep(cell)]
    exercises = {exercise.name: _defining(kept, exercise.name) for exercise in section.exercises}
    made.cells = []
    for cell in kept:
        if cell.cell_type == "code" and not any(c.cell_type == "code" for c in made.cells):
            made.cells.append(new_code_cell(f'{IMPORT}  # check("{section.exercises[0].name}") tells how it stands'))
        made.cells.append(cell)
        made.cells += [new_code_cell(f'check("{name}")') for name, place in exercises.items() if place is cell]
    made.metadata = nbformat.NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    if before is not None:
        with contextlib.suppress(Exception):  # a notebook that cannot be read has no outputs to keep
            made = combine_inputs_with_outputs(made, nbformat.reads(before, as_version=4), fmt="py:percent")
    made.nbformat_minor = 5
    for cell in made.cells:
        cell.setdefault("id", os.urandom(4).hex())
    nbformat.validate(made)
    return str(nbformat.writes(made)) + "\n"


def _defining(cells: list[Any], name: str) -> Any:
    """The last cell that defines a name."""
    pattern = re.compile(rf"^(?:def|class) {name}\b", re.MULTILINE)
    return next((c for c in reversed(cells) if c.cell_type == "code" and pattern.search(c.source)), None)


def _libraries() -> tuple[Any, Any]:
    try:
        import jupytext
        import nbformat
    except ImportError:
        raise NotebookError(
            'needs jupytext, which is not installed. Type: pip install "torch-kata[notebook]"'
        ) from None
    return jupytext, nbformat


@dataclass(frozen=True)
class Carried:
    """What `carry_over` did: `to` now says what `source` says; kept: a copy of `to` as it was; changed: or it did."""

    source: Path
    to: Path
    kept: Path | None
    changed: bool


def carry_over(kit: Kit, section: Section) -> Carried:
    """Bring the file or the notebook of a section, whichever was edited last, over to the other.

    Both then carry the same time, so that the next edit of either shows. Raises NotebookError.
    """
    source = edited_last(kit.exercises, section.name)
    to = source.with_suffix(".py" if source.suffix == ".ipynb" else ".ipynb")
    try:
        old = to.read_bytes() if to.exists() else None
        text = read_text(source)
        if old is not None and _says(to) == text:
            return Carried(source, to, None, changed=False)
        made = text if to.suffix == ".py" else notebook(text, section, old.decode("utf-8", "replace") if old else None)
    except (OSError, ValueError) as error:
        raise NotebookError(f"{source}: {getattr(error, 'strerror', None) or error}") from None
    kept = keep(kit.root, to) if old is not None else None
    write(to, made)
    stamp = source.stat()
    os.utime(to, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    return Carried(source, to, kept, changed=True)


def _says(path: Path) -> str | None:
    try:
        return read_text(path)
    except (OSError, ValueError):
        return None


def keep(root: Path, path: Path) -> Path:
    """Copy a learner's file into .torch-kata/kept, under a name that was not there before; returns the copy."""
    folder = root / ".torch-kata" / "kept"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    content = path.read_bytes()
    for number in range(1, 1000):
        kept = folder / f"{path.stem}-{stamp}{f'-{number}' if number > 1 else ''}{path.suffix}"
        try:
            with kept.open("xb") as file:
                file.write(content)
            return kept
        except FileExistsError:
            continue
    raise NotebookError(f"{folder} is full of copies: move them away")


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="\n", dir=path.parent, delete=False) as file:
        file.write(text)
    if path.exists():
        shutil.copymode(path, file.name)
    else:
        os.chmod(file.name, 0o644)
    os.replace(file.name, path)
