"""The commands, and nothing else: each imports what it needs when it runs, so that `grader` answers at once."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from grader.history import History
from grader.kit import Kit, KitError, find_root
from grader.report.board import board_lines
from grader.report.terminal import Terminal

app = typer.Typer(
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Torch Kata: exercises that grade themselves.",
)
release = typer.Typer(help="Make what learners or other systems get.")
app.add_typer(release, name="release")

Jobs = Annotated[int, typer.Option(help="Processes side by side.", min=1)]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def kit() -> Kit:
    """The kit of this folder; ends the program with a sentence if there is none."""
    try:
        found = Kit(find_root())
        _ = found.sections
        return found
    except KitError as error:
        stop(str(error))


def stop(message: str, status: int = 2) -> NoReturn:
    """Say why, and end."""
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(status)


@contextmanager
def history_of(here: Kit) -> Iterator[History]:
    """The history of this kit; whatever is wrong with it is said."""
    with History(here.root) as history:
        yield history
        if history.problem:
            typer.secho(history.problem, err=True, fg=typer.colors.YELLOW)


@app.callback(invoke_without_command=True)
def board(
    context: typer.Context,
    plain: Annotated[bool, typer.Option("--plain", help="Sentences without bars, for a screen reader.")] = False,
) -> None:
    """Torch Kata: exercises that grade themselves. Alone, the board: where you stand, and what comes next."""
    context.obj = plain
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without emoji is no reason to fail
    if context.invoked_subcommand is None:
        here = kit()
        with history_of(here) as history:
            for line in board_lines(here, history.standing(), Terminal.of(sys.stdout), plain=plain):
                typer.echo(line)


@app.command()
def validate(
    sections: Annotated[list[str] | None, typer.Argument(help="Sections, all by default (s02 is enough).")] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds to try.", min=1)] = 1,
    jobs: Jobs = CORES,
    thresholds: Annotated[bool, typer.Option("--thresholds", help="Measure them, into docs/thresholds.md.")] = False,
) -> None:
    """Prove the kit sound: stubs to do, right solutions pass, every mistake fails and is named."""
    from grader.report.tables import print_findings
    from grader.validate import validate as prove

    here = kit()
    try:
        chosen = here.select(sections)
    except KitError as error:
        stop(str(error))

    def tell(done: int, of: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done}/{of} ", end="" if done < of else "\r", file=sys.stderr, flush=True)

    if thresholds:
        from grader.thresholds import measure

        path = here.root / "docs" / "thresholds.md"
        measure(here, chosen, seeds, jobs, path, tell)
        print(f"wrote {path}")
        return
    found = prove(here, chosen, seeds, jobs, tell)
    print_findings(found)
    raise typer.Exit(1 if any(f.gaps for f in found) else 0)


@app.command()
def grade(
    submissions: Annotated[Path, typer.Argument(help="A folder with a folder for each student.")],
    out: Annotated[Path, typer.Option(help="Where results go; the same folder again resumes.")],
    sections: Annotated[str, typer.Option(help="Sections, with commas; all by default (s02,s03 is enough).")] = "",
    jobs: Jobs = CORES,
    seed: Annotated[int | None, typer.Option(help="For the checks' inputs; drawn anew for each batch.")] = None,
    sandbox: Annotated[str, typer.Option(help="bubblewrap, uid (root in a container) or none.")] = "bubblewrap",
    trust: Annotated[
        bool, typer.Option("--trust", help="With --sandbox none: this code may do anything here.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Start anew; what is in the folder is moved aside.")] = False,
    layout: Annotated[str, typer.Option(help="folders, canvas, moodle, gradescope; recognised by itself.")] = "",
    roster: Annotated[Path | None, typer.Option(help="A CSV of the class, to tell who is missing.")] = None,
    policy: Annotated[str, typer.Option(help="Which attempt counts: latest or best.")] = "latest",
    dask: Annotated[str, typer.Option(help="The address of a Dask scheduler, to grade on its workers.")] = "",
) -> None:
    """Grade a folder of submissions, each in a sandbox of its own."""
    from grader.grading.command import GradingError
    from grader.grading.command import grade as run

    here = kit()
    try:
        chosen = here.select([name for name in sections.split(",") if name])
        status = run(
            here,
            chosen,
            submissions,
            out,
            jobs=jobs,
            seed=seed,
            sandbox=sandbox,
            trust=trust,
            force=force,
            layout=layout,
            roster=roster,
            policy=policy,
            dask=dask,
        )
        raise typer.Exit(status)
    except (KitError, GradingError) as error:
        stop(str(error))


@app.command()
def regrade(
    out: Annotated[Path, typer.Argument(help="The --out folder of a `grader grade`.")],
    jobs: Jobs = CORES,
) -> None:
    """Judge the stored evidence again with the checks as they are now; no learner's code runs."""
    from grader.grading.command import GradingError
    from grader.grading.command import regrade as run

    try:
        raise typer.Exit(run(kit(), out, jobs=jobs))
    except GradingError as error:
        stop(str(error))


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="The --out folder of a `grader grade`.")],
    students: Annotated[bool, typer.Option("--students", help="Pages to hand back, one a student.")] = False,
) -> None:
    """Make the pages of a graded class again, or pages to hand back, which hold nothing about others."""
    from grader.report.pages import ReportError, write_report

    try:
        print(write_report(out, students))
    except ReportError as error:
        stop(str(error))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="The --out folder of a `grader grade`.")],
    format: Annotated[str, typer.Option(help="csv, canvas, moodle, gradescope, junit, github or nbgrader.")],
    into: Annotated[
        Path | None, typer.Option(help="What is filled in: Canvas's or Moodle's own CSV, or nbgrader's gradebook.db.")
    ] = None,
    column: Annotated[str, typer.Option(help="Canvas: the assignment that gets the total.")] = "",
) -> None:
    """Take the grades of a class to another system: Canvas, Moodle, Gradescope, nbgrader, GitHub or a table."""
    from grader.export.command import export as run
    from grader.export.common import ExportError

    try:
        done = run(out, format, into, column)
    except ExportError as error:
        stop(str(error))
    for note in [*done.notes, *done.left_out]:
        typer.secho(note, err=True)
    print(
        "\n".join(map(str, done.written))
        if len(done.written) < 4
        else f"{len(done.written)} files in {done.written[0].parent}"
    )
    raise typer.Exit(1 if done.left_out else 0)


