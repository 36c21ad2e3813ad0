"""Runs checks against a solution: one check, or a whole section in the order of verdicts.

The one way that a check is ever run: for a learner's pytest, for a grade, for a regrade and for a known mistake.
"""

from __future__ import annotations

import difflib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from grader.checks import CheckFailed, CheckSkipped, Measure, measured, pictured, show
from grader.kit import Check, Exercise, Kit, KitError, Section
from grader.results import (
    MAX_MESSAGE,
    MAX_OUTPUT,
    MUST_RUN,
    CheckResult,
    ExerciseResult,
    Outcome,
    Picture,
    SectionResult,
    check_result,
)
from grader.solutions import Reply, Solution
from grader.solutions.recorded import MustRun
from grader.student import LearnerStopped, Shared, Student, stub_source
from grader.text import tidy

CheckFunctions = dict[str, Callable[..., Any]]


class Diagnosis(Protocol):
    """What a bank of mistakes says of a failed check."""

    mistake: str
    advice: str


class Diagnoses(Protocol):
    """Something that names mistakes by their evidence."""

    def diagnose(self, check: Check, log: list[Reply]) -> Any: ...


@dataclass
class Trial:
    """What became of one check.

    log: all evidence it saw; read: whether it read the learner's file; error: what it raised, for a debugger; measures:
    the numbers it held against thresholds; pictures: what it found worth seeing.
    """

    outcome: Outcome
    message: str = ""
    log: list[Reply] = field(default_factory=list)
    read: bool = False
    error: BaseException | None = None
    measures: list[Measure] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


def load_checks(kit: Kit, section: str) -> CheckFunctions:
    """The check functions of a section by name. Their files are ours, so they are imported."""
    functions: CheckFunctions = {}
    for path in kit.check_files(section):
        module = _import(path)
        found = {name: value for name, value in vars(module).items() if hasattr(value, "__check__")}
        if clash := functions.keys() & found.keys():
            raise KitError(f"{path}: {', '.join(clash)} is already a check of this section; give it another name")
        functions.update(found)
    return functions


_MODULES: dict[Path, tuple[int, types.ModuleType]] = {}


def _import(path: Path) -> types.ModuleType:
    """Import a check file, again only if it changed; its functions must be found by name for pickling by value."""
    import cloudpickle

    stamp = path.stat().st_mtime_ns
    if path in _MODULES and _MODULES[path][0] == stamp:
        return _MODULES[path][1]
    name = f"torch_kata_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise KitError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    _MODULES[path] = stamp, module
    return module


def try_check(
    kit: Kit,
    section: Section,
    check: Check,
    function: Callable[..., Any],
    solution: Solution,
    seed: int,
    shared: Shared | None = None,
) -> Trial:
    """Run one check and say what became of it."""
    student = Student(kit, section, check, solution, seed, shared)
    trial = Trial("passed", log=student._log)
    measured.set(trial.measures)
    pictured.set(trial.pictures)
    try:
        student._resolve(function, check.name)
    except CheckSkipped as reason:
        trial.message = f"not run here: {reason}"
    except Exception as error:
        trial.error = error
        trial.outcome, trial.message = _verdict(student, check, error)
    trial.read = student._read
    return trial


def _verdict(student: Student, check: Check, error: Exception) -> tuple[Outcome, str]:
    """Outcome and sentence for what a check raised."""
    if isinstance(error, MustRun):
        return "not_reached", MUST_RUN
    last = student._log[-1] if student._log else None
    stopped = error.reply if isinstance(error, LearnerStopped) else None
    if last is not None and last.exception is error:
        stopped = last
    if stopped is None:
        for reply in student._log:  # a shared training that failed earlier
            if reply.exception is error:
                stopped = reply
    if stopped is not None:
        return _stopped(student, check, stopped)
    if isinstance(error, CheckFailed):
        call = student._call
        return "failed", str(error) if not call or str(error).startswith(call) else f"{call}\n{error}"
    if isinstance(error, AssertionError):
        return "failed", str(error) or f"the check `{check.name}` does not hold"
    what = f"{student._call} came back"
    if last is not None and last.status == "returned":
        what += f" as {show(last.value)},"
    return "failed", f"{what} in a form that this check cannot read"


