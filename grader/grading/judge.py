"""Judges one submission: its sections run in a sandbox, and the checks judge the evidence that comes back.

This process imports the checks, which are ours, and never a submission. A check whose answers lead to a known verdict
is not run again.
"""

from __future__ import annotations

import ast
import atexit
import gc
import hashlib
import multiprocessing
import os
import re
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from grader.grading.verdicts import Given, Reading, Step, Verdict, find, in_order, path, section_result
from grader.kit import Check, Exercise, Kit, Section
from grader.pairing import NOTEBOOK
from grader.results import MAX_MESSAGE, MAX_OUTPUT, MUST_RUN, NOT_THERE, Outcome, SectionResult
from grader.text import tidy

if TYPE_CHECKING:
    from grader.mistakes import Bank
    from grader.solutions import Record
    from grader.solutions.recorded import Recorder
    from grader.solutions.sandboxed import Sandbox, SandboxedSolution
    from grader.solutions.zygotes import WarmLauncher
    from grader.student import Shared

# What a section's code makes torch import, and how long that takes; once in the worker rather than in every fork of it.
WARM = {
    r"\btorchvision\b": "torchvision",  # 1.2 s
    r"\boptim\b": "torch._dynamo",  # 2 s, at the first step of any optimiser
    r"autograd|backward|\bgrad\b": "torch.fx.experimental.symbolic_shapes",  # 0.5 s, at the first gradient of a vector
}
MAX_STEPS = 200_000  # steps of checks that a judge remembers, some hundred bytes each


@dataclass(frozen=True)
class Job:
    """What a judge needs to know of one submission: its text travels with the job.

    files: texts by section; roots: where the paths of each section's checks begin; sandbox: a level; zygotes: the
    address of those that it starts from, if any, which have imported these modules; records: evidence by section and
    request, to be judged again; then nothing runs.
    """

    kit: Path
    student: str
    files: dict[str, str]
    roots: dict[str, dict[str, bytes]]
    seed: int
    sandbox: str = "bubblewrap"
    zygotes: str = ""
    modules: tuple[str, ...] = ()
    number: int = 0
    cache: Path | None = None
    records: dict[str, dict[str, Record]] | None = None


@dataclass
class Graded:
    """A job's results, one for each of its sections, and what they rest on, by section: evidence by request, and what
    the file says without being run. steps: of checks that were run."""

    student: str
    sections: list[SectionResult] = field(default_factory=list)
    records: dict[str, dict[str, Record]] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    steps: dict[bytes, Step] = field(default_factory=dict)


_LOCAL = threading.local()
_STEPS: dict[bytes, Step] = {}
_KITS: dict[Path, Kit] = {}
_BANKS: dict[tuple[Path, int], Bank] = {}


def judge(job: Job) -> Graded:
    """Grade the sections of one submission. The submission's code runs in the sandbox only."""
    kit = _KITS.setdefault(job.kit, Kit(job.kit))
    graded = Graded(job.student)
    if job.records is not None:
        for name in job.files:
            _judge_section(kit, kit.sections[name], job, None, graded)
        return graded
    from grader.solutions.sandboxed import Sandbox

    warm = _launcher(job.zygotes) if job.zygotes else None
    with Sandbox(job.sandbox, modules=job.modules, warm=warm) as box:
        if any(text.strip() for text in job.files.values()):
            box.start()  # imports torch there while we import it here
        for name in job.files:
            _judge_section(kit, kit.sections[name], job, box, graded)
    return graded


def _launcher(address: str) -> WarmLauncher:
    """What starts the sandboxes of this thread, one at a time, as long as there are zygotes at this address."""
    from grader.solutions.zygotes import WarmLauncher

    found: WarmLauncher | None = getattr(_LOCAL, "launcher", None)
    if found is None or found.address != address:
        if found is not None:
            found.close()
        found = _LOCAL.launcher = WarmLauncher(address)
    return found


def _judge_section(kit: Kit, section: Section, job: Job, box: Sandbox | None, graded: Graded) -> None:
    from grader.solutions.recorded import Recorder
    from grader.solutions.sandboxed import SandboxedSolution
    from grader.solutions.source import Source

    text = job.files[section.name]
    source = Source(text, f"{section.name}.{'ipynb' if text.startswith(NOTEBOOK) else 'py'}")
    names = [exercise.name for exercise in section.exercises]
    asked = SandboxedSolution(box, source, names, share=True) if box else None
    records = {} if job.records is None else job.records.get(section.name, {})
    recorder = Recorder(source, records, asked)
    run = _SectionRun(kit, section, job, recorder, asked)
    result = section_result(section, run.reading, run.verdicts)
    assert result is not None
    graded.sections.append(result)
    graded.records[section.name] = recorder.records if box else {}
    graded.readings[section.name] = run.reading
    graded.steps |= run.steps


