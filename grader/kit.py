"""Sections, exercises, checks, points and hints, read from the kit's own files without running any of them.

Never imports torch: the board must answer at once.
"""

from __future__ import annotations

import ast
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

KINDS = ("shape", "value", "gradient", "state", "convergence", "accuracy", "roundtrip")
HINT = re.compile(r"^\*\*Hint \d+\.\*\*\s*(.*)", re.DOTALL)
DEFINITION = re.compile(r"^(?:def|class) (\w+)", re.MULTILINE)
# The head of a check: from @check to its docstring. Parsing only heads takes a tenth of the time of whole files.
HEAD = re.compile(r'^@check\(.*?^def .*?:\n(?: +r?""".*?"""\n)?', re.MULTILINE | re.DOTALL)


class KitError(Exception):
    """The kit's own files are not as they should be, or there is no kit; the message says what to do."""


@dataclass(frozen=True)
class Check:
    """One check of one exercise, as its file declares it. seconds: processor time allowed for each probe."""

    name: str
    exercise: str
    section: str
    kind: str
    points: int
    sentence: str
    file: Path
    line: int
    seconds: float = 10.0
    hidden: bool = False


@dataclass(frozen=True)
class Exercise:
    """One function or class that a learner fills in."""

    name: str
    section: str
    title: str
    line: int
    checks: tuple[Check, ...]
    hints: tuple[str, ...] = ()

    @property
    def max_points(self) -> int:
        return sum(check.points for check in self.checks)


@dataclass(frozen=True)
class Section:
    """One of the ten: a file in exercises/ and one in checks/."""

    name: str
    title: str
    exercises: tuple[Exercise, ...]

    @property
    def max_points(self) -> int:
        return sum(exercise.max_points for exercise in self.exercises)

    def exercise(self, name: str) -> Exercise:
        return next(exercise for exercise in self.exercises if exercise.name == name)


class Kit:
    """The kit in one folder: `exercises/` beside `checks/`; with `reference/`, the full edition."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.exercises = root / "exercises"
        self.checks = root / "checks"
        self.data = self.exercises / "data"
        self.reference = root / "reference"

    @property
    def has_reference(self) -> bool:
        return self.reference.is_dir()

    @property
    def stubs(self) -> Path:
        """Where the untouched signatures and lessons are: the reference, or in a student edition the stubs' copy."""
        return self.reference if self.has_reference else self.checks / "stubs"

    @cached_property
    def sections(self) -> dict[str, Section]:
        """All sections by name, in order."""
        found = {}
        for path in sorted(self.checks.glob("test_s[0-9][0-9]_*.py")):
            name = path.stem.removeprefix("test_")
            found[name] = self._section(name, path)
        if not found:
            raise KitError(f"no checks in {self.checks}: expected files such as test_s02_tensors.py")
        return found

    def select(self, names: list[str] | None) -> dict[str, Section]:
        """The sections of these names (or prefixes such as s02), all if there are none."""
        if not names:
            return self.sections
        chosen = {}
        for name in names:
            matching = {key: s for key, s in self.sections.items() if key == name or key.startswith(f"{name}_")}
            if not matching:
                raise KitError(f"no section {name!r}; there are: {', '.join(self.sections)}")
            chosen.update(matching)
        return {key: chosen[key] for key in self.sections if key in chosen}

    def find(self, exercise: str) -> Exercise:
        """The exercise of that name."""
        for section in self.sections.values():
            for found in section.exercises:
                if found.name == exercise:
                    return found
        raise KitError(f"no exercise {exercise!r}; `grader` lists them")

    def check_files(self, section: str) -> list[Path]:
        """The check file of a section, and the hidden one if there is one."""
        name = f"test_{section}.py"
        return [path for path in (self.checks / name, self.checks / "hidden" / name) if path.is_file()]

    def _section(self, name: str, path: Path) -> Section:
        stub = self.stubs / f"{name}.py"
        try:
            text = stub.read_text(encoding="utf-8")
        except OSError as error:
            raise KitError(f"section {name} has checks but no {stub}: {error.strerror}") from None
        checks = [check for file in self.check_files(name) for check in _checks(name, file)]
        title, places = _lesson(text)
        named = {match[1]: _line(text, match.start()) for match in DEFINITION.finditer(text)}
        order = [n for n in named if any(check.exercise == n for check in checks)]
        for check in checks:
            if check.exercise not in named:
                raise KitError(f"{check.file}:{check.line}: no exercise {check.exercise!r} in {stub}")
        exercises = []
        for exercise in order:
            heading, hints = next((p[1:] for p in reversed(places) if p[0] <= named[exercise]), ("", ()))
            own = tuple(check for check in checks if check.exercise == exercise)
            exercises.append(Exercise(exercise, name, heading, named[exercise], own, hints))
        return Section(name, title, tuple(exercises))


