"""The `student` of a check: it hands probes to a solution, keeps the evidence, and turns trouble into sentences.

Every check gets one of its own. It knows the signatures that the exercises were given with, so that a check may write
`student.softmax(x, dim=1)` while the learner's function is called by position: other parameter names are right too.
"""

from __future__ import annotations

import ast
import copy
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from grader.checks import CheckFailed, Rng, show
from grader.kit import Check, Kit, Section
from grader.solutions import Reply, Request, Solution
from grader.solutions.execution import call, reset
from grader.solutions.source import Parameters, Source, Statement


class LearnerStopped(Exception):
    """A probe did not return: the learner's code raised, hung, crashed or could not be imported."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.detail or (reply.raised.message if reply.raised else ""))
        self.reply = reply


@dataclass
class Shared:
    """What the checks of one section share: results of `@shared` functions, with the replies behind them."""

    results: dict[str, tuple[list[Reply], bool, Any, Exception | None]] = field(default_factory=dict)


class Room:
    """Runs probes where the learner's source was never imported."""

    def __init__(self, student: Student) -> None:
        self._student = student

    def probe(self, function: Callable[..., Any], /, **inputs: Any) -> Any:
        """What `function(**inputs)` returns there."""
        return self._student._value(self._student._ask(function, inputs, clean=True))


class Student:
    """One check's view of a solution."""

    def __init__(
        self, kit: Kit, section: Section, check: Check, solution: Solution, seed: int, shared: Shared | None = None
    ) -> None:
        self._kit = kit
        self._section = section
        self._check = check
        self._solution = solution
        self._seed = seed
        self._shared = shared if shared is not None else Shared()
        self._log: list[Reply] = []
        self._last: Request | None = None
        self._read = False  # whether it read what the exercise needs of the learner's file

    @property
    def _clean_room(self) -> Room:
        return Room(self)

    # -- what check authors use

    def probe(self, function: Callable[..., Any], /, **inputs: Any) -> Any:
        """What `function(solution, **inputs)` returns, run beside the learner's code. Inputs go by value."""
        return self._value(self._ask(function, inputs))

    def must_raise(self, expected: type[Exception], function: Callable[..., Any], /, **inputs: Any) -> str:
        """The message of the exception that this probe must raise; the check fails if it returns or raises another."""
        reply = self._ask(function, inputs)
        if reply.status == "raised" and reply.raised and expected.__name__ in reply.raised.bases:
            return reply.raised.message
        if reply.status == "raised" and reply.raised and not self._is_todo(reply):
            found = f"{reply.raised.type}: {reply.raised.message}"
        else:
            found = f"no exception; it returned {show(self._value(reply))}"
        raise CheckFailed(f"{self._call}\n  came back  {found}\n  expected   {expected.__name__}")

    def forbid(self, *names: str, instead: str) -> None:
        """The check fails if the exercise, or a helper of the learner's that it needs, uses one of these names.

        A name is the last part of a dotted one (`softmax` for `torch.softmax` and `x.softmax`), or an imported or
        built-in one. What stands in the stub, and is as it was given, may use it. `instead` tells what to do.
        """
        given = stub_source(self._kit, self._section.name)
        for statement in self._needed():
            for node in ast.walk(statement.node):
                found = _used(node, names)
                if found and not given.has(statement):
                    line = getattr(node, "lineno", statement.line)
                    raise CheckFailed(f"{self._solution.source.place(line)} of your file uses `{found}`: {instead}")

    @property
    def statements(self) -> list[ast.stmt]:
        """What the exercise needs of the learner's file, to be read: statements of its top level, in their order."""
        return [statement.node for statement in self._needed()]

    def _needed(self) -> list[Statement]:
        self._read = True
        return self._solution.source.needed([self._check.exercise])

    @property
    def data(self) -> Any:
        """The folder of the kit's data (a Path). Probes never see it: send them what they need."""
        return self._kit.data

    def __getattr__(self, exercise: str) -> Callable[..., Any]:
        if exercise.startswith("_") or all(exercise != e.name for e in self._section.exercises):
            raise AttributeError(f"{self._section.name} has no exercise {exercise!r}")
        signature = _signature(self._kit, self._section.name, exercise)

        def method(*arguments: Any, **named: Any) -> Any:
            values = _positional(exercise, signature, arguments, named)
            answer = self._value(self._ask(call, {"exercise": exercise, "arguments": values}))
            if type(answer) is not dict or answer.keys() != {"result", "changed"}:
                raise CheckFailed(f"{self._call} came back in a form that no honest run gives")
            if answer["changed"] and not exercise.endswith("_"):
                changed = ", ".join(signature.names[i] for i in answer["changed"] if i in range(len(signature.names)))
                raise CheckFailed(
                    f"{self._call} changes the caller's {changed}: make a new tensor, and leave the argument as it was"
                )
            return answer["result"]

        return method

    # -- how it works

    @property
    def _call(self) -> str:
        """The last call, as a learner should see it; worked out when something is wrong with it, and not before."""
        if self._last is None:
            return ""
        probe, inputs = self._last.probe, self._last.inputs
        if probe is call:
            name, shown = inputs["exercise"], [show(value) for value in inputs["arguments"]]
        else:
            name, shown = probe.__name__, [f"{key}={show(value)}" for key, value in inputs.items()]
        return f"{name}({', '.join(shown)})".replace("\n", "")

    def _ask(self, function: Callable[..., Any], inputs: dict[str, Any], *, clean: bool = False) -> Reply:
        self._last = Request(self._check.exercise, function, inputs, self._check.seconds, self._seed, clean)
        reply = self._solution.run(self._last)
        self._log.append(reply)
        return reply

    def _value(self, reply: Reply) -> Any:
        if reply.status == "returned":
            return reply.value
        if reply.exception is not None:  # raised in this process: pytest and pdb want the exception itself
            raise reply.exception
        raise LearnerStopped(reply)

    def _is_todo(self, reply: Reply) -> bool:
        """Whether this reply says that the exercise has not been written yet."""
        if reply.raised is None or reply.raised.type != "NotImplementedError":
            return False
        self._read = True
        return self._solution.source.has_placeholder(self._check.exercise)

    def _once(self, function: Callable[..., Any]) -> Any:
        """The result of a `@shared` function, run at most once; its evidence is part of this check's evidence."""
        key = f"{self._check.exercise}.{function.__qualname__}"
        if key not in self._shared.results:
            start, value, before = len(self._log), None, self._read
            self._read = False
            error: Exception | None = None
            try:
                value = self._resolve(function, function.__qualname__)
            except Exception as raised:
                error = raised
            self._shared.results[key] = (self._log[start:], self._read, value, error)
            self._read = before
        else:
            self._log += self._shared.results[key][0]
        _, read, kept, failure = self._shared.results[key]
        self._read |= read
        if failure is not None:
            raise failure
        return copy.deepcopy(kept)

    def _resolve(self, function: Callable[..., Any], name: str) -> Any:
        """Call a check, or a fixture, with what its parameters name."""
        values: dict[str, Any] = {}
        code = function.__code__
        number = zlib.crc32(f"{self._seed}/{self._section.name}/{name}".encode())
        for parameter in code.co_varnames[: code.co_argcount]:
            if parameter == "student":
                values[parameter] = self
            elif parameter == "rng":
                values[parameter] = Rng(number)
            elif parameter == "clean_room":
                values[parameter] = self._clean_room
            elif getattr(function.__globals__.get(parameter), "__shared__", False):
                values[parameter] = self._once(function.__globals__[parameter])
            else:
                raise TypeError(
                    f"{name} asks for {parameter!r}: a check gets student, rng, clean_room, and @shared ones"
                )
        reset(number)  # the weights of a module that a check makes are its inputs too, the same in every process
        return function(**values)


