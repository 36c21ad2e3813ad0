"""Gradescope's `results.json`: a test for each exercise, with its points and what is wrong.

https://gradescope-autograders.readthedocs.io/en/latest/specs/#output-format
"""

from __future__ import annotations

from typing import Any

from grader.export.told import told
from grader.results import SubmissionResult
from grader.text import tidy

MAX_OUTPUT = 8_000  # characters of one test


def results(submission: SubmissionResult) -> dict[str, Any]:
    """One submission as Gradescope reads it. Plain text everywhere: nothing of a learner's becomes markup.

    Hidden checks are in their exercise's points and told by their points alone; a test with Gradescope's own `hidden`
    would hide the total from the student.
    """
    tests = [
        {
            "name": f"{section.section}: {exercise.exercise}",
            "number": f"{place}.{nth}",
            "score": exercise.points,
            "max_score": exercise.max_points,
            "status": "passed" if exercise.first_failure is None else "failed",
            "output": tidy(told(exercise), MAX_OUTPUT),
            "output_format": "text",
            "name_format": "text",
            "visibility": "visible",
        }
        for place, section in enumerate(submission.sections, start=1)
        for nth, exercise in enumerate(section.exercises, start=1)
    ]
    return {
        "score": submission.points,
        "output": "\n".join(tidy(problem, 1_000) for problem in submission.problems),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }
