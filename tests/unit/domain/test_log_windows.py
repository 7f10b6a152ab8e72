"""Windows tile: whatever the times at which one looks, each is asked for, and none is skipped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.logs.counts import Counts
from monitor.domain.logs.rules import LogRule, bound_in_unit, json_path, rule_problem
from monitor.domain.logs.windows import MAX_AT_ONCE, due, groups

MINUTE = 60_000
DAY = 86_400_000
T = 1_795_466_460_000


def look(now: int, counted_to: int | None, **changes: int) -> tuple[list[int], bool, int]:
    options = {"length": MINUTE, "delay": MINUTE, "overlap": 3, "catch_up": DAY, "reach": 30 * DAY} | changes
    windows, lost = due(now, counted_to=counted_to, **options)
    return list(windows.ends), windows.more, lost


def test_a_window_is_asked_for_once_it_is_closed_and_the_delay_is_over() -> None:
    assert look(T + MINUTE - 1, T - MINUTE, overlap=0)[0] == []
    assert look(T + MINUTE, T - MINUTE, overlap=0)[0] == [T]


def test_the_last_windows_are_asked_for_again() -> None:
    assert look(T + MINUTE, T - MINUTE)[0] == [T - 3 * MINUTE, T - 2 * MINUTE, T - MINUTE, T]
    assert look(T + MINUTE, T)[0] == [T - 2 * MINUTE, T - MINUTE, T]


def test_what_is_too_old_is_given_up_and_said() -> None:
    ends, more, lost = look(T + MINUTE, T - 2 * DAY)
    assert lost == DAY
    assert ends[0] == T - DAY - 2 * MINUTE
    assert more


def test_a_clock_that_was_far_ahead_is_no_reason_to_wait_but_one_that_was_a_little_is() -> None:
    assert look(T + MINUTE, T + DAY)[0][-1] == T
    assert look(T + MINUTE, T + 2 * MINUTE)[0] == []


@given(st.lists(st.integers(1, 3 * 3600_000), min_size=1, max_size=30), st.integers(0, 10), st.integers(1, 600))
def test_every_window_is_asked_for_in_order(steps: list[int], overlap: int, seconds: int) -> None:
    length = seconds * 1000
    now = T
    counted: int | None = None
    seen: list[int] = []
    for step in steps:
        now += step
        while True:
            windows, lost = due(
                now, length=length, delay=MINUTE, overlap=overlap, counted_to=counted, catch_up=10 * DAY, reach=DAY
            )
            assert not lost
            ends = list(windows.ends)
            assert len(ends) <= max(MAX_AT_ONCE, overlap)
            assert all(end % length == 0 and end <= now - MINUTE for end in ends)
            seen += [end for end in ends if counted is None or end > counted]
            if ends:
                counted = max(counted or 0, ends[-1])
            if not windows.more:
                break
    assert seen == list(range(seen[0], seen[-1] + 1, length)) if seen else counted is None


def test_services_that_differ_only_in_buckets_share_a_query_with_the_union() -> None:
    rules = {"a": LogRule(buckets=(0.1, 1.0)), "b": LogRule(buckets=(0.2,)), "c": LogRule("json", unit="s")}
    first, second = groups(rules, rules, 100_000)
    assert (first.services, first.bounds) == (("a", "b"), (0.1, 0.2, 1.0))
    assert second.services == ("c",)


def test_groups_stay_below_the_series_limit() -> None:
    rules = {f"s{n}": LogRule() for n in range(100)}
    made = groups(rules, rules, 500)
    assert sorted(name for group in made for name in group.services) == sorted(rules)
    assert all(len(group.services) * 12 <= 500 for group in made)


def test_bounds_in_units_are_exact_decimals() -> None:
    assert [bound_in_unit(0.005, unit) for unit in ("s", "ms", "us", "ns")] == ["0.005", "5.0", "5000.0", "5000000.0"]
    assert bound_in_unit(1e-9, "s") == "0.000000001"
    assert bound_in_unit(0.1 + 0.2, "us") == "300000.00000000004"


@given(st.dictionaries(st.sampled_from(["0.1", "0.25", "1.0", "+Inf"]), st.integers(0, 9)))
def test_cumulative_counts_end_with_all(buckets: dict[str, int]) -> None:
    told = Counts(buckets=dict(buckets)).cumulative((0.25, 1.0))
    assert told["+Inf"] == sum(buckets.values())
    assert told["0.25"] == buckets.get("0.1", 0) + buckets.get("0.25", 0)


def test_paths_of_json_fields() -> None:
    assert json_path("a.b") == ("a", "b")
    assert json_path('a["b.c"].d') == ("a", "b.c", "d")
    assert json_path(r'["a\"]b"]') == ('a"]b',)


@pytest.mark.parametrize(
    ("rule", "groups_", "problem"),
    [
        (LogRule(buckets=(0.1, 0.1)), None, "rise"),
        (LogRule(buckets=(1e9,)), None, "exceed"),
        (LogRule("regex", "status", None, path=None, regex="x"), frozenset({"code"}), "no group"),
        (LogRule("regex", "host", None, path=None, regex="x"), frozenset({"host"}), "label"),
        (LogRule("regex", "code", None, path=None, regex="x"), frozenset({"code"}), ""),
    ],
)
def test_rules_that_cannot_be_followed(rule: LogRule, groups_: frozenset[str] | None, problem: str) -> None:
    assert problem in rule_problem(rule, groups_)
    assert bool(rule_problem(rule, groups_)) == bool(problem)
