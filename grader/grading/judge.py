"""Judges one submission: its sections run in one sandbox, and the checks judge the evidence that comes back.

This process imports the checks, which are ours, and never a submission.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from grader.kit import Kit, Section
from grader.results import CheckResult, ExerciseResult, Outcome, SectionResult

if TYPE_CHECKING:
    from grader.mistakes import Bank
    from grader.solutions import Record, Solution
    from grader.solutions.sandbox import WarmLauncher
    from grader.solutions.sandboxed import Sandbox

# What a section's code makes torch import, and how long that takes; once in the worker rather than in every fork of it.
WARM = {
    r"\btorchvision\b": "torchvision",  # 1.2 s
    r"\boptim\b": "torch._dynamo",  # 2 s, at the first step of any optimiser
    r"autograd|backward|\bgrad\b": "torch.fx.experimental.symbolic_shapes",  # 0.5 s, at the first gradient of a vector
}


@dataclass(frozen=True)
class Job:
    """What a judge needs to know of one submission: its text travels with the job.

    records: evidence by section and request, to be judged again; then nothing runs.
    """

    kit: Path
    student: str
    files: dict[str, str]
    sections: tuple[str, ...]
    seed: int
    sandbox: str = "bubblewrap"
    warm: bool = False
    modules: tuple[str, ...] = ()
    number: int = 0
    cache: Path | None = None
    records: dict[str, dict[str, Record]] | None = None


@dataclass
class Graded:
    """A job's results, one for each of its sections, and the evidence that they rest on, by section and request."""

    student: str
    sections: list[SectionResult] = field(default_factory=list)
    records: dict[str, dict[str, Record]] = field(default_factory=dict)


_LOCAL = threading.local()  # a zygote serves one thread


def _zygote(modules: tuple[str, ...]) -> WarmLauncher:
    """The zygote of this process: it lives as long, and is started anew only for other modules."""
    from grader.solutions.sandbox import WarmLauncher

    found: WarmLauncher | None = getattr(_LOCAL, "zygote", None)
    if found is None or found.modules != list(modules):
        if found is not None:
            found.close()
        found = _LOCAL.zygote = WarmLauncher(modules)
    found.start()
    return found


_BANKS: dict[tuple[Path, int], Bank] = {}


def judge(job: Job) -> Graded:
    """Grade the sections of one submission. The submission's code runs in the sandbox only."""
    from grader.solutions.sandboxed import Sandbox

    kit = Kit(job.kit)
    chosen = [kit.sections[name] for name in job.sections]
    graded = Graded(job.student)
    if job.records is not None:
        from grader.solutions.recorded import RecordedSolution
        from grader.solutions.source import Source

        for section in chosen:
            source = Source(job.files[section.name], f"{section.name}.py")
            kept = RecordedSolution(source, job.records.get(section.name, {}))
            graded.sections.append(_judge_section(kit, section, kept, job))
        return graded
    warm = _zygote(job.modules) if job.warm else None
    with Sandbox(job.sandbox, modules=job.modules, warm=warm) as box:
        if any(job.files[section.name].strip() for section in chosen):
            box.start()  # imports torch there while we import it here
        for section in chosen:
            _run_section(kit, section, job, box, graded)
    return graded


def _run_section(kit: Kit, section: Section, job: Job, box: Sandbox, graded: Graded) -> None:
    from grader.solutions.recorded import Recorder
    from grader.solutions.sandboxed import SandboxedSolution
    from grader.solutions.source import Source

    names = [exercise.name for exercise in section.exercises]
    source = Source(job.files[section.name], f"{section.name}.py")
    recorder = Recorder(SandboxedSolution(box, source, section.name, names))
    graded.sections.append(_judge_section(kit, section, recorder, job))
    graded.records[section.name] = recorder.records


def _judge_section(kit: Kit, section: Section, solution: Solution, job: Job) -> SectionResult:
    from grader.mistakes import Bank
    from grader.runner import collect, run_section

    key = job.kit, job.seed
    if key not in _BANKS:
        _BANKS[key] = Bank(kit, job.seed, job.cache)
    return collect(section, run_section(kit, section, solution, job.seed, _BANKS[key]))


def missing(section: Section, why: str = "was not handed in, or could not be read") -> SectionResult:
    """The result of a section without a file."""
    exercises = []
    for exercise in section.exercises:
        results = ExerciseResult(exercise.name)
        for check in exercise.checks:
            outcome: Outcome = "not_reached" if results.checks else "error"
            message = "" if results.checks else f"{section.name}.py {why}"
            results.checks.append(
                CheckResult(
                    check.name,
                    check.kind,
                    outcome,
                    0,
                    check.points,
                    message,
                    sentence=check.sentence,
                    hidden=check.hidden,
                )
            )
        exercises.append(results)
    return SectionResult(section.name, exercises)


def modules_of(kit: Kit, sections: Iterable[str]) -> tuple[str, ...]:
    """What to import in the worker before it forks, by what the checks of these sections and their stubs mention."""
    paths = [path for name in sections for path in (*kit.check_files(name), kit.stubs / f"{name}.py")]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return tuple(module for pattern, module in WARM.items() if any(re.search(pattern, text) for text in texts))


def start_judge() -> None:
    """Prepare a judge's process: the kernel ends it when the coordinator is killed, and its sandbox with it.

    What a check prints (a sampled text, say) is for a learner's own run, not for the instructor's terminal.
    """
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
