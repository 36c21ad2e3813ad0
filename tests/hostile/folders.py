"""Acts that are more than one file: archives, folders with other files in them, names. Each builds one submission."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FILE = "s01_tiny.py"


@dataclass(frozen=True)
class Builder:
    """Builds a submission in the class's folder. student: the name that it is graded under."""

    build: Callable[[Path, str], None]
    student: str
    earns: str
    told: str


BUILDERS: dict[str, Builder] = {}


def act(earns: str, told: str = "", student: str = "") -> Callable[[Callable[[Path, str], None]], None]:
    """Register an act: `build(place, solved)`, where place is the class's folder joined with the act's name."""

    def keep(build: Callable[[Path, str], None]) -> None:
        name = build.__name__
        BUILDERS[name] = Builder(build, student or name, earns, told)

    return keep


def put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def zipped(files: list[tuple[str | zipfile.ZipInfo, str | bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def tarred(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@act("100")
def modules_of_its_own(place: Path, solved: str) -> None:
    """Files that Python, pytest or torch would import, if anybody ran them from there."""
    put(place / FILE, solved)
    for name in ("conftest", "sitecustomize", "usercustomize", "torch", "grader", "numpy", "json", "test_s01_tiny"):
        put(place / f"{name}.py", "import os\nopen('/tmp/kata-was-here', 'w')\nos._exit(0)\n")
    put(place / "pytest.ini", "[pytest]\naddopts = --pyargs conftest\n")
    put(place / "torch" / "__init__.py", "raise SystemExit")
    put(place / "evil.pth", "import os; os._exit(0)\n")


@act("60", "came back")
def results_of_its_own(place: Path, solved: str) -> None:
    """Results that are written already, under every name that results have."""
    put(place / FILE, solved.replace("return 2 * x", "return x - x"))
    full = {"student": place.name, "points": 100, "max_points": 100, "problems": [], "ungraded": False, "sections": []}
    put(place / "results.json", json.dumps({"kit": "1", "seed": 1, "sandbox": "none", "submissions": [full]}))
    put(place / "grades.csv", f"student,s01_tiny,total\n{place.name},100,100\n")
    put(place / "store.sqlite", b"SQLite format 3\0" + bytes(84))


@act("0", "leads out of the archive")
def names_that_lead_out(place: Path, solved: str) -> None:
    """A zip whose entries would be written elsewhere."""
    names = ("../../kata-was-here/s01_tiny.py", "/tmp/kata-was-here/s01_tiny.py", "C:\\kata-was-here\\s01_tiny.py")
    put(place.with_name(f"{place.name}.zip"), zipped([(name, solved) for name in names]))


@act("0", "is a link")
def a_link_in_a_zip(place: Path, solved: str) -> None:
    """A zip with a link to the honest submission."""
    info = zipfile.ZipInfo(FILE)
    info.external_attr = 0o120777 << 16
    put(place.with_name(f"{place.name}.zip"), zipped([(info, f"../honest/{FILE}")]))


@act("0", "is a link")
def links_in_a_tar(place: Path, solved: str) -> None:
    """A tar with links, soft and hard, to the honest submission."""
    members = [(link(FILE, f"../honest/{FILE}", tarfile.SYMTYPE), b""), (link(f"b/{FILE}", FILE, tarfile.LNKTYPE), b"")]
    put(place.with_name(f"{place.name}.tar.gz"), tarred(members))


@act("0", "not a regular file")
def devices_in_a_tar(place: Path, solved: str) -> None:
    """A tar with the machine's memory and a pipe that nobody writes to."""
    members = [(link(FILE, "", tarfile.CHRTYPE), b""), (link(f"b/{FILE}", "", tarfile.FIFOTYPE), b"")]
    put(place.with_name(f"{place.name}.tar.gz"), tarred(members))


@act("0", "is a link")
def a_link_to_a_neighbour(place: Path, solved: str) -> None:
    """A folder with a link to the honest submission."""
    place.mkdir()
    os.symlink(f"../honest/{FILE}", place / FILE)


@act("0", "not a regular file")
def a_pipe_nobody_writes_to(place: Path, solved: str) -> None:
    """A file that would be read for ever."""
    place.mkdir()
    os.mkfifo(place / FILE)


@act("0", "thousand times its size")
def a_zip_bomb(place: Path, solved: str) -> None:
    """A zip that unpacks to a thousand times its size."""
    put(place.with_name(f"{place.name}.zip"), zipped([(FILE, bytes(2**27))]))


@act("0", "far more than any honest submission")
def a_tar_bomb(place: Path, solved: str) -> None:
    """A tar that unpacks to two hundred megabytes, all of it one name."""
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 200 * 2**20
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as packed:
        packed.write(header.tobuf())
        for _ in range(200):
            packed.write(b"a" * 2**20)
    put(place.with_name(f"{place.name}.tar.gz"), out.getvalue())


@act("0", "entries")
def a_million_entries(place: Path, solved: str) -> None:
    """A zip with a million names, whose end says that there is one."""
    central = b"".join(
        struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
        for _ in range(1_000_000)
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), 0, 0)
    put(place.with_name(f"{place.name}.zip"), central + end)


@act("0", "within an archive")
def archives_all_the_way_down(place: Path, solved: str) -> None:
    """A zip in a zip in a zip."""
    inner = zipped([(FILE, solved)])
    for depth in range(5):
        inner = zipped([(f"{depth}.zip", inner)])
    put(place.with_name(f"{place.name}.zip"), inner)


@act("0", "cannot be read as a notebook")
def a_notebook_that_is_none(place: Path, solved: str) -> None:
    """JSON so deep that reading it would end a careless reader."""
    put(place / "s01_tiny.ipynb", '{"cells": ' + "[" * 200_000)


@act("0", "cells")
def a_notebook_without_end(place: Path, solved: str) -> None:
    """A notebook with a hundred thousand cells."""
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": ""}
    content = {"cells": [cell] * 100_000, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    put(place / "s01_tiny.ipynb", json.dumps(content))


@act("100")
def a_notebook_with_half_characters(place: Path, solved: str) -> None:
    """A notebook with text that no encoding knows."""
    cells = [
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": text}
        for text in ("x = '\ud800'", solved)
    ]
    put(place / "s01_tiny.ipynb", json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))


@act("0", "more than 256 kB")
def a_file_without_end(place: Path, solved: str) -> None:
    """A file of three hundred megabytes that takes no room."""
    place.mkdir()
    with open(place / FILE, "wb") as file:
        file.truncate(300 * 2**20)


@act("0", "statements")
def statements_without_end(place: Path, solved: str) -> None:
    """As many small statements as fit, so that reading the file takes the judge long."""
    put(place / FILE, "@a\n" * 40_000 + "# %%\n" + "x\n" * 30_000 + "# %%\ny\n" * 3_000 + solved)


def named(name: str) -> Callable[[Path, str], None]:
    def build(place: Path, solved: str) -> None:
        put(place.parent / name / FILE, solved)

    return build


# Honest work under a name that means something to a shell, a spreadsheet, a browser, a terminal or a program.
NAMES = {
    "a_formula": "=cmd|'calc'!A1",
    "markup": "<script>alert(1)<\u2215script><img src=x onerror=alert(1)>",
    "rich_markup": "[red]eve[/red] [link=file:etc]x[/link]".replace("/", "\u2215"),
    "terminal_escapes": "\x1b[2J\x1b]0;kata-was-here\x07eve\r\n",
    "a_workflow_command": "::error file=a,line=1::eve",
    "right_to_left": "\u202eeve\u202c",
    "dots": "eve..",
    "a_shell": "$(touch kata-was-here); `id` && eve",
    "a_database": "eve'); DROP TABLE attempts;--",
    "a_path": "eve%2f..%2f..%2fetc",
    "a_line": "eve\nhonest,100,100",
}
for key, text in NAMES.items():
    BUILDERS[f"called_{key}"] = Builder(named(text), text, "100", "")


def bytes_for_a_name(place: Path, solved: str) -> None:
    """A folder whose name is no text."""
    folder = os.fsencode(place.parent) + b"/eve\xff\xfe"
    os.mkdir(folder)
    with open(folder + b"/s01_tiny.py", "w") as file:
        file.write(solved)


BUILDERS["called_bytes"] = Builder(bytes_for_a_name, "eve\ufffd\ufffd", "100", "")
