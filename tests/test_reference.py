"""The whole kit, graded as a submission in a real sandbox: every probe travels, every right answer earns its due."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

from support import Run

from grader.kit import Kit

TRAINING = ["s05_data", "s06_training", "s07_cnn"]


def test_the_reference_earns_every_point_in_the_sandbox(kit: Kit, grader: Run, tmp_path: Path) -> None:
    (tmp_path / "class" / "us").mkdir(parents=True)
    (tmp_path / "class" / "again").mkdir()
    for section in kit.sections:
        shutil.copy(kit.reference / f"{section}.py", tmp_path / "class" / "us")
    for section in TRAINING:
        text = (kit.reference / f"{section}.py").read_text(encoding="utf-8")
        (tmp_path / "class" / "again" / f"{section}.py").write_text(f"{text}\n# once more\n", encoding="utf-8")
    done = grader("grade", str(tmp_path / "class"), "--out", str(tmp_path / "out"), timeout=800)
    assert done.returncode == 0, done.stderr
    _, submission = json.loads((tmp_path / "out" / "results.json").read_text())["submissions"]
    lost = [
        f"{check['check']}: {check['message']}"
        for section in submission["sections"]
        for exercise in section["exercises"]
        for check in exercise["checks"]
        if check["outcome"] != "passed"
    ]
    assert lost == []
    assert submission["points"] == submission["max_points"] == 100 * len(kit.sections)

    with sqlite3.connect(tmp_path / "out" / "store.sqlite") as store:
        rows = store.execute(
            "SELECT request, COUNT(*), COUNT(DISTINCT answer) FROM records GROUP BY request"
        ).fetchall()
    assert sum(count == 2 for _, count, _ in rows) > 100  # what both were asked
    assert all(different == 1 for _, _, different in rows), "two runs gave evidence that is not the same bit for bit"
