"""The swap's journal: which steps there are, in which order, and what whoever comes later does about a cut-off one.

    begin ─ pull ─ (release) ─ create ─ (hold) ─ gate ─ canary ─ switch ─ bake ─ drain ─ retire ─ (finished)
    └──────────────────────── undo: blue serves, green goes ───────────────┘   └─ finish: green serves ─┘

`release` is for a service with a release command. `hold` is for a deploy with `order: stop-first`: requests wait from
there to the switch, and blue may be stopped.

A step is written before it acts, so the last line of a cut-off journal is the furthest that can have happened; `switch`
alone is written right after, since it must follow the gate within milliseconds: from `gate` on a recovery takes it for
possible. Up to the end of the bake, blue still runs, or can be started, and the release is not proven: it is undone.
From `drain` on it is proven, blue may be gone, and the rest is finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from monitor.domain.deploy.records import JournalEntry

Step = Literal["begin", "pull", "release", "create", "hold", "gate", "canary", "switch", "bake", "drain", "retire"]
ORDER: Final[tuple[Step, ...]] = (
    "begin", "pull", "release", "create", "hold", "gate", "canary", "switch", "bake", "drain", "retire",
)  # fmt: skip
_PROVEN: Final = ORDER.index("drain")

Recovery = Literal["undo", "finish"]


def advance(last: str | None, step: Step) -> None:
    """Refuse a step that does not come after the last one.

    Raises:
        ValueError: an illegal move.
    """
    if last is not None and ORDER.index(step) < _index(last):
        raise ValueError(f"a swap cannot go from {last!r} to {step!r}")


def recovery(journal: Sequence[JournalEntry], *, blue_can_serve: bool, green_runs: bool) -> Recovery:
    """What to do about a cut-off deploy.

    A release that was switched in but not proven is undone, unless blue is gone: then the only color that runs serves.
    Blue can serve when its container is there, running or to be started again.
    """
    if not journal:
        return "undo"
    last = max(_index(entry.step) for entry in journal)
    if not green_runs and blue_can_serve:
        return "undo"  # proven or not: of the two, blue is the one that is alive
    if last >= _PROVEN or (last >= ORDER.index("switch") and green_runs and not blue_can_serve):
        return "finish"
    return "undo"


def _index(step: str) -> int:
    for index, known in enumerate(ORDER):
        if known == step:
            return index
    raise ValueError(f"unknown step {step!r} in the journal: it was written by a newer bgmon")
