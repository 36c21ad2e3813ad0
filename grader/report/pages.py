"""The report of a batch: static pages of the class and of each student, that need no server and no network.

Pages are written one student at a time and the class is kept as counts, so that a large class needs little memory.
Everything that a learner wrote goes through Jinja2's escaping, after control characters were taken out.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from grader.export.files import number
from grader.report.pictures import draw
from grader.results import CheckResult, ExerciseResult, SubmissionResult
from grader.text import tidy

BINS = 10  # of the distribution of totals
SHOWN = 12  # students named beside a mistake
FIRST_MISTAKES = 12  # shown at once, the others behind a button
MOST_NOTES = 200  # students on the class's page, whose files have something to know of
NOT_BEGUN = "\N{EN DASH}"
KEPT = 2_000  # exercises as HTML: what most of a class got right, or wrong in the same way, is made once


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("grader.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"number": number, "code": _code}
    return environment


def _line(text: str) -> str:
    """Somebody's text in one line."""
    return " ".join(tidy(text, 300).split()) or "(no name)"


def _code(text: str) -> Markup:
    """A sentence whose `code` looks like code."""
    return Markup(re.sub("`([^`\n]+)`", r"<code>\1</code>", str(escape(text))))


class StudentPages:
    """Makes the page of a student: with all there is to know, or to hand back.

    What is handed back says nothing about others, and of hidden checks only their points.
    """

    def __init__(self, templates: Environment, *, handed_back: bool) -> None:
        self._page = templates.get_template("student.html.j2")
        self._template = templates.get_template("exercise.html.j2")
        self._handed_back = handed_back
        self._exercise = lru_cache(KEPT)(self._exercise_of_key)

    def page(self, result: SubmissionResult) -> str:
        """The page as HTML."""
        sections = [
            {
                "name": section.section,
                "points": section.points,
                "max_points": section.max_points,
                "percent": round(100 * section.points / section.max_points) if section.max_points else 0,
                "exercises": [self._exercise(_Key(section.section, exercise)) for exercise in section.exercises],
            }
            for section in result.sections
        ]
        return self._page.render(
            student=_line(result.student),
            points=result.points,
            max_points=result.max_points,
            problems=[_line(problem) for problem in result.problems],
            attempts=result.attempts,
            sections=sections,
            handed_back=self._handed_back,
        )

    def _exercise_of_key(self, key: _Key) -> Markup:
        exercise = key.exercise
        kept = [check for check in exercise.checks if not (self._handed_back and check.hidden)]
        left = [check for check in exercise.checks if self._handed_back and check.hidden]
        passed = [check for check in kept if check.outcome == "passed"]
        later = [check for check in kept if check.outcome == "not_reached" and not check.message]
        return Markup(
            self._template.render(
                section=key.section,
                name=exercise.exercise,
                state=shade(exercise),
                points=exercise.points,
                max_points=exercise.max_points,
                stopped=[check for check in kept if check not in passed and check not in later],
                lists=[("passed", passed), ("not reached", later)],
                pictures=[draw(picture) for check in kept for picture in check.pictures],
                hidden_points=sum(check.points for check in left),
                hidden_max=sum(check.max_points for check in left),
            )
        )


