"""The report in a real browser: sorted, filtered, opened and printed; no network, no fault that axe takes seriously."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright
from support import ROOT, Run

from grader.checks import fail, picture_confusion, picture_curve, picture_images, picture_matrix, pictured
from grader.evidence import Foreign
from grader.kit import Kit
from grader.report.pages import ClassPages
from grader.report.pictures import draw
from grader.results import AttemptResult, CheckResult, ExerciseResult, Picture, SectionResult, SubmissionResult
from grader.runner import ExerciseRun, load_checks
from grader.solutions.local import LocalSolution
from grader.solutions.source import Source
from grader.student import Student

BAD_NAME = "<img src=x onerror=alert(1)>\x1b[31m"


PICTURES = [
    Picture("curve", "Loss", "epoch", "loss", lines={"<b>yours</b>": [[1, 2, 3], [2.5, None, 0.5]]}),
    Picture("matrix", "Confusion", "taken for", "really", cells=[[9, 1], [None, 8.5]], labels=["<i>0", "1"]),
    Picture("images", "Digits", strips={"digits": "iVBORw0KGgo=", "broken": '"><script>alert(1)</script>'}),
]


def student(name: str, right: int, exercises: int = 4) -> SubmissionResult:
    """A student who got the first so many exercises right."""
    found = []
    for number in range(exercises):
        checks = [
            CheckResult("test_a", "value", "passed", 5, 5, sentence="It holds."),
            CheckResult("test_secret", "value", "passed", 5, 5, sentence="Known to us alone.", hidden=True),
        ]
        if number >= right:
            message = "<script>alert('message')</script>\x1b[2J\N{GRINNING FACE}"
            wrong = CheckResult(
                "test_a", "value", "failed", 0, 5, message, "squared", "You `square`.", 0.5, "<b>" * 999
            )
            checks = [wrong, CheckResult("test_secret", "value", "not_reached", 0, 5, hidden=True)]
        checks[0].pictures = PICTURES if number == 0 else []
        found.append(ExerciseResult(f"exercise_{number}", checks))
    attempts = [AttemptResult(n, f"2026-11-0{n}T10:00:00Z", 5.0 * n, n == 2) for n in (1, 2)]
    problems = ["x.py: <i>not</i> read"] if right < 2 else []
    return SubmissionResult(name, [SectionResult("s01_tiny", found)], problems, right == 0, attempts)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is missing. Type: sudo apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.fixture(scope="module")
def watched(page: Page) -> list[str]:
    """What should not happen: errors, dialogs, requests elsewhere."""
    seen: list[str] = []
    page.on("console", lambda message: seen.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("file:") else seen.append(request.url))
    page.on("dialog", lambda dialog: (seen.append(dialog.message), dialog.dismiss()))
    return seen


def faults(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['help']}" for v in found if v["impact"] in ("serious", "critical")]


def test_the_class_is_sorted_filtered_opened_and_printed(page: Page, watched: list[str], tmp_path: Path) -> None:
    with ClassPages(tmp_path, 7, "bubblewrap") as pages:
        for name, right in (("ada", 2), (BAD_NAME, 0), ("cyd", 4)):
            pages.add(student(name, right))
    page.goto((tmp_path / "report" / "index.html").as_uri())

    def names() -> list[str]:
        return page.locator("#heat tbody tr:visible th").all_text_contents()

    bad = "<img src=x onerror=alert(1)>\N{REPLACEMENT CHARACTER}[31m"
    assert names() == ["ada", bad, "cyd"]
    for heading in ("total", "exercise_3", "s01_tiny"):
        page.locator("#heat").get_by_role("button", name=heading).click()
        assert names()[0] == "cyd"
        page.locator("#heat").get_by_role("button", name=heading).press("Enter")
        assert names()[-1] == "cyd"
    assert faults(page) == []
    assert page.pdf()[:5] == b"%PDF-"
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert faults(page) == []
    page.set_viewport_size({"width": 1280, "height": 800})

    mistake = page.locator(".mistakes tbody tr").first
    assert mistake.locator("td.number").inner_text() == "2"
    assert mistake.locator("code").inner_text() == "square"
    mistake.get_by_role("button", name="Show them below").click()
    assert names() == [bad, "ada"]
    assert page.get_by_role("status").inner_text() == "2 shown who met squared (exercise_2)."
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Show students").fill("CY")
    assert names() == ["cyd"]
    page.get_by_label("Show students").fill("img")
    page.locator("#heat tbody tr:visible td").last.click()
    page.wait_for_url("**/students/*.html#s01_tiny.exercise_3")
    assert page.locator("h1").inner_text() == bad
    assert "<script>alert('message')</script>" in page.locator("pre").first.inner_text()
    assert "2026-11-02 10:00: shown here" in page.locator("main").inner_text()
    assert faults(page) == []
    assert watched == []


def test_pictures_are_drawn_and_told(page: Page, watched: list[str], tmp_path: Path) -> None:
    with ClassPages(tmp_path, 7, "bubblewrap") as pages:
        pages.add(student("ada", 4))
    page.goto((tmp_path / "report" / "students" / "00001.html").as_uri())
    assert page.locator("figcaption").all_inner_texts() == ["Loss", "Confusion", "Digits"]
    told = "Loss. loss over epoch: <b>yours</b> goes from 2.5 to 0.5, lowest 0.5, 1 of 3 no finite number."
    assert page.get_by_role("img").first.get_attribute("aria-label") == told
    table = "Confusion. A table of really by taken for: <i>0: <i>0 9, 1 1; 1: <i>0 ?, 1 8.50."
    assert page.get_by_role("img").nth(1).get_attribute("aria-label") == table
    assert page.locator("figure img").count() == 1  # what is no PNG is left out
    assert faults(page) == []
    assert watched == []


def test_pages_to_hand_back_keep_secrets(page: Page, watched: list[str], grader: Run, tmp_path: Path) -> None:
    found = [student("ada", 2), student(BAD_NAME, 0)]
    data = {"kit": "1", "seed": 7, "sandbox": "none", "submissions": [s.to_json() for s in found]}
    jsonschema.validate(data, json.loads((ROOT / "docs" / "results.schema.json").read_text()))
    (tmp_path / "results.json").write_text(json.dumps(data))
    done = grader("report", str(tmp_path), "--students")
    assert done.returncode == 0, done.stderr
    first, second = sorted((tmp_path / "students").iterdir())
    assert first.name == "00001-ada.html"
    for path in (first, second):
        text = path.read_text()
        assert "Known to us alone" not in text
        assert "test_secret" not in text
        assert "hidden checks" in text
    assert "onerror" not in first.read_text()
    assert "ada" not in second.read_text()
    page.goto(first.as_uri())
    assert page.locator("p.lead").first.inner_text() == "20 of 40 points"
    (tmp_path / "results.json").write_text(json.dumps(data)[:99])
    done = grader("report", str(tmp_path), "--students")
    assert (done.returncode, "results.json cannot be read" in done.stderr) == (2, True)
    assert first.exists()
    (tmp_path / "results.json").write_text(json.dumps({**data, "submissions": []}))
    assert grader("report", str(tmp_path), "--students").returncode == 0
    assert not first.exists()  # a page of before would be handed back
    assert faults(page) == []
    assert watched == []


def test_a_thousand_students_are_one_light_page(page: Page, tmp_path: Path) -> None:
    with ClassPages(tmp_path, 7, "bubblewrap") as pages:
        for number in range(1000):
            pages.add(student(f"student {number}", number % 96, exercises=95))
    index = tmp_path / "report" / "index.html"
    assert index.stat().st_size < 5 * 2**20
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})  # processor time: a busy machine fails nobody
    page.goto(index.as_uri())
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    spent = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    assert spent["TaskDuration"] < 2
    assert page.locator("#heat tbody tr").count() == 1000


def drawn(*calls: Callable[[], None]) -> list[Picture]:
    kept: list[Picture] = []
    pictured.set(kept)
    for call in calls:
        call()
    return kept


def test_a_picture_takes_whatever_a_learner_returned() -> None:
    nan = float("nan")
    odd: list[Any] = [None, 3, "text", [], {}, torch.tensor(nan), torch.zeros(0), torch.zeros(2, 2, dtype=torch.bool)]
    odd += [["a", None, 10**400, 1e300, nan, True], torch.full((9, 9, 9), nan), Foreign("x", "Loss"), [[1], [1, 2]]]
    odd += [torch.zeros(5000, 5000), list(range(10**6)), torch.full((3, 1, 28, 28), float("inf")), ([1], [1, 2])]
    for value in odd:
        for picture in drawn(
            lambda value=value: picture_curve("t" * 999, {"n" * 999: value}, across="x\x1b", up="y"),
            lambda value=value: picture_matrix("t", value, across="x", up="y"),
            lambda value=value: picture_confusion("t", torch.zeros(3, dtype=torch.int64), value, labels="01"),
            lambda value=value: picture_images("t", {"n": value}),
        ):
            text = json.dumps(asdict(picture), allow_nan=False)
            assert len(text) < 12_000
            draw(Picture(**json.loads(text)))
    (right,) = drawn(
        lambda: picture_confusion("t", torch.tensor([0, 1, 1]), torch.tensor([0, 5, 1]), labels=["zero", "one"])
    )
    assert right.cells == [[1, 0], [0, 1]]


def exercise_run(kit: Kit, section: str, exercise: str) -> ExerciseRun:
    """The reference's checks."""
    found = kit.sections[section]
    source = Source((kit.reference / f"{section}.py").read_text(), f"{section}.py")
    return ExerciseRun(kit, found, found.exercise(exercise), LocalSolution(source, [exercise]), 0, None)


