"""Which containers are bgmon's own: those it recorded when it made them. A name or a label proves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["app", "proxy", "proxy-previous", "proxy-check", "task"]

# Whose output is the access log: the proxy, and the one before it, which finishes what it has under way.
ACCESS_ROLES: Final[frozenset[Role]] = frozenset({"proxy", "proxy-previous"})


@dataclass(frozen=True, slots=True)
class Made:
    """A container that bgmon made; `at` is in unix seconds.

    `id` is empty for one that was about to be made when its maker died: then the container that carries `token`, a
    random word known to nobody before, is the one. Once the id is on record the token means nothing more.
    """

    token: str
    role: Role
    service: str
    deploy: str
    at: float
    id: str = ""
