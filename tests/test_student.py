"""The student edition: complete for a learner, and nothing in it that a learner should find out alone."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
from support import ROOT, TINY, Run

from grader import evidence
from grader.kit import Kit


@pytest.fixture(scope="module")
def edition(grader: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole student edition, unpacked beside its zip. The mistakes' evidence takes minutes, once."""
    folder = tmp_path_factory.mktemp("edition") / "kata"
    made = grader("release", "student", str(folder), timeout=900)
    assert made.returncode == 0, made.stderr
    return folder


def in_edition(folder: Path) -> dict[str, object]:
    """Run there, and with what is there only."""
    environment = {k: v for k, v in os.environ.items() if k not in ("TORCH_KATA", "PYTHONPATH")}
    return {"cwd": folder, "env": {**environment, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}}


def test_a_learner_gets_the_same_verdicts_and_diagnoses(grader: Run, checks: Run, tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "kit")
    hidden = tmp_path / "kit" / "checks" / "hidden"
    hidden.mkdir()
    (hidden / "test_s01_tiny.py").write_text(
        "from grader.checks import check, require\n\n\n@check('double', kind='value', points=5)\n"
        "def test_a_secret(student):\n    '''Known to us alone.'''\n    require(student.double(2) == 4, 'no')\n"
    )
    full = {**os.environ, "TORCH_KATA": str(tmp_path / "kit")}
    made = grader("release", "student", str(tmp_path / "mine" / "kata"), env=full)
    assert made.returncode == 0, made.stderr
    again = grader("release", "student", str(tmp_path / "mine" / "kata"), env=full)
    assert again.returncode == 2
    assert "there already" in again.stderr

    with zipfile.ZipFile(tmp_path / "mine" / "kata.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    folder = tmp_path / "unpacked" / "kata"
    assert not [p for p in folder.rglob("*") if p.name in ("reference", "hidden", "tests", "grading", "validate.py")]
    assert not any(b"test_a_secret" in p.read_bytes() for p in folder.rglob("*") if p.is_file())

    untouched = checks("checks/", **in_edition(folder))
    assert untouched.returncode == 5, untouched.stdout + untouched.stderr
    assert "6 todo" in untouched.stdout
    solved = (TINY / "reference" / "s01_tiny.py").read_text()
    (folder / "exercises" / "s01_tiny.py").write_text(solved.replace("return 2 * x", "return x * x"))
    wrong = checks("checks/", **in_edition(folder))
    assert "Known mistake: squared" in wrong.stdout, wrong.stdout + wrong.stderr
    (folder / "exercises" / "s01_tiny.py").write_text(solved)
    right = checks("checks/", **in_edition(folder))
    assert "100/100 points" in right.stdout, right.stdout + right.stderr
    helped = grader("--help", **in_edition(folder))
    assert "hint" in helped.stdout
    assert "regrade" not in helped.stdout


# ---------------------------------------------------------------------------------------- what must not be in it

# A line tells something from so many names and signs on. Shorter ones are idioms: `if not file.is_file():`.
TELLING = 9
# Mistakes and alternatives are ten times as many lines, in which idioms are longer: `for p in model.parameters():`.
TELLING_VARIANT = 12


def plain(text: str) -> str:
    """With one space wherever there were some, within lines and at their beginning, and without escapes."""
    return "\n".join(re.sub(r"\s+", " ", line.replace("\\", "")) for line in text.splitlines())


def telling(lines: Iterable[str], size: int) -> set[str]:
    """Those that are longer than idioms, comments left off. A header, or an opening bracket, tells nothing."""
    code = {plain(line.partition("  # ")[0]).strip() for line in lines}
    return {
        line
        for line in code
        if len(re.findall(r"\w+|[^\w\s]", line)) >= size
        and not line.startswith(("#", "def ", "class ", "@", '"""'))
        and not line.endswith(("(", "[", "{"))
    }


def secret_lines(kit: Kit) -> set[str]:
    """Lines of solutions, mistakes and alternatives that no stub or lesson has."""
    solutions, variants, given = set(), set(), []
    for name in kit.sections:
        text = (kit.reference / f"{name}.py").read_text(encoding="utf-8")
        for block in re.findall(r"# BEGIN SOLUTION\n(.*?)# END SOLUTION", text, re.DOTALL):
            solutions |= telling(block.splitlines(), TELLING)
        for folder in ("mistakes", "alternatives"):
            found = (kit.reference / folder / f"{name}.py").read_text(encoding="utf-8")
            variants |= telling(found.splitlines(), TELLING_VARIANT)
        given.append(plain((kit.exercises / f"{name}.py").read_text(encoding="utf-8")))
    assert len(solutions) > 250
    assert len(variants) > 1000
    lessons = "\n".join(given)
    return {line for line in solutions | variants if line not in lessons}


def contents(name: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """A file, and what it holds: archives in archives, evidence in its parts."""
    yield name, raw
    if raw[:4] == b"PK\x03\x04" and zipfile.is_zipfile(io.BytesIO(raw)):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for member in archive.namelist():
                yield from contents(f"{name}/{member}", archive.read(member))
    elif raw[:2] == b"\x1f\x8b":
        yield from contents(f"{name} unpacked", gzip.decompress(raw))
    elif name.endswith(".evidence"):
        waiting = [evidence.decode(raw)]
        for value in waiting:
            if isinstance(value, (list, tuple)):
                waiting += value
            elif isinstance(value, dict):
                waiting += [*value, *value.values()]
            elif isinstance(value, evidence.Foreign):
                waiting += [value.value, value.text]
            elif isinstance(value, str):
                yield from contents(f"{name} text", value.encode("utf-8", "replace"))
            elif isinstance(value, bytes):
                yield from contents(f"{name} bytes", value)
            elif isinstance(value, torch.Tensor) and value.dtype == torch.uint8:
                yield from contents(f"{name} tensor", value.numpy().tobytes())


def readable(raw: bytes) -> str:
    """The text that a file holds, in a binary one too."""
    return plain("\n".join(run.decode() for run in re.findall(rb"[\n\t -~]{8,}", raw)))


def test_no_line_of_a_solution_and_no_place_of_ours_is_in_it(kit: Kit, edition: Path) -> None:
    """Not in any file of the zip, nor in an archive or in evidence within it."""
    found = [*contents("kata.zip", edition.with_name("kata.zip").read_bytes())]
    assert {".py", ".md", ".evidence", ".pt"} <= {Path(name).suffix for name, _ in found}
    assert any("resnet_digits.pt/" in name for name, _ in found)
    assert any(name.endswith(".evidence text") for name, _ in found)
    places = [place.encode() for place in {str(ROOT), sys.prefix, str(Path.home()), str(edition.parent)}]
    leaks = [f"{name}: {place.decode()}" for name, raw in found for place in places if place in raw]
    everything = "\n".join(readable(raw) for _, raw in found)
    for line in sorted(secret_lines(kit)):
        if line in everything and re.search(rf"(?<![\w.]){re.escape(line)}(?!\w)", everything):
            leaks.append(f"{[name for name, raw in found if line in readable(raw)]}: {line}")
    assert leaks == []
