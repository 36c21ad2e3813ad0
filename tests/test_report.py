"""The report in a real browser: sorted, filtered, opened and printed; no network, no fault that axe takes seriously."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright
from support import Run

from grader.report.pages import ClassPages
from grader.results import CheckResult, ExerciseResult, SectionResult, SubmissionResult

BAD_NAME = "<img src=x onerror=alert(1)>\x1b[31m"


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
            wrong = CheckResult("test_a", "value", "failed", 0, 5, message, "squared", "You square.", 0.5, "<b>" * 999)
            checks = [wrong, CheckResult("test_secret", "value", "not_reached", 0, 5, hidden=True)]
        found.append(ExerciseResult(f"exercise_{number}", checks))
    return SubmissionResult(name, [SectionResult("s01_tiny", found)], ["x.py: <i>not</i> read"] if right < 2 else [])


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
        return page.locator("#heat tbody tr:visible th").all_inner_texts()

    assert names() == ["ada", "<img src=x onerror=alert(1)>\N{REPLACEMENT CHARACTER}[31m", "cyd"]
    page.get_by_role("button", name="total").click()
    assert names()[0] == "cyd"
    page.get_by_role("button", name="total").click()
    assert names()[-1] == "cyd"
    assert "squared" in page.locator("table", has_text="advice").inner_text()
    assert page.locator("table", has_text="advice").locator("td.number").first.inner_text() == "2"
    assert faults(page) == []
    assert page.pdf()[:5] == b"%PDF-"
    page.get_by_label("Show students").fill("CY")
    assert names() == ["cyd"]
    page.get_by_label("Show students").fill("img")
    page.locator("#heat tbody tr:visible a").click()
    assert page.locator("h1").inner_text().startswith("<img")
    assert "<script>alert('message')</script>" in page.locator("pre").first.inner_text()
    assert faults(page) == []
    assert watched == []


def test_pages_to_hand_back_keep_secrets(page: Page, watched: list[str], grader: Run, tmp_path: Path) -> None:
    found = [student("ada", 2), student(BAD_NAME, 0)]
    data = {"kit": "1", "seed": 7, "sandbox": "none", "submissions": [s.to_json() for s in found]}
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
    assert "img" not in first.read_text()
    assert "ada" not in second.read_text()
    page.goto(first.as_uri())
    assert page.locator("p.lead").inner_text() == "20 of 40 points"
    assert faults(page) == []
    assert watched == []


def test_a_thousand_students_are_one_light_page(page: Page, tmp_path: Path) -> None:
    with ClassPages(tmp_path, 7, "bubblewrap") as pages:
        for number in range(1000):
            pages.add(student(f"student {number}", number % 96, exercises=95))
    index = tmp_path / "report" / "index.html"
    assert index.stat().st_size < 5 * 2**20
    page.goto(index.as_uri())
    assert page.locator("#heat tbody tr").count() == 1000
