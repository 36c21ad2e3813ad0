"""The commands, and nothing else: each imports what it needs when it runs, so that `grader` answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from grader.kit import Kit, KitError, find_root

app = typer.Typer(no_args_is_help=False, add_completion=False, help="Torch Kata: exercises that grade themselves.")
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


def stop(message: str, status: int = 2) -> None:
    """Say why, and end."""
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(status)


@app.command()
def validate(
    sections: Annotated[list[str] | None, typer.Argument(help="Sections, all by default (s02 is enough).")] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds to try.", min=1)] = 1,
    jobs: Jobs = CORES,
) -> None:
    """Prove the kit sound: stubs to do, right solutions pass, every mistake fails and is named."""
    from grader.report.tables import print_findings
    from grader.validate import validate as prove

    here = kit()
    try:
        chosen = here.select(sections)
    except KitError as error:
        stop(str(error))
    found = prove(here, chosen, seeds, jobs, lambda done, of: print(f"\r{done}/{of}", end="", file=sys.stderr))
    print("\r", end="", file=sys.stderr)
    print_findings(found)
    raise typer.Exit(1 if any(f.gaps for f in found) else 0)


@release.command("exercises")
def release_exercises() -> None:
    """Write exercises/ from reference/."""
    from grader.release.exercises import release_exercises as write

    changed = write(kit())
    for path in changed:
        print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    print(f"{len(changed)} files changed")


if __name__ == "__main__":
    app()
