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
from pathlib import Path

from grader.grading.intake import Submission
from grader.grading.judge import Graded, Job, judge, missing
from grader.grading.store import Keys, Store
from grader.kit import Kit, Section
from grader.results import SubmissionResult

TRIES = 2  # a job that took its judge down with it this often is given up


@dataclass
class Batch:
    """What is to be graded, how, and where what comes of it is kept.

    sandbox: a level, or `recorded` to judge the evidence in the store again.
    """

    kit: Kit
    sections: dict[str, Section]
    submissions: list[Submission]
    store: Store
    seed: int
    sandbox: str
    jobs: int
    cache: Path | None = None

    def __post_init__(self) -> None:
        self._keys = Keys(self.kit, self.seed)
        self._given_up: dict[str, str] = {}

    def _plan(self, submission: Submission) -> dict[str, str]:
        """The key of each section's result."""
        return {name: self._keys.key(name, submission.files.get(name)) for name in self.sections}

    def run(self, tell: Callable[[int, int, int], None] = lambda done, known, of: None) -> None:
        """Grade what is not graded yet. tell: called with submissions done, those known before, and all."""
        jobs: list[Job] = []
        for submission in self.submissions:
            plan = self._plan(submission)
            self.store.attempt(submission, plan)
            open_ones = [name for name in self.sections if not self.store.known(plan[name])]
            self.store.keep({plan[n]: missing(self.sections[n]) for n in open_ones if n not in submission.files})
            files = {name: submission.files[name] for name in open_ones if name in submission.files}
            if files:
                records = None
                if self.sandbox == "recorded":
                    records = {n: self.store.records(self._keys.content(n, text)) for n, text in files.items()}
                jobs.append(
                    Job(
                        self.kit.root, submission.student, files, tuple(files), self.seed, self.sandbox, len(jobs),
                        self.cache, records,
                    )
                )  # fmt: skip
        known = len(self.submissions) - len(jobs)
        tell(known, known, len(self.submissions))
        for done, (job, graded) in enumerate(self._judge(jobs), start=1):
            if isinstance(graded, Graded):
                results = {self._keys.key(r.section, job.files[r.section]): r for r in graded.sections}
                records = {self._keys.content(n, job.files[n]): answers for n, answers in graded.records.items()}
                self.store.keep(results, records)
            else:
                self._given_up[job.student] = graded
            tell(known + done, known, len(self.submissions))

    def results(self) -> Iterator[SubmissionResult]:
        """What the store holds of each submission, one at a time."""
        for submission in self.submissions:
            result = SubmissionResult(submission.student, [], list(submission.problems), submission.unread)
            if submission.student in self._given_up:
                result.problems.append(
                    f"could not be graded: {self._given_up[submission.student]}; grade again to retry"
                )
                result.ungraded = True
            for name, key in self._plan(submission).items():
                found = self.store.result(key)
                result.sections.append(found or missing(self.sections[name], "could not be graded"))
            yield result

    def _judge(self, jobs: list[Job]) -> Iterator[tuple[Job, Graded | str]]:
        """Each job with its results, or with a sentence why there are none, as they come."""
        waiting, tries = list(reversed(jobs)), dict.fromkeys((job.student for job in jobs), 0)
        os.environ |= {"OMP_NUM_THREADS": "1"}  # for the judges: they fork nothing, but must agree to the last bit
        while waiting:
            running: dict[Future[Graded], Job] = {}
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(min(self.jobs, len(waiting)), context) as pool:
                try:
                    while waiting or running:
                        while waiting and len(running) < self.jobs:
                            job = waiting.pop()
                            tries[job.student] += 1
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
                        if tries[job.student] < TRIES:
                            waiting.append(job)
                        else:
                            yield job, "the judge's process died"
                except KeyboardInterrupt:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
