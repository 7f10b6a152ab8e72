"""Pieces of Go templates, as Loki runs them in `label_format` and `line_format`."""

from __future__ import annotations

from typing import Final

# What Go calls the kinds of JSON.
OBJECT: Final = "map[string]interface {}"
NUMBER: Final = "float64"
STRING: Final = "string"
BOOL: Final = "bool"
NOTHING: Final = "<nil>"


def go_quote(text: str) -> str:
    """A Go string literal, in ASCII and without backquotes, so that it can stand inside of a raw string."""
    done: list[str] = []
    for character in text:
        number = ord(character)
        if character in {'"', "\\"}:
            done.append(f"\\{character}")
        elif character == "`" or number < 0x20 or number == 0x7F:  # noqa: PLR2004 - control characters
            done.append(f"\\x{number:02x}")
        elif number < 0x7F:  # noqa: PLR2004
            done.append(character)
        else:
            done.append(f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}")  # noqa: PLR2004
    return '"' + "".join(done) + '"'


def quote(text: str) -> str:
    """A LogQL string: raw between backquotes where that says the same, else as Go quotes.

    >>> quote("core"), quote('say "hi"'), quote("a`b")
    ('"core"', '`say "hi"`', '"a`b"')
    """
    plain = text.isascii() and text.isprintable()
    if plain and '"' not in text and "\\" not in text:
        return f'"{text}"'
    if plain and "`" not in text:
        return f"`{text}`"
    return go_quote(text)


def act(text: str) -> str:
    return f"{{{{ {text} }}}}"


def when(condition: str, body: str) -> str:
    return f"{act(f'if {condition}')}{body}{act('end')}"


def when_else(condition: str, body: str, other: str) -> str:
    return f"{act(f'if {condition}')}{body}{act('else')}{other}{act('end')}"


def kind_is(value: str, kind: str) -> str:
    return f'eq (printf "%T" {value}) {go_quote(kind)}'


def matches(pattern: str, value: str) -> str:
    return f"eq (count {go_quote(f'^(?:{pattern})$')} {value}) 1"


def get(variable: str, names: tuple[str, ...]) -> str:
    """Sets a variable to a field of $j, or to "" where one of the names on the way is missing."""
    if not names:
        return ""
    *way, name = names
    source = f"${variable}{len(way) - 1}" if way else "$j"
    text = when(kind_is(source, OBJECT), act(f"${variable} = index {source} {go_quote(name)}"))
    for depth in range(len(way) - 1, -1, -1):
        outer = f"${variable}{depth - 1}" if depth else "$j"
        step = act(f"${variable}{depth} := index {outer} {go_quote(way[depth])}")
        text = when(kind_is(outer, OBJECT), step + text)
    return act(f'${variable} := ""') + text
