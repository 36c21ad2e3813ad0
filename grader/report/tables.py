"""Tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from grader.validate import Findings


def print_findings(found: list[Findings]) -> None:
    """What `grader validate` found, a line a section, the gaps below."""
    console = Console()
    table = Table(box=None, pad_edge=False)
    heads = (
        "section",
        "exer-\ncises",
        "checks",
        "mistakes\nrejected",
        "\nnamed",
        "alter-\nnatives",
        "seeds\npassed",
        "CPU\nseconds",
    )
    for head in heads:
        table.add_column(head, justify="left" if head == "section" else "right", no_wrap=True)
    for f in found:
        table.add_row(
            f.section,
            str(f.exercises),
            str(f.checks),
            f"{f.rejected}/{f.mistakes}",
            f"{f.named}/{f.mistakes}",
            f"{f.accepted}/{f.alternatives}",
            f"{f.passed_seeds}/{f.seeds}",
            f"{f.seconds:.1f}",
        )
    console.print(table)
    gaps = [gap for f in found for gap in f.gaps]
    for gap in gaps:
        console.print(f"- {gap}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{len(gaps)} gaps" if gaps else "no gaps")
