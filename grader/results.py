"""What a run found, as plain dataclasses that go to JSON and back. Reports and exports read these and nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Outcome = Literal["passed", "failed", "todo", "error", "timeout", "crashed", "not_reached"]
MUST_RUN = "must be run again: its probe or its inputs have changed since it was graded"


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
                "checks": [asdict(c) for c in e.checks],
            }
            for e in self.exercises
        ]
        return {"section": self.section, "points": self.points, "max_points": self.max_points, "exercises": exercises}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SectionResult:
        exercises = [
            ExerciseResult(e["exercise"], [CheckResult(**check) for check in e["checks"]]) for e in data["exercises"]
        ]
        return cls(data["section"], exercises)


@dataclass
class SubmissionResult:
    """One submission. problems: what to know of its files, in sentences; ungraded: some of it could not be graded."""

    student: str
    sections: list[SectionResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ungraded: bool = False

    @property
    def points(self) -> float:
        return sum(section.points for section in self.sections)

    @property
    def max_points(self) -> float:
        return sum(section.max_points for section in self.sections)

    def to_json(self) -> dict[str, Any]:
        return {
            "student": self.student,
            "points": self.points,
            "max_points": self.max_points,
            "problems": self.problems,
            "ungraded": self.ungraded,
            "sections": [section.to_json() for section in self.sections],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SubmissionResult:
        sections = [SectionResult.from_json(section) for section in data["sections"]]
        return cls(data["student"], sections, list(data["problems"]), bool(data["ungraded"]))
