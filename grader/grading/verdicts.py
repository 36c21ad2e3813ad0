"""What checks asked and decided, so that equal evidence is judged once.

A check is a function of its code, the seed and the answers that it gets. So a run of it is a path: a question, the
answer to it, the next question, and at the end a verdict. Each step is kept under a name made of all that led there;
whoever has the answers can follow the path without running the check, without its inputs, and without torch, which is
never imported here. A step that is not known sends the check to a judge.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import itertools
import json
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path

from grader import __version__
from grader.kit import Check, Exercise, Kit, Section
from grader.results import CheckResult, ExerciseResult, Outcome, Picture, SectionResult, check_result
from grader.solutions.source import Source, Statement

# Our own code that a verdict depends on. What runs beside the learner's is in the evidence already.
JUDGING = (
    *("checks.py", "evidence.py", "mistakes.py", "runner.py", "student.py", "text.py"),
    *("solutions/__init__.py", "solutions/program.py", "solutions/recorded.py", "solutions/source.py"),
)
PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Asks:
    """The check asks this; the answer leads on."""

    request: str


@dataclass(frozen=True)
class Reads:
    """The check reads what its exercise needs of the learner's file."""


@dataclass(frozen=True)
class Verdict:
    """The check is done. output: what the learner's code printed on the way."""

    outcome: Outcome
    message: str = ""
    mistake: str | None = None
    advice: str | None = None
    output: str = ""
    pictures: list[Picture] = field(default_factory=list)

    def __post_init__(self) -> None:
        pictures = [p if isinstance(p, Picture) else Picture(**p) for p in self.pictures]  # from JSON: dicts
        object.__setattr__(self, "pictures", pictures)


Step = Asks | Reads | Verdict
Digests = dict[str, str]
KINDS: dict[str, type[Step]] = {kind.__name__: kind for kind in (Asks, Reads, Verdict)}


def pack(step: Step) -> str:
    """A step as JSON."""
    return json.dumps([type(step).__name__, asdict(step)])


def unpack(text: str) -> Step:
    """What `pack` made a text of."""
    kind, fields = json.loads(text)
    return KINDS[kind](**fields)


@dataclass(frozen=True)
class Reading:
    """What a learner's file says without being run.

    settled: for each exercise that needs no check to be run, its outcome and message. digests: of what each exercise
    needs of the file.
    """

    settled: dict[str, tuple[Outcome, str]]
    digests: dict[str, str]

    @classmethod
    def from_json(cls, text: str) -> Reading:
        """What `json.dumps(asdict(reading))` was made of."""
        fields = json.loads(text)
        fields["settled"] = {name: (outcome, message) for name, (outcome, message) in fields["settled"].items()}
        return cls(**fields)


def find(
    step_of: Callable[[bytes], Step | None],
    root: bytes,
    exercise: str,
    reading: Reading,
    answer: Callable[[str], bytes | None],
) -> Verdict | None:
    """The verdict that these answers lead to, if it is known.

    step_of: the step of a name, if it is known. answer: the digest of the answer to a request, or None where there is
    none.
    """
    name = root
    while True:
        step = step_of(name)
        if isinstance(step, Asks):
            given = answer(step.request)
            if given is None:
                return None
            name = _below(name, given)
        elif isinstance(step, Reads):
            name = _below(name, reading.digests[exercise].encode())
        else:
            return step


def path(
    root: bytes,
    exercise: str,
    reading: Reading,
    reads: bool,
    answers: Iterable[tuple[str, bytes]],
    end: Verdict,
) -> Iterator[tuple[bytes, Step]]:
    """The steps of one run of a check: what it asked with the digests of the answers, and its end.

    reads: whether it read what the exercise needs of the file.
    """
    name = root
    if reads:
        yield name, Reads()
        name = _below(name, reading.digests[exercise].encode())
    for request, given in answers:
        yield name, Asks(request)
        name = _below(name, given)
    yield name, end


Given = tuple[Verdict, float]  # with the processor seconds behind it


def in_order(exercise: Exercise, verdict: Callable[[Check], Given | None]) -> list[Given] | None:
    """What is said of the checks of an exercise, up to the first that does not pass; None if one has no verdict."""
    found: list[Given] = []
    for check in exercise.checks:
        given = verdict(check)
        if given is None:
            return None
        found.append(given)
        if given[0].outcome != "passed":
            break
    return found


def section_result(
    section: Section, reading: Reading, verdicts: Callable[[Exercise], list[Given] | None]
) -> SectionResult | None:
    """The result of a section; None if an exercise that has to be run has no verdicts.

    verdicts: those of an exercise, `in_order`; the checks after them are not reached.
    """
    exercises = []
    for exercise in section.exercises:
        settled = exercise.name in reading.settled
        given = [(Verdict(*reading.settled[exercise.name]), 0.0)] if settled else verdicts(exercise)
        if given is None:
            return None
        rest = Verdict("todo" if given[-1][0].outcome == "todo" else "not_reached"), 0.0
        results: list[CheckResult] = []
        for check, (said, seconds) in itertools.zip_longest(exercise.checks, given, fillvalue=rest):
            assert isinstance(check, Check)
            result = check_result(check, said.outcome, said.message, seconds, said.output)
            result.mistake, result.advice, result.pictures = said.mistake, said.advice, said.pictures
            results.append(result)
        exercises.append(ExerciseResult(exercise.name, results))
    return SectionResult(section.name, exercises)


