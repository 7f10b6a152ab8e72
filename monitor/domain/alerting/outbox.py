"""When a message that a channel did not take is tried again."""

from __future__ import annotations

from typing import Final

FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 300.0
LONGEST_ASKED: Final = 3600.0
REFUSALS: Final = 3
KEEP: Final = 3 * 86400.0


def retry_wait(attempts: int, asked: float | None) -> float:
    """Seconds to wait after `attempts` failures: 1 s doubling to 5 min, and never less than the channel asked for.

    A channel that asks for more than an hour is asked again after an hour.
    """
    wait = min(LONGEST_WAIT, FIRST_WAIT * float(1 << min(attempts - 1, 16)))
    return wait if asked is None else max(wait, min(asked, LONGEST_ASKED))


def hopeless(attempts: int, age: float, *, permanent: bool) -> bool:
    """Whether to give a message up: the channel refused it three times for good, or it is three days old."""
    return age >= KEEP or (permanent and attempts >= REFUSALS)
