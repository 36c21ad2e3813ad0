"""A learner's file, read and never run: its cells, what each statement defines and needs, and its definitions.

The judge reads from it what needs no running (a name that is missing, another signature, a syntax error); whoever does
run the file takes from it the statements that the exercises need. So a cell that only prints or plots costs nothing,
and a broken cell costs only the exercises that need it.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import dis
import itertools
import re
import types
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from grader.solutions.program import Program, place

CELL = re.compile(r"^# %%", re.MULTILINE)
DEFINITION = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)
# Where a piece of a file that does not parse may start anew: a definition or a decorator, an import, an assignment.
PIECE = re.compile(r"^(?=@|async\s+def\b|def\b|class\b|import\b|from\b|[A-Za-z_]\w*\s*[=:])", re.MULTILINE)
FUTURES = {name: getattr(__future__, name).compiler_flag for name in __future__.all_feature_names}
# A bare call such as sys.setrecursionlimit(10_000) changes what later code does, though it defines nothing.
EFFECTS = ("torch", "sys", "numpy", "random", "warnings")
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
LOADS, STORES = (
    frozenset(
        number
        for name, number in dis.opmap.items()
        if name.startswith(prefix) and name.endswith(("_NAME", "_GLOBAL", "_FROM_DICT_OR_GLOBALS"))
    )
    for prefix in ("LOAD_", "STORE_")
)
LOAD_GLOBAL, STORE_NAME = dis.opmap["LOAD_GLOBAL"], dis.opmap["STORE_NAME"]
MAX_PIECES = 3_000  # cells, or statements at the top level and pieces that do not parse: the longest file has 120


@dataclass(frozen=True)
class Statement:
    """One statement at the top level: its code, the names that it binds or changes, and those that it needs."""

    node: ast.stmt = field(repr=False)
    code: types.CodeType = field(repr=False)
    binds: frozenset[str]
    uses: frozenset[str]
    optional: bool  # a call for its effect: runs only where all that it uses is there anyway, and may fail

    @property
    def line(self) -> int:
        return self.node.lineno


@dataclass(frozen=True)
class Broken:
    """A piece of the file that does not parse, and the names that it would have defined."""

    line: int
    message: str
    names: frozenset[str]


@dataclass(frozen=True)
class Parameters:
    """The positional parameters of a function: their names, how many are required, and whether there is *args."""

    names: tuple[str, ...]
    required: int
    variadic: bool = False
    keyword_only: tuple[str, ...] = ()  # those without a default

    def accept(self, count: int) -> bool:
        """Whether a call with `count` positional arguments is possible."""
        return not self.keyword_only and self.required <= count and (self.variadic or count <= len(self.names))

    def __str__(self) -> str:
        shown = [*self.names[: self.required], *(f"{name}=..." for name in self.names[self.required :])]
        shown += ["*args"] if self.variadic else []
        shown += ["*, " + ", ".join(self.keyword_only)] if self.keyword_only else []
        return f"({', '.join(shown)})"


class Source:
    """The text of one file. `filename` is what tracebacks show."""

    def __init__(self, text: str, filename: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.filename = filename
        self.statements: list[Statement] = []
        self.broken: list[Broken] = []
        self.flags = 0
        self._is_cut = False
        self._cells = 0
        with _quiet():
            if self._read_whole():
                return
            for start, cell in _cells(self.text):
                self._cells += 1
                self._read(start, cell)
                if self._is_full(start):
                    break

    def extended(self, cell: str, filename: str) -> Source:
        """This file with one more cell, read under another name; what has been read is not read again."""
        whole = Source("", filename)
        whole.statements, whole.broken, whole.flags = list(self.statements), list(self.broken), self.flags
        whole.text = f"{self.text}\n# %%\n{cell}"
        with _quiet():
            whole._read(self.text.count("\n") + 2, cell)
        return whole

    def _read_whole(self) -> bool:
        """Take in the whole text at once, as is quickest; False, and nothing taken in, where some of it is broken."""
        try:
            for node in ast.parse(self.text, self.filename).body:
                if self._is_full(node.lineno):
                    break
                self.statements.append(self._statement(node))
        except UNREADABLE:
            self.statements.clear()
            self.flags = 0
            return False
        return True

    def _read(self, start: int, text: str, *, whole: bool = True) -> None:
        """Take in a cell; if it does not parse, whatever of its pieces does."""
        before, known = start, len(self.statements)  # lines that the parser does not count
        try:
            tree = ast.parse(text, self.filename)
            before = 0
            for node in tree.body:
                if self._is_full(start + node.lineno):
                    return
                self.statements.append(self._statement(ast.increment_lineno(node, start)))
        except UNREADABLE as error:
            pieces = list(_pieces(start, text)) if whole else []
            if len(pieces) > 1:
                del self.statements[known:]
                for line, piece in pieces:
                    self._read(line, piece, whole=False)
                    if self._is_full(line):
                        return
                return
            line = before + error.lineno if isinstance(error, SyntaxError) and error.lineno else start + 1
            reason = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
            self.broken.append(Broken(line, reason, frozenset(DEFINITION.findall(text))))

    def _is_full(self, line: int) -> bool:
        """Whether there are so many pieces that the rest is left out: nobody writes that many, and each takes time."""
        if max(len(self.statements) + len(self.broken), self._cells) < MAX_PIECES:
            return False
        if not self._is_cut:
            names = frozenset(DEFINITION.findall(self.text))
            self.broken.append(
                Broken(line, f"there are more than {MAX_PIECES:,} statements; the rest is not read", names)
            )
        self._is_cut = True
        return True

    def _statement(self, node: ast.stmt) -> Statement:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            self.flags |= sum(FUTURES.get(alias.name, 0) for alias in node.names)
        module = ast.Module([node], [])
        code = compile(module, self.filename, "exec", flags=self.flags, dont_inherit=True)
        binds, uses = set(_names(code, STORES)), set(_names(code, LOADS))
        touched = _touched(node)
        effect = isinstance(node, ast.Expr) and touched is not None
        if touched:
            binds.add(touched)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            binds.add("*")
        return Statement(node, code, frozenset(binds), frozenset(uses), effect)

    @cached_property
    def defined(self) -> frozenset[str]:
        """Every name that the file would define, in broken pieces too."""
        names = {name for statement in self.statements if not statement.optional for name in statement.binds}
        return frozenset(names.union(*(piece.names for piece in self.broken)))

    @cached_property
    def _imports(self) -> dict[str, str]:
        """Names bound by imports, with the top-level module that each comes from."""
        found: dict[str, str] = {}
        for statement in self.statements:
            if isinstance(statement.node, ast.Import):
                for alias in statement.node.names:
                    found[alias.asname or alias.name.split(".")[0]] = alias.name.split(".")[0]
        return found

    def needed(self, names: Iterable[str]) -> list[Statement]:
        """The statements that these names need, in the order of the file: those that bind them, and theirs."""
        wanted, kept = set[str](), set[int]()
        effects = {name for name, module in self._imports.items() if module in EFFECTS}
        asked = [*names, "*"]
        while asked:
            while asked:
                name = asked.pop()
                if name in wanted:
                    continue
                wanted.add(name)
                for index in self._binders.get(name, ()):
                    if index not in kept:
                        kept.add(index)
                        asked += self.statements[index].uses
            known = wanted | effects | vars(builtins).keys()
            for index, statement in enumerate(self.statements):
                take = statement.optional and index not in kept and statement.uses <= known
                if take and not statement.binds.isdisjoint(wanted | effects):
                    kept.add(index)
                    asked += statement.uses
        return [self.statements[index] for index in sorted(kept)]

    @cached_property
    def _binders(self) -> dict[str, list[int]]:
        """By name, the statements that must run to have it."""
        found: dict[str, list[int]] = {}
        for index, statement in enumerate(self.statements):
            if not statement.optional:
                for name in statement.binds:
                    found.setdefault(name, []).append(index)
        return found

    def has(self, statement: Statement) -> bool:
        """Whether the same statement stands here too, wherever it stands and however it is laid out."""
        try:
            wanted = ast.dump(statement.node)
            return any(statement.binds == own.binds and ast.dump(own.node) == wanted for own in self.statements)
        except RecursionError:  # an expression that deep is none of ours
            return False

    def definition(self, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | None:
        """The last function or class of that name at the top level."""
        for statement in reversed(self.statements):
            node = statement.node
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
                return node
        return None

    def parameters(self, name: str) -> Parameters | None:
        """How `name` may be called; None where that cannot be read (no plain definition, or a decorated one)."""
        node = self.definition(name)
        if node is None or node.decorator_list:
            return None
        if isinstance(node, ast.ClassDef):
            found = [m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == "__init__"]
            if not found or found[-1].decorator_list:
                return None
            return _parameters(found[-1], skip=1)
        return _parameters(node)

    def is_untouched(self, name: str) -> bool:
        """Whether `name` is a function that does nothing but raise NotImplementedError."""
        node = self.definition(name)
        if not isinstance(node, ast.FunctionDef):
            return False
        body = [statement for statement in node.body if not _is_text(statement)]
        return len(body) == 1 and _is_placeholder(body[0])

    def has_placeholder(self, name: str) -> bool:
        """Whether some of `name` still raises NotImplementedError."""
        node = self.definition(name)
        return node is not None and any(_is_placeholder(child) for child in ast.walk(node))

    def program(self, names: Iterable[str]) -> Program:
        """What is to be run for these names."""
        return Program(self.filename, self.text, [(s.line, s.code) for s in self.needed(names)])

    def place(self, line: int) -> str:
        """A line as a sentence names it."""
        return place(self.filename, self.text, line)

    def problem(self, name: str) -> Broken | None:
        """The broken piece, if one would have defined `name`."""
        return next((piece for piece in self.broken if name in piece.names), None)


@contextmanager
def _quiet() -> Iterator[None]:
    """ "\\d" in a learner's string is no concern of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _cells(text: str) -> Iterator[tuple[int, str]]:
    """The cells of a percent-format file with the number of lines before each; one cell where there are no marks."""
    yield from _cut(0, text, [0, *(match.start() for match in CELL.finditer(text)), len(text)])


