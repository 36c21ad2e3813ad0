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
from pathlib import Path
from types import TracebackType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from grader.export.files import number
from grader.results import CheckResult, ExerciseResult, SubmissionResult
from grader.text import tidy

BINS = 10  # of the distribution of totals
SHOWN = 12  # students named beside a mistake
MOST_PROBLEMS = 200  # on the class's page
BAR = 20.0  # rem, the longest bar


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("grader.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["number"] = number
    return environment


def _line(text: str) -> str:
    """Somebody's text in one line."""
    return " ".join(tidy(text, 300).split()) or "(no name)"


def handed_back(template: Any, result: SubmissionResult) -> str:
    """A page to hand back: nothing about others, and of hidden checks only their points."""
    return _page(template, result, hidden=False)


def _page(template: Any, result: SubmissionResult, *, hidden: bool) -> str:
    sections = [
        {
            "name": section.section,
            "points": section.points,
            "max_points": section.max_points,
            "exercises": [_exercise(exercise, hidden) for exercise in section.exercises],
        }
        for section in result.sections
    ]
    return str(
        template.render(
            student=_line(result.student),
            points=result.points,
            max_points=result.max_points,
            problems=[_line(problem) for problem in result.problems],
            sections=sections,
            handed_back=not hidden,
        )
    )


def _exercise(exercise: ExerciseResult, hidden: bool) -> dict[str, Any]:
    kept = [check for check in exercise.checks if hidden or not check.hidden]
    left = [check for check in exercise.checks if check not in kept]
    return {
        "name": exercise.exercise,
        "points": exercise.points,
        "max_points": exercise.max_points,
        "checks": kept,
        "hidden_points": sum(check.points for check in left),
        "hidden_max": sum(check.max_points for check in left),
    }


class ClassPages:
    """Writes `report/` in a folder: a page for each student that is added, the class's page at the end.

    A context manager: the pages take the place of older ones when all are there.
    """

    def __init__(self, out: Path, seed: int, sandbox: str) -> None:
        self._target = out / "report"
        self._folder = Path(tempfile.mkdtemp(prefix=".report-", dir=out))
        (self._folder / "students").mkdir()
        self._about = {"seed": seed, "sandbox": sandbox}
        self._templates = _environment()
        self._student = self._templates.get_template("student.html.j2")
        self._rows: list[Markup] = []
        self._totals: list[float] = []
        self._most = 0.0
        self._exercises: dict[tuple[str, str], Counter[str]] = {}
        self._mistakes: Counter[tuple[str, str]] = Counter()
        self._advice: dict[tuple[str, str], str] = {}
        self._met: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._slowest: dict[tuple[str, str], float] = {}
        self._problems: list[tuple[str, str, str]] = []
        self._more_problems = 0

    def __enter__(self) -> ClassPages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write_class()
            shutil.rmtree(self._target, ignore_errors=True)
            self._folder.chmod(0o755)
            self._folder.rename(self._target)
        else:
            shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, result: SubmissionResult) -> None:
        """One more student: writes the page, and counts."""
        link = f"students/{len(self._rows) + 1:05}.html"
        name = _line(result.student)
        (self._folder / link).write_text(_page(self._student, result, hidden=True), encoding="utf-8", errors="replace")
        cells = []
        for section in result.sections:
            for exercise in section.exercises:
                cells.append(self._count(section.section, exercise, link, name))
        row = Markup('<tr><th scope="row"><a href="{}">{}</a></th><td class="number">{}</td>{}</tr>')
        self._rows.append(row.format(link, name, number(result.points), Markup("").join(cells)))
        self._totals.append(result.points)
        self._most = max(self._most, result.max_points)
        for problem in result.problems:
            if len(self._problems) < MOST_PROBLEMS:
                self._problems.append((link, name, _line(problem)))
            else:
                self._more_problems += 1

    def _count(self, section: str, exercise: ExerciseResult, link: str, name: str) -> Markup:
        """Take an exercise into the class's counts; returns its cell."""
        counts = self._exercises.setdefault((section, exercise.exercise), Counter())
        begun = any(check.outcome not in ("todo", "not_reached") for check in exercise.checks)
        full = exercise.points == exercise.max_points
        counts["all"] += 1
        counts["begun"] += begun
        counts["full"] += full
        for check in exercise.checks:
            self._note(section, exercise.exercise, check, link, name)
        share = exercise.points / exercise.max_points if exercise.max_points else 1
        shade = "e0" if not begun else "a" if full else "b" if share >= 0.5 else "c" if share > 0 else "d"
        return Markup("<td class={}>{}").format(shade, number(exercise.points))

    def _note(self, section: str, exercise: str, check: CheckResult, link: str, name: str) -> None:
        slowest = section, check.check
        self._slowest[slowest] = max(self._slowest.get(slowest, 0.0), check.seconds)
        if check.mistake:
            key = exercise, check.mistake
            self._mistakes[key] += 1
            self._advice[key] = check.advice or ""
            met = self._met.setdefault(key, [])
            if len(met) < SHOWN:
                met.append((link, name))

    def _write_class(self) -> None:
        mistakes = [
            {"name": key[1], "exercise": key[0], "count": n, "advice": self._advice[key], "students": self._met[key]}
            for key, n in self._mistakes.most_common()
        ]
        rates = [
            {
                "section": section,
                "name": exercise,
                "full": counts["full"],
                "begun": counts["begun"],
                "percent": round(100 * counts["full"] / counts["all"]),
                "width": round(BAR / 2 * counts["full"] / counts["all"], 2),
            }
            for (section, exercise), counts in self._exercises.items()
        ]
        slowest = sorted(self._slowest.items(), key=lambda item: -item[1])[:10]
        page = self._templates.get_template("class.html.j2").render(
            **self._about,
            count=len(self._totals),
            median=statistics.median(self._totals) if self._totals else 0,
            max_points=self._most,
            totals=_bins(self._totals, self._most),
            mistakes=mistakes,
            exercises=[exercise for _, exercise in self._exercises],
            rows=self._rows,
            rates=rates,
            slowest=[{"section": s, "name": c, "seconds": seconds} for (s, c), seconds in slowest],
            problems=self._problems,
            more_problems=self._more_problems,
        )
        (self._folder / "index.html").write_text(page, encoding="utf-8", errors="replace")