@app.command()
def watch(
    context: typer.Context,
    section: Annotated[list[str] | None, typer.Argument(help="Sections, all by default (s02 is enough).")] = None,
    manual: Annotated[bool, typer.Option("--manual", help="Check at Enter instead of at every save.")] = False,
) -> None:
    """Check what changed at every save. Keys: n next, h hint, b board, r run again, q quit."""
    from grader.watch import Watch

    here = kit()
    try:
        Watch(here, here.select(section), manual=manual, plain=context.obj).run()
    except KitError as error:
        stop(str(error))
    sys.stdout.flush()
    os._exit(0)  # a process that still imports torch is nothing to wait for: it will find nobody there


@app.command()
def hint(exercise: Annotated[str, typer.Argument(help="Its name, as in the board.")]) -> None:
    """A hint for an exercise; type it again for the next one."""
    from grader.learner import next_hint

    here = kit()
    try:
        with history_of(here) as history:
            print(next_hint(here, here.find(exercise), history))
    except KitError as error:
        stop(str(error))


@app.command()
def solution(exercise: Annotated[str, typer.Argument(help="Its name, as in the board.")]) -> None:
    """Our solution beside yours, once yours passes all of its checks."""
    from grader.learner import LearnerError, solutions
    from grader.report.solution import print_solutions

    here = kit()
    try:
        with history_of(here) as history:
            print_solutions(*solutions(here, here.find(exercise), history))
    except (KitError, LearnerError) as error:
        stop(str(error))


@app.command()
def reset(exercise: Annotated[str, typer.Argument(help="Its name, as in the board.")]) -> None:
    """Put an exercise's stub back; your file as it was is kept as a copy."""
    from grader.learner import LearnerError
    from grader.learner import reset as put_back

    here = kit()
    try:
        kept = put_back(here, here.find(exercise))
    except (KitError, LearnerError) as error:
        stop(str(error))
    if kept is None:
        print(f"Your file was gone: all of {here.find(exercise).section}.py is as it was given out.")
    else:
        print(f"{exercise} is as it was given out. Your file as it was: {kept.relative_to(here.root)}")


