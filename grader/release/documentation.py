"""Pages of the documentation that are made, not written: the commands from the command line, the changes as they are.

A hook of MkDocs (`hooks` in mkdocs.yml), which calls `on_files` while it builds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that no file in docs/ holds."""
    from mkdocs.structure.files import File

    root = Path(config.config_file_path).parent
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    for path, content in {"commands.md": commands(), "changes.md": changes}.items():
        files.append(File.generated(config, path, content=content))
    return files


def commands() -> str:
    """Every command with its arguments and options, in Markdown, as Typer's own documentation command writes them."""
    import typer
    from typer.cli import get_docs_for_click

    from grader.cli import app

    command = typer.main.get_command(app)
    for listed in command.commands.values():  # type: ignore[attr-defined]
        listed.short_help = (listed.help or "").split("\n\n")[0]  # whole, not cut as in a terminal
    context: Any = typer.Context(command, info_name="grader")
    return get_docs_for_click(obj=command, ctx=context, name="grader", title="Commands")
