"""The whole kit, graded as a submission in a real sandbox: every probe travels, every right answer earns its due."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from support import Run

from grader.kit import Kit


def test_the_reference_earns_every_point_in_the_sandbox(kit: Kit, grader: Run, tmp_path: Path) -> None:
    (tmp_path / "class" / "us").mkdir(parents=True)
    for section in kit.sections:
        shutil.copy(kit.reference / f"{section}.py", tmp_path / "class" / "us")
    done = grader("grade", str(tmp_path / "class"), "--out", str(tmp_path / "out"), timeout=800)
    assert done.returncode == 0, done.stderr
    (submission,) = json.loads((tmp_path / "out" / "results.json").read_text())["submissions"]
    lost = [
        f"{check['check']}: {check['message']}"
        for section in submission["sections"]
        for exercise in section["exercises"]
        for check in exercise["checks"]
        if check["outcome"] != "passed"
    ]
    assert lost == []
    assert submission["points"] == submission["max_points"] == 100 * len(kit.sections)
