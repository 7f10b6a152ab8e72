"""The text of the new bgmon.yml: sections in order, each note as a comment above what it is about."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from monitor.config.compose.ledger import WHOLE, Note

_WIDTH: Final = 118


def bgmon_text(  # noqa: PLR0917 - the parts of a file, in their order
    head: Sequence[str],
    project: str,
    services: dict[str, dict[str, Any]],
    idle: dict[str, dict[str, Any]],
    notes: Sequence[Note],
    more: Mapping[str, Any] | None = None,
) -> str:
    """The file.

    Args:
        head: its first comment.
        project: its project.
        services: sections by name.
        idle: sections that stand there as comments.
        notes: what is said, at the places that they name.
        more: further sections, in front of the services.
    """
    sections = more or {}
    whole = [note for note in notes if note.service == WHOLE]
    parts = [_comments([*head, *(str(note) for note in whole if note.at not in sections)], 0)]
    parts.append(_dump({"project": project}, 0))
    for key, value in sections.items():
        parts += [_comments([note.text for note in whole if note.at == key], 0), _dump({key: value}, 0)]
    parts.append("services:" + ("" if services else " {}") + "\n")
    for name, section in (services | idle).items():
        said = [note for note in notes if note.service == name]
        block = _section(name, section, said)
        parts.append(textwrap.indent(block, "# ", lambda _: True) if name in idle else block)
    return "".join(parts)


def _section(name: str, section: dict[str, Any], notes: Sequence[Note]) -> str:
    parts = [f"  {_dump({name: None}, 0).partition(':')[0]}:\n"]
    for key, value in section.items():
        parts.append(_comments([note.text for note in notes if note.at == key], 4))
        parts.append(_dump({key: value}, 4))
    parts.append(_comments([note.text for note in notes if note.at not in section], 4))
    return "".join(parts)


def _dump(value: dict[str, Any], indent: int) -> str:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=_WIDTH - indent)
    return textwrap.indent(text, " " * indent)


def _comments(lines: Sequence[str], indent: int) -> str:
    start = f"{' ' * indent}# "
    wrapped = (
        textwrap.fill(
            line,
            _WIDTH,
            initial_indent=start,
            subsequent_indent=f"{start}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    )
    return "".join(f"{text}\n" for text in wrapped)
