"""The commands that README.md and the pages of docs/ tell a reader to type, and the files they tell him to write.

A command stands in a code block (indented by four spaces, or fenced as sh, console or without a language) on a line
that begins with a program's name or `$ `; what follows two spaces and `#` is a comment. Commands that only stand in a
sentence or a table are mentions: they are checked by the parser of the command line, and not run.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = (
    "bgmon",
    "make",
    "pip",
    "pipx",
    "sudo",
    "docker",
    "curl",
    "ssh",
    "cd",
    "git",
    "promtool",
    "amtool",
    "logcli",
)
SHELL = ("sh", "console", "bash", "")


@dataclass(frozen=True)
class Block:
    """`language` is "" for an indented block."""

    page: str
    line: int
    language: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


@dataclass(frozen=True)
class Command:
    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def pages() -> list[Path]:
    """README.md and what else is written for readers; runbooks, too."""
    return [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "ARCHITECTURE.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]


def blocks(page: Path) -> Iterator[Block]:
    name = str(page.relative_to(ROOT))
    language: str | None = None
    held: list[str] = []
    first = 0
    before = ""
    for number, line in enumerate([*page.read_text(encoding="utf-8").splitlines(), ""], 1):
        fence = re.match(r"\s*```+(\S*)", line)
        if language is not None and language != "indented":
            if fence:
                yield Block(name, first, language, tuple(held))
                language, held = None, []
            else:
                held.append(line)
        elif fence and language is None:
            language, first, held = fence[1], number + 1, []
        elif line.startswith("    ") and (language == "indented" or not before.strip()):
            if language is None:
                language, first = "indented", number
            held.append(line[4:])
        elif language == "indented" and line.strip():
            yield Block(name, first, "", tuple(held))
            language, held = None, []
        elif language == "indented":
            held.append("")
        before = line


def commands(page: Path) -> Iterator[Command]:
    """What the page has its reader type, in order."""
    for block in blocks(page):
        if block.language not in SHELL or block.text.startswith("#!"):
            continue
        for number, line in enumerate(block.lines, block.line):
            text = re.split(r"\s+#\s", line.removeprefix("$ ") + " ")[0].strip()
            if (
                text.split(" ")[0] in PROGRAMS
                and "─" not in text
                and (line.startswith("$ ") or block.language != "console")
            ):
                yield Command(block.page, number, text)


def mentions(page: Path) -> Iterator[Command]:
    """Every `bgmon ...` in a sentence, in a table or in a block."""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        for code in re.findall(r"`(bgmon [a-z-][^`]*)`", line):
            yield Command(str(page.relative_to(ROOT)), number, code)
    yield from (command for command in commands(page) if command.text.startswith("bgmon "))


def words(command: str) -> list[str]:
    """The words of one simple command, without what a shell does with its output."""
    simple = re.split(r"\s(?:&&|\|{1,2}|>{1,2}|;)\s", command + " ")[0]
    return shlex.split(simple)
