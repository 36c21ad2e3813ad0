"""What a learner asks for beside checks: hints, the stub back, how it went so far. Never imports torch."""

from __future__ import annotations

import ast
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from grader.history import History
from grader.kit import Exercise, Kit

PAUSE = 30 * 60  # seconds between two runs after which the time in between does not count as work


class LearnerError(Exception):
    """It cannot be done; the message says why, and what to do."""


def next_hint(kit: Kit, exercise: Exercise, history: History) -> str:
    """The next hint of an exercise, counted in the history; the last one again after all were given."""
    if not exercise.hints:
        return f"{exercise.name} has no hints. Its docstring in exercises/{exercise.section}.py says what is asked."
    given = history.hints(exercise.section, exercise.name)
    number = min(given, len(exercise.hints) - 1)
    if given < len(exercise.hints):
        history.count_hint(exercise.section, exercise.name)
    left = len(exercise.hints) - number - 1
    more = f"{left} more: type it again" if left else "that was the last one"
    return f"Hint {number + 1} of {len(exercise.hints)} for {exercise.name}: {exercise.hints[number]}\n({more})"


def reset(kit: Kit, exercise: Exercise) -> Path:
    """Put an exercise's stub back into the learner's file; returns the copy of the file that was kept."""
    path = kit.exercises / f"{exercise.section}.py"
    try:
        text = path.read_text(encoding="utf-8")
        mine = _lines(text, exercise.name)
    except (OSError, ValueError, SyntaxError) as error:
        raise LearnerError(f"{path} cannot be read ({error}): mend that line, or move the file away") from None
    stub = _stub(kit, exercise)
    lines = text.splitlines(keepends=True)
    first, end = mine or (len(lines), len(lines))
    before = "".join(lines[:first]) if mine else f"{text.rstrip()}\n\n\n"
    changed = "".join([before, stub, *lines[end:]])
    kept = kit.root / ".torch-kata" / "kept" / f"{exercise.section}-{time.strftime('%Y%m%d-%H%M%S')}.py"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(text, encoding="utf-8")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(changed)
    os.replace(file.name, path)
    return kept


def _stub(kit: Kit, exercise: Exercise) -> str:
    """The exercise as it was given out."""
    if kit.has_reference:
        from grader.release.exercises import exercise_text

        text = exercise_text(kit.reference / f"{exercise.section}.py")
    else:
        text = (kit.stubs / f"{exercise.section}.py").read_text(encoding="utf-8")
    place = _lines(text, exercise.name)
    assert place is not None  # the kit read the exercise from there
    return "".join(text.splitlines(keepends=True)[place[0] : place[1]])


def _lines(text: str, name: str) -> tuple[int, int] | None:
    """The lines of a definition, decorators included, as a slice; None if it is not there."""
    for node in reversed(ast.parse(text).body):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return first - 1, node.end_lineno or node.lineno
    return None


def progress_lines(kit: Kit, history: History) -> Iterator[str]:
    """How it went, for the terminal: days with their points, time and runs per exercise, mistakes met and overcome."""
    days: dict[str, dict[tuple[str, str], float]] = {}
    best: dict[tuple[str, str], float] = {}
    spent: dict[tuple[str, str], float] = defaultdict(float)
    mistakes: dict[tuple[str, str], str] = {}
    outcome: dict[tuple[str, str], str] = {}
    last: float | None = None
    for at, rows in history.runs():
        for row in rows:
            best[row.section, row.check] = row.points
            outcome[row.section, row.check] = row.outcome
            if row.mistake:
                mistakes[row.section, row.check] = row.mistake
        worked = {(row.section, row.exercise) for row in rows if row.outcome not in ("todo", "not_reached")}
        if last is not None and at - last < PAUSE:
            for key in worked:
                spent[key] += (at - last) / len(worked)
        last = at
        days[datetime.fromtimestamp(at).strftime("%Y-%m-%d")] = dict(best)
    if not days:
        yield "Nothing yet: `pytest checks/` is the first step."
        return
    yield "day          points"
    before = 0.0
    for day, points in days.items():
        total = sum(points.values())
        yield f"{day}   {total:>6.0f}  ({total - before:+.0f})"
        before = total
    if spent:
        yield ""
        yield f"time per exercise (between runs, pauses of over {PAUSE // 60} minutes left out)"
        for (section, exercise), seconds in sorted(spent.items(), key=lambda item: -item[1])[:15]:
            yield f"{max(1, round(seconds / 60)):>4} min   {exercise} ({section})"
    hints = history.all_hints()
    if hints:
        yield ""
        yield f"hints taken: {', '.join(f'{exercise} {count}' for exercise, count in hints.items())}"
    if mistakes:
        yield ""
        yield "mistakes"
        for key, name in mistakes.items():
            yield f"{'overcome' if outcome[key] == 'passed' else 'open':>9}   {name} ({key[1]})"
