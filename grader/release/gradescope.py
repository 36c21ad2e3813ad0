"""`grader release gradescope`: an autograder zip for Gradescope.

Inside Gradescope's container there are no namespaces, and everything runs as root: submissions are graded at the level
`uid`, and all that is ours is kept from other users. A results file is there before anything of a student's runs.
https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

import json
import secrets
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from grader.kit import Kit, Section
from grader.release.student import PACKAGE, ReleaseError

# AUTOGRADER_ROOT and AUTOGRADER_PYTHON are for trying it elsewhere.
HEAD = """#!/usr/bin/env bash
# {what}
set -uo pipefail
root="${{AUTOGRADER_ROOT:-/autograder}}"
python="${{AUTOGRADER_PYTHON:-/opt/torch-kata/bin/python}}"
export PYTHONPATH="$root/source/kit" TORCH_KATA="$root/source/kit" OMP_NUM_THREADS=1 NO_COLOR=1 COLUMNS=100
"""
SETUP = """set -e
if [ ! -x "$python" ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install --yes python3 python3-venv
  python3 -m venv /opt/torch-kata  # where other users may read it: the level uid needs that
  "$python" -m pip install --upgrade pip
  {torch}
  "$python" -m pip install --editable "$root/source/kit[instructor]"
fi
# The known mistakes' evidence, for the inputs of this course, so that no submission waits for it.
(cd "$root/source/kit" && "$python" -m grader.release.gradescope "$root/source/out" {seed} {sections})
chmod -R go= "$root/source"
"""
RUN = """results="$root/results/results.json"
mkdir -p "$root/results"
cat > "$results" << 'END'
{fallback}
END
umask 077
chmod go= "$root/source"
work="$(mktemp -d "$root/work-XXXXXX")" || exit 0
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/class/submission" "$root/submission"
cp -RP "$root/submission/." "$work/class/submission"
cp -R "$root/source/out" "$work/out"
cd "$root/source/kit" || exit 0
"$python" -m grader.cli grade "$work/class" --out "$work/out" --layout folders --sections {sections} \\
  --sandbox uid --jobs 1
"$python" -m grader.cli export "$work/out" --format gradescope || exit 0
cp "$work/out/gradescope/"*.json "$results.new" && mv "$results.new" "$results"
exit 0
"""
FALLBACK = {
    "score": 0,
    "output": "This submission could not be graded. Your instructor sees why in the autograder's output.",
    "output_format": "text",
    "visibility": "visible",
    "stdout_visibility": "hidden",
    "tests": [],
}


def release_gradescope(kit: Kit, sections: dict[str, Section], destination: Path, torch_index: str = "") -> Path:
    """Write the autograder zip for these sections; returns it.

    torch_index: the package index that torch comes from, for the small one without GPUs. Every submission sees the same
    inputs, from a seed that is drawn here. Raises ReleaseError if the file is there already, or there is no reference.
    """
    archive = destination if destination.suffix == ".zip" else destination.with_name(f"{destination.name}.zip")
    if not kit.has_reference:
        raise ReleaseError(f"{kit.root} has no reference/: an autograder is made from the full kit")
    if archive.exists():
        raise ReleaseError(f"{archive} is there already: move it away, or give another name")
    archive.parent.mkdir(parents=True, exist_ok=True)
    names = ",".join(sections)
    index = f"--index-url {shlex.quote(torch_index)} " if torch_index else ""
    setup = SETUP.format(
        torch=f'"$python" -m pip install {index}torch torchvision', seed=secrets.randbelow(2**31), sections=names
    )
    run = RUN.format(fallback=json.dumps(FALLBACK), sections=names)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=f".{archive.stem}-") as temporary:
        folder = Path(temporary, "autograder")
        _copy(kit, folder / "kit")
        for name, what, body in (
            ("setup.sh", "Gradescope runs this once, as root, when it builds the image.", setup),
            ("run_autograder", "Gradescope runs this, as root, for every submission.", run),
        ):
            (folder / name).write_text(HEAD.format(what=what) + body, encoding="utf-8", newline="\n")
            (folder / name).chmod(0o755)
        packed = shutil.make_archive(str(Path(temporary, "packed")), "zip", folder)
        Path(packed).replace(archive)
    return archive


def _copy(kit: Kit, folder: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for source in (kit.checks, kit.exercises, kit.reference):
        shutil.copytree(source, folder / source.name, ignore=ignored)
    shutil.copytree(PACKAGE, folder / "grader", ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(PACKAGE.parent / name, folder)


def prepare(kit: Kit, out: Path, seed: int, sections: dict[str, Section]) -> None:
    """Make the --out folder that every submission's grading starts from: the seed, and the mistakes' evidence."""
    from grader.grading.store import Store
    from grader.mistakes import Bank

    out.mkdir(parents=True, exist_ok=True)
    with Store(out) as store:
        store.setting("seed", str(seed))
    bank = Bank(kit, seed, out / "mistakes")
    for section in sections.values():
        for exercise in section.exercises:
            bank.fingerprints(section.name, exercise.name)


if __name__ == "__main__":
    here = Kit(Path.cwd())
    prepare(here, Path(sys.argv[1]), int(sys.argv[2]), here.select(sys.argv[3].split(",")))
