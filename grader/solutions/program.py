"""What is run of a learner's file: some of its statements, compiled, in the order of the file."""

from __future__ import annotations

import marshal
from dataclasses import dataclass
from types import CodeType


@dataclass(frozen=True)
class Program:
    """Statements to run, each by its line and its code. filename: what tracebacks show; text: of the whole file."""

    filename: str
    text: str
    statements: list[tuple[int, CodeType]]

    def place(self, line: int) -> str:
        """A line as a sentence names it."""
        return place(self.filename, self.text, line)

    def dumps(self, filename: str) -> bytes:
        """It as bytes, for this very Python, as if the file had another name."""
        statements = [(line, _renamed(code, filename)) for line, code in self.statements]
        return marshal.dumps((filename, self.text, statements))

    @staticmethod
    def loads(program: bytes) -> Program:
        """What `dumps` made bytes of."""
        return Program(*marshal.loads(program))


def place(filename: str, text: str, line: int) -> str:
    """A line by its number; in a notebook, where lines have none, by what it says."""
    if filename.endswith(".ipynb"):
        lines = text.splitlines()
        if 0 < line <= len(lines) and lines[line - 1].strip():
            return f"the line `{lines[line - 1].strip()}`"
    return f"line {line}"


def _renamed(code: CodeType, filename: str) -> CodeType:
    constants = tuple(_renamed(c, filename) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_filename=filename, co_consts=constants)