@pytest.mark.parametrize(
    ("section", "exercise", "kinds"),
    [
        ("s04_neural_networks", "fit_regressor", ["curve", "curve"]),
        ("s06_training", "fit", ["curve", "matrix"]),
        ("s09_advanced", "causal_attention", ["matrix"]),
        ("s09_advanced", "VAE", ["images"]),
        ("s10_deployment", "quantize_model", ["curve"]),
    ],
)
def test_checks_say_what_is_worth_seeing(kit: Kit, section: str, exercise: str, kinds: list[str]) -> None:
    run, functions = exercise_run(kit, section, exercise), load_checks(kit, section)
    found = [run.step(check, functions[check.name])[1] for check in run.exercise.checks]
    pictures = [picture for result in found for picture in result.pictures]
    assert [picture.kind for picture in pictures] == kinds
    assert all(draw(picture) for picture in pictures)


def test_a_failed_check_keeps_its_picture(kit: Kit) -> None:
    def check_of_softmax(student: Student) -> None:
        picture_curve("Loss", {"yours": [3.0, float("inf"), 1.0]}, across="step", up="loss")
        fail("it does not fall")

    run = exercise_run(kit, "s02_tensors", "softmax")
    _, result = run.step(run.exercise.checks[0], check_of_softmax)
    assert (result.outcome, result.pictures[0].lines) == ("failed", {"yours": [[1, 2, 3], [3, None, 1]]})
    again = SectionResult.from_json(SectionResult("s", [ExerciseResult("e", [result])]).to_json())
    assert again.exercises[0].checks == [result]
