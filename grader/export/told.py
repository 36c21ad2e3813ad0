"""What a student may read of an exercise, as plain text. Nothing about a hidden check but its points."""

from __future__ import annotations

from dataclasses import replace

from grader.export.files import number
from grader.report.board import failure_text
from grader.results import ExerciseResult

UNTOLD = {"todo": "It is still to do.", "not_reached": "Not reached: an earlier check did not pass."}


def told(exercise: ExerciseResult) -> str:
    """The first failure with its advice, and how many checks passed."""
    shown = [check for check in exercise.checks if not check.hidden]
    passed = sum(check.outcome == "passed" for check in shown)
    lines = [f"{passed} of {len(shown)} checks passed."]
    failure = next((check for check in shown if check.outcome != "passed"), None)
    if failure is not None:
        message = failure.message or UNTOLD.get(failure.outcome, failure.outcome)
        lines += ["", failure_text(replace(failure, message=message))]
    hidden = [check for check in exercise.checks if check.hidden]
    if hidden:
        points, most = (sum(getattr(check, name) for check in hidden) for name in ("points", "max_points"))
        lines += ["", f"Hidden checks: {number(points)} of {number(most)} points."]
    return "\n".join(lines)
