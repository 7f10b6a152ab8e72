"""How long to wait before the next attempt, and how many attempts there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

FIRST: Final = 10.0
LONGEST: Final = 300.0
RESET_AFTER: Final = 600.0  # of good health, as the kubelet has it
RETRY_FIRST: Final = 600.0
RETRY_LONGEST: Final = 3600.0
_MAX_DOUBLINGS: Final = 16  # beyond any cap here, and far from an overflow


def delay(attempts: int) -> float:
    """Seconds to wait after `attempts` acts that did not help: 0, then 10 s doubling to 5 min.

    >>> [delay(n) for n in range(8)]
    [0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    """
    if attempts <= 0:
        return 0.0
    return float(min(FIRST * 2 ** min(attempts - 1, _MAX_DOUBLINGS), LONGEST))


def retry_delay(quarantines: int) -> float:
    """Seconds until a quarantined service is tried again, by how often it was put there: 10 min doubling to 1 h.

    >>> [retry_delay(n) for n in range(1, 6)]
    [600.0, 1200.0, 2400.0, 3600.0, 3600.0]
    """
    return float(min(RETRY_FIRST * 2 ** min(max(quarantines - 1, 0), _MAX_DOUBLINGS), RETRY_LONGEST))


def within(times: Iterable[float], window: float, now: float) -> tuple[float, ...]:
    """Those of `times` that lie in the last `window` seconds; a time in the future counts as now.

    A clock that was set back would otherwise keep an attempt on the books for as long as the step was.
    """
    return tuple(min(at, now) for at in times if at > now - window)


def restarts_left(budget: int, times: Iterable[float], window: float, now: float) -> int:
    """How many restarts the budget still allows: `budget` in any `window` seconds, at the moments `times`.

    >>> restarts_left(3, [10.0, 20.0], 60.0, 30.0)
    1
    """
    return max(0, budget - len(within(times, window, now)))
