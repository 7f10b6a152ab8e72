"""Whether another host is gone: from our own looks at it, and from what the other peers say.

Rules: a host is suspected after `FAILURES` looks in a row that failed. Where a third host exists, one that sees it too
has to agree, so that our own broken path is not taken for a dead host. When nobody else answers either, we wait twice
as long and then say it all the same, since a rack can lose two hosts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

FAILURES: Final = 3
ALONE: Final = 2 * FAILURES

Move = Literal["none", "ask", "gone", "back"]


@dataclass(frozen=True, slots=True)
class PeerView:
    """What this host thinks of another. `since` is when `up` last changed, None before the first look."""

    name: str
    up: bool | None = None
    since: float | None = None
    failures: int = 0
    error: str = ""
    alerted: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a third host said of a peer; `up` is None when it did not answer or does not know."""

    witness: str
    up: bool | None


def look(view: PeerView, *, ok: bool, error: str, now: float) -> tuple[PeerView, Move]:
    """The view after one more look; `ask` means that `judge` is to be asked with what the others say."""
    if ok:
        changed = view.up is not True
        after = replace(view, up=True, since=now if changed else view.since, failures=0, error="", alerted=False)
        return after, "back" if view.alerted else "none"
    failures = view.failures + 1
    down = failures >= FAILURES
    after = replace(
        view,
        up=False if down else view.up,
        since=now if down and view.up is not False else view.since,
        failures=failures,
        error=error,
    )
    return after, "ask" if down and not view.alerted else "none"


def judge(view: PeerView, reports: Sequence[Report]) -> tuple[PeerView, Move]:
    """Whether a suspected peer is called gone. `reports` holds one for every other peer there is."""
    said = [report.up for report in reports if report.up is not None]
    confirmed = False in said
    alone = not said and (not reports or view.failures >= ALONE)
    if confirmed or alone:
        return replace(view, alerted=True), "gone"
    return view, "none"
