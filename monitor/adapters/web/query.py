"""Query parameters of the API: what a client may ask for, and what is answered when it asks for anything else."""

from __future__ import annotations

import re
from typing import Final

from multidict import MultiMapping

from monitor.domain.names import MAX_NAME, name_problem
from monitor.errors import UsageError

_COUNT: Final = re.compile(r"[1-9][0-9]{0,8}")  # ASCII digits; no zeros before, so that a length bounds the value


def count(query: MultiMapping[str], name: str, *, default: int, most: int) -> int:
    """A number between 1 and `most`.

    Raises:
        UsageError: it is none, or is given twice.
    """
    text = _one(query, name)
    if text is None:
        return default
    if not _COUNT.fullmatch(text) or int(text) > most:
        raise UsageError(f"{name}: a number between 1 and {most}, without leading zeros")
    return int(text)


def service(query: MultiMapping[str], name: str = "service") -> str | None:
    """A service's name; None for all of them, also when it is empty.

    Raises:
        UsageError: no service can have that name, or it is given twice.
    """
    text = _one(query, name)
    if not text:
        return None
    if name_problem(text):
        raise UsageError(f"{name}: the name of a service, of {MAX_NAME} characters at most: a-z, 0-9, '-', '_' and '.'")
    return text


def _one(query: MultiMapping[str], name: str) -> str | None:
    values = query.getall(name, [])
    if len(values) > 1:
        raise UsageError(f"{name}: is given {len(values)} times")
    return values[0] if values else None
