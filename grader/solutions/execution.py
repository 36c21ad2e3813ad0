"""Runs one probe in this process, and imports a learner's file statement by statement.

Shared by the local solution and by the worker in the sandbox, so that both see the same state before a probe and tell
the same story after it. What happens here is trusted by nobody: it produces evidence, never a verdict.
"""

from __future__ import annotations

import linecache
import random
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grader import evidence
from grader.solutions import Raised, Reply, Request
from grader.solutions.program import Program

MAX_MESSAGE = 1_000  # characters of an exception's message
MAX_TRACE = 4_000  # characters of a traceback
MAX_NAME = 100  # characters of a class's name
MAX_BASES = 20


@dataclass
class Loaded:
    """A learner's file as a module.

    failures: for each statement (by its line) that did not run, why; recursion_limit: what the file has set, or left.
    """

    module: types.ModuleType
    filename: str
    failures: dict[int, Reply] = field(default_factory=dict)
    recursion_limit: int = 1000


def load(
    program: Program,
    failures: dict[int, Reply] | None = None,
    before: Callable[[int], None] = lambda line: None,
) -> Loaded:
    """Run statements, each on its own; what fails is noted and left out.

    failures: statements (by line) known to hang or to end the process: not run again. before: told of each line first.
    """
    filename = program.filename
    module = types.ModuleType(Path(filename).stem)
    module.__file__ = filename
    sys.modules[module.__name__] = module  # dataclasses and torch.jit look a class's module up by name
    loaded = Loaded(module, filename, dict(failures or {}))
    if filename.endswith(".ipynb") or not Path(filename).exists():  # for tracebacks, inspect.getsource
        lines = program.text.splitlines(keepends=True)
        linecache.cache[filename] = (len(program.text), None, lines, filename)
    limit = sys.getrecursionlimit()
    for line, code in program.statements:
        if line in loaded.failures:
            continue
        before(line)
        try:
            exec(code, vars(module))
        except Exception as error:
            raised = describe(error, filename)
            detail = f"{program.place(raised.line or line)}: {raised.type}: {raised.message}"
            loaded.failures[line] = Reply("broken", raised=raised, detail=detail, exception=error)
        except BaseException as error:  # SystemExit, or the time limit of a local run
            detail = f"{program.place(line)} ended the import with {type(error).__name__}"
            loaded.failures[line] = Reply("broken", detail=detail)
            if not isinstance(error, SystemExit):
                raise
    loaded.recursion_limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    return loaded


def execute(request: Request, solution: Any, filename: str, *, keep_exception: bool = False) -> Reply:
    """Run one probe with the state of torch set anew, and say what became of it."""
    reset(request.seed)
    started = time.process_time()
    try:
        with torch.enable_grad():
            value = request.probe(**request.inputs) if request.clean else request.probe(solution, **request.inputs)
            reply = Reply("returned", value=evidence.decode(evidence.encode(value)))
    except evidence.EvidenceError as error:
        reply = Reply("raised", raised=Raised("EvidenceError", ("EvidenceError",), str(error)))
    except SystemExit as error:
        reply = Reply("crashed", detail=f"it ended the program with sys.exit({error.code!r})"[:MAX_MESSAGE])
    except Exception as error:
        raised = describe(error, filename)
        reply = Reply("raised", raised=raised, exception=error if keep_exception else None)
    finally:
        torch.set_default_dtype(torch.float32)
    return replace(reply, seconds=time.process_time() - started)


def reset(seed: int) -> None:
    """The state in which every probe starts, whatever ran before it. One thread: two don't agree to the last bit.

    `torch.manual_seed` takes a hundred times as long: it seeds accelerators too, which no check uses.
    """
    torch.set_num_threads(1)
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)


@contextmanager
def untouched() -> Iterator[None]:
    """Global generators, default dtype, gradient mode and threads are afterwards what they were."""
    state, dtype = (torch.get_rng_state(), np.random.get_state(), random.getstate()), torch.get_default_dtype()
    threads, gradients = torch.get_num_threads(), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_rng_state(state[0])
        np.random.set_state(state[1])
        random.setstate(state[2])
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.set_grad_enabled(gradients)


def call(solution: Any, exercise: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """The plain probe: call one exercise. `changed` holds the indices of arguments that the call changed."""
    before = [evidence.encode(a) if isinstance(a, (torch.Tensor, np.ndarray)) else None for a in arguments]
    result = getattr(solution, exercise)(*arguments)
    after = [None if b is None else evidence.encode(a) for a, b in zip(arguments, before, strict=True)]
    return {"result": result, "changed": [i for i, b in enumerate(before) if b != after[i]]}


def describe(error: BaseException, filename: str) -> Raised:
    """An exception as data. Its text is made by the learner's code, which may fail at that too."""
    try:
        message = str(error)[:MAX_MESSAGE]
    except Exception:
        message = "(an exception whose text cannot be read)"
    bases = tuple(base.__name__[:MAX_NAME] for base in type(error).__mro__ if base is not object)[:MAX_BASES]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == filename]
    trace = "".join(traceback.format_list(frames))[-MAX_TRACE:]
    line = frames[-1].lineno if frames else None
    if isinstance(error, SyntaxError) and error.filename == filename:
        line = error.lineno
    return Raised(type(error).__name__[:MAX_NAME], bases, message, line, trace)
