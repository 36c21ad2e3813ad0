"""Many submissions: jobs for those sections that the store does not hold, judged side by side.

The coordinator never imports torch; it hands out jobs and is the only one that writes.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from grader.grading.intake import Submission
from grader.grading.judge import Graded, Job, judge, missing, modules_of, start_judge
from grader.grading.store import Attempt, Keys, Store
from grader.kit import Kit, Section
from grader.results import AttemptResult, SubmissionResult

TRIES = 2  # a job that took its judge down with it this often is given up


@dataclass
class Batch:
    """What is to be graded, how, and where what comes of it is kept.

    sandbox: a level, or `recorded` to judge the evidence in the store again. warm: whether sandboxes are started from a
    zygote. policy: which attempt counts, the `latest` or the `best`.
    """

    kit: Kit
    sections: dict[str, Section]
    submissions: list[Submission]
    store: Store
    seed: int
    sandbox: str
    jobs: int
    cache: Path | None = None
    policy: str = "latest"
    warm: bool = False

    def __post_init__(self) -> None:
        self._keys = Keys(self.kit, self.seed)
        self._modules = modules_of(self.kit, self.sections)
        self._given_up: dict[str, str] = {}  # by key of a result: why there is none

    def run(self, tell: Callable[[int, int, int], None] = lambda done, known, of: None) -> None:
        """Grade what is not graded yet. tell: called with submissions done, those known before, and all."""
        jobs: list[Job] = []
        claimed: set[str] = set()  # two students with the same text need one run
        for submission in self.submissions:
            plan = {name: self._keys.key(name, submission.files.get(name)) for name in self.sections}
            self.store.attempt(submission, plan)
            open_ones = [
                name for name in self.sections if plan[name] not in claimed and not self.store.known(plan[name])
            ]
            self.store.keep({plan[n]: missing(self.sections[n]) for n in open_ones if n not in submission.files})
            files = {name: submission.files[name] for name in open_ones if name in submission.files}
            claimed.update(plan[name] for name in files)
            if files:
                jobs.append(self._job(submission.student, files, len(jobs)))
        known = len(self.submissions) - len(jobs)
        tell(known, known, len(self.submissions))
        for done, (job, graded) in enumerate(self._judge(jobs), start=1):
            keys = {name: self._keys.key(name, text) for name, text in job.files.items()}
            if isinstance(graded, Graded):
                records = {self._keys.content(n, job.files[n]): answers for n, answers in graded.records.items()}
                self.store.keep({keys[result.section]: result for result in graded.sections}, records)
            else:
                self._given_up |= dict.fromkeys(keys.values(), graded)
            tell(known + done, known, len(self.submissions))

    def _job(self, student: str, files: dict[str, str], number: int) -> Job:
        records = None
        if self.sandbox == "recorded":
            records = {name: self.store.records(self._keys.content(name, text)) for name, text in files.items()}
        return Job(
            self.kit.root,
            student,
            files,
            tuple(files),
            self.seed,
            self.sandbox,
            self.warm,
            self._modules,
            number,
            self.cache,
            records,
        )

    def results(self) -> Iterator[SubmissionResult]:
        """The result of every student in the store, one at a time, of the attempt that counts."""
        for student, attempts in self.store.students():
            found = [self._result(student, attempt) for attempt in attempts]  # the latest first
            result = found[0] if self.policy == "latest" else max(found, key=lambda other: other.points)
            for number, (attempt, other) in enumerate(zip(reversed(attempts), reversed(found), strict=True), start=1):
                at = datetime.fromtimestamp(attempt.at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
                result.attempts.append(AttemptResult(number, at, other.points, other is result))
            yield result

    def _result(self, student: str, attempt: Attempt) -> SubmissionResult:
        result = SubmissionResult(student, [], list(attempt.problems), attempt.unread)
        for name, section in self.sections.items():
            key = attempt.keys.get(name, "")
            found = self.store.result(key)
            if found is None and key in self._given_up:
                result.problems.append(f"{name}: could not be graded ({self._given_up[key]}); grade again to retry")
                result.ungraded = True
            result.sections.append(found or missing(section, "could not be graded"))
        return result

    def _judge(self, jobs: list[Job]) -> Iterator[tuple[Job, Graded | str]]:
        """Each job with its results, or with a sentence why there are none, as they come."""
        waiting, tries = list(reversed(jobs)), dict.fromkeys((job.number for job in jobs), 0)
        os.environ |= {"OMP_NUM_THREADS": "1"}  # for the judges: they fork nothing, but must agree to the last bit
        while waiting:
            running: dict[Future[Graded], Job] = {}
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(min(self.jobs, len(waiting)), context, initializer=start_judge) as pool:
                try:
                    while waiting or running:
                        while waiting and len(running) < self.jobs:
                            job = waiting.pop()
                            tries[job.number] += 1
                            running[pool.submit(judge, job)] = job
                        done, _ = wait(running, return_when=FIRST_COMPLETED)
                        for future in done:
                            job = running[future]
                            try:
                                answer: Graded | str = future.result()
                            except BrokenProcessPool:
                                raise
                            except Exception as error:
                                answer = f"{type(error).__name__}: {error}"
                            del running[future]
                            yield job, answer
                except BrokenProcessPool:  # a judge died: its job, or one beside it, is tried again in a new pool
                    for job in running.values():
                        if tries[job.number] < TRIES:
                            waiting.append(job)
                        else:
                            yield job, "the judge's process died"
                except KeyboardInterrupt:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
