"""Files in: every way that submissions arrive, and everything that may be wrong with them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.grading.archives import MAX_ENTRIES, ArchiveError, Entry, archive_entries
from grader.grading.intake import IntakeError, Submission, read_roster, read_submissions, section_of
from grader.grading.layouts import LAYOUTS, assign, recognise

SECTIONS = ["s01_introduction", "s02_tensors"]
CODE = "def softmax(x, dim):\n    return x\n"


def read(place: Path, **options: object) -> dict[str, Submission]:
    return {s.student: s for s in read_submissions(place, SECTIONS, **options)}  # type: ignore[arg-type]


def zipped(files: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return out.getvalue()


def put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


NOTEBOOK: dict[str, Any] = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": "# Hello"},
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {"collapsed": True},
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "x" * 1000}],
            "source": ["%matplotlib inline\n", "!pip install torch\n", "import torch"],
        },
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": CODE},
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 4,
}


def test_folders_archives_and_notebooks_at_any_depth(tmp_path: Path) -> None:
    put(tmp_path / "ada" / "s02_tensors.py", CODE)
    put(tmp_path / "ben" / "work" / "exercises" / "s02_tensors.py", CODE)
    put(tmp_path / "cyd.zip", zipped({"kit/exercises/s02_tensors.py": CODE, "__MACOSX/s02_tensors.py": "junk"}))
    put(tmp_path / "dan.tar.gz", tarred({"exercises/s02_tensors.py": CODE}))
    put(tmp_path / "eve" / "all.zip", zipped({"s02_tensors (1).py": CODE}))
    put(tmp_path / "fay" / "S02_Tensors.ipynb", json.dumps(NOTEBOOK))
    (tmp_path / "gus").mkdir()
    found = read(tmp_path)
    assert list(found) == ["ada", "ben", "cyd", "dan", "eve", "fay", "gus"]
    for student in ("ada", "ben", "cyd", "dan", "eve"):
        assert found[student].files == {"s02_tensors": CODE}, student
    text = found["fay"].files["s02_tensors"]
    assert "# %matplotlib inline" in text
    assert "# !pip install torch" in text
    assert CODE in text
    assert found["gus"].problems == ["s01_introduction.py: not handed in", "s02_tensors.py: not handed in"]
    assert not any(submission.unread for submission in found.values())


@pytest.mark.parametrize("wrapped", ["", "export/"])
@pytest.mark.parametrize(
    ("files", "students"),
    [
        ({"doejane_1234_99_s02_tensors.py": CODE, "roe_LATE_77_98_s02_tensors-1.py": CODE}, ["doejane_1234", "roe_77"]),
        (
            {
                "Jane Doe_123_assignsubmission_file_/s02_tensors.py": CODE,
                "Al Roe_45_assignsubmission_file_s02_tensors.py": CODE,
            },
            ["Al Roe_45", "Jane Doe_123"],
        ),
        (
            {
                "submission_1/s02_tensors.py": CODE,
                "submission_2/s02_tensors.py": CODE,
                "submission_metadata.yml": "submission_1:\n  :submitters:\n  - :name: Jane\n    :sid: j1\n",
            },
            ["j1", "submission_2"],
        ),
        ({"ada/s02_tensors.py": CODE, "ben/deep/s02_tensors.py": CODE}, ["ada", "ben"]),
    ],
)
def test_downloads_of_a_whole_class(
    tmp_path: Path, wrapped: str, files: dict[str, str | bytes], students: list[str]
) -> None:
    put(tmp_path / "download.zip", zipped({wrapped + name: content for name, content in files.items()}))
    found = read(tmp_path / "download.zip")
    assert list(found) == students
    assert all(submission.files == {"s02_tensors": CODE} for submission in found.values())
    for name, content in files.items():
        put(tmp_path / "unpacked" / name, content)
    assert list(read(tmp_path / "unpacked")) == students


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    put(tmp_path / "bytes" / "s02_tensors.py", b"# caf\xe9\n")
    put(tmp_path / "empty" / "s02_tensors.py", "")
    (tmp_path / "folder" / "s02_tensors.py").mkdir(parents=True)
    put(tmp_path / "huge" / "s02_tensors.py", "#" * 100 * 2**20)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "s02_tensors.py").symlink_to(__file__)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "exercises").symlink_to(tmp_path / "bytes")
    put(tmp_path / "notebook" / "s02_tensors.ipynb", "{no json")
    put(tmp_path / "list" / "s02_tensors.ipynb", "[1]")
    put(tmp_path / "twice" / "s02_tensors.py", CODE)
    put(tmp_path / "twice" / "old" / "s02_tensors.py", "old")
    os.mkfifo(tmp_path / "list" / "s01_introduction.py")
    found = read(tmp_path)
    told = {student: " | ".join(submission.problems) for student, submission in found.items()}
    assert "s02_tensors.py: not valid UTF-8 at byte 5" in told["bytes"]
    assert "s02_tensors.py: is empty" in told["empty"]
    assert not found["empty"].unread
    assert "is a directory" in told["folder"]
    assert "has 100 MB, more than 256 kB" in told["huge"]
    assert "is a link" in told["link"]
    assert "is a link" in told["linked"]
    assert "cannot be read as a notebook" in told["notebook"]
    assert "cannot be read as a notebook" in told["list"]
    assert "not a regular file" in told["list"]
    assert found["twice"].files["s02_tensors"] == CODE
    assert "graded s02_tensors.py, not old/s02_tensors.py" in told["twice"]
    for student in ("bytes", "folder", "huge", "link", "linked", "notebook", "list"):
        assert found[student].unread, student
        assert found[student].files == {}


def test_archives_that_mean_harm(tmp_path: Path) -> None:
    outside = {"../../s02_tensors.py": CODE, "/s01_introduction.py": CODE}
    put(tmp_path / "outside.zip", zipped(outside))
    put(tmp_path / "tar.tar.gz", tarred(outside))
    put(tmp_path / "bomb.zip", zipped({"s02_tensors.py": b"\0" * 2**24}))
    put(tmp_path / "many.zip", zipped({f"{n}": "" for n in range(MAX_ENTRIES + 1)}))
    put(tmp_path / "cut.zip", zipped({"s02_tensors.py": CODE})[:-30])
    put(
        tmp_path / "damaged.zip",
        zipped({"s02_tensors.py": CODE * 9}).replace(b"softmax", b"softmin", 1)[:40] + bytes(99),
    )
    link = zipfile.ZipInfo("s02_tensors.py")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with tarfile.open(tmp_path / "device.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("s02_tensors.py")
        info.type = tarfile.CHRTYPE
        archive.addfile(info)
    found = read(tmp_path)
    told = {student: " | ".join(submission.problems) for student, submission in found.items()}
    for student in ("outside", "tar"):
        assert told[student].count("leads out of the archive") == 2
    assert "not read" in told["bomb"]
    assert "more than 2000 entries" in told["many"]
    assert "cannot be read as an archive" in told["cut"]
    assert "cannot be read as an archive" in told["damaged"]
    assert "is a link" in told["link"]
    assert "not a regular file" in told["device"]
    assert all(submission.files == {} and submission.unread for submission in found.values())


@given(st.binary(max_size=400), st.sampled_from(["a.zip", "a.tar.gz", "a.tar"]))
def test_garbage_is_no_archive(garbage: bytes, name: str) -> None:
    with contextlib.suppress(ArchiveError):
        assert archive_entries(name, io.BytesIO(garbage)) == []


@pytest.mark.parametrize(
    ("raw", "students"),
    [
        (b"id,name\nada,Ada L\nzoe,Zo\xc3\xab\n", {"ada": "Ada L", "zoe": "Zoë"}),
        (b"\xef\xbb\xbfName;Student ID\nAda;1\nZo\xc3\xab;2\n", {"1": "Ada", "2": "Zoë"}),
        ("id,name\nada,Zoë\n".encode("utf-16"), {"ada": "Zoë"}),
        (b"id,name\nada,Zo\xeb\n", {"ada": "Zoë"}),
        (b"ada\nben\n", {"ada": "", "ben": ""}),
        (b"\r\nada;x\r\n\r\nben;y\r\n;;\r\n", {"ada": "", "ben": ""}),
        (b"First name\tSurname\tID number\nAda\tL\t7\n", {"7": "Ada L"}),
        (b'Student,ID,SIS User ID\n    Points Possible,,\n"Doe, Jane",12,9\n', {"12": "Doe, Jane"}),
        (b"Email address\na@b.c\n", {"a@b.c": ""}),
    ],
)
def test_rosters(tmp_path: Path, raw: bytes, students: dict[str, str]) -> None:
    put(tmp_path / "roster.csv", raw)
    assert read_roster(tmp_path / "roster.csv") == students


def test_a_roster_names_who_is_missing_and_who_is_unknown(tmp_path: Path) -> None:
    put(tmp_path / "class" / "ada" / "s02_tensors.py", CODE)
    put(tmp_path / "class" / "eve" / "s02_tensors.py", CODE)
    found = read(tmp_path / "class", roster={"ada": "Ada", "ben": "Ben B"})
    assert found["ben"].problems == ["Ben B handed nothing in"]
    assert "is not on the roster" in found["eve"].problems
    for raw, told in (
        (b"id\nada\n\nada\n", "'ada' is there twice, in lines 2 and 4"),
        (b"", "is empty"),
        (b"id,name\n,x\n", "line 2: has no id in column 1"),
        (b"First name,Surname\nAda,L\n", "no column of ids: head one `id`"),
        (b'id\n"' + b"x" * 200_000, "cannot be read as a CSV file"),
    ):
        put(tmp_path / "roster.csv", raw)
        with pytest.raises(IntakeError, match=told):
            read_roster(tmp_path / "roster.csv")


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("s02_tensors.py", "s02_tensors"),
        ("late_S02_tensors-2 (1).IPYNB", "s02_tensors"),
        ("s02_tensors.pyc", None),
        ("s02_tensors_test.py", "s02_tensors"),
        ("xs02_tensors.py", None),
        ("s02_tensorsold.py", None),
    ],
)
def test_section_of_a_name(name: str, section: str | None) -> None:
    assert section_of(name, SECTIONS) == section


def test_real_downloads(tmp_path: Path) -> None:
    """Names as systems make them: late work, numbered attempts, accents, spaces, groups, and two of one name."""
    canvas = tmp_path / "canvas"
    for name in ("doejane_LATE_123_456_s02_tensors-1.py", "roezoë_124_457_s02_tensors.py", "roezoë_124_457_extra.py"):
        put(canvas / name, CODE)
    assert {name: list(s.files) for name, s in read(canvas).items()} == {
        "doejane_123": ["s02_tensors"],
        "roezoë_124": ["s02_tensors"],
    }
    moodle = tmp_path / "moodle"
    put(moodle / "Zoë van der Berg_1_assignsubmission_file_" / "work" / "s02_tensors.py", CODE)
    put(moodle / "Jane Doe_2_assignsubmission_file_" / "s02_tensors.py", CODE)
    put(moodle / "Jane Doe_3_assignsubmission_file_" / "s02_tensors.py", CODE)
    put(moodle / "Al Roe_4_assignsubmission_file_" / "all.zip", zipped({"exercises\\s02_tensors.py": CODE}))
    found = read(
        moodle, roster={"u1": "Zoë van der Berg", "u2": "Jane Doe", "u3": "Jane Doe", "u4": "Al Roe", "u5": ""}
    )
    assert all(submission.files for name, submission in found.items() if "_" in name)
    told = {name: " | ".join(submission.problems) for name, submission in found.items()}
    assert "roster" not in told["Zoë van der Berg_1"] + told["Al Roe_4"]
    assert "is not on the roster" in told["Jane Doe_2"]  # two have that name: which is it?
    assert "u5 handed nothing in" in told["u5"]
    gradescope = tmp_path / "gradescope" / "export"
    metadata = ""
    for number, people in (("1", ["j1", "j2"]), ("2", ["k"]), ("3", [""]), ("4", [""])):
        put(gradescope / f"submission_{number}" / "s02_tensors.py", CODE)
        metadata += f"submission_{number}:\n  :submitters:\n" + "".join(
            f"  - :name: Jane\n    :sid: '{sid}'\n" for sid in people
        )
    put(gradescope / "submission_metadata.yml", metadata)
    assert list(read(tmp_path / "gradescope")) == ["Jane", "Jane (submission_4)", "j1+j2", "k"]
    course = tmp_path / "course"
    put(course / "source" / "ps1" / "s02_tensors.py", "ours")
    put(course / "submitted" / "ada" / "ps1" / "s02_tensors.py", CODE)
    put(course / "submitted" / "ada" / "ps1" / "timestamp.txt", "2026-01-01")
    put(course / "autograded" / "ada" / "ps1" / "s02_tensors.py", "older")
    assert {name: s.files for name, s in read(course).items()} == {"ada": {"s02_tensors": CODE}}


def test_names_that_are_no_text_and_names_that_clash(tmp_path: Path) -> None:
    for name in (b"zo\xeb", b"zo\xec", "zo\ufffd".encode(), b"Ada", b"ada"):
        put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)) / "s02_tensors.py", CODE)
    found = read(tmp_path)
    assert sorted(found) == ["Ada", "ada", "zo\ufffd", "zo\ufffd (2)", "zo\ufffd (3)"]
    assert all(submission.files for submission in found.values())


def test_encodings(tmp_path: Path) -> None:
    text = "# café\n"
    put(tmp_path / "mark" / "s02_tensors.py", text.encode("utf-8-sig"))
    put(tmp_path / "wide" / "s02_tensors.py", text.encode("utf-16"))
    put(tmp_path / "cookie" / "s02_tensors.py", ("# -*- coding: latin-1 -*-\n" + text).encode("latin-1"))
    put(tmp_path / "dos" / "S02_TENSORS.PY", text.replace("\n", "\r\n"))
    put(tmp_path / "none" / "s02_tensors.py", b"# coding: nothing\n# caf\xe9\n")
    put(tmp_path / "slow" / "s02_tensors.py", b"# coding: punycode\n# caf\xe9\n")
    put(tmp_path / "zero" / "s02_tensors.py", b"x = '\0'\n")
    found = read(tmp_path)
    for student in ("mark", "wide", "cookie", "dos", "zero"):
        assert found[student].files, found[student].problems
        assert student == "zero" or "café" in found[student].files["s02_tensors"]
    for student in ("none", "slow"):
        assert "not valid UTF-8 at byte" in found[student].problems[1]


def test_notebooks_that_are_odd(tmp_path: Path) -> None:
    def notebook(**changes: object) -> str:
        return json.dumps({**NOTEBOOK, **changes})

    put(tmp_path / "both" / "s02_tensors.py", "old")
    put(tmp_path / "both" / "s02_tensors.ipynb", notebook())
    put(tmp_path / "empty" / "s02_tensors.ipynb", notebook(cells=[]))
    put(tmp_path / "future" / "s02_tensors.ipynb", notebook(nbformat=99))
    put(tmp_path / "long" / "s02_tensors.ipynb", notebook(cells=NOTEBOOK["cells"] * 2_000))
    put(tmp_path / "half" / "s02_tensors.ipynb", notebook(cells=[{**NOTEBOOK["cells"][2], "source": "x = '\ud800'"}]))
    put(tmp_path / "number" / "s02_tensors.ipynb", "3")
    found = read(tmp_path)
    told = {student: " | ".join(submission.problems) for student, submission in found.items()}
    assert "graded s02_tensors.ipynb, not s02_tensors.py" in told["both"]
    assert CODE in found["both"].files["s02_tensors"]
    assert "is empty" in told["empty"]
    assert "version 99" in told["future"]
    assert "has 6,000 cells, more than 3,000" in told["long"]
    assert found["half"].files["s02_tensors"].encode()
    assert "cannot be read as a notebook" in told["number"]


def test_archives_as_systems_make_them(tmp_path: Path) -> None:
    put(tmp_path / "windows.zip", zipped({"work\\exercises\\s02_tensors.py": CODE}))
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("s02_tensors.py", "old")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("s02_tensors.py", CODE)
    put(tmp_path / "twice.zip", twice.getvalue())
    put(tmp_path / "stream.zip", streamed({"s02_tensors.py": CODE}))
    put(tmp_path / "empty.zip", zipped({}))
    put(tmp_path / "nothing.zip", b"")
    put(tmp_path / "kind.rar", b"Rar!")
    put(tmp_path / "inner.zip", zipped({"all.zip": zipped({"s02_tensors.py": CODE})}))
    put(tmp_path / "latin.zip", zipped({"ae/s02_tensors.py": CODE}).replace(b"ae/", b"\x84\xff/"))
    with tarfile.open(tmp_path / "pax.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("é" * 200 + "/s02_tensors.py")
        info.size = len(CODE)
        tar.addfile(info, io.BytesIO(CODE.encode()))
    found = read(tmp_path)
    told = {student: " | ".join(submission.problems) for student, submission in found.items()}
    for student in ("windows", "twice", "stream", "latin", "pax"):
        assert found[student].files == {"s02_tensors": CODE}, told[student]
    assert "s02_tensors.py: not handed in" in told["empty"]
    assert not found["empty"].unread
    assert "cannot be read as an archive" in told["nothing"]
    assert "hand in a .zip or .tar.gz" in told["kind"]
    assert "is an archive within an archive" in told["inner"]


class Stream(io.RawIOBase):
    """A file that cannot go back, as a web server's answer: the sizes of entries come after them."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, part: bytes) -> int:  # type: ignore[override]
        self.content += part
        return len(part)


