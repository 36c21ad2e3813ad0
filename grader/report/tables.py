"""Tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.export.files import number
from grader.results import SubmissionResult
from grader.text import tidy
from grader.validate import Findings

MOST_ROWS = 50  # students on the terminal; all are in grades.csv


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


class GradeTable:
    """The class on the terminal: a line a student, a column a section, problems below."""

    def __init__(self, sections: list[str]) -> None:
        self._table = Table(box=None, pad_edge=False)
        self._table.add_column("student", max_width=24, no_wrap=True)
        for section in sections:
            self._table.add_column(section.split("_")[0], justify="right", no_wrap=True)
        self._table.add_column("total", justify="right", no_wrap=True)
        self._problems: list[str] = []
        self._count = 0

    def add(self, submission: SubmissionResult) -> None:
        """One more student; the first few are shown."""
        self._count += 1
        if self._count > MOST_ROWS:
            return
        name = tidy(submission.student, 100).replace("\n", " ")
        points = [number(section.points) for section in submission.sections]
        self._table.add_row(Text(name), *points, f"{number(submission.points)}/{number(submission.max_points)}")
        self._problems += [f"{name}: {tidy(problem, 300)}".replace("\n", " ") for problem in submission.problems]

    def print(self) -> None:
        """Show it."""
        console = Console()
        console.print(self._table)
        if self._count > MOST_ROWS:
            console.print(f"... and {self._count - MOST_ROWS} more")
        for problem in self._problems:
            console.print(problem, markup=False, highlight=False, soft_wrap=True)
