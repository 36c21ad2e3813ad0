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


def print_grades(submissions: list[SubmissionResult]) -> None:
    """The class on the terminal: a line a student, a column a section, problems below."""
    console = Console()
    table = Table(box=None, pad_edge=False)
    table.add_column("student", max_width=24, no_wrap=True)
    sections = submissions[0].sections if submissions else []
    for section in sections:
        table.add_column(section.section.split("_")[0], justify="right", no_wrap=True)
    table.add_column("total", justify="right", no_wrap=True)
    for submission in submissions[:MOST_ROWS]:
        points = [number(section.points) for section in submission.sections]
        name = Text(tidy(submission.student, 100).replace("\n", " "))
        table.add_row(name, *points, f"{number(submission.points)}/{number(submission.max_points)}")
    console.print(table)
    if len(submissions) > MOST_ROWS:
        console.print(f"... and {len(submissions) - MOST_ROWS} more")
    for submission in submissions[:MOST_ROWS]:
        for problem in submission.problems:
            text = f"{tidy(submission.student, 100)}: {tidy(problem, 300)}".replace("\n", " ")
            console.print(text, markup=False, highlight=False, soft_wrap=True)
