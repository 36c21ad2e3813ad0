"""Many submissions: jobs for those sections that the store does not hold, judged side by side.

The coordinator never imports torch; it hands out jobs and is the only one that writes.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from grader.grading.cluster import IN_FLIGHT, ClusterError, judge_there, judges
from grader.grading.intake import Submission
from grader.grading.judge import Graded, Job, judge, missing, modules_of, start_judge
from grader.grading.store import Attempt, Keys, Store, text_digest
from grader.grading.verdicts import Given, Roots, find, in_order, section_result
from grader.kit import Check, Kit, Section
from grader.results import AttemptResult, SectionResult, SubmissionResult
from grader.solutions.sandbox import SandboxError
from grader.solutions.zygotes import Zygotes

TRIES = 2  # a job that took its judge or its sandbox down with it this often is given up
DEEP = 70  # bytes of the path to temporary files: a fork server's socket in that folder has room for 30 more
AHEAD = 2  # jobs that wait for a judge, so that none waits for a job


class Work(NamedTuple):
    """One text of one section, by its digest, and one of those who handed it in."""

    student: str
    section: str
    text: str


@dataclass
class Batch:
    """What is to be graded, how, and where what comes of it is kept.

    sections: those to grade; all_sections: those of this store's results, which may be more. sandbox: a level; warm:
    whether sandboxes are started from a zygote. policy: which attempt at a section counts, the `latest` or the `best`.
    work: what is done with a job. cluster: the address of a Dask scheduler whose workers judge, instead of `jobs`
    processes here.
    """

    kit: Kit
    sections: dict[str, Section]
    all_sections: dict[str, Section]
    store: Store
    seed: int
    sandbox: str
    jobs: int
    cache: Path | None = None
    policy: str = "latest"
    warm: bool = False
    work: Callable[[Job], Graded] = judge
    cluster: str = ""

    def __post_init__(self) -> None:
        self._keys = Keys(self.kit, self.seed)
        self._roots = Roots(self.kit, self.seed, self.store.checks)
        self._modules: tuple[str, ...] = ()
        self._zygotes: Zygotes | None = None
        self._given_up: dict[str, str] = {}  # by key of a result: why there is none

    def grade(self, submissions: Iterable[Submission], tell: Tell) -> None:
        """Note what was handed in, and grade what is not graded yet."""
        todo: dict[Work, None] = {}
        taken: set[tuple[str, str]] = set()  # two students with the same text need one run
        count = known = 0
        for submission in submissions:
            texts = {name: text_digest(text) for name, text in submission.files.items()}
            self.store.attempt(submission, {name: self._keys.key(name, texts.get(name)) for name in self.sections})
            count += 1
            before = len(todo)
            for name in self.sections:
                if self._settle(name, texts.get(name)) or (name, texts[name]) in taken:
                    continue
                taken.add((name, texts[name]))
                todo[Work(submission.student, name, texts[name])] = None
            known += len(todo) == before
        tell.begin(len(todo), known, count)
        works = list(todo)
        last = [work for work in works if work.student == works[-1].student]
        works[-len(last) :] = reversed(last)  # later sections take longer: so that no judge is at one while others idle
        self._run(works, tell)

    def regrade(self, tell: Tell) -> None:
        """Judge the evidence of all that was ever handed in again; runs no learner's code."""
        texts = [(s, text, student) for s, text, student in self.store.texts() if s in self.all_sections]
        self.store.name_results({(s, text): self._keys.key(s, text) for s, text, _ in texts})
        todo = [Work(student, s, text) for s, text, student in texts if not self._settle(s, text) and text]
        tell.begin(len(todo), len(texts) - len(todo), len(texts))
        self._run(todo, tell, recorded=True)

    def _settle(self, section: str, text: str | None) -> bool:
        """Whether there is a result already, or can be one without a job; text: its digest, None for a missing file."""
        key = self._keys.key(section, text)
        if self.store.known(key):
            return True
        found = missing(self.all_sections[section]) if text is None else self._from_verdicts(section, text)
        if found is not None:
            self.store.keep({key: found})
        return found is not None

    def _from_verdicts(self, section: str, text: str) -> SectionResult | None:
        """The result that the evidence in the store gives, if the verdict on each of it is known."""
        reading = self.store.reading(self._reading(section, text))
        if reading is None:
            return None
        answers = self.store.answers(self._keys.content(section, text))
        roots = self._roots.of(section)

        def verdict(check: Check) -> Given | None:
            asked: list[str] = []

            def answer(request: str) -> bytes | None:
                asked.append(request)
                return answers[request][0] if request in answers else None

            found = find(self.store.step, roots[check.name], check.exercise, reading, answer)
            return (found, sum(answers[request][1] for request in asked)) if found else None

        return section_result(self.all_sections[section], reading, lambda exercise: in_order(exercise, verdict))

    def _reading(self, section: str, text: str) -> str:
        return f"{self._keys.content(section, text)} {self._roots.reading(section)}"

    def results(self) -> Iterator[SubmissionResult]:
        """The result of every student in the store, one at a time: of each section the attempt that counts."""
        for student, attempts in self.store.students():
            result = SubmissionResult(student)
            counted: list[Attempt] = []
            for name, section in self.all_sections.items():
                at_it = [attempt for attempt in attempts if name in attempt.keys] or attempts[:1]
                if self.policy == "best":
                    best = max(at_it, key=lambda a: a.results[name].points if name in a.results else -1.0)
                    at_it = [best]
                attempt = at_it[0]
                key = attempt.keys.get(name, "")
                if key in self._given_up and name not in attempt.results:
                    why = self._given_up[key]
                    result.problems.append(f"{name}: could not be graded ({why}); grade again to retry")
                    result.ungraded = True
                why = "could not be graded" if key else "was not asked for when this student was graded"
                result.sections.append(attempt.results.get(name) or missing(section, why))
                counted += [attempt] if attempt not in counted else []
            result.problems[:0] = dict.fromkeys(problem for attempt in counted for problem in attempt.problems)
            result.ungraded |= any(attempt.unread for attempt in counted)
            for number, attempt in enumerate(reversed(attempts), start=1):
                at = datetime.fromtimestamp(attempt.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                points = sum(section.points for section in attempt.results.values())
                result.attempts.append(AttemptResult(number, at, points, attempt in counted))
            yield result

    def _run(self, todo: list[Work], tell: Tell, *, recorded: bool = False) -> None:
        """Do what is to be done, and keep what comes of it as it comes."""
        self._modules = modules_of(self.kit, {work.section for work in todo})
        self._zygotes = None
        with ExitStack() as ends:
            if todo and self.warm and not recorded and not self.cluster:
                self._zygotes = ends.enter_context(closing(Zygotes(self._modules, min(self.jobs, len(todo)))))
            self._keep(self._judge(self._jobs(todo, recorded)), tell)

    def _keep(self, done: Iterable[tuple[Job, Graded | str]], tell: Tell) -> None:
        """Keep what comes of jobs, and tell of it."""
        for job, graded in done:
            texts = {name: text_digest(text) for name, text in job.files.items()}
            keys = {name: self._keys.key(name, text) for name, text in texts.items()}
            if isinstance(graded, str):
                self._given_up |= dict.fromkeys(keys.values(), graded)
                for name in job.files:
                    tell.failed(job.student, name, graded)
                continue
            self.store.keep(
                {keys[result.section]: result for result in graded.sections},
                {self._keys.content(name, texts[name]): records for name, records in graded.records.items()},
                {self._reading(name, texts[name]): reading for name, reading in graded.readings.items()},
                graded.steps,
            )
            for result in graded.sections:
                tell.graded(job.student, result)

    def _jobs(self, todo: list[Work], recorded: bool) -> Iterator[Job]:
        """A job a section, or where each sandbox starts cold a job a submission; made when a judge is free."""
        cold = not self.warm and not recorded
        at = 0
        while at < len(todo):
            end = at + 1
            while cold and end < len(todo) and todo[end].student == todo[at].student:
                end += 1
            works, number, at = todo[at:end], at, end
            if recorded and self._settle(works[0].section, works[0].text):  # by what came of the jobs before
                continue
            yield self._job(works, number, recorded)

    def _job(self, works: list[Work], number: int, recorded: bool) -> Job:
        records = {w.section: self.store.records(self._keys.content(w.section, w.text)) for w in works}
        return Job(
            kit=self.kit.root,
            student=works[0].student,
            files={work.section: self.store.text(work.text) for work in works},
            roots={work.section: self._roots.of(work.section) for work in works},
            seed=self.seed,
            sandbox=self.sandbox,
            zygotes=self._zygotes.address if self._zygotes else "",
            modules=self._modules,
            number=number,
            cache=self.cache,
            records=records if recorded else None,
        )

    def _judge(self, jobs: Iterator[Job]) -> Iterator[tuple[Job, Graded | str]]:
        """Each job with its results, or with a sentence why there are none, as they come."""
        again: list[Job] = []  # lost with their judge
        tries: dict[int, int] = {}
        # For the judges: they must agree to the last bit, and find no module in the folder that we were called from,
        # which may be one of submissions.
        os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
        while first := again.pop() if again else next(jobs, None):
            again.append(first)
            running: dict[Future[Graded], Job] = {}
            with self._judges() as pool:
                try:
                    while True:
                        while len(running) < (IN_FLIGHT if self.cluster else self.jobs + AHEAD):
                            job = again.pop() if again else next(jobs, None)
                            if job is None:
                                break
                            tries[job.number] = tries.get(job.number, 0) + 1
                            if self._zygotes:
                                self._zygotes.start()
                            running[pool.submit(judge_there if self.cluster else self.work, job)] = job
                        if not running:
                            return
                        done, _ = wait(running, return_when=FIRST_COMPLETED)
                        for future in done:
                            job, lost = running[future], False
                            try:
                                answer: Graded | str = future.result()
                            except BrokenProcessPool:
                                raise
                            except CancelledError:
                                raise ClusterError(f"the Dask scheduler at {self.cluster} is gone") from None
                            except Exception as error:
                                answer = f"{type(error).__name__}: {error}"
                                lost = isinstance(error, SandboxError) and tries[job.number] < TRIES
                            del running[future]
                            if lost:
                                time.sleep(0.2)  # until a zygote that was lost is seen to have ended
                                again.append(job)
                            else:
                                yield job, answer
                except BrokenProcessPool:  # a judge died: its job, or one beside it, is tried again in a new pool
                    for job in running.values():
                        if tries[job.number] < TRIES:
                            again.append(job)
                        else:
                            yield job, "the judge's process died"
                except KeyboardInterrupt:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise

    def _judges(self) -> AbstractContextManager[Executor]:
        """Where judges run: processes here, or the workers of a cluster."""
        if self.cluster:
            return judges(self.cluster, self.kit, self.sandbox)
        deep = len(os.fsencode(tempfile.gettempdir())) > DEEP
        context = multiprocessing.get_context("forkserver" if sys.platform == "linux" and not deep else "spawn")
        context.set_forkserver_preload(["grader.grading.template", *self._modules])
        return ProcessPoolExecutor(self.jobs, context, initializer=start_judge)


class Tell:
    """Told of what goes on; says nothing."""

    def begin(self, todo: int, known: int, of: int) -> None:
        """So many sections are to be graded; of the submissions (in a regrade: texts) so many are done already."""

    def graded(self, student: str, result: SectionResult) -> None:
        """A section of a submission is graded, and kept."""

    def failed(self, student: str, section: str, why: str) -> None:
        """A section of a submission could not be graded."""
