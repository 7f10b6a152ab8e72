"""Values of bgmon.yml are single lines, unless what they are for takes more.

A name, an address or a path with a line end in it would begin a line of its own in a file that is made from it, and
most patterns match before a line end as well as at the end. So it is refused once, for every key there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from monitor.config.yamlfile import Path

# What a terminal, str.splitlines or another program may take for a line end, and the rest of the control characters;
# a tab is let through, since formats of log lines hold some.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
# Below these keys of a service or a job anything may stand.
_FREE: Final = frozenset({"env", "command", "entrypoint", "labels", "body"})


def broken_lines(data: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every value or key in `data` that is no single line, as its path and what is wrong with it."""
    if isinstance(data, dict):
        for key, value in data.items():
            if path[:1] in {("services",), ("jobs",), ("accessories",)} and key in _FREE:
                continue
            if isinstance(key, str) and (found := _CONTROL.search(key)):
                yield (*path, key), _message("the key", found)
            yield from broken_lines(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from broken_lines(value, (*path, index))
    elif isinstance(data, str) and (found := _CONTROL.search(data)):
        yield path, _message("the value", found)


def _message(what: str, found: re.Match[str]) -> str:
    kind = "a line end" if found[0] in "\n\r\x0b\x0c\x85\u2028\u2029" else f"the control character {found[0]!r}"
    return f"{what} holds {kind}"