class Roots:
    """The names of checks' first steps: each of all that a verdict depends on but the answers and the learner's file.

    known: keeps the digests of a file's checks by a name; to read a file takes a tenth of a second.
    """

    def __init__(self, kit: Kit, seed: int, known: Callable[[str, Callable[[], Digests]], Digests]) -> None:
        self._kit = kit
        self._seed = seed
        self._known = known
        self._sections: dict[str, dict[str, bytes]] = {}

    def of(self, section: str) -> dict[str, bytes]:
        """The root of every check of a section, by its name."""
        if section not in self._sections:
            common, roots = self._common(section), {}
            for file in self._kit.check_files(section):
                text = file.read_text(encoding="utf-8")
                named = f"{judging()} {hashlib.sha256(text.encode()).hexdigest()}"
                for name, digest in self._known(named, lambda text=text: check_digests(text)).items():  # type: ignore[misc]
                    roots[name] = hashlib.sha256(f"{common} {name} {digest}".encode()).digest()
            self._sections[section] = roots
        return self._sections[section]

    def reading(self, section: str) -> str:
        """A name for what readings of a section's files depend on but their text."""
        return f"{judging()} {hashlib.sha256((self._kit.stubs / f'{section}.py').read_bytes()).hexdigest()}"

    def _common(self, section: str) -> str:
        """A digest of what the verdicts of a section share: our code, versions, seed, signatures, mistakes, data."""
        stubs = self._kit.stubs
        found = hashlib.sha256(f"{judging()} {self._data} {versions()} {self._seed}".encode())
        for file in (
            stubs / f"{section}.py",
            stubs / "mistakes" / f"{section}.py",
            *sorted((self._kit.checks / "mistakes").glob(f"{section}.*.evidence")),
        ):
            found.update(f"{file.name} ".encode() + (file.read_bytes() if file.is_file() else b""))
        return found.hexdigest()

    @cached_property
    def _data(self) -> str:
        return _digest_of(file for file in self._kit.data.rglob("*") if file.is_file())


@cache
def judging() -> str:
    """A digest of our own code that decides."""
    return _digest_of(PACKAGE / name for name in JUDGING)


def _digest_of(files: Iterable[Path]) -> str:
    found = hashlib.sha256(platform.python_version().encode())
    for file in sorted(files):
        found.update(f"{file.name} {file.stat().st_size} ".encode() + file.read_bytes())
    return found.hexdigest()


def versions() -> str:
    """The versions that evidence depends on."""
    return f"{__version__} {version('torch')} {version('torchvision')}"


def check_digests(text: str) -> dict[str, str]:
    """For each check of a file, a digest of what it does: its code, and all in the file that this needs.

    Its points, its kind and its docstring are not among them: they stand beside a verdict.
    """
    source = Source(text, "checks")
    bound = {name for statement in source.statements for name in statement.binds}
    digests: dict[int, str] = {}

    def digest(node: ast.stmt) -> str:
        if id(node) not in digests:
            digests[id(node)] = hashlib.sha256(ast.dump(_bare(node)).encode()).hexdigest()
        return digests[id(node)]

    found = {}
    for statement in source.statements:
        if isinstance(statement.node, ast.FunctionDef) and _declaration(statement.node):
            names, needed = {statement.node.name}, source.needed([statement.node.name])
            while fixtures := set(_parameters(needed)) & bound - names:  # those of @shared, by name
                names |= fixtures
                needed = source.needed(names)
            parts = " ".join(digest(s.node) for s in needed)
            found[statement.node.name] = hashlib.sha256(parts.encode()).hexdigest()
    return found


def _parameters(statements: Iterable[Statement]) -> Iterator[str]:
    for statement in statements:
        if isinstance(statement.node, ast.FunctionDef):
            yield from (argument.arg for argument in statement.node.args.args)


def _declaration(node: ast.FunctionDef) -> ast.Call | None:
    """The `@check(...)` of a function."""
    calls = (d for d in node.decorator_list if isinstance(d, ast.Call))
    return next((call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "check"), None)


def _bare(node: ast.stmt) -> ast.stmt:
    """A check without its points, kind and docstring; any other statement as it is."""
    call = _declaration(node) if isinstance(node, ast.FunctionDef) else None
    if not isinstance(node, ast.FunctionDef) or call is None:
        return node
    kept = [keyword for keyword in call.keywords if keyword.arg not in ("points", "kind")]
    bare = copy.copy(node)  # what it holds is shared, and stays as it is
    bare.decorator_list = [ast.Call(d.func, d.args, kept) if d is call else d for d in node.decorator_list]
    if ast.get_docstring(node) is not None:
        bare.body = node.body[1:]
    return bare


def _below(name: bytes, given: bytes) -> bytes:
    return hashlib.sha256(name + given).digest()