class _Key:
    """An exercise's result, equal to others that look the same."""

    def __init__(self, section: str, exercise: ExerciseResult) -> None:
        self.section, self.exercise = section, exercise
        seen = [
            (c.check, c.outcome, c.points, c.max_points, c.message, c.mistake, c.output, repr(c.pictures or ""))
            for c in exercise.checks
        ]
        self._parts = section, exercise.exercise, tuple(seen)

    def __hash__(self) -> int:
        return hash(self._parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._parts == other._parts


def shade(exercise: ExerciseResult) -> str:
    """How much of an exercise is right: a all, b half or more, c some, d nothing, e not begun."""
    points, most = exercise.points, exercise.max_points
    if all(check.outcome in ("todo", "not_reached") and not check.message for check in exercise.checks):
        return "e"
    return "a" if points == most else "b" if points >= most / 2 else "c" if points > 0 else "d"


@dataclass
class Mistake:
    """A known mistake that somebody in the class made, and the first few who did, by link and name."""

    id: int
    section: str
    exercise: str
    name: str
    advice: str
    count: int = 0
    students: list[tuple[str, str]] = field(default_factory=list)


class ClassPages:
    """Writes `report/` in a folder: a page for each student that is added, the class's page at the end.

    A context manager: the pages take the place of older ones when all are there.
    """

    def __init__(self, out: Path, seed: int, sandbox: str) -> None:
        self._opened = ExitStack()
        self._folder = self._opened.enter_context(_replaced(out / "report"))
        (self._folder / "students").mkdir()
        self._about = {"seed": seed, "sandbox": sandbox}
        self._templates = _environment()
        self._students = StudentPages(self._templates, handed_back=False)
        self._rows: list[Markup] = []
        self._totals: list[float] = []
        self._most = 0.0
        self._exercises: dict[tuple[str, str], Counter[str]] = {}
        self._mistakes: dict[tuple[str, str, str], Mistake] = {}
        self._slowest: dict[tuple[str, str], float] = {}
        self._ungraded: list[tuple[str, str, list[str]]] = []
        self._notes: list[tuple[str, str, list[str]]] = []

    def __enter__(self) -> ClassPages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._opened:
            if error is not None:
                raise error
            self._write_class()

    def add(self, result: SubmissionResult) -> None:
        """One more student: writes the page, and counts."""
        link = f"students/{len(self._rows) + 1:05}.html"
        name = _line(result.student)
        (self._folder / link).write_text(self._students.page(result), encoding="utf-8", errors="replace")
        cells, met = [], []
        for section in result.sections:
            cells.append(f"<td class=s>{number(section.points)}")
            for exercise in section.exercises:
                cells.append(self._count(section.section, exercise))
                for check in exercise.checks:
                    met += self._note(section.section, exercise.exercise, check, link, name)
        head = f'<tr data-m="{" ".join(map(str, met))}">' if met else "<tr>"
        student = f'<th scope="row"><a href="{link}">{escape(name)}</a></th><td class="t">{number(result.points)}'
        self._rows.append(Markup(head + student + "".join(cells)))
        self._totals.append(result.points)
        self._most = max(self._most, result.max_points)
        if result.problems or result.ungraded:
            told = self._ungraded if result.ungraded else self._notes
            told.append((link, name, [_line(problem) for problem in result.problems]))

    def _count(self, section: str, exercise: ExerciseResult) -> str:
        """Take an exercise into the class's counts; returns its cell."""
        found = shade(exercise)
        self._exercises.setdefault((section, exercise.exercise), Counter())[found] += 1
        return f"<td class={found}>{number(exercise.points) if found != 'e' else NOT_BEGUN}"

    def _note(self, section: str, exercise: str, check: CheckResult, link: str, name: str) -> list[int]:
        """Take a check into the class's counts; returns the number of its mistake, if it has one."""
        if check.seconds > self._slowest.get((section, check.check), 0.0):
            self._slowest[section, check.check] = check.seconds
        if not check.mistake:
            return []
        key = section, exercise, check.mistake
        if key not in self._mistakes:
            self._mistakes[key] = Mistake(len(self._mistakes), section, exercise, check.mistake, check.advice or "")
        mistake = self._mistakes[key]
        mistake.count += 1
        if len(mistake.students) < SHOWN:
            mistake.students.append((link, name))
        return [mistake.id]

    def _write_class(self) -> None:
        sections: dict[str, list[str]] = {}
        for section, exercise in self._exercises:
            sections.setdefault(section, []).append(exercise)
        slowest = sorted(self._slowest.items(), key=lambda item: -item[1])[:10]
        page = self._templates.get_template("class.html.j2").render(
            **self._about,
            count=len(self._totals),
            median=statistics.median(self._totals) if self._totals else 0,
            max_points=self._most,
            met=sum(mistake.count for mistake in self._mistakes.values()),
            ungraded=self._ungraded,
            notes=self._notes,
            most_notes=MOST_NOTES,
            totals=_bins(self._totals, self._most),
            mistakes=sorted(self._mistakes.values(), key=lambda mistake: -mistake.count),
            first_mistakes=FIRST_MISTAKES,
            sections=list(sections.items()),
            columns=len(sections) + len(self._exercises),
            rows=self._rows,
            rates=[_rate(*names, counts) for names, counts in self._exercises.items()],
            slowest=[{"section": s, "name": c, "seconds": seconds} for (s, c), seconds in slowest],
        )
        (self._folder / "index.html").write_text(page, encoding="utf-8", errors="replace")


def _rate(section: str, exercise: str, counts: Counter[str]) -> dict[str, Any]:
    """How a class did in one exercise; shares in percent of the class."""
    share = {state: 100 * counts[state] / counts.total() for state in "abcde"}
    return {
        "section": section,
        "name": exercise,
        "percent": round(share["a"]),
        "begun": counts.total() - counts["e"],
        "full": round(share["a"], 1),
        "some": round(share["b"] + share["c"], 1),
        "none": round(share["d"], 1),
    }


def _bins(totals: list[float], most: float) -> list[dict[str, Any]]:
    """The distribution of totals: how many in each tenth of the points."""
    counts = Counter(min(BINS - 1, int(BINS * total / most)) if most else 0 for total in totals)
    highest = max(counts.values(), default=1)
    return [
        {
            "label": f"{number(round(most * i / BINS, 1))} to {number(round(most * (i + 1) / BINS, 1))}",
            "count": counts[i],
            "height": round(85 * counts[i] / highest, 1),  # percent of the room; the rest is for numbers
        }
        for i in range(BINS)
    ]


class ReportError(Exception):
    """There is nothing to make pages of; the message says what to do."""


def write_report(out: Path, students: bool) -> Path:
    """Write the pages anew from `results.json` in the folder `out`; returns the page to open, or the folder of those
    to hand back. Either takes the place of older ones when all pages are there."""
    try:
        data = json.loads((out / "results.json").read_text(encoding="utf-8"))
        results = [SubmissionResult.from_json(submission) for submission in data["submissions"]]
        seed, sandbox = data["seed"], data["sandbox"]
    except FileNotFoundError:
        raise ReportError(f"no results.json in {out}: give the --out folder of a `grader grade`") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ReportError(f"{out}/results.json cannot be read ({error!r}): `grader regrade` writes it anew") from None
    if not students:
        with ClassPages(out, seed, sandbox) as pages:
            for result in results:
                pages.add(result)
        return out / "report" / "index.html"
    maker = StudentPages(_environment(), handed_back=True)
    with _replaced(out / "students") as folder:
        for count, result in enumerate(results, start=1):
            readable = re.sub(r"[^A-Za-z0-9._-]+", "-", result.student).strip("-.")[:60]
            page = folder / f"{count:05}-{readable or 'student'}.html"
            page.write_text(maker.page(result), encoding="utf-8", errors="replace")
    return out / "students"


@contextmanager
def _replaced(target: Path) -> Iterator[Path]:
    """A new folder beside the target, that takes its place at the end; on an error the old one stays."""
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield folder
        shutil.rmtree(target, ignore_errors=True)
        folder.chmod(0o755)
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
