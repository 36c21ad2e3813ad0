"""JUnit XML, as pytest writes it: a suite for each student, a case for each check, points as properties."""

from __future__ import annotations

from junitparser import Error, Failure, JUnitXml, Properties, Property, Skipped, TestCase, TestSuite

from grader.results import CheckResult, SubmissionResult
from grader.text import tidy

MAX_TEXT = 8_000  # characters
KINDS = {"failed": Failure, "todo": Skipped, "not_reached": Skipped}


def document(submissions: list[SubmissionResult]) -> JUnitXml:
    """The whole class. What is to do or not reached is skipped; what raised, hung or crashed is an error."""
    xml = JUnitXml("Torch Kata")
    for submission in submissions:
        suite = TestSuite(tidy(submission.student, 200))
        for problem in submission.problems:
            suite.add_property("problem", tidy(problem, MAX_TEXT))
        suite.add_property("points", str(submission.points))
        suite.add_property("max_points", str(submission.max_points))
        for section in submission.sections:
            for exercise in section.exercises:
                for check in exercise.checks:
                    suite.add_testcase(_case(f"{section.section}.{exercise.exercise}", check))
        xml.add_testsuite(suite)
    xml.update_statistics()
    return xml


def _case(place: str, check: CheckResult) -> TestCase:
    case = TestCase(check.check, place, check.seconds)
    properties = Properties()
    for name in ("outcome", "points", "max_points", "mistake"):
        value = getattr(check, name)
        if value is not None:
            properties.add_property(Property(name, str(value)))
    case.append(properties)
    if check.outcome != "passed":
        text = "\n".join(filter(None, (check.sentence, check.message, check.advice)))
        message = (check.message or check.outcome).partition("\n")[0]
        result = KINDS.get(check.outcome, Error)(tidy(message, 200), check.outcome)
        result.text = tidy(text, MAX_TEXT)
        case.result = result
    if check.output:
        case.system_out = tidy(check.output, MAX_TEXT)
    return case
