"""Our solution and the learner's on the terminal: side by side where there is room."""

from __future__ import annotations

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from grader.text import tidy

SIDE_BY_SIDE = 100  # columns
MOST = 20_000  # characters


def print_solutions(ours: str, theirs: str) -> None:
    """Print both, coloured on a terminal."""
    console = Console()
    left, right = (
        Syntax(tidy(code, MOST), "python", word_wrap=True, background_color="default", theme="ansi_dark")
        for code in (ours, theirs)
    )
    if console.width >= SIDE_BY_SIDE:
        table = Table(box=None, expand=True, pad_edge=False)
        table.add_column("ours", ratio=1)
        table.add_column("yours", ratio=1)
        table.add_row(left, right)
        console.print(table)
    else:
        for head, code in (("ours", left), ("yours", right)):
            console.print(head, style="bold")
            console.print(code)
            console.print()
