"""Judges one submission: its sections run in one sandbox, and the checks judge the evidence that comes back.

This process imports the checks, which are ours, and never a submission.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from grader.kit import Kit, Section
from grader.results import CheckResult, ExerciseResult, Outcome, SectionResult

if TYPE_CHECKING:
    from grader.mistakes import Bank
    from grader.solutions.sandboxed import Sandbox

# What a section's code makes torch import, and how long that takes; once in the worker rather than in every fork of it.
WARM = {
    r"\btorchvision\b": "torchvision",  # 1.2 s
    r"\boptim\b": "torch._dynamo",  # 2 s, at the first step of any optimiser
    r"autograd|backward|\bgrad\b": "torch.fx.experimental.symbolic_shapes",  # 0.5 s, at the first gradient of a vector
}


@dataclass(frozen=True)
class Job:
    """What a judge needs to know of one submission: its text travels with the job."""

    kit: Path
    student: str
    files: dict[str, str]
    sections: tuple[str, ...]
    seed: int
    sandbox: str = "bubblewrap"
    slot: int = 0
    cache: Path | None = None


@dataclass
class Graded:
    """A job's results, one for each of its sections."""

    student: str
    sections: list[SectionResult] = field(default_factory=list)


_BANKS: dict[tuple[Path, int], Bank] = {}


def judge(job: Job) -> Graded:
    """Grade the sections of one submission. The submission's code runs in the sandbox only."""
    from grader.solutions.sandboxed import Sandbox

    kit = Kit(job.kit)
    chosen = [kit.sections[name] for name in job.sections]
    graded = Graded(job.student)
    with Sandbox(job.sandbox, modules=_modules(kit, job), slot=job.slot) as box:
        if any(_something_to_run(job.files.get(section.name)) for section in chosen):
            box.start()  # imports torch there while we import it here
        for section in chosen:
            text = job.files.get(section.name)
            graded.sections.append(missing(section) if text is None else _section(kit, section, text, job, box))
    return graded


def _something_to_run(text: str | None) -> bool:
    return bool(text and text.strip())


def _section(kit: Kit, section: Section, text: str, job: Job, box: Sandbox) -> SectionResult:
    from grader.mistakes import Bank
    from grader.runner import collect, run_section
    from grader.solutions.sandboxed import SandboxedSolution
    from grader.solutions.source import Source

    key = job.kit, job.seed
    if key not in _BANKS:
        _BANKS[key] = Bank(kit, job.seed, job.cache)
    names = [exercise.name for exercise in section.exercises]
    solution = SandboxedSolution(box, Source(text, f"{section.name}.py"), section.name, names)
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


def _modules(kit: Kit, job: Job) -> list[str]:
    """What to import in the worker before it forks, by what the checks and the files mention."""
    texts = [path.read_text(encoding="utf-8") for name in job.sections for path in kit.check_files(name)]
    texts += [job.files[name] for name in job.sections if name in job.files]
    return [module for pattern, module in WARM.items() if any(re.search(pattern, text) for text in texts)]


def warm_up() -> None:
    """Prepare a judge process: one thread, torch imported."""
    import os

    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["TORCH_KATA_JUDGE"] = "1"
