"""A section as a notebook: there and back, checked in its own kernel, by `pytest checks/` and by `grader grade`."""

from __future__ import annotations

import csv
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from support import ROOT, TINY, Run, run

from grader.grading.intake import read_submissions
from grader.kit import Kit
from grader.pairing import edited_last, notebook, script

pytestmark = pytest.mark.timeout(600)  # many commands, each of which imports torch
SQUARED = "def double(x):\n    print('hello')\n    return x * x"


@pytest.fixture
def file(kit_folder: Path) -> Path:
    return kit_folder / "exercises" / "s01_tiny.py"


def cells(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def edit(path: Path, old: str, new: str) -> None:
    """Change a file or a notebook, some time after it was written."""
    before = path.stat().st_mtime_ns
    if path.suffix == ".ipynb":
        opened = nbformat.read(path, as_version=4)
        assert any(old in cell.source for cell in opened.cells)
        for cell in opened.cells:
            cell.source = cell.source.replace(old, new, 1)
        nbformat.write(opened, path)
    else:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
    if path.stat().st_mtime_ns <= before:
        os.utime(path, ns=(time.time_ns(), before + 10**6))


def test_there_and_back_is_the_same_file(kit: Kit) -> None:
    for section in kit.sections.values():
        text = (kit.exercises / f"{section.name}.py").read_text()
        made = notebook(text, section)
        assert script(made) == text
        sources = [cell.source for cell in nbformat.reads(made, as_version=4).cells]
        assert [s for s in sources if s.startswith("check(")] == [f'check("{e.name}")' for e in section.exercises]
        assert any("plt." in s for s in sources) or "plt." not in text
        for exercise in section.exercises:
            place = sources.index(f'check("{exercise.name}")')
            assert re.search(rf"^(def|class) {exercise.name}\b", sources[place - 1], re.MULTILINE)


def test_the_one_edited_last_is_carried_over_and_the_other_kept(
    grader: Run, checks: Run, here: dict[str, object], file: Path
) -> None:
    opened, kept = file.with_suffix(".ipynb"), file.parents[1] / ".torch-kata" / "kept"
    edit(file, "raise NotImplementedError", "return x * x  # mine")
    done = grader("notebook", "s01", **here)
    assert done.returncode == 0, done.stderr
    assert "exercises/s01_tiny.ipynb now says what exercises/s01_tiny.py says" in done.stdout
    assert "return x * x  # mine" in "".join(cells(opened))
    assert "s01_tiny.py is what was checked; s01_tiny.ipynb says the same" in checks("checks", **here).stdout

    edit(opened, "return x * x  # mine", "%matplotlib inline\n    return x + x")
    mine = file.read_text()
    done = checks("checks", "-k", "double", **here)
    assert "s01_tiny.ipynb is what was checked: it was edited after s01_tiny.py" in done.stdout, done.stdout
    assert " 50/100 points" in done.stdout
    assert not kept.exists()
    done = grader("notebook", "s01_tiny", **here)
    assert "exercises/s01_tiny.py now says what exercises/s01_tiny.ipynb says" in done.stdout
    (copy,) = kept.iterdir()
    assert f"As it was: .torch-kata/kept/{copy.name}" in done.stdout
    assert copy.read_text() == mine
    assert "    # %matplotlib inline\n    return x + x" in file.read_text()
    assert "grader.notebook" not in file.read_text()
    assert "says what exercises/s01_tiny.py says already" in grader("notebook", "s01", **here).stdout

    opened.write_text(nbformat.writes(with_output(opened)))
    os.utime(opened, ns=(0, file.stat().st_mtime_ns))
    edit(file, "return x + x", "return x + 2")
    done = checks("checks", "-k", "double", **here)
    assert "s01_tiny.py is what was checked: it was edited after s01_tiny.ipynb" in done.stdout
    grader("notebook", "s01", **here)
    grader("notebook", "s01", **here)
    assert len([path for path in kept.iterdir() if path.suffix == ".ipynb"]) == 1
    text = opened.read_text()
    assert "%matplotlib inline\\n" in text
    assert "a plot" in text  # the outputs of cells that have not changed are still there

    file.unlink()
    assert edited_last(file.parent, "s01_tiny") == opened
    grader("notebook", "s01", **here)
    assert "return x + 2" in file.read_text()


def with_output(path: Path) -> nbformat.NotebookNode:
    opened = nbformat.read(path, as_version=4)
    opened.cells[2].outputs = [nbformat.v4.new_output("stream", text="a plot")]
    return opened


def test_a_notebook_that_cannot_be_read_says_so(grader: Run, checks: Run, here: dict[str, object], file: Path) -> None:
    file.with_suffix(".ipynb").write_text("no JSON")
    os.utime(file, (0, 0))
    done = checks("checks", "-k", "double", **here)
    assert done.returncode == 1
    assert "s01_tiny.ipynb: cannot be read as a notebook" in done.stdout
    done = grader("notebook", "s01", **here)
    assert done.returncode == 2
    assert "s01_tiny.ipynb: cannot be read as a notebook" in done.stderr
    (file.parents[1] / "jupytext.py").write_text("raise ImportError")
    missing = {**here, "env": {**here["env"], "PYTHONPATH": f"{file.parents[1]}:{ROOT}"}}  # type: ignore[dict-item]
    for done in (grader("notebook", "s01", **missing), checks("checks", "-k", "double", **missing)):
        assert 'pip install "torch-kata[notebook]"' in done.stdout + done.stderr


def test_without_a_notebook_its_libraries_are_not_imported(here: dict[str, object]) -> None:
    """Nor with one that is older than the file."""
    script = (
        "import sys, pytest; from grader.cli import app\n"
        "pytest.main(['-q', 'checks'])\n"
        "try: app([])\nexcept SystemExit: pass\n"
        "assert not {'jupytext', 'nbformat', 'IPython'} & set(sys.modules)"
    )
    (here["cwd"] / "exercises" / "s01_tiny.ipynb").write_text("{}")  # type: ignore[operator]
    os.utime(here["cwd"] / "exercises" / "s01_tiny.ipynb", (0, 0))  # type: ignore[operator]
    done = run([sys.executable, "-c", script], **here)
    assert done.returncode == 0, done.stderr


KERNEL = {
    "fresh": "check('double')",
    "unknown": "check('duoble')",
    "imports": "import torch\nfrom torch import Tensor, nn\nSCALE = 1 / 0",
    "squared": SQUARED,
    "named": "check('double')",
    "timed": "%%time\n!true\ndef double(x):\n    return SCALE * x",
    "mended": "SCALE = 2",
    "seeded": "torch.manual_seed(3)\na = torch.rand(1)\ntorch.manual_seed(3)\ntorch.set_default_dtype(torch.float64)",
    "right": "check('double')",
    "kept": "a == torch.rand(1, dtype=torch.float32), torch.get_default_dtype()",
    "stub": "def noise(n):\n    raise NotImplementedError",
    "todo": "print(check('noise'))",
    "slip": "def noise(n):\n    return torch.randn(n) / missing",
    "raised": "check('noise')",
    "typo": "def noise(n:\n    return 1",
    "broken": "check('noise')",
    "markup": "def noise(n):\n    raise ValueError('<script>')",
    "escaped": "check('noise')",
}


def test_a_kernel_checks_what_it_has_run(here: dict[str, object], checks: Run, grader: Run) -> None:
    shown = execute(["from grader.notebook import check", *KERNEL.values()], here)
    got = dict(zip(KERNEL, shown[1:], strict=True))
    assert "No cell has defined `double`" in got["fresh"]
    assert "no exercise 'duoble'" in got["unknown"]
    for told in ("hello", "double: 10 of 50", "Every value is doubled.", "Known mistake: squared", "first difference"):
        assert told in got["named"]
    assert "double: 50 of 50 points" in got["right"]
    assert "(tensor([True]), torch.float64)" in got["kept"]
    assert "todo         n values.  (10)" in got["todo"]
    assert (
        "NameError: name 'missing' is not defined (s01_tiny.ipynb, the line `return torch.randn(n) / missing`)"
        in (got["raised"])
    )
    assert "s01_tiny.ipynb, the line `def noise(n:`: '(' was never closed" in got["broken"]
    assert "&lt;script&gt;" in got["escaped"].partition("<p>")[2]
    assert "<script>" not in got["escaped"].partition("<p>")[2]
    board = grader(**here).stdout
    assert " 50/100 points   1/3 exercises" in board


def execute(sources: list[str], here: dict[str, object]) -> list[str]:
    """What the cells of a notebook show, text and markup in one string a cell."""
    opened = new_notebook(cells=[new_code_cell(source) for source in sources])
    place: Any = here["cwd"]
    NotebookClient(
        opened, timeout=120, allow_errors=True, resources={"metadata": {"path": str(place / "exercises")}}
    ).execute(env=here["env"])
    shown = []
    for cell in opened.cells:
        told = ""
        for output in cell.outputs:
            data = output.get("data", {})
            told += output.get("text", "") + output.get("evalue", "")
            told += data.get("text/plain", "") + data.get("text/html", "")
        shown.append(told)
    return shown


def test_outside_a_notebook_the_files_are_checked(here: dict[str, object], file: Path) -> None:
    edit(file, "raise NotImplementedError", "return x * x")
    done = run([sys.executable, "-c", "from grader.notebook import check; print(check('double'))"], **here)
    assert "double: 10 of 50 points" in done.stdout, done.stderr
    assert "s01_tiny.ipynb" not in done.stdout


ODD = [
    "%matplotlib inline\n%load_ext autoreload\n!pip install nothing\nfiles = !ls\n?print\nprint?",
    "from google.colab import drive\ndrive.mount('/content')",
    "import torch\nfrom torch import Tensor, nn\nimport matplotlib.pyplot as plt",
    "%%bash\nwhile true; do sleep 1; done",
    "%%html\n<b>def double(x): no</b>",
    "await print(1)",
    "%%time\ndef double(x):\n    %time y = 1\n    return 2 * x",
    "from grader.notebook import check\ncheck('double')",
    "check('double')",
    "plt.plot(torch.randn(1000).cumsum(0))\nplt.show()",
    "while True:\n    step = double(torch.ones(1))",
    "def noise(n)\n    return 1",
    "%%capture\nclass Shift(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
    "        self.shift = nn.Parameter(torch.zeros(n))\n    def forward(self, x):\n        return x + self.shift",
    "if True:\n    !ls\n1 / 0",
    "torch.load('absent.pt')\nimport sys\nsys.exit(1)",
    "raise SystemExit",
]


def test_any_notebook_is_graded_as_it_is(grader: Run, checks: Run, here: dict[str, object], tmp_path: Path) -> None:
    """Magics, shell lines, prints, plots, broken cells and endless loops cost nothing but what they define."""
    made = new_notebook(cells=[new_markdown_cell("# Mine"), *map(new_code_cell, ODD)])
    made.cells[10].outputs = [nbformat.v4.new_output("stream", text="x" * 2_000_000)]
    made.metadata["kernelspec"] = {"name": "conda-env-x", "display_name": "X", "language": "python"}
    made.cells[3].metadata["lines_to_next_cell"] = 10**10
    folder = tmp_path / "class" / "ada"
    folder.mkdir(parents=True)
    nbformat.write(made, folder / "s01_tiny (1).ipynb")
    started = time.monotonic()
    done = grader("grade", str(tmp_path / "class"), "--out", str(tmp_path / "out"), **here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started < 60
    with (tmp_path / "out" / "grades.csv").open(newline="") as rows:
        assert [row["total"] for row in csv.DictReader(rows)] == ["70"], done.stdout
    cannot_be_read = "s01_tiny.ipynb, the line `def noise(n)`: expected ':'; so `noise` cannot be read"
    assert cannot_be_read in (tmp_path / "out" / "results.json").read_text()

    exercises = here["cwd"] / "exercises"  # type: ignore[operator]
    nbformat.write(made, exercises / "s01_tiny.ipynb")
    done = checks("checks", **here)
    assert " 70/100 points" in done.stdout, done.stdout
    assert cannot_be_read in done.stdout


@pytest.mark.parametrize("packed", [False, True])
def test_of_a_file_and_its_notebook_the_one_edited_last_is_graded(tmp_path: Path, packed: bool) -> None:
    section = Kit(TINY).sections["s01_tiny"]
    for student, last in {"ada": ".py", "ben": ".ipynb", "cyd": ".py .ipynb"}.items():
        folder = tmp_path / "class" / student / "exercises"
        folder.mkdir(parents=True)
        for kind, text in {".py": "FROM = 'file'\n", ".ipynb": notebook("FROM = 'notebook'\n", section)}.items():
            path = folder / f"s01_tiny{kind}"
            path.write_text(text)
            os.utime(path, (1_800_000_000 + 10 * (kind in last.split()),) * 2)
        if packed:
            shutil.make_archive(str(folder.parent), "zip", folder.parent)
            shutil.rmtree(folder.parent)
    read = {one.student: one for one in read_submissions(tmp_path / "class", ["s01_tiny"])}
    assert [re.findall("'(.*)'", read[s].files["s01_tiny"]) for s in ("ada", "ben", "cyd")] == [
        ["file"],
        ["notebook"],
        ["file"],
    ]
    told = read["ben"].problems[0].replace("ben.zip/", "")
    assert "graded exercises/s01_tiny.ipynb, not exercises/s01_tiny.py" in told