def _pieces(line: int, text: str) -> Iterator[tuple[int, str]]:
    """A cell cut before each thing that may stand at the top level, decorators kept with what they decorate."""
    cuts = [0]
    decorated = False  # a decorator has been seen, and not yet what it decorates
    for match in PIECE.finditer(text):
        if not decorated:
            cuts.append(match.start())
            decorated = text[match.start()] == "@"
        elif DEFINITION.match(text, match.start()):
            decorated = False
    yield from _cut(line, text, [*cuts, len(text)])


def _cut(line: int, text: str, places: list[int]) -> Iterator[tuple[int, str]]:
    """The parts of a text between these places that say something, with the number of lines before each."""
    for start, end in itertools.pairwise(places):
        if text[start:end].strip():
            yield line, text[start:end]
        line += text.count("\n", start, end)


def _names(code: types.CodeType, instructions: frozenset[int]) -> Iterator[str]:
    """Global names that a statement loads (anywhere in it) or stores (at its top level, or declared global).

    `dis` would give them too, in ten times as long.
    """
    extended = 0
    for number, argument in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        whole = extended | argument
        extended = whole << 8 if number == dis.EXTENDED_ARG else 0
        if number in instructions:
            # The last bit of LOAD_GLOBAL's argument is no part of the name's number.
            yield code.co_names[whole >> (number == LOAD_GLOBAL)]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant, instructions - {STORE_NAME})


def _touched(node: ast.stmt) -> str | None:
    """The name whose object a statement changes without binding it: x.y = ..., x[0] = ..., x.method(...)."""
    target: ast.expr | None = None
    if isinstance(node, ast.Assign):
        target = node.targets[0]
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        target = node.target
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        target = node.value.func
    if not isinstance(target, (ast.Attribute, ast.Subscript)):
        return None
    root: ast.expr = target
    while isinstance(root, (ast.Attribute, ast.Subscript)):
        root = root.value
    return root.id if isinstance(root, ast.Name) else None


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, skip: int = 0) -> Parameters:
    arguments = node.args
    names = tuple(a.arg for a in (*arguments.posonlyargs, *arguments.args))[skip:]
    keyword_only = tuple(
        a.arg for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    )
    return Parameters(names, max(0, len(names) - len(arguments.defaults)), arguments.vararg is not None, keyword_only)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_placeholder(node: ast.AST) -> bool:
    if not isinstance(node, ast.Raise) or node.exc is None:
        return False
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
