"""A counter's first value is preceded by a 0, so that Prometheus sees the step.

`increase()` and `rate()` compare samples of one series: what happened before a series' first sample is invisible to
them. So a series that appears while the daemon runs is told as 0 first, to every scraper that there is, and with its
value only in a later scrape. Nothing ever goes back to 0: that would be a reset, and would count all of it again.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

LONGEST_HOLD: Final = 120.0  # seconds; whoever asks less often than this gets the value in the second scrape
MOST_SCRAPERS: Final = 16
_GAPS: Final = 16  # enough that a busy moment of one of two servers is among them
K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Scraper(Generic[K]):
    """`waiting`: series whose value it was not told yet, and when it was first told 0 (None: not yet)."""

    at: float
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=_GAPS))
    waiting: dict[K, float | None] = field(default_factory=dict)

    @property
    def hold(self) -> float:
        """Two servers that cannot be told apart take turns: each asks once within their longest pause."""
        return min(max(self.gaps, default=0.0), LONGEST_HOLD)


class FirstZeros(Generic[K]):
    """Which series are told as 0, to whom. Series are any hashable keys, times any clock that only rises.

    Scrapers are told apart by a text of the caller's, such as address and user agent. Their number is bounded: the
    one that has not asked for longest is forgotten, and counts as new when it comes again.
    """

    def __init__(self, known: Iterable[K] = ()) -> None:
        self._known = set(known)
        self._held: set[K] = set()  # whose value nobody was told yet
        self._scrapers: OrderedDict[str, _Scraper[K]] = OrderedDict()

    def know(self, series: Iterable[K]) -> None:
        """These were there before anybody asked: they are told with their values."""
        self._known.update(series)

    def zeros(self, scraper: str, now: float, series: AbstractSet[K]) -> AbstractSet[K]:
        """Those of `series` that this scraper is told as 0 at `now`."""
        one = self._asking(scraper, now)
        born = series - self._known
        self._known |= born
        self._held |= born
        for each in self._scrapers.values():
            each.waiting.update(dict.fromkeys(born))
        return {key for key in one.waiting.keys() & series if self._still(one, key, now)}

    def _asking(self, scraper: str, now: float) -> _Scraper[K]:
        one = self._scrapers.get(scraper)
        if one is None:
            one = self._scrapers[scraper] = _Scraper(now, waiting=dict.fromkeys(self._held))
            while len(self._scrapers) > MOST_SCRAPERS:
                self._scrapers.popitem(last=False)
        else:
            one.gaps.append(now - one.at)
            one.at = now
        self._scrapers.move_to_end(scraper)
        return one

    def _still(self, one: _Scraper[K], key: K, now: float) -> bool:
        since = one.waiting[key]
        if since is None:
            one.waiting[key] = now
            return True
        # A pause as long as the longest ever seen may be another server's: it is told 0 as well.
        if now - since <= one.hold:
            return True
        del one.waiting[key]
        self._held.discard(key)
        return False
