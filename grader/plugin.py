"""The pytest plugin behind `pytest checks/`: checks as items, their outcomes, and the board.

It runs a learner's own code in this process, so that print and pdb work; what it says is for the learner and never a
grade.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.history import History, Standing
from grader.kit import Check, Kit, KitError, Section, find_root
from grader.mistakes import Bank
from grader.pairing import edited_last, which
from grader.report.board import board_lines, failure_text
from grader.report.terminal import Terminal
from grader.results import CheckResult
from grader.runner import ExerciseRun, Trial, load_checks
from grader.solutions import Solution
from grader.solutions.clean_room import warm_up
from grader.solutions.local import LocalSolution, read_source

LEARNERS_SEED = 0  # a learner sees the same inputs every time; a batch draws its own
STATUS = {"todo": ("todo", "t", "TODO"), "not_reached": ("not reached", "-", "NOT REACHED")}
NOTHING_DONE = pytest.ExitCode.NO_TESTS_COLLECTED
RUN = pytest.StashKey["LocalRun"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("torch-kata")
    group.addoption("--exercises", metavar="DIR", help="the folder with the filled-in files (default: exercises/)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kata: a check of Torch Kata")
    config.stash[RUN] = LocalRun(config)


class LocalRun:
    """One pytest session over one folder of exercises."""

    def __init__(self, config: pytest.Config) -> None:
        given = config.getoption("--exercises")
        self.kit = Kit(find_root(config.rootpath))
        self.folder = Path(given).resolve() if given else self.kit.exercises
        if not self.folder.is_dir():
            raise pytest.UsageError(f"--exercises: no folder {self.folder}")
        self.is_own_work = self.folder == self.kit.exercises
        self.bank = Bank(self.kit, LEARNERS_SEED, self.kit.root / ".torch-kata" / "mistakes")
        self.results: dict[str, dict[str, CheckResult]] = {}
        self.problem = ""  # with the history
        self._solutions: dict[str, Solution | str] = {}
        self._runs: dict[tuple[str, str], ExerciseRun] = {}

    def solution(self, section: Section) -> Solution | str:
        """The learner's file of a section, or a sentence that says why there is none."""
        if section.name not in self._solutions:
            path = edited_last(self.folder, section.name)
            try:
                names = [exercise.name for exercise in section.exercises]
                self._solutions[section.name] = LocalSolution(read_source(path), names)
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                self._solutions[section.name] = f"{path}: {reason}"
        return self._solutions[section.name]

    def run(self, section: Section, check: Check, function: Any) -> tuple[Trial, CheckResult]:
        solution = self.solution(section)
        if isinstance(solution, str):
            trial = Trial("error", solution)
            result = CheckResult(check.name, check.kind, "error", 0, check.points, solution, sentence=check.sentence)
        else:
            key = section.name, check.exercise
            if key not in self._runs:
                exercise = section.exercise(check.exercise)
                self._runs[key] = ExerciseRun(self.kit, section, exercise, solution, LEARNERS_SEED, self.bank)
            trial, result = self._runs[key].step(check, function)
        self.results.setdefault(section.name, {})[check.name] = result
        return trial, result


class CheckStopped(Exception):
    """Carries an outcome without an exception of the learner's: the message is all there is to see."""


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    kit = parent.config.stash[RUN].kit
    name = module_path.stem.removeprefix("test_")
    if module_path.resolve().is_relative_to(kit.checks) and name in kit.sections:
        return CheckFile.from_parent(parent, path=module_path)
    return None


class CheckFile(pytest.File):
    """A check file: its items in the order of the exercises, and of the checks within each."""

    def collect(self) -> Iterator[pytest.Item]:
        kit = self.config.stash[RUN].kit
        section = kit.sections[self.path.stem.removeprefix("test_")]
        functions = load_checks(kit, section.name)
        for exercise in section.exercises:
            for check in exercise.checks:
                if check.file == self.path:
                    item = CheckItem.from_parent(self, name=check.name)
                    item.section, item.check, item.function = section, check, functions[check.name]
                    limit = max(60, int(6 * check.seconds))
                    if self.config.getoption("timeout", None) is None and limit > 60:
                        item.add_marker(pytest.mark.timeout(limit))
                    item.add_marker(pytest.mark.kata)
                    item.extra_keyword_matches.update((exercise.name, check.kind))
                    yield item


class CheckItem(pytest.Item):
    """One check, run the way that every check is run."""

    section: Section
    check: Check
    function: Any
    result: CheckResult | None = None

    @property
    def obj(self) -> Any:
        return self.function

    def runtest(self) -> None:
        run = self.config.stash[RUN]
        trial, self.result = run.run(self.section, self.check, self.function)
        if self.result.outcome in STATUS:
            pytest.skip("")
        if self.result.outcome != "passed":
            raise trial.error or CheckStopped(self.result.message)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if self.result is None:  # a time limit, or Ctrl-C: it never came to a result
            seconds = "the time limit"
            message = f"`{self.check.exercise}` did not end within {seconds}: look for a loop that never ends"
            self.result = CheckResult(
                self.check.name, self.check.kind, "timeout", 0, self.check.points, message, sentence=self.check.sentence
            )
            run = self.config.stash[RUN]
            run.results.setdefault(self.section.name, {})[self.check.name] = self.result
            if (self.section.name, self.check.exercise) in run._runs:
                run._runs[self.section.name, self.check.exercise].stopped = "timeout"
        return failure_text(self.result)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.check.line - 1, self.name


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    outcome = dict(report.user_properties).get("outcome") if report.when == "call" else None
    return STATUS.get(str(outcome))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if isinstance(item, CheckItem) and call.when == "call" and item.result is not None:
        told: list[tuple[str, object]] = [("outcome", item.result.outcome), ("points", item.result.points)]
        told += [("max_points", item.result.max_points), ("exercise", item.check.exercise)]
        report.user_properties += told
        item.user_properties += told  # what --junit-xml writes, after the teardown
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    run = session.config.stash[RUN]
    outcomes = {result.outcome for checks in run.results.values() for result in checks.values()}
    if exitstatus == pytest.ExitCode.OK and outcomes == {"todo"}:
        session.exitstatus = NOTHING_DONE
    if run.is_own_work and run.results:
        with History(run.kit.root) as history:
            exercises = {c.name: c.exercise for s in run.kit.sections.values() for e in s.exercises for c in e.checks}
            history.record(run.results, exercises)
            run.problem = history.problem


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    run = config.stash[RUN]
    if not run.results:
        return
    standing = Standing(run.results, before=run.results)
    if run.is_own_work:
        with History(run.kit.root) as history:
            standing = history.standing()
    terminalreporter.section("Torch Kata", sep="-")
    for section in run.results:
        if told := which(run.folder, section):
            terminalreporter.write_line(told)
    coloured = terminalreporter.hasmarkup
    terminal = Terminal(terminalreporter._tw.fullwidth, coloured, coloured and Terminal.of(sys.stdout).links)
    for line in [*board_lines(run.kit, standing, terminal), *filter(None, [run.problem])]:
        terminalreporter.write_line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    gc.freeze()  # or the interpreter searches all of torch for garbage on its way out, for a second


def pytest_collection_finish(session: pytest.Session) -> None:
    run = session.config.stash[RUN]
    try:
        _ = run.kit.sections
    except KitError as error:
        raise pytest.UsageError(str(error)) from None
    for item in session.items:
        if isinstance(item, CheckItem) and "clean_room" in item.function.__code__.co_varnames:
            solution = run.solution(item.section)
            if not isinstance(solution, str) and not solution.source.is_untouched(item.check.exercise):
                warm_up()
                return
