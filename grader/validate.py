"""Proves the kit sound: stubs are to do, references and alternatives pass, every mistake fails and is named.

The work is cut into jobs of one exercise and one seed, which run side by side in processes of one thread each. Only our
own code runs here.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from grader.kit import KINDS, Exercise, Kit, Section

MAX_POINTS = 100  # of a section


@dataclass
class Findings:
    """What was tried of one section, how often it went well, and each gap as a sentence."""

    section: str
    exercises: int = 0
    checks: int = 0
    mistakes: int = 0
    rejected: int = 0
    named: int = 0
    alternatives: int = 0
    accepted: int = 0
    seeds: int = 0
    passed_seeds: int = 0
    seconds: float = 0.0
    gaps: list[str] = field(default_factory=list)


@dataclass
class Job:
    """What one job found: per mistake and alternative whether all went well."""

    section: str
    exercise: str
    seed: int
    reference: bool = True
    rejected: dict[str, bool] = field(default_factory=dict)
    named: dict[str, bool] = field(default_factory=dict)
    accepted: dict[str, bool] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    seconds: float = 0.0


def validate(
    kit: Kit, sections: dict[str, Section], seeds: int, jobs: int, tell: Callable[[int, int], None] = lambda a, b: None
) -> list[Findings]:
    """Everything about these sections, at this many seeds. tell: called with jobs done and jobs in all."""
    found = {name: _static(kit, section, seeds) for name, section in sections.items()}
    work = [
        (kit.root, name, exercise.name, seed)
        for seed in range(seeds)
        for name, section in sections.items()
        for exercise in section.exercises
    ]
    done: list[Job] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=one_thread) as pool:
        for future in as_completed([pool.submit(_exercise, *item) for item in work]):
            done.append(future.result())
            tell(len(done), len(work))
    for name, findings in found.items():
        _add_up(findings, [job for job in done if job.section == name], seeds)
    return list(found.values())


def _add_up(findings: Findings, jobs: list[Job], seeds: int) -> None:
    """A mistake counts as rejected or named, an alternative as accepted, only if it was at every seed."""

    def everywhere(kind: str) -> list[bool]:
        outcomes: dict[tuple[str, str], bool] = {}
        for job in jobs:
            for name, good in getattr(job, kind).items():
                key = job.exercise, name
                outcomes[key] = outcomes.get(key, True) and good
        return list(outcomes.values())

    findings.mistakes = len(everywhere("rejected"))
    findings.rejected, findings.named = sum(everywhere("rejected")), sum(everywhere("named"))
    findings.alternatives, findings.accepted = len(everywhere("accepted")), sum(everywhere("accepted"))
    failed = {job.seed for job in jobs if not job.reference}
    findings.seeds, findings.passed_seeds = seeds, seeds - len(failed)
    findings.seconds = sum(job.seconds for job in jobs)
    findings.gaps += sorted(gap for job in jobs for gap in job.gaps)


def _static(kit: Kit, section: Section, seeds: int) -> Findings:
    """What needs no running of solutions."""
    from grader.mistakes import load_variants
    from grader.solutions.source import Source

    checks = [check for exercise in section.exercises for check in exercise.checks]
    findings = Findings(section.name, len(section.exercises), len(checks))
    gaps = findings.gaps
    points = sum(check.points for check in checks if not check.hidden)
    if points != MAX_POINTS:
        gaps.append(f"{section.name}: the points add up to {points}, not {MAX_POINTS}")
    for check in checks:
        if not check.sentence:
            gaps.append(f"{check.name}: has no docstring, so the learner has nothing to read")
    variants = load_variants(kit, section.name, "mistakes") + load_variants(kit, section.name, "alternatives")
    names = {exercise.name: exercise for exercise in section.exercises}
    for variant in variants:
        if variant.exercise not in names:
            gaps.append(f"{variant.kind} {variant.name}: there is no exercise {variant.exercise!r}")
        elif variant.fails and all(check.name != variant.fails for check in names[variant.exercise].checks):
            gaps.append(f"mistake {variant.name}: {variant.exercise} has no check {variant.fails!r}")
    path = kit.exercises / f"{section.name}.py"
    stubs = Source(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else None
    for exercise in section.exercises:
        order = [KINDS.index(check.kind) for check in exercise.checks if not check.hidden]
        if order != sorted(order):
            gaps.append(f"{exercise.name}: checks stand in the order {', '.join(KINDS)}")
        for kind in ("mistake", "alternative"):
            if not any(v.kind == kind and v.exercise == exercise.name for v in variants):
                gaps.append(f"{exercise.name}: has no {kind}")
        if not exercise.hints:
            gaps.append(f"{exercise.name}: has no hint")
        if stubs is None or stubs.definition(exercise.name) is None:
            gaps.append(f"{exercise.name}: not in {path}; run `grader release exercises`")
    return findings


def one_thread() -> None:
    """Prepare a process: one thread, and silence (what a check prints, or a mistake is warned of, is for learners)."""
    os.environ["OMP_NUM_THREADS"] = "1"
    warnings.simplefilter("ignore")
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    import torch

    torch.set_num_threads(1)


def _exercise(root: Path, section_name: str, exercise_name: str, seed: int) -> Job:
    """Stub, reference, alternatives and mistakes of one exercise at one seed."""
    from grader import evidence
    from grader.mistakes import Bank, Fingerprint, first_failure, load_variants, summary
    from grader.runner import ExerciseRun, load_checks
    from grader.solutions.local import LocalSolution, read_source

    started = time.process_time()
    kit = Kit(root)
    section = kit.sections[section_name]
    exercise: Exercise = section.exercise(exercise_name)
    functions = load_checks(kit, section_name)
    job = Job(section_name, exercise_name, seed)
    place = f"{section_name}.{exercise_name}, seed {seed}"

    def outcomes(path: Path) -> list[tuple[str, str, str]]:
        run = ExerciseRun(kit, section, exercise, LocalSolution(read_source(path), [exercise_name]), seed, None)
        results = [run.step(check, functions[check.name])[1] for check in exercise.checks]
        return [(result.check, result.outcome, result.message) for result in results]

    stub = kit.exercises / f"{section_name}.py"
    if seed == 0 and stub.is_file():
        wrong = [f"{name} is {outcome}" for name, outcome, _ in outcomes(stub) if outcome != "todo"]
        job.gaps += [f"{place}: on the stub {text}, not todo" for text in wrong]
    for name, outcome, message in outcomes(kit.reference / f"{section_name}.py"):
        if outcome != "passed":
            job.reference = False
            job.gaps.append(f"{place}: the reference: {name} {outcome}: {message}")
    for variant in load_variants(kit, section_name, "alternatives"):
        if variant.exercise == exercise_name:
            failure = first_failure(kit, section, variant, functions, seed)
            job.accepted[variant.name] = failure is None
            if failure is not None:
                check, trial = failure[0], failure[1]
                job.gaps.append(f"{place}: alternative {variant.name}: {check.name} {trial.outcome}: {trial.message}")
    # At the first seed every mistake runs twice, to see that its evidence is the same each time.
    bank = Bank(kit, seed)
    fingerprints: list[Fingerprint] = []
    for variant in load_variants(kit, section_name, "mistakes"):
        if variant.exercise != exercise_name:
            continue
        failure = first_failure(kit, section, variant, functions, seed)
        job.rejected[variant.name] = failure is not None and failure[0].name == variant.fails
        job.named[variant.name] = False
        if failure is None:
            job.gaps.append(f"{place}: mistake {variant.name} passes every check")
            continue
        check, trial = failure[0], failure[1]
        if check.name != variant.fails:
            job.gaps.append(f"{place}: mistake {variant.name} fails {check.name}, not {variant.fails}: {trial.message}")
        if "form that this check cannot read" in trial.message:
            job.gaps.append(f"{place}: mistake {variant.name} trips {check.name} up: {trial.message}")
        if not trial.log:
            job.named[variant.name] = True  # refused by reading the source: the message itself names it
            continue
        if seed == 0:
            known = bank.diagnose(check, trial.log)
        else:
            mine = Fingerprint(variant.name, variant.advice, check.name, summary(trial.log))
            known = next((f for f in fingerprints if f.check == mine.check and evidence.same(f.log, mine.log)), mine)
            fingerprints.append(mine)
        job.named[variant.name] = known is not None and known.mistake == variant.name
        if not job.named[variant.name]:
            taken = f"taken for {known.mistake}" if known else "its evidence differs from run to run"
            job.gaps.append(
                f"{place}: mistake {variant.name} is not named at {check.name}: {taken} {summary(trial.log)}"[:600]
            )
    job.seconds = time.process_time() - started
    return job
