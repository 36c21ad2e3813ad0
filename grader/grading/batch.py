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
from grader.grading.judge import Graded, Job, judge, missing, warm_up
from grader.grading.store import Keys, Store
from grader.kit import Kit, Section
from grader.results import SubmissionResult

TRIES = 2  # a job that took its judge down with it this often is given up


@dataclass
class Batch:
    """What is to be graded, how, and where what comes of it is kept."""

    kit: Kit
    sections: dict[str, Section]
    submissions: list[Submission]
    store: Store
    seed: int
    sandbox: str
    jobs: int
    cache: Path | None = None

    def run(self, tell: Callable[[int, int, int], None] = lambda done, known, of: None) -> list[SubmissionResult]:
        """Grade what is not graded yet. tell: called with submissions done, those known before, and all."""
        keys = Keys(self.kit, self.seed)
        plan = {
            s.student: {name: keys.key(name, s.files.get(name)) for name in self.sections} for s in self.submissions
        }
        open_jobs: list[Job] = []
        for submission in self.submissions:
            wanted = plan[submission.student]
            self.store.attempt(submission.student, wanted, submission.problems)
            absent = {
                wanted[name]: missing(section)
                for name, section in self.sections.items()
                if name not in submission.files and self.store.known(wanted[name]) is None
            }
            self.store.keep(absent)
            todo = tuple(name for name in self.sections if self.store.known(wanted[name]) is None)
            if todo:
                files = {name: submission.files[name] for name in todo}
                job = Job(
                    self.kit.root, submission.student, files, todo, self.seed, self.sandbox, len(open_jobs), self.cache
                )
                open_jobs.append(job)
        known = len(self.submissions) - len(open_jobs)
        tell(known, known, len(self.submissions))
        given_up: dict[str, str] = {}
        for done, (job, graded) in enumerate(self._judge(open_jobs), start=1):
            if isinstance(graded, Graded):
                self.store.keep({plan[job.student][result.section]: result for result in graded.sections})
            else:
                given_up[job.student] = graded
            tell(known + done, known, len(self.submissions))
        return [self._result(submission, plan[submission.student], given_up) for submission in self.submissions]

    def _result(self, submission: Submission, plan: dict[str, str], given_up: dict[str, str]) -> SubmissionResult:
        result = SubmissionResult(submission.student, problems=list(submission.problems), ungraded=submission.unread)
        if submission.student in given_up:
            result.problems.append(f"could not be graded: {given_up[submission.student]}; grade again to retry")
            result.ungraded = True
        for name, section in self.sections.items():
            found = self.store.known(plan[name])
            result.sections.append(found or missing(section, "could not be graded"))
        return result

    def _judge(self, jobs: list[Job]) -> Iterator[tuple[Job, Graded | str]]:
        """Each job with its results, or with a sentence why there are none, as they come."""
        waiting, tries = list(reversed(jobs)), dict.fromkeys((job.student for job in jobs), 0)
        os.environ |= {"OMP_NUM_THREADS": "1"}  # for the judges: they fork nothing, but must agree to the last bit
        while waiting:
            running: dict[Future[Graded], Job] = {}
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(min(self.jobs, len(waiting)), context, initializer=warm_up) as pool:
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
