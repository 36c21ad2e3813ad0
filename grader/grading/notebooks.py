"""A notebook as the text of a section file: jupytext reads it, and comments magics and shell lines out."""

from __future__ import annotations

import jupytext
import nbformat


class NotebookError(Exception):
    """This is no notebook; the message says why."""


def script(text: str) -> str:
    """The percent-format file that a notebook says the same as."""
    try:
        notebook = nbformat.reads(text, as_version=4)
        for cell in notebook.cells:
            cell.metadata = nbformat.NotebookNode()
        notebook.metadata = nbformat.NotebookNode()
        return str(jupytext.writes(notebook, fmt="py:percent"))
    except Exception as error:  # nbformat, its schema and jupytext each raise their own
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise NotebookError(f"cannot be read as a notebook: {first[:200]}") from None
