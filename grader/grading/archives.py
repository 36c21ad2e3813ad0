"""Files of a folder, a zip or a tar archive, as a list; an archive is read within limits and never unpacked.

Refused, each with a sentence: absolute names and `..`, links and devices, encrypted entries, more entries or more bytes
than any honest submission has, contents that are a thousand times their packed size.
"""

from __future__ import annotations

import gzip
import os
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

MAX_ENTRIES = 2_000  # of one student's archive
MAX_ARCHIVE = 64 * 2**20  # bytes, packed, of one student's archive: the kit with its data has 6 MB
MAX_FILE = 20 * 2**20  # bytes of one entry, unpacked: a notebook with its pictures
MAX_TAR = 128 * 2**20  # bytes of one student's tar, unpacked: all of it must be read to find what is in it
MAX_NAMES = 512 * MAX_ENTRIES  # bytes that a zip file may take to list its entries
MAX_RATIO = 1_000  # unpacked to packed: text packs ten times smaller, zeros a thousand times
SKIPPED = {"__pycache__", "__MACOSX", "node_modules", "site-packages"}
ENDINGS = (".zip", ".tar.gz", ".tgz", ".tar")
OTHER_ENDINGS = (".rar", ".7z", ".tar.bz2", ".tar.xz", ".tar.zst", ".gz", ".bz2", ".xz")
TOO_MUCH = "unpacks to far more than any honest submission"


class ArchiveError(Exception):
    """The archive cannot be read, or not safely; the message says why."""


@dataclass(frozen=True)
class Entry:
    """One file: where it lies, how large it is, and how to read it. problem: why it may not be read, if so.

    edited: when, as a number to be compared with others of the same folder or archive only.
    """

    path: PurePosixPath
    size: int
    read: Callable[[], bytes]
    problem: str = ""
    edited: float = 0.0


def is_archive(name: str) -> bool:
    """Whether a name is that of an archive that can be read."""
    return name.lower().endswith(ENDINGS)


def is_other_archive(name: str) -> bool:
    """Whether a name is that of an archive of a kind that is not read."""
    return not is_archive(name) and name.lower().endswith(OTHER_ENDINGS)


def folder_entries(folder: Path) -> list[Entry]:
    """All files below a folder, by name; links are named and not followed."""
    found = []
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        folders[:] = sorted(n for n in folders if n not in SKIPPED and n not in links and not n.startswith("."))
        odd = [name for name in folders if name.endswith(".py")]
        for name in [*links, *odd, *sorted(n for n in files if not n.startswith("."))]:
            path = Path(parent, name)
            problem = ""
            if path.is_symlink():
                problem = "is a link, not read"
            elif path.is_dir():
                problem = "is a directory, not a file"
            elif not path.is_file():
                problem = "is not a regular file, not read"
            about = path.lstat()
            size = 0 if problem else about.st_size
            place = PurePosixPath(path.relative_to(folder).as_posix())
            found.append(Entry(place, size, path.read_bytes, problem, about.st_mtime))
    return found