def find_root(start: Path | None = None) -> Path:
    """The kit's folder: TORCH_KATA, else the nearest folder upwards that has exercises/ and checks/, else our own."""
    if os.environ.get("TORCH_KATA"):
        return Path(os.environ["TORCH_KATA"]).resolve()
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents, Path(__file__).resolve().parents[1]):
        if (folder / "exercises").is_dir() and (folder / "checks").is_dir():
            return folder
    raise KitError(
        f"no kit at {start}: expected a folder with exercises/ and checks/ here or above (`grader init DIR` makes one)"
    )


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _checks(section: str, path: Path) -> list[Check]:
    """The functions of a check file that carry @check(exercise, kind=..., points=...)."""
    try:
        text = path.read_text(encoding="utf-8")
    except ValueError as error:
        raise KitError(f"{path} cannot be read: {error}") from None
    return [_check(section, path, _line(text, match.start()), match[0]) for match in HEAD.finditer(text)]


def _check(section: str, path: Path, line: int, head: str) -> Check:
    """One check from its head: decorators, name and docstring."""
    try:
        node = ast.parse(f"{head}    ...\n").body[0]
        assert isinstance(node, ast.FunctionDef)
        line += node.lineno - 1
        decorator = next(d for d in node.decorator_list if isinstance(d, ast.Call) and ast.unparse(d.func) == "check")
        exercise = ast.literal_eval(decorator.args[0])
        options = {str(k.arg): ast.literal_eval(k.value) for k in decorator.keywords}
        sentence = " ".join((ast.get_docstring(node) or "").split())
        hidden = path.parent.name == "hidden"
        check = Check(node.name, exercise, section, sentence=sentence, file=path, line=line, hidden=hidden, **options)
    except (SyntaxError, IndexError, TypeError, ValueError) as error:
        raise KitError(f"{path}:{line}: @check needs plain values, a function and a docstring: {error}") from None
    if check.kind not in KINDS:
        raise KitError(f"{path}:{line}: no kind {check.kind!r}; there are {', '.join(KINDS)}")
    return check


def _lesson(text: str) -> tuple[str, list[tuple[int, str, tuple[str, ...]]]]:
    """The section's title, and of each `## heading` its line, its text and the hints below it."""
    title = ""
    places: list[tuple[int, str, list[str]]] = []
    line = 1
    for cell in re.split(r"^(?=# %%)", text, flags=re.MULTILINE):
        if cell.startswith("# %% [markdown]"):
            paragraph: list[str] = []
            for offset, raw in enumerate([*cell.splitlines()[1:], "#"], start=line + 1):
                content = raw.removeprefix("#").strip()
                if content.startswith("# ") and not title:
                    title = content[2:].strip()
                elif content.startswith("## "):
                    places.append((offset, content[3:].strip(), []))
                if content and not content.startswith("**Hint"):
                    paragraph.append(content)
                    continue
                if places and (hint := HINT.match(" ".join(paragraph))):
                    places[-1][2].append(hint[1])
                paragraph = [content] if content else []
        line += cell.count("\n")
    return title, [(place, heading, tuple(hints)) for place, heading, hints in places]
