"""Health bars and sparklines."""

from __future__ import annotations

import pytest

from monitor.adapters.web import drawing
from monitor.adapters.web.page import milliseconds, percent, span
from monitor.domain.health.status import HealthBucket
from monitor.domain.health.timeline import Slice, availability, slices

HOUR = 3600.0


def test_buckets_fall_into_their_slices_and_the_last_holds_now() -> None:
    now = 100 * HOUR + 60
    history = [
        HealthBucket(99 * HOUR, 10, 0, 0.1),
        HealthBucket(99 * HOUR + 600, 30, 12, 0.3),
        HealthBucket(100 * HOUR, 4, 4, 2.0),
        HealthBucket(10 * HOUR, 99, 99, 9.0),
        HealthBucket(101 * HOUR, 99, 99, 9.0),
    ]
    found = slices(history, now, span=4 * HOUR, count=4)
    assert [part.at / HOUR for part in found] == [97, 98, 99, 100]
    assert [(part.probes, part.failures) for part in found] == [(0, 0), (0, 0), (40, 12), (4, 4)]
    assert found[2].latency == pytest.approx(0.25)
    assert [part.kind for part in found] == ["none", "none", "part", "bad"]
    assert availability(found) == pytest.approx(28 / 44)
    assert availability(found[:2]) is None


def test_bars_do_not_crawl_as_time_goes_on() -> None:
    first = slices([], 100 * HOUR + 1)
    later = slices([], 100 * HOUR + 1799)
    assert [part.at for part in first] == [part.at for part in later]
    assert slices([], 100 * HOUR + 1800)[-1].at == 100 * HOUR + 1800


def test_one_path_for_each_kind() -> None:
    parts = [Slice(0), Slice(1, 10, 0, 0.1), Slice(2, 10, 0, 0.1), Slice(3, 10, 9, 0.1)]
    paths = dict(drawing.bars(parts))
    assert paths["good"].count("M") == 2
    assert paths["bad"].count("M") == paths["none"].count("M") == 1
    assert drawing.width(parts) == 4 * 7 - 2


def test_gaps_stay_gaps_and_the_slowest_is_at_the_top() -> None:
    parts = [Slice(0, 1, 0, 1.0), Slice(1, 1, 0, 0.5), Slice(2), Slice(3, 1, 0, 0.25)]
    line, area = drawing.sparkline(parts)
    assert line.count("M") == area.count("M") == 2
    assert line.startswith("M2.5 3L")
    assert drawing.sparkline([Slice(0), Slice(1)]) == ("", "")
    assert "nan" not in drawing.sparkline([Slice(0, 1, 0, 0.0)])[0]


def test_numbers_for_people() -> None:
    assert [percent(share) for share in (1.0, 0.99999, 0.995, 0.0)] == ["100 %", "99.99 %", "99.5 %", "0 %"]
    assert [milliseconds(seconds) for seconds in (0.0002, 0.0123, 1.44)] == ["<1 ms", "12 ms", "1.4 s"]
    assert [span(seconds) for seconds in (4, 192, 7300, 260000)] == ["4 s", "3 min", "2 h", "3 d"]
