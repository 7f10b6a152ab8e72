"""Schedules as cron reads them, also when the clocks change, and what becomes of runs that nobody was there for."""

from __future__ import annotations

from datetime import datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from monitor.domain.jobs import COUNTED, Due, Job, due, moments, next_moment, resumed_at, schedule_problem, slow_after

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def job(schedule: str, zone: str = BERLIN) -> Job:
    return Job("nightly", "web", ("true",), schedule, zone)


def planned(schedule: str, after: str, count: int, zone: str = BERLIN) -> list[str]:
    found = islice(moments(job(schedule, zone), at(after, zone)), count)
    return [f"{datetime.fromtimestamp(each, ZoneInfo(zone)):%m-%d %H:%M %Z}" for each in found]


def test_a_time_of_day_comes_once_a_day_when_the_clocks_change() -> None:
    # 02:00 becomes 03:00 on 29 March 2026: what is planned between runs right after; 25 October has 02:30 twice.
    assert planned("30 2 * * *", "2026-03-28T00:00", 3) == ["03-28 02:30 CET", "03-29 03:00 CEST", "03-30 02:30 CEST"]
    assert planned("30 2 * * *", "2026-10-24T03:00", 2) == ["10-25 02:30 CEST", "10-26 02:30 CET"]
    assert planned("0 3 * * *", "2026-03-29T00:00", 2) == ["03-29 03:00 CEST", "03-30 03:00 CEST"]


def test_what_runs_by_the_minute_follows_real_time_when_the_clocks_change() -> None:
    runs = list(islice(moments(job("*/30 * * * *"), at("2026-10-25T01:45")), 6))
    assert {later - earlier for earlier, later in pairwise(runs)} == {1800.0}


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        ("0 0 * * 0", ["11-29", "12-06"]),  # Sundays
        ("0 0 * * 7", ["11-29", "12-06"]),
        ("0 0 * * 1", ["11-30", "12-07"]),
        ("0 0 1 * 1", ["11-30", "12-01"]),  # the first of a month, and each Monday
        ("0 0 L * *", ["11-30", "12-31"]),
        ("@weekly", ["11-29", "12-06"]),
        ("@monthly", ["12-01", "01-01"]),
        ("0 0 29 2 *", ["02-29", "02-29"]),
    ],
)
def test_days_are_those_of_cron(schedule: str, days: list[str]) -> None:
    assert [each[:5] for each in planned(schedule, "2026-11-27T12:00", 2)] == days


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("* * * *", "write minute, hour, day of month, month and day of week, such as"),
        ("0 0 3 * * *", "write minute"),  # seconds
        ("60 * * * *", "bad minute"),
        ("0 3 31 2 *", "bad day-of-month"),
        ("0 3 * * 8", "bad day-of-week"),
        ("@reboot", "write minute"),
        ("", "write minute"),
        ("0 3 * * mon-fri", ""),
        ("@DAILY", ""),
    ],
)
def test_a_schedule_that_never_comes_is_refused(schedule: str, problem: str) -> None:
    found = schedule_problem(schedule)
    assert bool(found) == bool(problem)
    assert problem in found


def test_one_run_makes_up_for_all_that_were_missed() -> None:
    daily = job("0 3 * * *")
    assert due(daily, at("2026-11-01T12:00"), at("2026-11-02T02:59")) is None
    assert due(daily, at("2026-11-01T12:00"), at("2026-11-02T03:00")) == Due(at("2026-11-02T03:00"))
    found = due(daily, at("2026-11-01T12:00"), at("2026-11-05T09:00"))
    assert found == Due(at("2026-11-05T03:00"), missed=3)
    assert found.is_late(at("2026-11-05T09:00"))
    assert not found.is_late(at("2026-11-05T03:00") + 5)


def test_a_long_absence_is_counted_no_further_than_makes_sense() -> None:
    found = due(job("* * * * *"), at("2026-01-01T00:00"), at("2026-11-05T09:00") + 30)
    assert found == Due(at("2026-11-05T09:00"), COUNTED, many=True)


def test_a_clock_that_is_set_back_far_keeps_no_job_from_running() -> None:
    assert resumed_at(1000.0, 999.0) == 1000.0  # within a minute no run comes twice
    assert resumed_at(1e9, 1000.0) == 1000.0
    assert resumed_at(1000.0, 5000.0) == 1000.0


def test_a_run_is_slow_by_what_is_usual_and_only_where_that_is_known() -> None:
    assert slow_after([100.0] * 4) is None
    assert slow_after([100.0] * 5) == 300.0
    assert slow_after([2.0] * 9) == 62.0  # short ones vary more
    assert slow_after([100.0] * 5 + [9000.0] * 50) == 3 * (100.0 + 9000.0) / 2  # the last ten alone


def test_the_next_run_is_after_now_and_not_at_it() -> None:
    assert next_moment(job("0 3 * * *"), at("2026-11-05T03:00")) == at("2026-11-06T03:00")


def test_one_host_runs_it() -> None:
    two = Job("nightly", "web", ("true",), "@daily", host="vps1")
    assert two.is_run_by({"vps1"}, set())
    assert not two.is_run_by({"vps2"}, set())
    assert two.is_run_by({"laptop"}, {"vps1"})
    assert job("@daily").is_run_by(set(), set())
