"""What a terminal can show: its width, colour, links. Rich would take longer to import than the board takes to make."""

from __future__ import annotations

import os
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
NO_LINKS = ("linux", "dumb", "")  # the console prints an escape that it does not know


@dataclass(frozen=True)
class Terminal:
    """Where lines go. width: in columns; colour and links: whether escapes for them may be written."""

    width: int = 80
    colour: bool = False
    links: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Terminal:
        """The terminal behind a stream; 80 plain columns where there is none. NO_COLOR, TERM and COLUMNS are heeded."""
        width = shutil.get_terminal_size().columns
        term = os.environ.get("TERM", "" if os.name == "posix" else "windows")
        if not stream.isatty() or term == "dumb":
            return cls(width)
        return cls(width, colour=not os.environ.get("NO_COLOR"), links=term not in NO_LINKS)

    def style(self, text: str, name: str) -> str:
        """The text in a style of STYLES, if there is colour."""
        return f"\x1b[{STYLES[name]}m{text}\x1b[0m" if self.colour and text else text

    def link(self, text: str, path: Path) -> str:
        """The text as a link to a file, if the terminal knows links."""
        return f"\x1b]8;;{path.as_uri()}\x1b\\{text}\x1b]8;;\x1b\\" if self.links else text

    def wrap(self, text: str, indent: str = "") -> list[str]:
        """The words of a text in lines that fit; the second line and those after it are indented."""
        lines, line = [], ""
        for word in text.split():
            if line.strip() and columns(line) + 1 + columns(word) > self.width:
                lines.append(line)
                line = indent
            line += f" {word}" if line.strip() else word
            while columns(line) > self.width:  # a word that is too long for any line
                head = cut(line, self.width)
                lines.append(head)
                line = indent + line[len(head) :]
        return [*lines, line] if line.strip() else lines


def columns(text: str) -> int:
    """How many columns a text takes: two for a wide character or an emoji, none for one that joins the one before."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def cut(text: str, width: int) -> str:
    """As much of a text as fits, at least a character."""
    used = 0
    for index, character in enumerate(text):
        used += _columns(character)
        if used > width and index:
            return text[:index]
    return text


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
