"""What the exports share: how a file is written whole or not at all, and what they say in the end."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


class ExportError(Exception):
    """Nothing was written; the message says why, and what to do."""


@dataclass
class Exported:
    """What an export wrote. left_out: sentences about what could not be brought over; notes: what else to know."""

    written: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@contextlib.contextmanager
def whole(path: Path, mode: str = "w", **options: Any) -> Iterator[IO[Any]]:
    """A file to write that takes its name only when all of it is there."""
    if "b" not in mode:
        options = {"encoding": "utf-8", "errors": "replace", **options}
    if path.is_dir():
        raise IsADirectoryError(21, "there is a folder of that name", str(path))
    file = tempfile.NamedTemporaryFile(mode, dir=path.parent, prefix=f".{path.name}-", delete=False, **options)  # noqa: SIM115
    try:
        with file:
            yield file
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(file.name)
        raise
