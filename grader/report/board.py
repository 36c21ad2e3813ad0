"""The board: a bar per section, and the next exercise to do. Never imports torch."""

from __future__ import annotations

from pathlib import Path

from grader.kit import Exercise, Kit, Section
from grader.results import CheckResult

BAR = 20  # characters


def board_lines(kit: Kit, known: dict[str, dict[str, CheckResult]]) -> list[str]:
    """The board, at most 80 columns wide. known: results by section and check."""
    bars = [bar(section, known.get(section.name, {})) for section in kit.sections.values()]
    return [*bars, "", next_step(kit, known)]


def bar(section: Section, results: dict[str, CheckResult]) -> str:
    """One line: the section's file, a bar, its points and exercises."""
    points = sum(result.points for result in results.values())
    most = section.max_points
    filled = int(BAR * points / most) if most else 0
    done = sum(is_done(exercise, results) for exercise in section.exercises)
    return (
        f"{section.name:<20} [{'#' * filled}{'.' * (BAR - filled)}] {points:>3.0f}/{most} points"
        f"  {done:>2}/{len(section.exercises)} exercises"
    )


def is_done(exercise: Exercise, results: dict[str, CheckResult]) -> bool:
    """Whether every check of the exercise has passed."""
    return all(check.name in results and results[check.name].outcome == "passed" for check in exercise.checks)


def next_step(kit: Kit, known: dict[str, dict[str, CheckResult]]) -> str:
    """Which exercise to do next, and where it stands."""
    for section in kit.sections.values():
        for exercise in section.exercises:
            if not is_done(exercise, known.get(section.name, {})):
                path = kit.exercises / f"{section.name}.py"
                return f"Next: {exercise.name} - {path.relative_to(kit.root)}:{line_of(path, exercise)}"
    return "All done. Well trained!"


def line_of(path: Path, exercise: Exercise) -> int:
    """The line of an exercise in the learner's file, or in the stub if it is not there."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return exercise.line
    for number, line in enumerate(lines, start=1):
        if line.startswith((f"def {exercise.name}(", f"class {exercise.name}(", f"class {exercise.name}:")):
            return number
    return exercise.line
