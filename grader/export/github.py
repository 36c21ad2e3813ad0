"""For GitHub Actions: annotations, as commands on standard output, and a step summary in Markdown.

What a learner wrote or printed is in some of the text: it is escaped, or it would be taken for commands or markup.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

from grader.export.files import number
from grader.export.told import told
from grader.pairing import edited_last
from grader.results import ExerciseResult, SectionResult, SubmissionResult
from grader.text import tidy

MAX_ANNOTATIONS = 10  # of a kind in a step; GitHub drops the rest
MAX_SUMMARY = 2**20 - 2**12  # bytes; GitHub refuses a summary of more than 1 MiB
MAX_TOLD = 2_000  # characters of one exercise in the summary


def commands(submissions: list[SubmissionResult]) -> Iterator[str]:
    """Workflow commands: an error for each exercise that failed, ten at most, and then how many more there are."""
    failed = [(one, section.section, e) for one in submissions for section in one.sections for e in _failed(section)]
    problems = [(one, problem) for one in submissions for problem in one.problems]
    shown = failed if len(failed) <= MAX_ANNOTATIONS else failed[: MAX_ANNOTATIONS - 1]
    for one, section, exercise in shown:
        path = edited_last(Path("exercises"), section)
        title = f"{exercise.exercise}: {number(exercise.points)} of {number(exercise.max_points)} points"
        if len(submissions) > 1:
            title = f"{one.student}, {title}"
        line = str(line_of(path, exercise.exercise))
        yield command("error", told(exercise), file=path.as_posix(), line=line, title=title)
    if len(shown) < len(failed):
        yield command("error", f"{len(failed) - len(shown)} more exercises failed: see the summary", title="And more")
    for one, problem in problems[:MAX_ANNOTATIONS]:
        yield command("warning", problem, title=one.student)
    points, most = (sum(getattr(one, name) for one in submissions) for name in ("points", "max_points"))
    yield command("notice", f"{number(points)} of {number(most)} points", title="Torch Kata")


def command(kind: str, message: str, **properties: str) -> str:
    """One workflow command, whatever its parts hold.

    https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    """
    named = ",".join(f"{key}={escaped(tidy(value, 200), ':,')}" for key, value in properties.items())
    return f"::{kind} {named}::{escaped(tidy(message, 4_000))}"


def escaped(text: str, also: str = "") -> str:
    """Text that stays on its line and in its place."""
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{also}" else c for c in text)


def line_of(path: Path, exercise: str) -> int:
    """Where an exercise stands in the checked-out file, 1 if it is not there, or in a notebook."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return 1
    heads = (f"def {exercise}(", f"class {exercise}(", f"class {exercise}:")
    return next((number for number, line in enumerate(lines, start=1) if line.startswith(heads)), 1)


def summary(submissions: list[SubmissionResult]) -> str:
    """Markdown for $GITHUB_STEP_SUMMARY: a table of sections, and what failed, as far as a summary may be long."""
    parts = ["# Torch Kata\n\n"]
    size, left = len(parts[0]), 0
    for part in _parts(submissions):
        length = len(part.encode("utf-8", "replace"))
        if size + length > MAX_SUMMARY:
            left += 1
        else:
            parts.append(part)
            size += length
    return "".join(parts) + (f"\n{left} more parts do not fit here: see `results.json`.\n" if left else "")


def _parts(submissions: list[SubmissionResult]) -> Iterator[str]:
    for one in submissions:
        lines = [f"## {_text(one.student)}: {number(one.points)} of {number(one.max_points)} points\n\n"]
        lines += [f"- {_text(problem)}\n" for problem in one.problems]
        lines += ["\n| section | points | of | exercises done |\n| --- | ---: | ---: | ---: |\n"]
        for section in one.sections:
            done = sum(exercise.first_failure is None for exercise in section.exercises)
            counts = f"{number(section.points)} | {number(section.max_points)} | {done} of {len(section.exercises)}"
            lines.append(f"| {_text(section.section)} | {counts} |\n")
        yield "".join(lines) + "\n"
        for section in one.sections:
            for exercise in _failed(section):
                points = f"{number(exercise.points)} of {number(exercise.max_points)} points"
                head = f"<summary>{_text(exercise.exercise)}: {points}</summary>"
                body = html.escape(tidy(told(exercise), MAX_TOLD)).replace("\n", "&#10;")
                yield f"<details>{head}<pre>{body}</pre></details>\n"


def _failed(section: SectionResult) -> Iterator[ExerciseResult]:
    for exercise in section.exercises:
        failure = exercise.first_failure
        if failure is not None and failure.outcome != "todo":
            yield exercise


def _text(text: str) -> str:
    """A stranger's text within a line of Markdown: shown as it is, never as markup, a mention or a link."""
    plain = html.escape(tidy(text, 200).replace("\n", " "))
    return "".join(f"&#{ord(c)};" if c in r"\`*_{}[]()#+!|~@:" else c for c in plain)