def _bins(totals: list[float], most: float) -> list[dict[str, Any]]:
    """The distribution of totals: how many in each tenth of the points."""
    counts = Counter(min(BINS - 1, int(BINS * total / most)) if most else 0 for total in totals)
    highest = max(counts.values(), default=1)
    return [
        {
            "label": f"{number(round(most * i / BINS, 1))} to {number(round(most * (i + 1) / BINS, 1))}",
            "count": counts[i],
            "width": round(BAR * counts[i] / highest, 2),
        }
        for i in range(BINS)
    ]


def write_report(out: Path, students: bool) -> Path:
    """Write the pages anew from `results.json` in the folder `out`; returns the page to open, or the folder of those
    to hand back."""
    data = json.loads((out / "results.json").read_text(encoding="utf-8"))
    results = [SubmissionResult.from_json(submission) for submission in data["submissions"]]
    if not students:
        with ClassPages(out, data["seed"], data["sandbox"]) as pages:
            for result in results:
                pages.add(result)
        return out / "report" / "index.html"
    template = _environment().get_template("student.html.j2")
    folder = out / "students"
    folder.mkdir(exist_ok=True)
    for count, result in enumerate(results, start=1):
        readable = re.sub(r"[^A-Za-z0-9._-]+", "-", result.student).strip("-.")[:60]
        page = folder / f"{count:05}-{readable or 'student'}.html"
        page.write_text(handed_back(template, result), encoding="utf-8", errors="replace")
    return folder