class _SectionRun:
    """The checks of one section and one submission. steps: those of the checks that had to be run."""

    def __init__(
        self, kit: Kit, section: Section, job: Job, recorder: Recorder, asked: SandboxedSolution | None
    ) -> None:
        self._kit, self._section, self._job, self._recorder, self._asked = kit, section, job, recorder, asked
        self._roots = job.roots[section.name]
        self._shared: dict[str, Shared] = {}
        self.reading = read(kit, section, recorder)
        self.steps: dict[bytes, Step] = {}

    def verdicts(self, exercise: Exercise) -> list[Given] | None:
        """What the checks of an exercise say.

        Exercises share a process, which saves a fork for each. None of them bears what another left there: one that
        does not pass runs once more, in a process of its own, and what it does there counts.
        """
        known = set(self._recorder.records)
        given = in_order(exercise, self._verdict)
        if given and given[-1][0].outcome != "passed" and self._asked and self._asked.shared(exercise.name):
            self._asked.run_alone(exercise.name)
            self._shared.pop(exercise.name, None)
            self._recorder.forget(self._recorder.records.keys() - known)
            given = in_order(exercise, self._verdict)
        return given

    def _verdict(self, check: Check) -> Given:
        """What this check says, and the processor seconds of the probes behind it."""
        asked: list[str] = []

        def answer(request: str) -> bytes | None:
            asked.append(request)
            return self._recorder.answer(request)

        found = find(_STEPS.get, self._roots[check.name], check.exercise, self.reading, answer)
        if found is not None:
            return found, sum(self._recorder.records[request].seconds for request in asked)
        return self._run(check)

    def _run(self, check: Check) -> tuple[Verdict, float]:
        from grader.runner import load_checks, try_check
        from grader.student import Shared

        function = load_checks(self._kit, self._section.name)[check.name]
        shared = self._shared.setdefault(check.exercise, Shared())
        trial = try_check(self._kit, self._section, check, function, self._recorder, self._job.seed, shared)
        known = None
        if trial.log and trial.outcome not in ("passed", "todo", "not_reached"):
            known = _bank(self._kit, self._job).diagnose(check, trial.log)
        output = tidy("".join(reply.output for reply in trial.log), MAX_OUTPUT)
        mistake, advice = (known.mistake, known.advice) if known else (None, None)
        verdict = Verdict(trial.outcome, tidy(trial.message, MAX_MESSAGE), mistake, advice, output, trial.pictures)
        if trial.message != MUST_RUN:
            answers = [(reply.asked, reply.digest) for reply in trial.log]
            steps = dict(path(self._roots[check.name], check.exercise, self.reading, trial.read, answers, verdict))
            self.steps |= steps
            if len(_STEPS) > MAX_STEPS:
                _STEPS.clear()
            _STEPS.update(steps)
        return verdict, sum(reply.seconds for reply in trial.log)


def _bank(kit: Kit, job: Job) -> Bank:
    from grader.mistakes import Bank

    key = job.kit, job.seed
    if key not in _BANKS:
        _BANKS[key] = Bank(kit, job.seed, job.cache)
    return _BANKS[key]


def read(kit: Kit, section: Section, solution: Recorder) -> Reading:
    """What a file says without being run."""
    from grader.runner import preliminary

    source = solution.source
    lines = source.text.splitlines()
    settled: dict[str, tuple[Outcome, str]] = {}
    digests = {}
    for exercise in section.exercises:
        trial = preliminary(kit, section, exercise, solution)
        if trial is not None:
            settled[exercise.name] = trial.outcome, tidy(trial.message, MAX_MESSAGE)
        places = [(_first_line(s.node), s.node.end_lineno) for s in source.needed([exercise.name])]
        needed = repr([(start, lines[start - 1 : end]) for start, end in places])
        digests[exercise.name] = hashlib.sha256(needed.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Reading(settled, digests)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def missing(section: Section, why: str = NOT_THERE) -> SectionResult:
    """The result of a section without a file."""
    told: tuple[Outcome, str] = "error", f"{section.name}.py {why}"
    reading = Reading({exercise.name: told for exercise in section.exercises}, {})
    result = section_result(section, reading, lambda exercise: None)
    assert result is not None
    return result


def modules_of(kit: Kit, sections: Iterable[str]) -> tuple[str, ...]:
    """What to import in the worker before it forks, by what the checks of these sections and their stubs mention."""
    paths = [path for name in sections for path in (*kit.check_files(name), kit.stubs / f"{name}.py")]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return tuple(module for pattern, module in WARM.items() if any(re.search(pattern, text) for text in texts))


def start_judge() -> None:
    """Prepare a judge's process: it ends when the coordinator is killed, and its sandbox with it.

    What a check prints (a sampled text, say) is for a learner's own run, not for the instructor's terminal.
    """
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    atexit.register(os._exit, 0)  # half a second of taking torch apart otherwise
    gc.freeze()  # what was imported stays
    coordinator = multiprocessing.parent_process()
    assert coordinator is not None
    threading.Thread(target=_end_after, args=(coordinator,), daemon=True).start()


def _end_after(process: multiprocessing.process.BaseProcess) -> None:
    process.join()
    os._exit(1)
