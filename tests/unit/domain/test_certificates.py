"""When certificates are renewed, tried again, and told of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.certificates import (
    DAY,
    Attempts,
    CertificateFacts,
    due,
    failed,
    renew_at,
    severity,
    warn_from,
)

NINETY = CertificateFacts(("a.test",), 0.0, 90 * DAY)
SIX = CertificateFacts(("a.test",), 0.0, 6 * DAY)


def test_renewal_at_two_thirds_or_when_the_server_wishes() -> None:
    assert renew_at(NINETY, Attempts()) == 60 * DAY
    assert renew_at(NINETY, Attempts(renew_at=3 * DAY)) == 3 * DAY
    assert renew_at(NINETY, Attempts(renew_at=80 * DAY)) == 60 * DAY, "a server cannot have us wait until it is late"
    assert not due(NINETY, Attempts(), 60 * DAY - 1)
    assert due(NINETY, Attempts(), 60 * DAY)
    assert due(None, Attempts(), 0.0)


@pytest.mark.parametrize("off", [-400 * DAY, 400 * DAY])
def test_a_clock_that_is_off_renews_no_more_often(off: float) -> None:
    """The certificate's own dates and our clock disagree by more than its lifetime."""
    true = 20000 * DAY
    facts = CertificateFacts(("a.test",), true, true + 90 * DAY)
    got = Attempts(issued_at=true + off)
    assert not due(facts, got, true + off + 59 * DAY)
    assert due(facts, got, true + off + 60 * DAY)


def test_the_wait_after_failures_grows_to_twelve_hours() -> None:
    attempts, waits = Attempts(), []
    for _ in range(8):
        attempts = failed(attempts, "no", 0.0)
        waits.append(attempts.next_try)
    assert waits == [300.0, 900.0, 2700.0, 8100.0, 24300.0, 43200.0, 43200.0, 43200.0]
    assert not due(None, attempts, 43199.0)
    assert due(None, attempts, 43200.0)


@given(st.integers(0, 1000), st.floats(0, 1e12))
def test_the_wait_that_a_server_asks_for_is_kept_but_not_for_ever(failures: int, asked: float) -> None:
    after = failed(Attempts(failures=failures), "limited", 0.0, asked)
    assert min(asked, 8 * DAY) <= after.next_try <= max(8 * DAY, 43200.0)


def test_the_end_is_told_of_14_days_before_or_a_quarter_of_a_short_lifetime() -> None:
    assert warn_from(NINETY) == 76 * DAY
    assert warn_from(SIX) == 4.5 * DAY
    assert severity(NINETY, 76 * DAY - 1) is None
    assert severity(NINETY, 76 * DAY) == "ticket"
    assert severity(NINETY, 87 * DAY) == "page"
    assert severity(NINETY, 91 * DAY) == "page"


def test_names_that_a_certificate_is_good_for() -> None:
    facts = CertificateFacts(("a.test", "*.b.test"), 0.0, 1.0)
    assert [facts.covers(name) for name in ("a.test", "x.b.test", "*.b.test")] == [True] * 3
    assert [facts.covers(name) for name in ("b.test", "x.y.b.test", "x.a.test", "*.a.test")] == [False] * 4