def _stopped(student: Student, check: Check, reply: Reply) -> tuple[Outcome, str]:
    """Outcome and sentence for a probe that did not return."""
    if student._is_todo(reply):
        return "todo", ""
    where = Path(student._solution.source.filename).name
    if reply.status == "broken":
        return "error", f"{where}, {reply.detail}"
    if reply.status == "timeout":
        return "timeout", f"{student._call} did not end: {reply.detail}"
    if reply.status == "crashed" or reply.raised is None:
        return "crashed", f"{student._call}: {reply.detail}"
    raised = reply.raised
    line = f" ({where}, {student._solution.source.place(raised.line)})" if raised.line else ""
    return "error", f"{student._call} raised {raised.type}: {raised.message}{line}"


def preliminary(kit: Kit, section: Section, exercise: Exercise, solution: Solution) -> Trial | None:
    """What can be said of an exercise without running it: broken, missing, still to do, not callable as it must be."""
    source = solution.source
    name, file = exercise.name, Path(source.filename).name
    definition, broken = source.definition(name), source.problem(name)
    if broken and (definition is None or definition.lineno < broken.line):
        return Trial("error", f"{file}, {source.place(broken.line)}: {broken.message}; so `{name}` cannot be read")
    if name not in source.defined and "*" not in source.defined:
        others = source.defined - {e.name for e in section.exercises}
        near = difflib.get_close_matches(name, others, 1)
        hint = f"did you mean `{name}` where you wrote `{near[0]}`?" if near else "keep the name that the stub gave it"
        return Trial("error", f"{file} has no `{name}`: {hint}")
    if source.is_untouched(name):
        return Trial("todo")
    ours, theirs = stub_source(kit, section.name).parameters(name), source.parameters(name)
    if ours and theirs and not all(theirs.accept(n) for n in range(ours.required, len(ours.names) + 1)):
        return Trial("failed", f"`{name}` must take {ours}; yours takes {theirs}")
    return None


def run_section(
    kit: Kit,
    section: Section,
    solution: Solution,
    seed: int,
    diagnoses: Diagnoses | None = None,
    functions: CheckFunctions | None = None,
) -> Iterator[tuple[Check, Trial, CheckResult]]:
    """Every check of a section in order; the checks of an exercise after one that did not pass are not reached."""
    functions = load_checks(kit, section.name) if functions is None else functions
    for exercise in section.exercises:
        run = ExerciseRun(kit, section, exercise, solution, seed, diagnoses)
        for check in exercise.checks:
            trial, result = run.step(check, functions[check.name])
            yield check, trial, result


class ExerciseRun:
    """The checks of one exercise, one after the other, with what they share."""

    def __init__(
        self, kit: Kit, section: Section, exercise: Exercise, solution: Solution, seed: int, diagnoses: Diagnoses | None
    ) -> None:
        self.kit, self.section, self.exercise, self.solution = kit, section, exercise, solution
        self.seed, self.diagnoses = seed, diagnoses
        self.shared = Shared()
        self.stopped: Outcome | None = None

    @cached_property
    def settled(self) -> Trial | None:
        """What can be said of the exercise without running it."""
        return preliminary(self.kit, self.section, self.exercise, self.solution)

    def step(self, check: Check, function: Callable[..., Any] | None) -> tuple[Trial, CheckResult]:
        """Run the next check, unless an earlier one did not pass."""
        if self.stopped is not None:
            trial = Trial("todo" if self.stopped == "todo" else "not_reached")
        elif self.settled is not None:
            trial = self.settled
        else:
            assert function is not None
            trial = try_check(self.kit, self.section, check, function, self.solution, self.seed, self.shared)
        if trial.outcome != "passed":
            self.stopped = self.stopped or trial.outcome
        return trial, self._result(check, trial)

    def _result(self, check: Check, trial: Trial) -> CheckResult:
        seconds = sum(reply.seconds for reply in trial.log)
        output = tidy("".join(reply.output for reply in trial.log), MAX_OUTPUT)
        result = check_result(check, trial.outcome, tidy(trial.message, MAX_MESSAGE), seconds, output)
        result.pictures = trial.pictures
        if trial.log and self.diagnoses and trial.outcome not in ("passed", "todo", "not_reached"):
            known = self.diagnoses.diagnose(check, trial.log)
            if known is not None:
                result.mistake, result.advice = known.mistake, known.advice
        return result


def collect(section: Section, results: Iterator[tuple[Check, Trial, CheckResult]]) -> SectionResult:
    """The checks' results grouped by exercise."""
    found = {exercise.name: ExerciseResult(exercise.name) for exercise in section.exercises}
    for check, _, result in results:
        found[check.exercise].checks.append(result)
    return SectionResult(section.name, list(found.values()))
