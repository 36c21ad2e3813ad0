"""What a notebook imports: `check("softmax")` shows how an exercise stands, `points("softmax")` what it earns.

Both run the checks as `pytest checks/` does, in this process, over what the kernel has run so far: of each definition
the latest. `check` is for a learner's eyes. `points` is what a test cell of nbgrader ends in: whatever the learner's
code does, it returns a plain float between 0 and the exercise's points. Like nbgrader itself it runs in the learner's
process, so it is no safe grade; `grader grade` gives one.
"""

from __future__ import annotations

import ast
import contextlib
import html
import io
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grader.history import History
from grader.kit import Check, Exercise, Kit, KitError, Section, find_root
from grader.mistakes import Bank
from grader.pairing import edited_last
from grader.plugin import LEARNERS_SEED
from grader.report.board import happened
from grader.results import MAX_OUTPUT, CheckResult, ExerciseResult
from grader.runner import ExerciseRun, load_checks
from grader.solutions import Reply, Request
from grader.solutions.execution import untouched
from grader.solutions.local import LocalSolution, read_source
from grader.solutions.source import Source, Statement

MARKS = {"passed": "passed", "todo": "todo", "not_reached": "not reached"}
COLOURS = {"passed": "#2e7d32", "todo": "#757575", "not_reached": "#757575"}
FAILED = "#c62828"
# Cell magics that run a cell of Python and show how it went; what the cell defines counts.
TIMED = re.compile(r"%%(time|timeit|capture|prun)\b")
IMPORT_SECONDS = 20.0  # of processor time, for what the exercise needs beside itself
WALL_FACTOR = 8  # wall-clock seconds for each second of processor time that a graded probe may take