def _signature(kit: Kit, section: str, exercise: str) -> Parameters:
    parameters = stub_source(kit, section).parameters(exercise)
    if parameters is None:
        raise TypeError(f"{exercise} has no plain signature: write a probe for it")
    return parameters


_STUBS: dict[tuple[str, str], Source] = {}


def stub_source(kit: Kit, section: str) -> Source:
    """The section's file as it was given out (with or without our solution in it), read."""
    path = kit.stubs / f"{section}.py"
    key = (str(path), section)
    if key not in _STUBS:
        _STUBS[key] = Source(path.read_text(encoding="utf-8"), str(path))
    return _STUBS[key]


def _positional(exercise: str, signature: Parameters, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments in the order of the signature; a gap cannot be filled without knowing a default."""
    values = list(given)
    for name in signature.names[len(given) :]:
        if name not in named:
            break
        values.append(named.pop(name))
    if named:
        raise TypeError(
            f"a check calls {exercise}{signature} with {', '.join(named)}: give the arguments before it too"
        )
    return tuple(values)


def _used(node: ast.AST, names: tuple[str, ...]) -> str | None:
    if isinstance(node, ast.Attribute) and node.attr in names:
        return ast.unparse(node)
    if isinstance(node, ast.ImportFrom):
        return next((alias.name for alias in node.names if alias.name in names), None)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "getattr" and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            return next((name for name in names if name == node.args[1].value), None)
        return node.func.id if node.func.id in names and node.func.id in dir(__builtins__) else None
    return None
