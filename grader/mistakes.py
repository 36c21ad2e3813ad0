"""Which known mistake gives this evidence.

`reference/mistakes/SECTION.py` and `reference/alternatives/SECTION.py` hold cells, each a version of one exercise that
stands in for ours: it is read after the reference, so it may use, or derive from, whatever the reference defines.

    # %% mistake: dim-fixed
    # exercise: softmax
    # fails: test_softmax_along_any_dimension
    # advice: You always work along dimension 1. Use the `dim` that you were given.
    def softmax(x, dim):
        ...

A mistake's evidence is that of the first check that it fails, with one seed. A student edition ships the evidence
instead of the code.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from grader import __version__, evidence
from grader.checks import CheckFailed
from grader.kit import Check, Kit, KitError, Section
from grader.runner import CheckFunctions, Trial, load_checks, try_check
from grader.solutions import Reply
from grader.solutions.local import LocalSolution
from grader.student import Shared, stub_source

HEADER = re.compile(r"^# %% (mistake|alternative): *(\S+)\s*$", re.MULTILINE)
FIELD = re.compile(r"^# (exercise|fails|advice): *(.*)$")
# Their text depends on where the limit happened to be reached.
VAGUE = ("RecursionError", "MemoryError")
# A saved program names the paths and versions that it was made with; what it does is told by the probe that runs it.
ARCHIVE = b"PK\x03\x04"


@dataclass(frozen=True)
class Variant:
    """Another version of one exercise: a mistake, or an alternative (then `fails` and `advice` are empty)."""

    kind: str
    name: str
    exercise: str
    section: str
    fails: str
    advice: str
    code: str

    def solution(self, kit: Kit) -> LocalSolution:
        """The reference with this version in place of ours."""
        reference = stub_source(kit, self.section)
        source = reference.extended(self.code, f"<{self.kind} {self.name}>/{self.section}.py")
        if source.broken:
            raise KitError(f"{self.kind} {self.name} of {self.exercise} does not parse: {source.broken[-1].message}")
        return LocalSolution(source, [self.exercise])


def load_variants(kit: Kit, section: str, folder: str) -> list[Variant]:
    """The cells of reference/mistakes or reference/alternatives (folder) for one section."""
    path = kit.reference / folder / f"{section}.py"
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    starts = [*HEADER.finditer(text)]
    variants = []
    for match, end in zip(starts, [*(m.start() for m in starts[1:]), len(text)], strict=True):
        fields = {"exercise": "", "fails": "", "advice": ""}
        lines = text[match.end() + 1 : end].splitlines()
        current = ""
        while lines and lines[0].startswith("#"):
            found = FIELD.match(lines[0])
            if found:
                current = found[1]
                fields[current] = found[2].strip()
            elif current:
                fields[current] += " " + lines[0].removeprefix("#").strip()
            lines.pop(0)
        place = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
        if not fields["exercise"] or (match[1] == "mistake" and not (fields["fails"] and fields["advice"])):
            raise KitError(f"{place}: a mistake needs lines exercise, fails and advice; an alternative exercise")
        variants.append(Variant(match[1], match[2], section=section, code="\n".join(lines), **fields))
    return variants


@dataclass(frozen=True)
class Fingerprint:
    """What a mistake shows: the check that it fails first, and the evidence there."""

    mistake: str
    advice: str
    check: str
    log: list[Any]


def summary(log: list[Reply]) -> list[Any]:
    """A check's replies as plain evidence, without what differs from run to run (times, output, lines)."""
    plain: list[Any] = []
    for reply in log:
        if reply.status == "returned":
            plain.append(["returned", _without_archives(reply.value)])
        elif reply.raised is not None:
            text = "" if reply.raised.type in VAGUE else reply.raised.message
            plain.append(["raised", reply.raised.type, text])
        else:
            plain.append([reply.status])
    return plain


def _without_archives(value: Any) -> Any:
    """Evidence in which all archives (zip files, which torch saves) are alike."""
    if type(value) is bytes and value.startswith(ARCHIVE):
        return ARCHIVE
    if isinstance(value, (list, tuple)):
        return type(value)(_without_archives(item) for item in value)
    if isinstance(value, dict):
        return {key: _without_archives(item) for key, item in value.items()}
    return value


def first_failure(
    kit: Kit, section: Section, variant: Variant, functions: CheckFunctions, seed: int
) -> tuple[Check, Trial] | None:
    """The first check that this version fails, or None if it passes all."""
    solution, shared = variant.solution(kit), Shared()
    for check in section.exercise(variant.exercise).checks:
        trial = try_check(kit, section, check, functions[check.name], solution, seed, shared)
        if trial.outcome != "passed":
            return check, trial
    return None


class Bank:
    """The known mistakes' evidence for one seed, worked out when an exercise is first asked for, and kept.

    cache: a folder where it is kept beyond this process, if given.
    """

    def __init__(self, kit: Kit, seed: int, cache: Path | None = None) -> None:
        self.kit = kit
        self.seed = seed
        self.cache = cache
        self._known: dict[tuple[str, str], list[Fingerprint]] = {}

    def diagnose(self, check: Check, log: list[Reply]) -> Fingerprint | None:
        """The mistake that fails this check with this evidence, if there is one."""
        seen = summary(log)
        for known in self.fingerprints(check.section, check.exercise):
            if known.check == check.name and evidence.same(known.log, seen):
                return known
        return None

    def fingerprints(self, section: str, exercise: str) -> list[Fingerprint]:
        """All mistakes of an exercise."""
        key = section, exercise
        if key not in self._known:
            self._known[key] = self._read(section, exercise)
        return self._known[key]

    def _read(self, section: str, exercise: str) -> list[Fingerprint]:
        shipped = self.kit.checks / "mistakes" / f"{section}.{exercise}.evidence"
        if not self.kit.has_reference:
            return _load(shipped, self.seed) or []
        name = f"{section}.{exercise}.{self._version(section)}.evidence"
        path = self.cache / name if self.cache else None
        found = _load(path, self.seed) if path else None
        if found is None:
            found = list(self._work_out(section, exercise))
            if path:
                save(path, found, self.seed)
        return found

    def _version(self, section: str) -> str:
        """Changes whenever the evidence may."""
        digest = hashlib.sha256(f"{__version__} {torch.__version__} {self.seed}".encode())
        reference = self.kit.reference
        for path in (
            reference / f"{section}.py",
            reference / "mistakes" / f"{section}.py",
            *self.kit.check_files(section),
        ):
            digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()[:16]

    def _work_out(self, section: str, exercise: str) -> Iterator[Fingerprint]:
        functions = load_checks(self.kit, section)
        for variant in load_variants(self.kit, section, "mistakes"):
            if variant.exercise == exercise:
                failure = first_failure(self.kit, self.kit.sections[section], variant, functions, self.seed)
                if failure:
                    check, trial = failure
                    yield Fingerprint(variant.name, variant.advice, check.name, summary(trial.log))


def save(path: Path, fingerprints: list[Fingerprint], seed: int) -> None:
    """Write fingerprints to a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    message = evidence.encode([seed, [[f.mistake, f.advice, f.check, f.log] for f in fingerprints]])
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(message)
    os.replace(file.name, path)


def _load(path: Path, seed: int) -> list[Fingerprint] | None:
    try:
        kept, rows = evidence.decode(path.read_bytes())
    except (OSError, evidence.EvidenceError):
        return None
    return [Fingerprint(*row) for row in rows] if kept == seed else None


__all__ = ["Bank", "CheckFailed", "Fingerprint", "Variant", "first_failure", "load_variants", "save", "summary"]
