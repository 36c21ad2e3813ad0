"""The board: a bar per section, today's change, the last failure, and the next exercise to do. Never imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from grader.history import Results, Standing
from grader.kit import Exercise, Kit, Section
from grader.pairing import edited_last
from grader.report.terminal import Terminal
from grader.results import CheckResult
from grader.text import tidy

BAR = 20  # characters, at most
LEAST_BAR = 4
MAX_FAILURE = 240  # characters of the sentence about the last failure


def board_lines(kit: Kit, standing: Standing, terminal: Terminal, *, plain: bool = False) -> list[str]:
    """The board, as wide as the terminal at most. plain: sentences, without bars, for a screen reader."""
    lines = [*_sentences(kit, standing, terminal)] if plain else [*_bars(kit, standing, terminal), ""]
    lines += terminal.wrap(_total(kit, standing), "  ")
    if failure := last_failure(kit, standing):
        first, *rest = terminal.wrap(f"Last failure: {failure}", "  ")
        lines += [first.replace("Last failure:", terminal.style("Last failure:", "red"), 1), *rest]
    return [*lines, *next_step(kit, kit.sections.values(), standing.known, terminal, plain=plain)]


def _bars(kit: Kit, standing: Standing, terminal: Terminal) -> Iterator[str]:
    """A line a section: its file, a bar, its points and exercises; what does not fit is left out, the bar first."""
    most = max(section.max_points for section in kit.sections.values())
    digits, name = len(f"{most:.0f}"), max(len(section) for section in kit.sections)
    for section in kit.sections.values():
        results = standing.known.get(section.name, {})
        points = points_of(section, results)
        done = f"{exercises_done(section, results):>2}/{len(section.exercises)}"
        numbers = [f"{points:>{digits}}/{section.max_points}", done]
        words = [f"{numbers[0]} points", f"{done} exercises"]
        length = terminal.width - name - len("  ".join(words)) - 4
        if length < LEAST_BAR:
            words = numbers
            length = terminal.width - name - len("  ".join(words)) - 4
        length = min(BAR, length)
        filled = int(length * points / section.max_points) if section.max_points else 0
        bar = f"[{terminal.style('#' * filled, 'green')}{'.' * (length - filled)}] " if length >= LEAST_BAR else ""
        yield f"{section.name:<{name}} {bar}{'  '.join(words)}"


def _sentences(kit: Kit, standing: Standing, terminal: Terminal) -> Iterator[str]:
    for section in kit.sections.values():
        results = standing.known.get(section.name, {})
        yield from terminal.wrap(
            f"{section.name}: {points_of(section, results)} of {section.max_points} points, "
            f"{exercises_done(section, results)} of {len(section.exercises)} exercises.",
            "  ",
        )


def _total(kit: Kit, standing: Standing) -> str:
    """Points and exercises of all sections, and what changed today."""
    sections = kit.sections.values()
    points = sum(points_of(s, standing.known.get(s.name, {})) for s in sections)
    change = points - sum(points_of(s, standing.before.get(s.name, {})) for s in sections)
    done = sum(exercises_done(s, standing.known.get(s.name, {})) for s in sections)
    today = f"{change:+d} points today" if change else "no change today"
    most, exercises = sum(s.max_points for s in sections), sum(len(s.exercises) for s in sections)
    return f"Total: {points} of {most} points, {done} of {exercises} exercises, {today}."


def points_of(section: Section, results: dict[str, CheckResult]) -> int:
    """The points of the checks that passed, as this kit has them: an older one may have had others."""
    checks = (check for exercise in section.exercises for check in exercise.checks)
    return sum(check.points for check in checks if check.name in results and results[check.name].outcome == "passed")


def exercises_done(section: Section, results: dict[str, CheckResult]) -> int:
    """How many exercises are done."""
    return sum(is_done(exercise, results) for exercise in section.exercises)


def is_done(exercise: Exercise, results: dict[str, CheckResult]) -> bool:
    """Whether every check of the exercise has passed."""
    return all(check.name in results and results[check.name].outcome == "passed" for check in exercise.checks)


def last_failure(kit: Kit, standing: Standing) -> str:
    """The last run's first failure that still stands, in a sentence; nothing if all is well."""
    for section, name in standing.failed:
        if section in kit.sections:
            for exercise in kit.sections[section].exercises:
                if any(check.name == name for check in exercise.checks):
                    return f"{exercise.name}: {failure_sentence(standing.known[section][name])}"
    return ""


def failure_sentence(result: CheckResult) -> str:
    """What is wrong, in one line: the known mistake, or what was raised, or what should hold."""
    if result.mistake:
        text = f"known mistake {result.mistake}: {result.advice}"
    elif result.outcome == "failed" and result.sentence:
        text = f"this does not hold: {result.sentence}"
    else:
        text = result.message
    return tidy(" ".join(text.split()), MAX_FAILURE)


def failure_text(result: CheckResult) -> str:
    """What a learner reads below a failed check."""
    lines = [result.sentence, ""] if result.sentence else []
    lines += [happened(result)]
    if result.mistake:
        lines += ["", f"Known mistake: {result.mistake}", f"  {result.advice}"]
    return "\n".join(lines)


def happened(result: CheckResult) -> str:
    """What went wrong in a check, and what was printed meanwhile; nothing where all is well."""
    lines = [result.message] if result.message else []
    if result.output:
        lines += ["", "It printed:", result.output.rstrip()]
    return "\n".join(lines)


def next_exercise(sections: Iterable[Section], known: Results) -> Exercise | None:
    """The first one that is not done."""
    for section in sections:
        for exercise in section.exercises:
            if not is_done(exercise, known.get(section.name, {})):
                return exercise
    return None


def next_step(
    kit: Kit, sections: Iterable[Section], known: Results, terminal: Terminal, *, plain: bool = False
) -> list[str]:
    """Which exercise of these sections to do next, and where it stands."""
    exercise = next_exercise(sections, known)
    if exercise is None:
        return [terminal.style("All done. Well trained!", "green")]
    path = edited_last(kit.exercises, exercise.section)
    shown, line = path.relative_to(kit.root), line_of(path, exercise)
    if plain:
        return terminal.wrap(f"Next: {exercise.name}, in {shown}{f', line {line}' if line else ''}.", "  ")
    place = f"{shown}:{line}" if line else f"{shown}"
    if len(f"Next: {exercise.name} - {place}") > terminal.width:
        return [f"Next: {terminal.style(exercise.name, 'bold')}", f"  {terminal.link(place, path)}"]
    return [f"Next: {terminal.style(exercise.name, 'bold')} - {terminal.link(place, path)}"]


def line_of(path: Path, exercise: Exercise) -> int | None:
    """The line of an exercise in the learner's file, or in the stub if it is not there; None in a notebook."""
    if path.suffix == ".ipynb":
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return exercise.line
    for number, line in enumerate(lines, start=1):
        if line.startswith((f"def {exercise.name}(", f"class {exercise.name}(", f"class {exercise.name}:")):
            return number
    return exercise.line
