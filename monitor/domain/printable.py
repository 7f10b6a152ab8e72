"""Texts of strangers, made fit for one line of a message."""

from __future__ import annotations


def printable(text: str, most: int = 300) -> str:
    """`text` on one line of bounded length, with control characters shown instead of sent to the terminal."""
    cut = text if len(text) <= most else f"{text[:most]}..."
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)
