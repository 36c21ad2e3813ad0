"""What a learner asks for beside checks: hints, the stub back, our solution beside theirs. Never imports torch."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from grader.history import History
from grader.kit import Exercise, Kit
from grader.pairing import NotebookError, carry_over, edited_last, keep, read_text, write
from grader.report.board import is_done

MARKER = re.compile(r"^ *# (?:BEGIN|END) SOLUTION\n", re.MULTILINE)
# Where a definition in a file that does not parse ends at the latest: at the next thing at the top level.
TOP_LEVEL = re.compile(r"^(?:# %%|@|[A-Za-z_])")
BOM = "\ufeff"


class LearnerError(Exception):
    """It cannot be done; the message says why, and what to do."""


def next_hint(kit: Kit, exercise: Exercise, history: History, again: str = "type it again") -> str:
    """The next hint of an exercise, counted in the history; the last one again after all were given."""
    if not exercise.hints:
        return f"{exercise.name} has no hints. Its docstring in exercises/{exercise.section}.py says what is asked."
    given = sum((section, name) == (exercise.section, exercise.name) for _, section, name in history.hints())
    number = min(given, len(exercise.hints) - 1)
    if given < len(exercise.hints):
        history.count_hint(exercise.section, exercise.name)
    left = len(exercise.hints) - number - 1
    more = f"{left} more: {again}" if left else "that was the last one"
    return f"Hint {number + 1} of {len(exercise.hints)} for {exercise.name}: {exercise.hints[number]}\n({more})"


def solutions(kit: Kit, exercise: Exercise, history: History) -> tuple[str, str]:
    """Ours and the learner's, as they stand in the files. Raises LearnerError before the exercise is solved."""
    if not kit.has_reference:
        raise LearnerError("this edition has no reference solutions: ask the one who gave it to you")
    if not is_done(exercise, history.standing().known.get(exercise.section, {})):
        raise LearnerError(
            f"{exercise.name} is not solved yet: its solution shows when all of its checks have passed. "
            f"`grader hint {exercise.name}` gives a hint."
        )
    ours = MARKER.sub("", (kit.reference / f"{exercise.section}.py").read_text(encoding="utf-8"))
    path = edited_last(kit.exercises, exercise.section)
    try:
        theirs = read_text(path).replace("\r\n", "\n")
        place = _lines(theirs, exercise.name, whole=False)
    except (OSError, ValueError, SyntaxError) as error:
        raise LearnerError(f"{path} cannot be read: {error}") from None
    if place is None:
        raise LearnerError(f"{path} has no {exercise.name} any more")
    return _cut(ours, _lines(ours, exercise.name)), _cut(theirs, place)


def reset(kit: Kit, exercise: Exercise) -> Path | None:
    """Put an exercise's stub back into the learner's file; returns the copy of the file that was kept.

    A file that is gone comes back whole, and nothing is kept. A file that does not parse is mended as far as the
    exercise goes. Line endings, permissions and links stay as they are. A notebook that was edited after the file is
    carried over to it first, and gets the stub too.
    """
    section = kit.sections[exercise.section]
    if edited_last(kit.exercises, section.name).suffix == ".ipynb":
        try:
            carry_over(kit, section)
            kept = _reset(kit, exercise)
            carry_over(kit, section)
            return kept
        except NotebookError as error:
            raise LearnerError(str(error)) from None
    return _reset(kit, exercise)


def _reset(kit: Kit, exercise: Exercise) -> Path | None:
    path = (kit.exercises / f"{exercise.section}.py").resolve()
    stubs = _stubs(kit, exercise)
    if not path.exists():
        write(path, stubs)
        return None
    try:
        text = path.read_bytes().decode("utf-8")
        mark, text = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
        mine = _lines(text, exercise.name, whole=False)
    except (OSError, ValueError, SyntaxError) as error:
        raise LearnerError(f"{path} cannot be read ({error}): mend that line, or move the file away") from None
    newline = "\r\n" if "\r\n" in text else "\n"
    stub = _cut(stubs, _lines(stubs, exercise.name)).replace("\n", newline)
    lines = _split(text)
    before, after = (lines[: mine[0]], lines[mine[1] :]) if mine else ([text.rstrip(), 3 * newline], [])
    kept = keep(kit.root, path)
    write(path, "".join([mark, *before, stub, *after]))
    return kept


def _stubs(kit: Kit, exercise: Exercise) -> str:
    """The section's file as it was given out."""
    if kit.has_reference:
        from grader.release.exercises import exercise_text

        return exercise_text(kit.reference / f"{exercise.section}.py")
    return (kit.stubs / f"{exercise.section}.py").read_text(encoding="utf-8")


def _lines(text: str, name: str, *, whole: bool = True) -> tuple[int, int] | None:
    """The lines of a definition, decorators included, as a slice; None if it is not there.

    whole: raise SyntaxError if the text does not parse; else look at how its lines begin.
    """
    try:
        body = ast.parse(text).body
    except SyntaxError:
        found = None if whole else _broken_lines(_split(text), name)
        if found is None:
            raise
        return found
    for node in reversed(body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return first - 1, node.end_lineno or node.lineno
    return None


def _broken_lines(lines: list[str], name: str) -> tuple[int, int] | None:
    heads = [n for n, line in enumerate(lines) if re.match(rf"(?:async +def|def|class) +{name}\b", line)]
    if not heads:
        return None
    first, end = heads[-1], heads[-1] + 1
    while first and lines[first - 1].startswith("@"):
        first -= 1
    while end < len(lines) and not TOP_LEVEL.match(lines[end]):
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    return first, end


def _cut(text: str, place: tuple[int, int] | None) -> str:
    assert place is not None  # the kit read the exercise from there
    return "".join(_split(text)[place[0] : place[1]])


def _split(text: str) -> list[str]:
    """Lines as Python counts them: a form feed ends none."""
    return re.findall(r".*?(?:\r\n|\n|\r)|.+", text, re.DOTALL)
