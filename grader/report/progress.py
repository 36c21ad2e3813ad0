"""How it went: days, points, time and mistakes of a learner's own runs, for the terminal and as one page.

Never imports torch; matplotlib and Jinja2 only for the page.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from grader.history import History, Row
from grader.kit import Kit
from grader.report.terminal import Terminal

PAUSE = 30 * 60  # seconds between two runs after which the time in between does not count as work
MOST = 15  # exercises on the terminal, those that took longest
BAR = 30  # characters
Key = tuple[str, str]  # section and the name of an exercise or a check


@dataclass
class Day:
    """One day. points: at its end; gained: more than at the end of the day before."""

    date: str
    points: int = 0
    gained: int = 0
    runs: int = 0
    hints: int = 0


@dataclass
class Effort:
    """What an exercise took. seconds: between runs that had to do with it, pauses left out."""

    section: str
    exercise: str
    seconds: float = 0.0
    runs: int = 0
    hints: int = 0
    solved: bool = False

    @property
    def minutes(self) -> int:
        """At least 1 where there was any time."""
        return max(1, round(self.seconds / 60)) if self.seconds else 0


@dataclass
class Met:
    """A known mistake: in how many runs it was made, and whether its check passes now."""

    mistake: str
    exercise: str
    runs: int = 0
    overcome: bool = False


@dataclass
class Progress:
    """All of it. curve: points after each run that changed them, with its time in seconds since the epoch."""

    max_points: int
    days: list[Day] = field(default_factory=list)
    efforts: list[Effort] = field(default_factory=list)
    mistakes: list[Met] = field(default_factory=list)
    curve: list[tuple[float, int]] = field(default_factory=list)

    @property
    def points(self) -> int:
        return self.curve[-1][1] if self.curve else 0


def read_progress(kit: Kit, history: History) -> Progress:
    """What the history says. Checks that the kit no longer has count for nothing."""
    exercises = {(s.name, e.name): e for s in kit.sections.values() for e in s.exercises}
    worth = {(e.section, c.name): c.points for e in exercises.values() for c in e.checks}
    outcomes: dict[Key, str] = {}
    efforts: dict[Key, Effort] = {}
    mistakes: dict[tuple[str, str, str], Met] = {}
    days: dict[str, Day] = {}
    progress = Progress(sum(worth.values()))
    last: float | None = None
    for at, rows in history.runs():
        worked = _worked(rows, outcomes)
        outcomes |= {(row.section, row.check): row.outcome for row in rows}
        for row in rows:
            if row.mistake:
                mistakes.setdefault((row.section, row.check, row.mistake), Met(row.mistake, row.exercise)).runs += 1
        for key in worked:
            effort = efforts.setdefault(key, Effort(*key))
            effort.runs += 1
            if last is not None and 0 <= at - last < PAUSE:  # below 0: the clock was put back
                effort.seconds += (at - last) / len(worked)
        last = at
        day = days.setdefault(_date(at), Day(_date(at)))
        day.runs += 1
        day.points = sum(worth.get(key, 0) for key, outcome in outcomes.items() if outcome == "passed")
        if day.points != progress.points or not progress.curve:
            progress.curve.append((at, day.points))
    if last is not None:
        progress.curve.append((last, progress.points))
    for when, section, exercise in history.hints():
        efforts.setdefault((section, exercise), Effort(section, exercise)).hints += 1
        if when is not None:
            days.setdefault(_date(when), Day(_date(when))).hints += 1
    before = 0
    for day in sorted(days.values(), key=lambda day: day.date):
        day.points = day.points if day.runs else before
        day.gained, before = day.points - before, day.points
        progress.days.append(day)
    for key, effort in efforts.items():
        checks = exercises[key].checks if key in exercises else ()
        effort.solved = bool(checks) and all(outcomes.get((key[0], c.name)) == "passed" for c in checks)
    for (section, check, _), met in mistakes.items():
        met.overcome = outcomes[section, check] == "passed"
    progress.efforts = sorted(efforts.values(), key=lambda effort: -effort.seconds)
    progress.mistakes = list(mistakes.values())
    return progress


def _worked(rows: list[Row], before: dict[Key, str]) -> set[Key]:
    """The exercises that a run was about: begun, and not simply as right as they were before."""
    begun = {(row.section, row.exercise) for row in rows if row.outcome not in ("todo", "not_reached")}
    changed = {
        (row.section, row.exercise)
        for row in rows
        if row.outcome != "passed" or before.get((row.section, row.check)) != "passed"
    }
    return begun & changed


def _date(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d")


def progress_lines(progress: Progress, terminal: Terminal, *, plain: bool = False) -> Iterator[str]:
    """For the terminal. plain: without bars."""
    if not progress.days:
        yield "Nothing yet: `pytest checks/` is the first step."
        return
    length = min(BAR, terminal.width - 56)
    yield "Days"
    for day in progress.days:
        filled = int(length * day.points / progress.max_points) if progress.max_points else 0
        bar = f"  [{'#' * filled}{'.' * (length - filled)}]" if length > 4 and not plain else ""
        hints = f", {_count(day.hints, 'hint')}" if day.hints else ""
        yield f"  {day.date}{bar} {day.points:>5} points ({day.gained:+d}), {_count(day.runs, 'run')}{hints}"
    if progress.efforts:
        yield ""
        yield from terminal.wrap(
            f"Time for each exercise (between runs that were about it; pauses of over {PAUSE // 60} minutes left out)"
        )
        for effort in progress.efforts[:MOST]:
            how = "solved" if effort.solved else "open"
            hints = f", {_count(effort.hints, 'hint')}" if effort.hints else ""
            yield f"  {effort.minutes:>4} min  {effort.exercise}: {how}, {_count(effort.runs, 'run')}{hints}"
        if len(progress.efforts) > MOST:
            yield f"  ... and {len(progress.efforts) - MOST} more: `grader progress --html` shows all"
    if progress.mistakes:
        yield ""
        yield "Mistakes"
        for met in progress.mistakes:
            how = "overcome" if met.overcome else "open"
            yield f"  {how:<8}  {met.mistake} ({met.exercise}), in {_count(met.runs, 'run')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def write_page(kit: Kit, progress: Progress) -> Path:
    """Write the same as one page that needs nothing else; returns it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("grader.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["count"] = _count
    picture = Markup(_curve(progress)) if progress.days else ""
    page = environment.get_template("progress.html.j2").render(progress=progress, curve=picture, pause=PAUSE // 60)
    path = kit.root / ".torch-kata" / "progress.html"
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="replace", dir=path.parent, delete=False) as file:
        file.write(page)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
    return path


def _curve(progress: Progress) -> str:
    """Points over time, as SVG to stand in a page."""
    import matplotlib as mpl
    import numpy as np
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "svg.hashsalt": "kata",
        "date.converter": "concise",
    }
    with mpl.rc_context(style):  # text stays text
        figure = Figure(figsize=(8, 3), layout="constrained")
        axes = figure.subplots()
        times = np.array([datetime.fromtimestamp(at) for at, _ in progress.curve], dtype="datetime64[s]")
        points = [points for _, points in progress.curve]
        axes.step(times, points, where="post", color="#b33c0c", linewidth=2)
        axes.plot(times[-1:], points[-1:], "o", color="#b33c0c")
        axes.set_ylim(0, progress.max_points * 1.03 or 1)
        axes.set_ylabel("points")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dddddd")
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    first, last = progress.days[0], progress.days[-1]
    told = f"Points over time: {first.points} on {first.date}, {last.points} of {progress.max_points} on {last.date}."
    svg = drawn.getvalue()
    return svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{told}"', 1)
