"""What a student may read of an exercise, as plain text. Nothing about a hidden check but its points."""

from __future__ import annotations

from grader.export.files import number
from grader.results import CheckResult, ExerciseResult

UNTOLD = {"todo": "It is still to do.", "not_reached": "Not reached: an earlier check did not pass."}


def told(exercise: ExerciseResult) -> str:
    """The first failure with its advice, and how many checks passed."""
    shown = [check for check in exercise.checks if not check.hidden]
    passed = sum(check.outcome == "passed" for check in shown)
    lines = [f"{passed} of {len(shown)} checks passed."]
    failure = next((check for check in shown if check.outcome != "passed"), None)
    if failure is not None:
        lines += ["", *_failure(failure)]
    hidden = [check for check in exercise.checks if check.hidden]
    if hidden:
        points, most = (sum(getattr(check, name) for check in hidden) for name in ("points", "max_points"))
        lines += ["", f"Hidden checks: {number(points)} of {number(most)} points."]
    return "\n".join(lines)


def _failure(check: CheckResult) -> list[str]:
    lines = [check.sentence] if check.sentence else []
    lines += [check.message or UNTOLD.get(check.outcome, check.outcome)]
    if check.output:
        lines += ["", "It printed:", check.output.rstrip()]
    if check.mistake:
        lines += ["", f"Known mistake: {check.mistake}", f"  {check.advice}"]
    return lines
