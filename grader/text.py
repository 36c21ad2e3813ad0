"""Text of a stranger's making, made fit to be shown anywhere."""

from __future__ import annotations


def tidy(text: str, limit: int) -> str:
    """No control characters (terminal escapes among them), no lone surrogates, cut after `limit` characters."""
    if len(text) > limit:
        text = text[:limit] + "... (cut)"
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
