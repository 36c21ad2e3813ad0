"""Files in: every way that submissions arrive, and everything that may be wrong with them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.grading.archives import MAX_ENTRIES, ArchiveError, archive_entries
from grader.grading.intake import IntakeError, Submission, read_roster, read_submissions, section_of

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


NOTEBOOK = {
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
    assert "has 100 MB, more than 1 MB" in told["huge"]
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
    put(tmp_path / "bomb.zip", zipped({"s02_tensors.py": b"\0" * 2**28}))
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
    for raw in (b"id\nada\nada\n", b"", b"id,name\n,x\n"):
        put(tmp_path / "roster.csv", raw)
        with pytest.raises(IntakeError, match="roster"):
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
