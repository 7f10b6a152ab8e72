"""A new series is told as 0 to every scraper before its value, and never again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from monitor.adapters.counting import CountingCollector
from monitor.adapters.firstzero import LONGEST_HOLD, MOST_SCRAPERS, FirstZeros
from monitor.adapters.prometheus.exposition import Exposition
from monitor.errors import StateError


def told(zeros: FirstZeros[str], scraper: str, times: list[float], series: set[str]) -> list[bool]:
    """For each time: whether `x` is told with its value."""
    return ["x" not in zeros.zeros(scraper, at, series) for at in times]


def test_a_new_series_is_zero_until_the_scrape_after_the_longest_pause() -> None:
    zeros = FirstZeros[str]({"old"})
    assert zeros.zeros("a", 0, {"old"}) == set()
    assert told(zeros, "a", [15, 30, 45], {"old", "x"}) == [False, False, True]


def test_a_scrape_that_comes_a_little_early_is_zero_once_more() -> None:
    zeros = FirstZeros[str]()
    zeros.zeros("a", 0, set())
    assert told(zeros, "a", [15.0, 29.99, 45.0], {"x"}) == [False, False, True]


def test_every_scraper_sees_the_zero_whenever_it_comes() -> None:
    zeros = FirstZeros[str]()
    for scraper in ("fast", "slow"):
        zeros.zeros(scraper, 0, set())
    assert told(zeros, "fast", [5, 10, 15], {"x"}) == [False, False, True]
    assert told(zeros, "slow", [60, 120, 180], {"x"}) == [False, False, True]


def test_two_servers_that_look_alike_both_see_the_zero() -> None:
    zeros = FirstZeros[str]()
    turns = [0, 4, 15, 19, 30, 34]  # one at 0, 15, 30, the other at 4, 19, 34
    for at in turns:
        zeros.zeros("same", at, set())
    assert told(zeros, "same", [45, 49, 60], {"x"}) == [False, False, True]


def test_the_other_server_sees_the_zero_however_late_its_turn_comes() -> None:
    """Its pause is the longest so far: nothing tells it from a pause of the one that asked before."""
    zeros = FirstZeros[str]()
    for at in (0, 1, 2, 3):
        zeros.zeros("same", at, set())
    assert told(zeros, "same", [4, 5.5, 6], {"x"}) == [False, False, True]


def test_a_new_scraper_is_not_sent_back_to_zero() -> None:
    """Its server may have seen the value under another address."""
    zeros = FirstZeros[str]()
    zeros.zeros("a", 0, set())
    assert told(zeros, "a", [15, 30, 45], {"x"}) == [False, False, True]
    assert told(zeros, "b", [46], {"x"}) == [True]


def test_whoever_asks_seldom_gets_the_value_in_the_second_scrape() -> None:
    zeros = FirstZeros[str]()
    zeros.zeros("a", 0, set())
    assert told(zeros, "a", [4000, 4001 + LONGEST_HOLD], {"x"}) == [False, True]


def test_scrapers_are_bounded() -> None:
    zeros = FirstZeros[str]()
    for number in range(3 * MOST_SCRAPERS):
        zeros.zeros(f"agent {number}", number, set())
    assert len(zeros._scrapers) == MOST_SCRAPERS


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 100), st.booleans()), max_size=40))
def test_no_scraper_ever_sees_a_value_before_zero_or_zero_after_a_value(
    scrapes: list[tuple[str, float, bool]],
) -> None:
    zeros = FirstZeros[str]()
    now, there = 0.0, False
    for scraper in "abc":
        zeros.zeros(scraper, now, set())
    seen: dict[str, list[bool]] = {"a": [], "b": [], "c": []}
    for scraper, pause, appears in scrapes:
        now += pause
        there = there or appears
        shown = zeros.zeros(scraper, now, {"x"} if there else set())
        if there:
            seen[scraper].append("x" not in shown)
    for values in seen.values():
        assert values == sorted(values), "False, then True"
        assert not values[:1] or values[0] is False


class Collected(CountingCollector):
    """Codes and their counts; `broken` collectors cannot say."""

    def __init__(self, counts: Mapping[str, int], earlier: Mapping[str, int] | None = None) -> None:
        self.counts = dict(counts)
        self.earlier = earlier
        self.broken = False

    def collect(self) -> Iterator[Metric]:
        yield from self._families(self.counts)

    def before(self) -> Iterator[Metric]:
        if self.broken:
            raise StateError("disk full")
        yield from self._families(self.counts if self.earlier is None else self.earlier)

    @staticmethod
    def _families(counts: Mapping[str, int]) -> Iterator[Metric]:
        family = CounterMetricFamily("requests", "R.", labels=["code"])
        durations = HistogramMetricFamily("seconds", "S.", labels=["code"])
        for code, count in counts.items():
            family.add_metric([code], count)
            durations.add_metric([code], [("1.0", count), ("+Inf", count)], 0.5 * count)
        yield from (family, durations)


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def values(exposition: Exposition, code: str, scraper: str = "a") -> set[float]:
    lines = exposition.render(scraper).decode().splitlines()
    return {float(line.rpartition(" ")[2]) for line in lines if f'code="{code}"' in line and "_sum" not in line}


def test_counters_and_all_parts_of_a_histogram_begin_at_zero(time: Time) -> None:
    collected = Collected({"200": 7})
    exposition = Exposition([collected], time)
    assert values(exposition, "200") == {7.0}
    collected.counts["418"] = 50
    time.now = 15
    assert (values(exposition, "418"), values(exposition, "200")) == ({0.0}, {7.0})
    time.now = 30
    assert values(exposition, "418") == {0.0}
    time.now = 45
    assert values(exposition, "418") == {50.0}


def test_what_was_counted_before_the_start_is_never_told_as_zero(time: Time) -> None:
    """Also what is shown only later, such as a service that comes back: a fall to 0 would count everything again."""
    collected = Collected({}, earlier={"200": 900})
    exposition = Exposition([collected], time)
    exposition.render("a")
    collected.counts["200"] = 900
    time.now = 15
    assert values(exposition, "200") == {900.0}


def test_a_collector_that_cannot_say_what_was_before_is_told_as_it_is(time: Time) -> None:
    collected = Collected({"200": 7})
    collected.broken = True
    exposition = Exposition([collected], time)
    assert values(exposition, "200") == {7.0}
    collected.broken = False
    time.now = 15
    assert values(exposition, "200") == {7.0}
    collected.counts["418"] = 1
    time.now = 30
    assert values(exposition, "418") == {0.0}


def test_scrapes_within_two_seconds_share_one_look_and_not_the_zeros(time: Time) -> None:
    collected = Collected({})
    exposition = Exposition([collected], time)
    for scraper in "ab":
        exposition.render(scraper)
    collected.counts["418"] = 50
    time.now = 15
    assert values(exposition, "418", "a") == {0.0}
    time.now = 16
    collected.counts["418"] = 60
    assert values(exposition, "418", "b") == {0.0}
    time.now = 32
    assert (values(exposition, "418", "a"), values(exposition, "418", "b")) == ({0.0}, {0.0})
    time.now = 49
    assert (values(exposition, "418", "a"), values(exposition, "418", "b")) == ({60.0}, {60.0})