@dataclass
class Board:
    """How one exercise stands: shown as a table in a notebook, as text elsewhere.

    note: a sentence to show instead, where nothing could be checked.
    """

    exercise: ExerciseResult
    note: str = ""

    def __repr__(self) -> str:
        if self.note:
            return self.note
        lines = [f"{self.exercise.exercise}: {self.exercise.points:g} of {self.exercise.max_points:g} points"]
        for result in self.exercise.checks:
            lines.append(f"  {_mark(result):<11}  {result.sentence}  ({result.max_points:g})")
            lines += [f"      {line}".rstrip() for line in happened(result).splitlines()]
            if result.mistake:
                lines += ["", f"      Known mistake: {result.mistake}", f"        {result.advice}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if self.note:
            return f"<p>{html.escape(self.note)}</p>"
        rows = [
            f"<p><b>{html.escape(self.exercise.exercise)}</b>: "
            f"{self.exercise.points:g} of {self.exercise.max_points:g} points</p>"
        ]
        for result in self.exercise.checks:
            colour = COLOURS.get(result.outcome, FAILED)
            rows.append(
                f'<div style="margin:.2em 0"><b style="color:{colour}">{_mark(result)}</b> '
                f"{html.escape(result.sentence)} ({result.max_points:g})</div>"
            )
            aside = f"margin:.3em 0 .6em 1em;padding-left:.8em;border-left:3px solid {colour}"
            if told := happened(result):
                rows.append(
                    f'<pre style="{aside};white-space:pre-wrap;font-family:monospace">{html.escape(told)}</pre>'
                )
            if result.mistake:
                name, advice = html.escape(result.mistake), html.escape(result.advice or "")
                rows.append(f'<div style="{aside}"><b>Known mistake: {name}</b><br>{advice}</div>')
        return "".join(rows)


def _mark(result: CheckResult) -> str:
    return MARKS.get(result.outcome, result.outcome.upper())


def check(exercise: str) -> Board:
    """Check an exercise as it stands in this notebook; outside one, in the file or notebook edited last."""
    shell = _shell()
    try:
        kit = Kit(find_root())
        found = kit.find(exercise)
        section = kit.sections[found.section]
        source = executed(shell, section.name) if shell else read_source(edited_last(kit.exercises, section.name))
    except (KitError, OSError, ValueError) as error:
        return Board(ExerciseResult(exercise), str(error))
    if shell and not source.defined & {exercise, "*"}:
        note = f"No cell has defined `{exercise}` since the kernel started: run the cell that does, then this one."
        return Board(ExerciseResult(exercise), note)
    board = Board(_run(kit, section, found, found.checks, KernelSolution(source, [exercise])))
    with History(kit.root) as history:
        results = {result.check: result for result in board.exercise.checks}
        history.record({section.name: results}, dict.fromkeys(results, exercise))
    return board


def points(exercise: str, most: int, hidden: Sequence[str] = ()) -> float:
    """Print how an exercise stands, and return what it earns: a plain float between 0 and `most`.

    For test cells of nbgrader, which gives no points where anything is written to stderr, all points where it finds no
    number, and loses the submission where there are more than the cell is worth (most). hidden: the hidden checks to
    run too, by name. Raises KitError if one of them is not in this kit.
    """
    shell = _shell()
    if shell is None:
        raise KitError("points() is for a test cell of a notebook; elsewhere there is `pytest checks/`")
    if shell.ast_node_interactivity == "none":  # then no cell shows a value, and nbgrader gives all points
        shell.ast_node_interactivity = "last_expr"
        raise KitError("ast_node_interactivity is 'none': take that setting out of the notebook")
    kit = Kit(find_root(Path(__file__).parent))
    found = kit.find(exercise)
    section = kit.sections[found.section]
    checks = tuple(c for c in found.checks if not c.hidden or c.name in hidden)
    if missing := set(hidden) - {c.name for c in checks}:
        raise KitError(f"no hidden check {', '.join(sorted(missing))} in {kit.checks}: grade with the full kit")
    with _quiet():
        source = executed(shell, section.name)
        result = _run(kit, section, found, checks, KernelSolution(source, [exercise], graded=True))
    for one in result.checks:
        if one.hidden:
            one.sentence, one.message, one.output, one.mistake = "A hidden check.", "", "", None
    print(Board(result))
    earned = 0.0
    for one in result.checks:  # not sum() nor float(): the learner's code may have put others in their place
        earned = earned + one.points
    if earned > most:
        print(f"{earned:g} points with this kit, {most} when the notebook was released: release it again.")
        return 0.0 + most
    return earned


def _run(
    kit: Kit, section: Section, exercise: Exercise, checks: Sequence[Check], solution: LocalSolution
) -> ExerciseResult:
    """The checks of one exercise, as `pytest checks/` runs them, with torch's state put back afterwards."""
    functions = load_checks(kit, section.name)
    bank = Bank(kit, LEARNERS_SEED, kit.root / ".torch-kata" / "mistakes")
    run = ExerciseRun(kit, section, exercise, solution, LEARNERS_SEED, bank)
    result = ExerciseResult(exercise.name)
    with untouched():  # the kernel goes on as if nothing had been checked
        for one in checks:
            result.checks.append(run.step(one, functions[one.name])[1])
    return result


# ------------------------------------------------------------------------------------------- what the kernel has run


def _shell() -> Any:
    """IPython's shell, if this is one."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module else None


def executed(shell: Any, section: str) -> Source:
    """Every cell that the kernel has run, as one file without what a later cell has defined anew."""
    source = Source("", f"{section}.ipynb")
    for cell in shell.history_manager.input_hist_raw:
        first, _, body = cell.partition("\n")
        try:
            text = shell.transform_cell(body if TIMED.match(first) else cell)
        except Exception:  # IPython cannot make sense of it; whether Python can is for the source to say
            text = cell
        source = source.extended(text, source.filename)
    source.statements = _latest(source.statements)
    source.broken.reverse()  # the latest attempt is the one to tell about
    return source


def _latest(statements: list[Statement]) -> list[Statement]:
    kept: list[Statement] = []
    anew: set[str] = set()
    for statement in reversed(statements):
        if statement.optional or not statement.binds or not statement.binds <= anew:
            kept.append(statement)
            anew |= statement.binds if _stands_alone(statement) else set()
    return kept[::-1]


def _stands_alone(statement: Statement) -> bool:
    """Whether a statement binds its names whatever they were before: not `x += 1`, `x.y = 1`, `class A(A)`."""
    node = statement.node
    before: list[ast.AST] = [node]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        before = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
    elif isinstance(node, ast.ClassDef):
        before = [*node.decorator_list, *node.bases, *node.keywords]
    elif not isinstance(node, (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)):
        return False
    read = {n.id for part in before for n in ast.walk(part) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return not read & statement.binds


# -------------------------------------------------------------------------------------------------- how it runs them


class KernelSolution(LocalSolution):
    """Runs probes in the kernel, each within its processor time; a kernel that hangs would be no use to anybody.

    graded: keep what the code prints for the board instead of showing it, and limit waiting too.
    """

    def __init__(self, source: Source, exercises: Sequence[str], *, graded: bool = False) -> None:
        super().__init__(source, exercises)
        self._graded = graded

    def run(self, request: Request) -> Reply:
        while "_loaded" not in vars(self):  # a statement that does not end is left out the next time
            with contextlib.suppress(TimedOut, KeyboardInterrupt), limited(IMPORT_SECONDS, self._graded):
                _ = self._loaded
        printed = Printed()
        try:
            with contextlib.ExitStack() as during:
                if self._graded:
                    during.enter_context(contextlib.redirect_stdout(printed))
                during.enter_context(limited(request.seconds, self._graded))
                reply = super().run(request)
        except TimedOut as error:
            reply = Reply("timeout", detail=str(error))
        except KeyboardInterrupt:
            reply = Reply("timeout", detail="it was interrupted")
        return replace(reply, output=printed.getvalue())


class TimedOut(BaseException):
    """Raised wherever the learner's code happens to be. No Exception: `except Exception` must not catch it."""


@contextlib.contextmanager
def limited(seconds: float, waiting: bool) -> Iterator[None]:
    """End what runs after so many seconds of processor time, and if `waiting`, of several times as much waiting.

    Needs the timers of Unix, and the main thread; elsewhere there is no limit but the learner's own patience.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    wall = 30 + WALL_FACTOR * seconds

    def stop(number: int, frame: Any) -> None:
        worked = f"{seconds:g} s of processor time" if number == signal.SIGPROF else f"{wall:.0f} s of waiting"
        raise TimedOut(f"stopped after {worked}")

    before = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds, 1)  # and each second again, should the code catch everything
        signal.setitimer(signal.ITIMER_REAL, wall if waiting else 0, 1)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


class Printed(io.StringIO):
    """The beginning of what is printed; the rest is thrown away."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, MAX_OUTPUT + 1 - self.tell())])
        return len(text)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing reaches the kernel's stderr: not from Python, its warnings and loggers, nor from below."""
    descriptor, silence = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    disabled = logging.root.manager.disable
    try:
        os.dup2(silence, 2)
        logging.disable()
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        os.close(silence)
