"""`exercises/` from `reference/`: jupytext reads the lesson, nbgrader's own preprocessor clears the solutions."""

from __future__ import annotations

from pathlib import Path

import jupytext
from nbgrader.preprocessors import ClearSolutions

from grader.kit import Kit

STUB = "raise NotImplementedError"


def exercise_text(path: Path) -> str:
    """The stub file that a reference file becomes."""
    notebook = jupytext.read(path)
    clear = ClearSolutions(enforce_metadata=False, code_stub={"python": STUB})
    notebook, _ = clear.preprocess(notebook, {})
    notebook.metadata.get("jupytext", {}).pop("text_representation", None)
    notebook.metadata["jupytext"] = {"notebook_metadata_filter": "-all", "cell_metadata_filter": "-all"}
    return str(jupytext.writes(notebook, fmt="py:percent"))


def release_exercises(kit: Kit) -> list[Path]:
    """Write every exercise file anew; returns those that changed."""
    changed = []
    for name in kit.sections:
        path = kit.exercises / f"{name}.py"
        text = exercise_text(kit.reference / f"{name}.py")
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed
