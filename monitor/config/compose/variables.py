"""Variables of Compose (`$A`, `${A:-b}`) as bgmon's (`${A}`), and the files that hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from monitor.config.compose.ledger import looks_secret

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS: Final = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)(?:\s*[=:]\s*(.*)|\s*)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}


def literal(text: str) -> str:
    """`text` as it must be written in bgmon.yml."""
    return text.replace("${", "$${")


class Variables:
    """Replaces variables, as Compose would with its .env file.

    A variable stays a variable when Compose would find it in .env, or needs it; the default takes its place otherwise.

    Args:
        known: what .env sets.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known
        self.kept: dict[str, None] = {}
        self.defaults: dict[str, None] = {}

    def apply(self, value: Any) -> Any:
        """`value` with every text in bgmon's spelling."""
        if isinstance(value, dict):
            return {key: self.apply(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.apply(item) for item in value]
        return value if value is None else self.text(str(value))

    def now(self, text: str) -> str:
        """`text` in bgmon's spelling with what .env sets at this moment put in."""
        return _OURS.sub(lambda match: self.known.get(match[1], match[0]), text)

    def text(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        while at < len(text):
            dollar = text.find("$", at)
            if dollar < 0 or dollar + 1 == len(text):
                parts.append(text[at:])
                break
            parts.append(text[at:dollar])
            made, at = self._variable(text, dollar + 1)
            parts.append(made)
        return "".join(parts)

    def _variable(self, text: str, at: int) -> tuple[str, int]:
        """What stands for the variable behind the `$` before `at`, and where the text goes on."""
        if text[at] == "$":
            return ("$${", at + 2) if text[at + 1 : at + 2] == "{" else ("$", at + 1)
        brace = text[at] == "{"
        name = _NAME.match(text, at + brace)
        if name is None:
            return ("$${", at + 1) if brace else ("$", at)
        if not brace:
            return self._keep(name[0]), name.end()
        end = _closing(text, name.end())
        if end < 0:
            return "$${", at + 1
        return self._with(name[0], text[name.end() : end]), end + 1

    def _with(self, name: str, rest: str) -> str:
        operator = rest[: 2 if rest.startswith(":") else 1]
        other = rest[len(operator) :]
        if operator in (":+", "+"):
            return self.text(other) if name in self.known else ""
        if operator in (":-", "-") and not self.known.get(name):
            made = self.text(other)
            if looks_secret(name, made):
                return self._keep(name)
            self.defaults[name] = None
            return made
        return self._keep(name)

    def _keep(self, name: str) -> str:
        self.kept[name] = None
        return f"${{{name}}}"


def _closing(text: str, at: int) -> int:
    depth = 1
    for index in range(at, len(text)):
        depth += text.startswith("${", index) - (text[index] == "}")
        if not depth:
            return index
    return -1


def env_lines(text: str) -> dict[str, str | None]:
    """The variables of a .env file: comments, quotes and `export` as Compose reads them; None has no value."""
    found: dict[str, str | None] = {}
    lines = iter(text.splitlines())
    for line in lines:
        match = _LINE.fullmatch(line.strip())
        if match is None or line.lstrip().startswith("#"):
            continue
        value = match[2]
        if value is not None and value[:1] in ("'", '"'):
            quote = value[0]
            while not _closed(value, quote):
                more = next(lines, None)
                if more is None:
                    break
                value += f"\n{more}"
            value = _unquoted(value, quote)
        elif value is not None:
            value = re.split(r"(?:^|\s)#", value, maxsplit=1)[0].rstrip()
        found[match[1]] = value
    return found


def _closed(value: str, quote: str) -> bool:
    return re.match(rf"{quote}(?:\\.|[^{quote}\\])*{quote}", value, re.DOTALL) is not None


def _unquoted(value: str, quote: str) -> str:
    body = re.split(rf"(?<!\\){quote}", value[1:], maxsplit=1)[0]
    if quote == "'":
        return body.replace("\\'", "'").replace("$", "$$")  # nothing is replaced between single quotes
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), body, flags=re.DOTALL)
