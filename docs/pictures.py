"""Makes docs/images/: a board and a diagnosis as a terminal shows them, a class and a student as a browser does.

`make pictures` runs it, in some minutes. All of it is real: an invented class, made of our solutions and of the known
mistakes, is graded; an invented learner runs the checks. Nothing in it depends on chance.
"""

from __future__ import annotations

import ast
import io
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

from grader.kit import Exercise, Kit
from grader.mistakes import Variant, load_variants

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
SECTIONS = ("s01_introduction", "s02_tensors", "s03_autograd", "s04_neural_networks")
NAMES = [
    *(
        "Ada Brandt",
        "Ben Castillo",
        "Chen Ning",
        "Dora Adler",
        "Emil Novak",
        "Fatima Haddad",
        "Goran Petrov",
        "Hana Ito",
    ),
    *(
        "Ivo Dvorak",
        "Jun Tanaka",
        "Kofi Mensah",
        "Lena Fischer",
        "Mira Gupta",
        "Noor Singh",
        "Olga Weiss",
        "Pavel Rossi",
    ),
    *("Quinn Jensen", "Rosa Vargas", "Sven Okafor", "Tariq Eze", "Uma Kim", "Vera Lopez", "Wen Xu", "Yusuf Yilmaz"),
]
COLUMNS = 88
COLOURS = 96  # of a screenshot: enough for text, and a quarter of the size


def main() -> None:
    kit = Kit(ROOT)
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture_terminal(kit, folder / "kit")
        picture_report(kit, folder / "class", folder / "results")


# ------------------------------------------------------------------------------------------------- solutions


def definition(text: str, name: str) -> tuple[int, int]:
    """The lines of a function or class, decorators included, as a slice."""
    node = next(n for n in ast.parse(text).body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name == name)
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1, node.end_lineno or node.lineno


def filled(kit: Kit, section: str, done: dict[str, Variant | None]) -> str:
    """A section's stubs, with our solution or a mistake where `done` names the exercise."""
    text = (kit.exercises / f"{section}.py").read_text(encoding="utf-8")
    ours = (kit.reference / f"{section}.py").read_text(encoding="utf-8")
    for exercise, mistake in done.items():
        lines, solution = text.splitlines(), ours.splitlines()
        first, end = definition(text, exercise)
        start, stop = definition(ours, exercise)
        code = [line for line in solution[start:stop] if line.strip() not in ("# BEGIN SOLUTION", "# END SOLUTION")]
        more = ["", "", *mistake.code.strip().splitlines()] if mistake else []
        text = "\n".join([*lines[:first], *code, *more, *lines[end:], ""])
    return text


# -------------------------------------------------------------------------------------------------- terminal


def picture_terminal(kit: Kit, home: Path) -> None:
    """An invented learner: one section done, in the next a softmax that always works along the last dimension."""
    home.mkdir()
    for part in ("checks", "reference", "exercises"):
        shutil.copytree(kit.root / part, home / part, ignore=shutil.ignore_patterns("data", "__pycache__"))
    (home / "exercises" / "data").symlink_to(kit.data)
    shutil.copy(kit.root / "pyproject.toml", home)
    wrong = next(v for v in load_variants(kit, "s02_tensors", "mistakes") if v.name == "dim-fixed")
    first, second = kit.sections["s01_introduction"], kit.sections["s02_tensors"]
    before = [e.name for e in second.exercises[: [e.name for e in second.exercises].index("softmax")]]
    for section, done in (
        (first.name, {e.name: None for e in first.exercises}),
        (second.name, {**dict.fromkeys(before), "softmax": wrong}),
    ):
        (home / "exercises" / f"{section}.py").write_text(filled(kit, section, done), encoding="utf-8")
    files = [f"checks/test_{section.name}.py" for section in (first, second)]
    run(home, "pytest", *files, "-q")
    diagnosis = run(home, "pytest", files[1], "-k", "softmax", "--no-header", "-q")
    message = diagnosis[diagnosis.index("Softmax works along") :]
    terminal("pytest checks/ -k softmax", message[: message.index("-----")].rstrip(), "diagnosis.svg")
    terminal("grader", run(home, "grader.cli"), "board.svg")


def run(home: Path, module: str, *arguments: str) -> str:
    """What a command prints in the learner's folder."""
    environment = {**os.environ, "TORCH_KATA": str(home), "COLUMNS": str(COLUMNS), "OMP_NUM_THREADS": "1"}
    environment |= {"PYTHONPATH": str(ROOT), "FORCE_COLOR": "1"}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False).stdout


def terminal(command: str, output: str, name: str) -> None:
    """A terminal's window with a command and what it prints, as SVG that asks no network for a font."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    console.print(f"[bold]$ {command}[/bold]")
    console.print(Text.from_ansi(output.strip("\n")), end="\n\n")  # the last line's underscores need the room
    svg = console.export_svg(title="Torch Kata", unique_id=Path(name).stem)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace")
    (IMAGES / name).write_text(svg, encoding="utf-8")


# ---------------------------------------------------------------------------------------------------- report


def picture_report(kit: Kit, submissions: Path, results: Path) -> None:
    """An invented class, graded, and its pages in a browser."""
    mistakes = {section: load_variants(kit, section, "mistakes") for section in SECTIONS}
    for number, name in enumerate(NAMES):
        chance = random.Random(number)
        skill, time = chance.uniform(0.55, 1.0), chance.uniform(0.4, 1.6)
        for order, section in enumerate(SECTIONS):
            done: dict[str, Variant | None] = {}
            for exercise in kit.sections[section].exercises:
                if chance.random() < time - 0.15 * order:
                    done[exercise.name] = (
                        None if chance.random() < skill else usual(mistakes[section], exercise, chance)
                    )
            path = submissions / name / f"{section}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(filled(kit, section, done), encoding="utf-8")
    command = [sys.executable, "-m", "grader.cli", "grade", str(submissions), "--out", str(results), "--seed", "7"]
    command += ["--sections", ",".join(SECTIONS)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1240, "height": 800})
        page.goto((results / "report" / "index.html").as_uri())
        screenshot(page, "mistakes.png")
        page.evaluate("document.querySelector('#students').scrollIntoView()")
        page.wait_for_timeout(1000)  # rows are laid out when they are seen
        screenshot(page, "class.png")
        for student in sorted((results / "report" / "students").iterdir()):
            page.goto(student.as_uri())
            shown = page.locator("section.exercise:has(figure):has(.mistake)")
            if shown.count():
                screenshot(shown.first, "student.png")
                break
        browser.close()


def usual(mistakes: list[Variant], exercise: Exercise, chance: random.Random) -> Variant:
    """A mistake of an exercise; the first ones are met more often."""
    known = [mistake for mistake in mistakes if mistake.exercise == exercise.name]
    return known[int(len(known) * chance.random() ** 2)]


def screenshot(shown: Page | Locator, name: str) -> None:
    """What is seen, as a small PNG."""
    from PIL import Image

    whole = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
    whole.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()
