"""What a run found, as plain dataclasses that go to JSON and back. Reports and exports read these and nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from grader.kit import Check

Outcome = Literal["passed", "failed", "todo", "error", "timeout", "crashed", "not_reached"]
MAX_OUTPUT = 4_000  # characters of what the learner's code printed, kept with a check
MAX_MESSAGE = 4_000  # characters
MUST_RUN = "must be run again: its probe or its inputs have changed since it was graded"
NOT_THERE = "was not handed in, or could not be read"  # how the message about a missing file ends


@dataclass
class Picture:
    """What a check found worth seeing, as small plain data that any reader can draw.

    across, up: what the axes show. lines: of a curve, by name, places across and heights (None where there is no finite
    number). cells: of a matrix, row by row. labels: of its rows and columns, numbered from 0 without. strips: of
    images, by name, a row of them as a PNG in base64.
    """

    kind: Literal["curve", "matrix", "images"]
    title: str
    across: str = ""
    up: str = ""
    lines: dict[str, list[list[float | None]]] = field(default_factory=dict)
    cells: list[list[float | None]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    strips: dict[str, str] = field(default_factory=dict)


@dataclass
class CheckResult:
    """One check. mistake and advice: the known mistake that gives the same evidence. seconds: of processor time."""

    check: str
    kind: str
    outcome: Outcome
    points: float
    max_points: float
    message: str = ""
    mistake: str | None = None
    advice: str | None = None
    seconds: float = 0.0
    output: str = ""
    sentence: str = ""
    hidden: bool = False
    pictures: list[Picture] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pictures = [p if isinstance(p, Picture) else Picture(**p) for p in self.pictures]  # from JSON: dicts

    def to_json(self) -> dict[str, Any]:
        """The fields by name; `asdict` would copy each value, and a class has a hundred thousand of these."""
        return {**vars(self), "pictures": [vars(picture) for picture in self.pictures]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CheckResult:
        """One that this kit, or a newer one with more fields, wrote."""
        if not data.keys() <= _CHECK_FIELDS:
            data = {name: value for name, value in data.items() if name in _CHECK_FIELDS}
        return cls(**data)


_CHECK_FIELDS = {field.name for field in fields(CheckResult)}


def check_result(check: Check, outcome: Outcome, message: str, seconds: float, output: str) -> CheckResult:
    """What became of a check, with what the kit says of it."""
    return CheckResult(
        check=check.name,
        kind=check.kind,
        outcome=outcome,
        points=check.points if outcome == "passed" else 0,
        max_points=check.points,
        message=message,
        seconds=round(seconds, 4),
        output=output,
        sentence=check.sentence,
        hidden=check.hidden,
    )


@dataclass
class ExerciseResult:
    """One exercise: its checks in order."""

    exercise: str
    checks: list[CheckResult] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(check.points for check in self.checks)

    @property
    def max_points(self) -> float:
        return sum(check.max_points for check in self.checks)

    @property
    def first_failure(self) -> CheckResult | None:
        return next((check for check in self.checks if check.outcome != "passed"), None)


@dataclass
class SectionResult:
    """One section."""

    section: str
    exercises: list[ExerciseResult] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(exercise.points for exercise in self.exercises)

    @property
    def max_points(self) -> float:
        return sum(exercise.max_points for exercise in self.exercises)

    @property
    def must_run(self) -> int:
        """How many checks the stored evidence cannot answer."""
        return sum(check.message == MUST_RUN for exercise in self.exercises for check in exercise.checks)

    def to_json(self) -> dict[str, Any]:
        """As `results.json` has it: points stand beside the lists that they add up."""
        exercises = [
            {
                "exercise": e.exercise,
                "points": e.points,
                "max_points": e.max_points,
                "checks": [c.to_json() for c in e.checks],
            }
            for e in self.exercises
        ]
        return {"section": self.section, **_totals(exercises), "exercises": exercises}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SectionResult:
        exercises = [
            ExerciseResult(e["exercise"], [CheckResult.from_json(check) for check in e["checks"]])
            for e in data["exercises"]
        ]
        return cls(data["section"], exercises)


@dataclass
class AttemptResult:
    """Something that a student handed in. number: from 1. at: when it first came to be graded, in UTC (ISO 8601).

    counts: whether it is the one whose results stand in the submission.
    """

    number: int
    at: str
    points: float
    counts: bool


@dataclass
class SubmissionResult:
    """One submission. problems: what to know of its files, in sentences; ungraded: some of it could not be graded.

    attempts: all that the student handed in, the earliest first.
    """

    student: str
    sections: list[SectionResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ungraded: bool = False
    attempts: list[AttemptResult] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(section.points for section in self.sections)

    @property
    def max_points(self) -> float:
        return sum(section.max_points for section in self.sections)

    def to_json(self) -> dict[str, Any]:
        sections = [section.to_json() for section in self.sections]
        return {
            "student": self.student,
            **_totals(sections),
            "problems": self.problems,
            "ungraded": self.ungraded,
            "attempts": [asdict(attempt) for attempt in self.attempts],
            "sections": sections,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SubmissionResult:
        sections = [SectionResult.from_json(section) for section in data["sections"]]
        attempts = [AttemptResult(**attempt) for attempt in data.get("attempts", [])]  # older results have none
        return cls(data["student"], sections, list(data["problems"]), bool(data["ungraded"]), attempts)


def _totals(parts: list[dict[str, Any]]) -> dict[str, float]:
    """The points of what consists of these parts."""
    return {name: sum(part[name] for part in parts) for name in ("points", "max_points")}
