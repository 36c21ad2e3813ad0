"""Measures every threshold of the checks: what right and wrong solutions reach over many seeds, as docs/thresholds.md.

A table for a section replaces the one that was there; the others stay.
"""

from __future__ import annotations

import ast
import multiprocessing
import os
import re
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grader.kit import Check, Kit, Section
from grader.validate import one_thread

HEAD = """# Thresholds, measured

Made by `grader validate --seeds N --thresholds`; do not edit. For every number that a check holds against a threshold:
what the right solutions (the reference and the alternatives) reach over all seeds, and of the wrong ones (the known
mistakes of the exercise) how many miss the threshold at every seed, and how near the nearest of these comes. One that
does not concern the number reaches it like a right solution; it fails another check.
"""


@dataclass(frozen=True)
class Sample:
    """A number that one solution reached with one seed."""

    check: str
    what: str
    threshold: float
    at_least: bool
    solution: str
    right: bool
    value: float

    @property
    def met(self) -> bool:
        return self.value >= self.threshold if self.at_least else self.value <= self.threshold


def measure(
    kit: Kit, sections: dict[str, Section], seeds: int, jobs: int, path: Path, tell: Callable[[int, int], None]
) -> None:
    """Measure these sections; the table of each goes into the file at `path` as soon as it is complete."""
    work = [
        (kit.root, name, exercise, seed)
        for name, section in sections.items()
        for exercise in dict.fromkeys(check.exercise for check in _measuring(kit, section))
        for seed in range(seeds)
    ]
    samples: dict[str, list[Sample]] = {name: [] for name in sections}
    left = Counter(item[1] for item in work)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=one_thread) as pool:
        futures = {pool.submit(_samples, *item): item[1] for item in work}
        for done, future in enumerate(as_completed(futures), start=1):
            name = futures[future]
            samples[name] += future.result()
            left[name] -= 1
            if not left[name]:
                _write(path, name, _table(name, samples[name], seeds))
            tell(done, len(work))


def _write(path: Path, section: str, table: str) -> None:
    """Put one section's table in place of the one that is there."""
    tables = {**_tables_in(path), section: table}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(HEAD + "".join(f"\n{tables[name]}" for name in sorted(tables)))
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def _measuring(kit: Kit, section: Section) -> list[Check]:
    """The checks that hold a number against a threshold, themselves or in a helper of their file."""
    measuring = {"assert_at_least", "assert_at_most"}
    for path in kit.check_files(section.name):
        functions = [n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.FunctionDef)]
        for _ in functions:  # helpers of helpers
            for function in functions:
                if any(isinstance(node, ast.Name) and node.id in measuring for node in ast.walk(function)):
                    measuring.add(function.name)
    return [check for exercise in section.exercises for check in exercise.checks if check.name in measuring]


def _samples(root: Path, section_name: str, exercise: str, seed: int) -> list[Sample]:
    """What every solution of an exercise reaches with one seed, at each of its checks that measure."""
    from grader.mistakes import load_variants
    from grader.runner import load_checks, try_check
    from grader.solutions.local import LocalSolution, read_source
    from grader.student import Shared

    kit = Kit(root)
    section = kit.sections[section_name]
    checks = [check for check in _measuring(kit, section) if check.exercise == exercise]
    functions = load_checks(kit, section_name)
    reference = LocalSolution(read_source(kit.reference / f"{section_name}.py"), [exercise])
    solutions = [("reference", True, reference)]
    for folder in ("alternatives", "mistakes"):
        for variant in load_variants(kit, section_name, folder):
            if variant.exercise == exercise:
                solutions.append((variant.name, folder == "alternatives", variant.solution(kit)))
    found = []
    limits: dict[str, float] = {}
    for name, right, solution in solutions:
        shared = Shared()  # one training for all checks that judge it
        for check in checks:
            started = time.process_time()
            with _time_limit(limits.get(check.name, check.seconds)):
                trial = try_check(kit, section, check, functions[check.name], solution, seed, shared)
            # Some mistakes never end where nothing counts their steps: they get five times as long as the reference.
            limits.setdefault(check.name, 5 * (time.process_time() - started) + 1)
            for m in trial.measures:
                found.append(Sample(check.name, m.what, m.threshold, m.at_least, name, right, m.value))
    return found


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Ends what runs inside with an exception after so much processor time."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"stopped after {seconds:g} s of processor time")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _tables_in(path: Path) -> dict[str, str]:
    """The tables that are there, by section."""
    if not path.is_file():
        return {}
    parts = re.split(r"^(?=## )", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {part.split()[1]: part.strip("\n") + "\n" for part in parts}


def _table(section: str, samples: list[Sample], seeds: int) -> str:
    lines = [
        f"## {section}",
        "",
        f"{seeds} seeds.",
        "",
        "| check | number | threshold | right: worst | right: median | wrong that miss it | the nearest of them |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for key in dict.fromkeys((s.check, s.what, s.threshold) for s in samples):
        rows = [s for s in samples if (s.check, s.what, s.threshold) == key]
        sign = "at least" if rows[0].at_least else "at most"
        worst, best = (min, max) if rows[0].at_least else (max, min)
        right = [s.value for s in rows if s.right]
        wrong = sorted({s.solution for s in rows if not s.right})
        missing = [name for name in wrong if not any(s.met for s in rows if s.solution == name)]
        nearest = ""
        if missing:
            top = best((s for s in rows if s.solution in missing), key=lambda s: s.value)
            nearest = f"{top.value:.4g} ({top.solution})"
        reached = f"{worst(right):.4g} | {statistics.median(right):.4g}" if right else "none | none"
        lines.append(
            f"| `{key[0]}` | {key[1]} | {sign} {key[2]:g} | {reached} | {len(missing)} of {len(wrong)} | {nearest} |"
        )
    return "\n".join(lines) + "\n"
