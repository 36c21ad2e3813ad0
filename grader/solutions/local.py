"""A solution that runs in this process: a learner's own `pytest checks/`, and our own mistakes and alternatives.

Never used for a grade: in this process print and pdb work, and the learner's code could do anything.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from grader.pairing import read_text
from grader.solutions import Reply, Request
from grader.solutions.execution import Loaded, execute, load, untouched
from grader.solutions.source import Source


class LocalSolution:
    """Runs probes here. The file is imported once, when the first probe needs it."""

    def __init__(self, source: Source, exercises: Iterable[str]) -> None:
        self.source = source
        self._exercises = list(exercises)
        self._failures: dict[int, Reply] = {}

    @cached_property
    def _loaded(self) -> Loaded:
        running = 0

        def before(line: int) -> None:
            nonlocal running
            running = line

        try:
            return load(self.source.program(self._exercises), self._failures, before)
        except BaseException:  # the time limit: this statement is left out when the next check comes
            detail = f"{self.source.place(running)} did not end while the file was imported"
            self._failures[running] = Reply("broken", detail=detail)
            raise

    def run(self, request: Request) -> Reply:
        if request.clean:
            from grader.solutions.clean_room import run_clean

            return run_clean(request)
        for statement in self.source.needed([request.exercise]):
            if statement.line in self._loaded.failures and not statement.optional:
                return self._loaded.failures[statement.line]
        module = self._loaded.module
        sys.modules[module.__name__] = module  # another solution of this section may have been loaded since
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(self._loaded.recursion_limit)
        try:
            with untouched():  # a check goes on as if this had run elsewhere
                own = replace(request, inputs=copy.deepcopy(request.inputs))
                return execute(own, module, self.source.filename, keep_exception=True)
        finally:
            sys.setrecursionlimit(limit)


def read_source(path: Path) -> Source:
    """Read a learner's file or notebook. Raises ValueError with a sentence if it is neither, OSError if unreadable."""
    return Source(read_text(path), str(path))