@app.command()
def progress(
    context: typer.Context,
    html: Annotated[bool, typer.Option("--html", help="As a page, in .torch-kata/progress.html.")] = False,
) -> None:
    """Days, points, time, hints, and mistakes met and overcome."""
    from grader.report.progress import progress_lines, read_progress, write_page

    here = kit()
    with history_of(here) as history:
        found = read_progress(here, history)
    if html:
        try:
            print(write_page(here, found))
        except OSError as error:
            stop(f"{error.filename} cannot be written: {error.strerror}")
        return
    for line in progress_lines(found, Terminal.of(sys.stdout), plain=context.obj):
        typer.echo(line)


@app.command()
def notebook(section: Annotated[str, typer.Argument(help="Its name, or the beginning: s02 is enough.")]) -> None:
    """A section as a notebook, and back: whichever you edited last is carried over; the other is kept as a copy."""
    from grader.pairing import NotebookError, carry_over

    here = kit()
    try:
        for chosen in here.select([section]).values():
            done = carry_over(here, chosen)
            source, to = (path.relative_to(here.root) for path in (done.source, done.to))
            if not done.changed:
                print(f"{to} says what {source} says already.")
                continue
            print(f"{to} now says what {source} says.")
            if done.kept:
                print(f"As it was: {done.kept.relative_to(here.root)}")
            if to.suffix == ".ipynb":
                print(f"Open it in VS Code, or with `jupyter lab {to}`; `pytest checks/` checks what you edit last.")
    except (KitError, NotebookError) as error:
        stop(str(error))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder; with --update, one that was made before.")] = Path("."),
    newer: Annotated[
        bool, typer.Option("--update", help="Bring this kit into the folder; what you wrote stays.")
    ] = False,
) -> None:
    """A folder to work in: exercises, checks and data."""
    from grader.init import InitError, start, update

    try:
        print("\n".join(update(folder) if newer else start(folder)))
    except InitError as error:
        stop(str(error))
    except OSError as error:
        stop(f"{error.filename or folder} cannot be written: {error.strerror}")


@release.command("student")
def release_student(
    destination: Annotated[Path, typer.Argument(help="A new folder; its zip stands beside it.")],
    jobs: Jobs = CORES,
) -> None:
    """What learners get: exercises, checks, data and the mistakes' evidence; no solution, no mistake's code."""
    from grader.release.student import ReleaseError
    from grader.release.student import release_student as write

    def tell(done: int, of: int) -> None:
        if sys.stderr.isatty():
            print(f"\rmistakes' evidence: {done}/{of} exercises ", end="", file=sys.stderr, flush=True)

    try:
        archive = write(kit(), destination, jobs, tell)
    except ReleaseError as error:
        stop(str(error))
    print(f"{destination}  {archive}")


@release.command("gradescope")
def release_gradescope(
    destination: Annotated[Path, typer.Argument(help="A new zip, to upload as the autograder of an assignment.")],
    sections: Annotated[str, typer.Option(help="Sections, with commas; all by default (s02,s03 is enough).")] = "",
    torch_index: Annotated[
        str, typer.Option(help="Where torch comes from: https://pytorch.org/get-started/locally/ shows the CPU's.")
    ] = "",
) -> None:
    """An autograder for Gradescope, which grades in a sandbox there."""
    from grader.release.gradescope import release_gradescope as write
    from grader.release.student import ReleaseError

    here = kit()
    try:
        print(write(here, here.select([name for name in sections.split(",") if name]), destination, torch_index))
    except (KitError, ReleaseError) as error:
        stop(str(error))


@release.command("nbgrader")
def release_nbgrader(
    destination: Annotated[Path, typer.Argument(help="The course's folder; new, or one without these assignments.")],
) -> None:
    """A course for nbgrader: an assignment a section, with solutions, test cells and hidden checks."""
    from grader.release.nbgrader import release_nbgrader as write
    from grader.release.student import ReleaseError

    try:
        notebooks = write(kit(), destination)
    except ReleaseError as error:
        stop(str(error))
    for path in notebooks:
        print(path)
    print(f"Next, in {destination}: nbgrader generate_assignment {notebooks[0].stem}")


@release.command("exercises")
def release_exercises() -> None:
    """Write exercises/ from reference/."""
    from grader.release.exercises import release_exercises as write

    changed = write(kit())
    for path in changed:
        print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    print(f"{len(changed)} files changed")


if not Path(__file__).with_name("grading").is_dir():  # a student edition
    app.registered_groups.clear()
    learners = (watch, hint, solution, init, notebook, reset, progress)
    app.registered_commands = [c for c in app.registered_commands if c.callback in learners]

if __name__ == "__main__":
    app()