def streamed(files: dict[str, str]) -> bytes:
    out = Stream()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return bytes(out.content)


def test_one_students_folder_is_no_class(tmp_path: Path) -> None:
    put(tmp_path / "s02_tensors.py", CODE)
    with pytest.raises(IntakeError, match="one student's files: give the folder above"):
        read(tmp_path)


@given(st.dictionaries(st.text(max_size=8), st.binary(max_size=30), max_size=4), st.randoms(use_true_random=False))
def test_damaged_archives_are_read_or_refused(files: dict[str, bytes], random: Any) -> None:
    named = {name: content for name, content in files.items() if name and "\0" not in name}
    for name, packed in (("a.zip", zipped(dict(named))), ("a.tar.gz", tarred(dict.fromkeys(named, "x")))):
        damaged = bytearray(packed)
        for _ in range(3):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        for content in (bytes(damaged), packed[: random.randrange(len(packed))]):
            with contextlib.suppress(ArchiveError):
                for entry in archive_entries(name, io.BytesIO(content)):
                    with contextlib.suppress(Exception):  # told as a file that cannot be read
                        assert len(entry.read()) <= entry.size or entry.problem


@given(st.binary(max_size=200))
def test_any_roster_is_read_or_refused(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "roster.csv")
        path.write_bytes(raw)
        with contextlib.suppress(IntakeError):
            assert all(read_roster(path))


@given(
    st.lists(st.text(min_size=1, max_size=60).filter(lambda name: name.strip("/.") and "\0" not in name), max_size=5)
)
def test_any_names_are_somebodys_or_nobodys(names: list[str]) -> None:
    entries = [Entry(PurePosixPath(name), 0, bytes) for name in names if PurePosixPath(name).parts]
    for layout in (recognise(entries), *LAYOUTS):
        assert len(list(assign(entries, layout))) <= len(entries)
