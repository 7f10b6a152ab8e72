"""Windows that tile: which are to be asked for, which again, and in how many queries. Milliseconds throughout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.domain.logs.rules import LogRule

MAX_POINTS = 11_000  # a series in one answer of Loki
MAX_AT_ONCE = 120  # windows; an answer of more would be slow and large
USUAL_CODES = 12  # statuses a service answers with, and two for what is no request


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows that end at `first`, `first + length`, ... `last`; none when `first` is past `last`."""

    first: int
    last: int
    length: int
    more: bool = False

    @property
    def ends(self) -> range:
        return range(self.first, self.last + 1, self.length)


def due(
    now: int, *, length: int, delay: int, overlap: int, counted_to: int | None, catch_up: int, reach: int
) -> tuple[Windows, int]:
    """What to ask for at `now`, and how many milliseconds are given up for good.

    Args:
        now: unix time.
        length: of a window.
        delay: how long after its end a window is asked for first.
        overlap: past windows to ask for again.
        counted_to: the end of the last window that was counted; None at the very first time.
        catch_up: how far back windows that nobody counted are still asked for.
        reach: how far one query may reach.
    """
    closed = (now - delay) // length * length
    if counted_to is None or counted_to > closed + 10 * length:  # at first, or after a clock that was far ahead
        counted_to = closed - length
    if counted_to > closed:  # the clock was set back a little: wait until it has come round again
        return Windows(closed + length, closed, length), 0
    oldest = closed - catch_up // length * length
    lost = max(0, oldest - counted_to)
    counted_to = max(counted_to, oldest)
    most = max(1, min(MAX_POINTS, MAX_AT_ONCE, reach // length - 1))
    overlap = min(overlap, most - 1)
    last = min(closed, counted_to + (most - overlap) * length)
    return Windows(counted_to - (overlap - 1) * length, last, length, more=last < closed), lost


@dataclass(frozen=True, slots=True)
class Group:
    """Services that one query can count: their rules differ in nothing but the buckets, of which it has the union."""

    rule: LogRule
    services: tuple[str, ...]
    bounds: tuple[float, ...]


def groups(rules: Mapping[str, LogRule], services: Iterable[str], series: int) -> list[Group]:
    """As few groups as the number of series in one answer allows."""
    alike: dict[LogRule, list[str]] = {}
    for service in sorted(services):
        rule = rules[service]
        alike.setdefault(_without_buckets(rule), []).append(service)
    made: list[Group] = []
    for rule, names in alike.items():
        bounds = tuple(sorted({bound for name in names for bound in rules[name].buckets}))
        most = max(1, series // max(USUAL_CODES, len(bounds) + 1))
        made += [Group(rule, tuple(part), bounds) for part in _parts(names, most)]
    return made


def _without_buckets(rule: LogRule) -> LogRule:
    return replace(rule, buckets=())


def halves(group: Group) -> tuple[Group, Group]:
    middle = len(group.services) // 2
    return (
        Group(group.rule, group.services[:middle], group.bounds),
        Group(group.rule, group.services[middle:], group.bounds),
    )


def _parts(names: Sequence[str], most: int) -> list[Sequence[str]]:
    return [names[at : at + most] for at in range(0, len(names), most)]
