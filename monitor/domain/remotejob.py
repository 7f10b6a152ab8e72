"""How a command travels to another host, and its output back: one JSON object a line in either direction.

Caller to host, one line: the job. Host to caller: `hello` (its version), then `out` and `err` (a piece of what the
command printed, newline included; `at` is the offset behind it), last `exit` (the exit code; None when the command was
killed, with `unknown` when there never was such a job). Octets that are no UTF-8 travel as surrogates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

PROTOCOL: Final = 2  # 1 was bgmon's before it had one: plain output, and no answer at all to `--protocol`

_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,120}")
_NUMBER: Final = re.compile(r"\d+")

# What changes a host goes on there when the connection is cut; all else ends with its caller.
LASTING: Final = frozenset({"deploy", "rollback", "restart", "start", "stop", "maintenance", "remove", "prune"})


def is_id(text: str) -> bool:
    """Whether a job may have this name, which is a folder's on the host."""
    return _ID.fullmatch(text) is not None


def frame(**content: Any) -> bytes:
    return json.dumps(content).encode() + b"\n"


def parsed(line: bytes) -> Mapping[str, Any] | None:
    """A frame; None for anything else, such as a greeting that the host's shell prints."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"hello", "out", "err", "exit"} & found.keys() else None


def text_of(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def octets_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def older(version: str, than: str) -> bool:
    """Whether one version of bgmon comes before another.

    >>> older("0.9.1", than="0.10.0")
    True
    """
    return _numbers(version) < _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _NUMBER.findall(version)[:3])