def archive_entries(name: str, file: IO[bytes], *, bulk: bool = False) -> list[Entry]:
    """All files of an archive, by name. Raises ArchiveError if it cannot be read at all.

    bulk: a whole class's download, made by the instructor's own system: as large as it is.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size > MAX_ARCHIVE and not bulk:
        raise ArchiveError(f"has {size / 2**20:.0f} MB, more than {MAX_ARCHIVE // 2**20} MB")
    try:
        entries = _zip_entries(file, bulk) if name.lower().endswith(".zip") else _tar_entries(file, size, bulk)
    except ArchiveError:
        raise
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        OSError,
        EOFError,
        ValueError,
        struct.error,
        zlib.error,
        NotImplementedError,
        MemoryError,
    ) as error:
        raise ArchiveError(f"cannot be read as an archive: {error}") from None
    last = {entry.path: entry for entry in entries}  # what unpacking leaves of two entries with one name
    return sorted(last.values(), key=lambda entry: str(entry.path))


def _zip_entries(file: IO[bytes], bulk: bool) -> list[Entry]:
    if not bulk:
        _check_directory(file)
    archive = zipfile.ZipFile(file)
    entries = []
    for info in archive.infolist():
        if info.is_dir():
            continue
        mode = info.external_attr >> 16
        problem = _name_problem(info.filename)
        if stat.S_ISLNK(mode):
            problem = "is a link, not read"
        elif mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
            problem = "is not a regular file, not read"
        elif info.flag_bits & 1:
            problem = "is encrypted: hand it in without a password"
        elif info.file_size > MAX_RATIO * max(info.compress_size, 1):
            problem = "unpacks to more than a thousand times its size, not read"
        path = PurePosixPath(info.filename.replace("\\", "/"))

        def read(info: zipfile.ZipInfo = info, path: PurePosixPath = path) -> bytes:
            with archive.open(info) as opened:
                return opened.read(_most(path) + 1)

        if not _skipped(path):
            edited = float("".join(f"{part:02d}" for part in info.date_time))
            entries.append(Entry(path, info.file_size, read, problem, edited))
    return entries


def _check_directory(file: IO[bytes]) -> None:
    """Refuse a zip file whose end announces too many entries, or too long a list, before they are listed."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**16 - 22))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 16 > len(tail):
        raise ArchiveError("cannot be read as an archive: it is no zip file, or its end is missing")
    count, length = struct.unpack_from("<HL", tail, at + 10)
    large = at >= 20 and tail[at - 20 : at].startswith(b"PK\x06\x07")  # ZIP64: the numbers stand elsewhere
    if count > MAX_ENTRIES or length > MAX_NAMES or large:
        raise ArchiveError(f"has more than {MAX_ENTRIES} entries, or is a ZIP64 file: hand in the section files alone")


def _tar_entries(file: IO[bytes], packed: int, bulk: bool) -> list[Entry]:
    entries: list[Entry] = []
    total = count = 0
    with _unpacked(file, bulk) as plain, tarfile.open(fileobj=plain, mode="r:") as archive:
        for member in archive:
            total, count = total + member.size, count + 1
            if count > MAX_ENTRIES and not bulk:
                raise ArchiveError(f"has more than {MAX_ENTRIES} entries")
            if total > MAX_RATIO * max(packed, 1):  # a sparse file has a size that nothing was packed for
                raise ArchiveError(TOO_MUCH)
            if member.isdir():
                continue
            problem = _name_problem(member.name)
            if member.issym() or member.islnk():
                problem = "is a link, not read"
            elif not member.isreg():
                problem = "is not a regular file, not read"
            path = PurePosixPath(member.name)
            if _skipped(path):
                continue
            opened = archive.extractfile(member) if not problem and member.size <= _most(path) else None
            content = opened.read() if opened else b""
            if opened and not _of_interest(path):
                content = b""
            entries.append(Entry(path, member.size, lambda content=content: content, problem, member.mtime))  # type: ignore[misc]
    return entries


def _unpacked(file: IO[bytes], bulk: bool) -> IO[bytes]:
    """The plain tar within a file: a header may be as long as it likes, so the bytes are counted, not the entries."""
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    source = gzip.GzipFile(fileobj=file) if packed else file
    plain = tempfile.SpooledTemporaryFile(max_size=MAX_FILE)  # noqa: SIM115 - the caller closes it
    size = 0
    while part := source.read(2**20):
        size += len(part)
        if size > MAX_TAR and not bulk:
            plain.close()
            raise ArchiveError(TOO_MUCH)
        plain.write(part)
    plain.seek(0)
    return plain


def _most(path: PurePosixPath) -> int:
    """How many bytes of an entry are read: in a download of a whole class, a student's archive may be one."""
    return MAX_ARCHIVE if is_archive(path.name) else MAX_FILE


def _of_interest(path: PurePosixPath) -> bool:
    return path.suffix.lower() in (".py", ".ipynb", ".yml", ".csv") or is_archive(path.name)


def _name_problem(name: str) -> str:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or ".." in parts or (len(name) > 1 and name[1] == ":"):
        return "has a name that leads out of the archive, not read"
    return ""


def _skipped(path: PurePosixPath) -> bool:
    return any(part in SKIPPED or (part.startswith(".") and part not in (".", "..")) for part in path.parts)
