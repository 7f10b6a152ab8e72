"""Ruby in a Kamal file (`<%= ... %>`), which is never run: a variable that it reads becomes one of bgmon's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from monitor.errors import ConfigError, Problem

_TAG: Final = re.compile(r"<%(?P<kind>[=#-]?)(?P<code>.*?)-?%>", re.DOTALL)
_NAME: Final = r"[\"'](?P<name>[A-Za-z_][A-Za-z0-9_]*)[\"']"
_READS: Final = re.compile(
    rf"ENV(?:\.fetch\(\s*{_NAME}\s*(?:,\s*(?P<other>[\"'][^\"'#]*[\"']|[0-9]+|nil)\s*)?\)"
    rf"|\[\s*{_NAME.replace('name', 'name2')}\s*\](?:\s*\|\|\s*(?P<other2>[\"'][^\"'#]*[\"']|[0-9]+))?)(?:\.to_[is])?"
)
_SHORT: Final = 60


def without_ruby(text: str, file: str, say: Callable[[str], None]) -> str:
    """The text with a variable in place of each expression.

    Raises:
        ConfigError: Ruby decides which lines there are.
    """
    problems: list[Problem] = []

    def put(match: re.Match[str]) -> str:
        line = text.count("\n", 0, match.start()) + 1
        code = " ".join(match["code"].split())
        shown = code if len(code) <= _SHORT else f"{code[:_SHORT]}..."
        if match["kind"] == "#":
            return ""
        if match["kind"] != "=":
            problems.append(
                Problem(file, line, "", f"<% {shown} %> is Ruby that decides what stands here; it is not run")
            )
            return ""
        read = _READS.fullmatch(code)
        if read is None:
            name = f"RUBY_LINE_{line}"
            say(f"line {line}: <%= {shown} %> is Ruby, which is not run: set ${{{name}}}, or write its value there")
            return f"${{{name}}}"
        name = read["name"] or read["name2"]
        other = read["other"] or read["other2"]
        if other is not None and other != "nil":
            say(f"line {line}: ${{{name}}} has the default {other} there, and none here")
        return f"${{{name}}}"

    made = _TAG.sub(put, text)
    if problems:
        raise ConfigError(problems, hint="write the file without Ruby first: erb config/deploy.yml > plain.yml")
    return made
