"""The grades of a class in the formats of other systems, against files as those systems make and take them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import asdict
from pathlib import Path

import nbformat
import pytest
from support import ROOT, Run

from grader.export.github import MAX_SUMMARY, command, summary
from grader.grading.judge import missing
from grader.kit import Kit
from grader.results import CheckResult, ExerciseResult, SectionResult, SubmissionResult

FIXTURES = ROOT / "tests" / "fixtures"
EVIL = "::set-env name=A::b\n::error::gone\r%0A]]> <script>\x1b[31m</script> @everyone `x`"


def section(name: str, right: int) -> SectionResult:
    """Four exercises of 25 points, so many of them right; each has a hidden check of 5 points."""
    exercises = []
    for number in range(4):
        checks = [
            CheckResult("test_values", "value", "passed", 20, 20, seconds=0.5, sentence="It holds."),
            CheckResult("test_secret", "value", "passed", 5, 5, sentence="Known to us alone.", hidden=True),
        ]
        if number >= right:
            checks[0] = CheckResult(
                "test_values", "value", "failed", 0, 20, EVIL, "squared", "You square.", 0.5, EVIL, "It holds."
            )
            checks[1] = CheckResult("test_secret", "value", "not_reached", 0, 5, "SECRET", hidden=True)
        exercises.append(ExerciseResult(f"exercise_{number}", checks))
    return SectionResult(name, exercises)


def graded(folder: Path, *students: tuple[str, int], sections: tuple[str, ...] = ("s02_tensors",)) -> Path:
    """The --out folder of a class."""
    found = [SubmissionResult(name, [section(s, right) for s in sections]) for name, right in students]
    if found:
        found[0].problems.append("s03_autograd.py: not handed in")
    data = {"kit": "1.0.0", "seed": 7, "sandbox": "bubblewrap", "submissions": [one.to_json() for one in found]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(data))
    return folder


def table(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [*csv.reader(file, delimiter=delimiter)]


# ------------------------------------------------------------------------------------------------------ tables


def test_a_plain_table(grader: Run, tmp_path: Path) -> None:
    out = graded(tmp_path, ("ada", 4), ('=HYPERLINK("x")', 1))
    done = grader("export", str(out), "--format", "csv")
    assert done.returncode == 0, done.stderr
    head, *rows = table(out / "exercises.csv")
    assert head == ["student", "section", "exercise", "points", "max_points", "outcome", "mistake", "message"]
    assert rows[0] == ["ada", "s02_tensors", "exercise_0", "25", "25", "passed", "", ""]
    assert rows[5][:7] == ['\'=HYPERLINK("x")', "s02_tensors", "exercise_1", "0", "25", "failed", "squared"]
    assert len(rows) == 8


def test_canvas_gets_its_own_gradebook_back(grader: Run, tmp_path: Path) -> None:
    """By ID (as Canvas names files), SIS id, login and name, in this order; EX, other columns, other rows stay."""
    class_ = (("doejane_4711", 4), ("u200", 2), ("grace", 3), ("eve", 1), ("nobody_99", 4))
    out = graded(tmp_path / "out", *class_)
    done = grader("export", str(out), "--format", "canvas", "--into", str(FIXTURES / "canvas.csv"))
    assert done.returncode == 1, done.stderr
    assert "nobody_99 matches nobody" in done.stderr
    assert "1 excused grades (EX) stay" in done.stderr
    given, made = (FIXTURES / "canvas.csv").read_bytes(), (out / "canvas.csv").read_bytes()
    assert made.startswith(b"\xef\xbb\xbfStudent,ID,SIS User ID")
    assert made.count(b"\r\n") == given.count(b"\r\n") == 8
    before, after = table(FIXTURES / "canvas.csv"), table(out / "canvas.csv")
    assert [row[5] for row in after] == ["s02_tensors (8801)", "Manual Posting", "100", "100", "50", "EX", "25", ""]
    evil = before[6]
    evil[0] = f"'{evil[0]}"  # no formula any more
    assert evil[0].startswith("'=cmd|")
    for old, new in zip(before, after, strict=True):
        assert old[:5] + old[6:] == new[:5] + new[6:]


def test_canvas_by_name_with_semicolons_and_a_total(grader: Run, tmp_path: Path) -> None:
    text = (FIXTURES / "canvas.csv").read_text(encoding="utf-8-sig")
    rows = [*csv.reader(text.splitlines())]
    with (tmp_path / "canvas.csv").open("w", newline="", encoding="utf-16") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    out = graded(tmp_path / "out", ("Jane Doe", 4), ("LovelaceAda_1", 2))
    command = ["export", str(out), "--format", "canvas", "--into", str(tmp_path / "canvas.csv")]
    done = grader(*command, "--column", "Project, part 1")
    assert done.returncode == 0, done.stderr
    assert "Project, part 1 (8802) counts 50, not 100, points: ours are in proportion" in done.stderr
    assert "3 rows have no submission" in done.stderr
    after = table(out / "canvas.csv", ";")
    assert [row[6] for row in after[3:5]] == ["50", "25"]
    assert [row[5] for row in after[3:5]] == ["", "12"]
    wrong = grader(*command, "--column", "Projekt")
    assert wrong.returncode == 2
    assert "Project, part 1 (8802)" in wrong.stderr


def test_moodle_gets_its_worksheet_back(grader: Run, tmp_path: Path) -> None:
    """By participant (as Moodle names folders), e-mail or name."""
    out = graded(tmp_path / "out", ("Jane Doe_2301", 4), ("ADA@example.edu", 1), ("hopper grace", 2))
    done = grader("export", str(out), "--format", "moodle", "--into", str(FIXTURES / "moodle.csv"))
    assert done.returncode == 0, done.stderr
    before, after = table(FIXTURES / "moodle.csv"), table(out / "moodle.csv")
    assert [row[4] for row in after] == ["Grade", "100", "25", "50"]
    for old, new in zip(before, after, strict=True):
        assert old[:4] + old[5:9] == new[:4] + new[5:9]
    assert "&lt;script&gt;" in after[2][9]
    assert "<script" not in after[2][9]
    assert "SECRET" not in after[2][9]
    assert "Known to us" not in after[2][9]


def test_moodle_in_german_counts_ten_points(grader: Run, tmp_path: Path) -> None:
    out = graded(tmp_path / "out", ("Jörg Müller_2301", 3))
    done = grader("export", str(out), "--format", "moodle", "--into", str(FIXTURES / "moodle-de.csv"))
    assert done.returncode == 0, done.stderr
    assert "Moodle counts 10,00, not 100, points" in done.stderr
    assert table(out / "moodle.csv")[1][4] == "7.5"


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        ("canvas", b"Student,Section\nDoe,T\n", "no column 'ID'"),
        ("canvas", b"", "is empty"),
        ("canvas", "Student,ID,Section,s02 (1)\nM\xfcller,1,T,\n".encode("latin-1"), "not UTF-8 at byte 28"),
        ("canvas", b"Student,ID,Section,Essay (1)\nDoe,1,T,\n", "no assignment named after a section (s02_tensors)"),
        ("canvas", b"Student,ID,Section,s02 (1),s02 (2)\nDoe,1,T,,\n", "s02_tensors fits s02 (1), s02 (2)"),
        ("canvas", b"Student,ID,Section,s02 (1)\nDoe,1,T,\nRoe,1,T,\n", "1 is there twice"),
        ("canvas", b"Student,ID,Section,s02 (1)\nada,1,T,\n", "are both"),
        ("canvas", b'Student,ID,Section,s02 (1)\n"ada,1,T,\n', "is no CSV"),
        ("moodle", b"Full name,Grade\nada,\n", "no column 'Identifier'"),
        ("moodle", b"Identifier;Grade\nParticipant 1;\n", "no commas"),
    ],
)
def test_a_file_that_is_not_theirs(grader: Run, tmp_path: Path, kind: str, content: bytes, told: str) -> None:
    out = graded(tmp_path / "out", ("ada", 1), ("Ada", 2))
    (tmp_path / "given.csv").write_bytes(content)
    done = grader("export", str(out), "--format", kind, "--into", str(tmp_path / "given.csv"))
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in out.iterdir()) == ["results.json"]


def test_wrong_usage_is_told(grader: Run, tmp_path: Path) -> None:
    out = graded(tmp_path / "out", ("ada", 1))
    for arguments, told in (
        (["--format", "excel"], "no format 'excel'; there are csv, canvas"),
        (["--format", "canvas"], "give it with --into FILE"),
        (["--format", "csv", "--into", "x.csv"], "--into goes with canvas, moodle, nbgrader"),
        (["--format", "moodle", "--into", "absent.csv"], "absent.csv cannot be read"),
    ):
        done = grader("export", str(out), *arguments)
        assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    (out / "junit.xml").mkdir()
    full = grader("export", str(out), "--format", "junit")
    assert full.returncode == 2
    assert "junit.xml cannot be written" in full.stderr
    (out / "results.json").write_text('{"submissions": [{"student"')
    broken = grader("export", str(out), "--format", "csv")
    assert broken.returncode == 2
    assert "grader regrade" in broken.stderr
    none = grader("export", str(tmp_path), "--format", "csv")
    assert none.returncode == 2
    assert "no results.json" in none.stderr
    assert not [p for p in out.iterdir() if p.name.startswith(".")]


# ----------------------------------------------------------------------------------------- Gradescope and JUnit

RESULT = {"score", "output", "output_format", "test_output_format", "test_name_format", "visibility"}
RESULT |= {"stdout_visibility", "execution_time", "extra_data", "tests", "leaderboard"}
TEST = {"score", "max_score", "status", "name", "name_format", "number", "output", "output_format", "tags"}
TEST |= {"visibility", "extra_data"}


def test_gradescope_reads_a_file_a_student(grader: Run, tmp_path: Path) -> None:
    out = graded(tmp_path, ("../ada lovelace", 1), ("bob", 4))
    done = grader("export", str(out), "--format", "gradescope")
    assert done.returncode == 0, done.stderr
    first, second = sorted((out / "gradescope").iterdir())
    assert first.name == "00001-.._ada_lovelace.json"
    data = json.loads(first.read_text())
    assert data.keys() <= RESULT
    assert all(test.keys() <= TEST and test["status"] in ("passed", "failed") for test in data["tests"])
    assert data["score"] == sum(test["score"] for test in data["tests"]) == 25
    assert [test["max_score"] for test in data["tests"]] == [25] * 4
    assert {test["visibility"] for test in data["tests"]} == {"visible"}
    assert data["output"] == "s03_autograd.py: not handed in"
    assert "You square." in data["tests"][1]["output"]
    assert "\x1b" not in data["tests"][1]["output"]
    assert "Known to us alone" not in first.read_text()
    assert json.loads(second.read_text())["score"] == 100


def test_junit_is_what_pytest_writes(grader: Run, tmp_path: Path) -> None:
    out = graded(tmp_path, ("ada", 3), ("bob", 4))
    done = grader("export", str(out), "--format", "junit")
    assert done.returncode == 0, done.stderr
    root = ET.parse(out / "junit.xml").getroot()
    assert root.tag == "testsuites"
    suite = root.find("testsuite")
    assert suite is not None
    assert {k: suite.get(k) for k in ("name", "tests", "failures", "errors", "skipped")} == {
        "name": "ada", "tests": "8", "failures": "1", "errors": "0", "skipped": "1"
    }  # fmt: skip
    case = suite.findall("testcase")[6]
    assert (case.get("classname"), case.get("name")) == ("s02_tensors.exercise_3", "test_values")
    assert float(case.get("time") or 0) == 0.5
    properties = {p.get("name"): p.get("value") for p in case.iterfind("properties/property")}
    assert properties == {"outcome": "failed", "points": "0", "max_points": "20", "mistake": "squared"}
    failure = case.find("failure")
    assert failure is not None
    assert "set-env" in (failure.text or "")
    # pytest's own writer gives the same elements with the same attributes.
    (tmp_path / "test_one.py").write_text(
        "def test_a(record_property):\n    record_property('points', 3)\n    print('x')\n    assert False\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-o", "junit_logging=all", "--junitxml=pytest.xml", "test_one.py"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    theirs = ET.parse(tmp_path / "pytest.xml").getroot()
    for path in (".", "testsuite", ".//testcase", ".//properties", ".//property", ".//failure", ".//system-out"):
        their, our = theirs.find(path), root.find(path)
        assert their is not None
        assert our is not None
        assert {*our.keys()} - {*their.keys()} <= ({"type"} if path == ".//failure" else {*STATISTICS})


STATISTICS = ("errors", "failures", "skipped", "tests", "time")  # a suite's, which ours gives for all of them too


# ------------------------------------------------------------------------------------------------------- GitHub


def test_github_commands_are_ours_alone(grader: Run, tmp_path: Path) -> None:
    out = graded(tmp_path / "out", ("ada", 1), sections=("s01_introduction", "s02_tensors", "s03_autograd", "s04_x"))
    (tmp_path / "exercises").mkdir()
    (tmp_path / "exercises" / "s02_tensors.py").write_text("import torch\n\n\ndef exercise_1(x):\n    pass\n")
    step = tmp_path / "summary.md"
    step.write_text("before\n")
    environment = {**os.environ, "GITHUB_STEP_SUMMARY": str(step)}
    done = grader("export", str(out), "--format", "github", cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    commands = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert [line.split(" ")[0] for line in commands] == ["::error"] * 10 + ["::warning", "::notice"]
    assert "::set-env" not in [line[:9] for line in done.stdout.splitlines()]
    assert "file=exercises/s02_tensors.py,line=4,title=exercise_1%3A 0 of 25 points::" in commands[3]
    assert "3 more exercises failed" in commands[9]
    text = step.read_text()
    assert text.startswith("before\n# Torch Kata")
    assert "| s02&#95;tensors | 25 | 100 | 1 of 4 |" in text
    assert "<script>" not in text
    assert "Known to us alone" not in text
    assert "@everyone" not in text.replace("<pre>", "").split("<details>")[0]


def test_github_escapes_and_limits() -> None:
    assert (
        command("error", "a%\r\nb", file="x,y:z.py") == "::error file=x%2Cy%3Az.py::a%25\N{REPLACEMENT CHARACTER}%0Ab"
    )
    many = [SubmissionResult(f"student {n}", [section("s02_tensors", 0)]) for n in range(1500)]
    text = summary(many)
    assert MAX_SUMMARY - 5_000 < len(text.encode()) < 2**20
    assert "do not fit here" in text[-100:]


# ----------------------------------------------------------------------------------------------------- nbgrader


def test_nbgrader_shows_sandboxed_grades(grader: Run, tmp_path: Path) -> None:
    """In a new gradebook, then in the same again; nbgrader's own export reads them; a person's grade stays.

    A section that nobody handed in makes no assignment. formgrader and feedback find what was handed in.
    """
    from nbgrader.api import Gradebook
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    out = graded(tmp_path / "out", ("ada", 4), ("bob", 1), sections=("s01_introduction", "s02_tensors"))
    course = tmp_path / "course"
    course.mkdir()
    book = course / "gradebook.db"
    bare = {**os.environ, "PATH": "/usr/bin:/bin"}
    fill = ["export", str(out), "--format", "nbgrader", "--into", str(book)]
    done = grader(*fill, env=bare)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    with Gradebook(f"sqlite:///{book}") as gradebook:
        grade = gradebook.find_grade("exercise_2", "s02_tensors", "s02_tensors", "bob")
        assert (grade.auto_score, grade.max_score, grade.needs_manual_grade) == (0, 25, False)
        grade.manual_score = 7
        gradebook.db.commit()
        comment = gradebook.find_comment("exercise_2-solution", "s02_tensors", "s02_tensors", "bob")
        assert "Known mistake: squared" in comment.comment
        assert "Known to us" not in comment.comment
    graded(tmp_path / "out", ("ada", 4), ("bob", 2), ("cyd", 0), sections=("s01_introduction", "s02_tensors"))
    results = json.loads((out / "results.json").read_text())
    for submission in results["submissions"]:
        submission["sections"].append(asdict(missing(Kit(ROOT).sections["s03_autograd"])))
    (out / "results.json").write_text(json.dumps(results))
    (course / "nbgrader_config.py").write_text("")
    handed_in = course / "submitted" / "bob" / "s02_tensors"
    handed_in.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(), handed_in / "s02_tensors.ipynb")
    (handed_in / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC\n")
    again = grader(*fill, env=bare)
    assert again.returncode == 0, again.stderr
    assert "new in the gradebook: cyd" in again.stderr
    program = Path(sys.executable).parent / "nbgrader"
    subprocess.run([program, "export", "--to", "grades.csv"], cwd=course, check=True, capture_output=True)
    with (course / "grades.csv").open(newline="") as file:
        rows = {(row["assignment"], row["student_id"]): row for row in csv.DictReader(file)}
    assert {name for name, _ in rows} == {"s01_introduction", "s02_tensors"}
    assert float(rows["s01_introduction", "bob"]["score"]) == 50
    assert float(rows["s02_tensors", "bob"]["score"]) == 57
    assert float(rows["s02_tensors", "ada"]["score"]) == float(rows["s02_tensors", "ada"]["max_score"]) == 100
    assert float(rows["s02_tensors", "cyd"]["score"]) == 0
    config = Config()
    config.CourseDirectory.root = str(course)
    listed = {one["student"]: one for one in NbGraderAPI(config=config).get_submissions("s02_tensors")}
    assert (listed["bob"]["autograded"], listed["bob"]["score"]) == (True, 57)  # in formgrader
    subprocess.run([program, "generate_feedback", "s02_tensors"], cwd=course, check=True, capture_output=True)
    assert (course / "feedback" / "bob" / "s02_tensors" / "s02_tensors.html").is_file()


def test_a_gradebook_of_another_kit_is_left_alone(grader: Run, tmp_path: Path) -> None:
    from nbgrader.api import Gradebook

    out = graded(tmp_path / "out", ("ada", 4))
    book = tmp_path / "gradebook.db"
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with Gradebook(f"sqlite:///{book}") as gradebook:
        gradebook.add_assignment("s02_tensors")
        gradebook.add_notebook("s02_tensors", "s02_tensors")
        gradebook.add_grade_cell("other", "s02_tensors", "s02_tensors", max_score=3, cell_type="code")
    before = book.read_bytes()
    fill = ["export", str(out), "--format", "nbgrader", "--into", str(book)]
    other = grader(*fill)
    assert other.returncode == 2
    assert "has no cell 'exercise_0'" in " ".join(other.stderr.split())
    assert book.read_bytes() == before
    shutil.copy(out / "results.json", book)
    wrong = grader(*fill)
    assert wrong.returncode == 2
    assert "is no gradebook" in wrong.stderr
