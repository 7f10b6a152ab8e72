"""When a certificate is renewed, when its end is told of, and how long to wait after a failure. Times are unix time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from monitor.domain.alerting.conditions import Severity

DAY: Final = 86400.0
_WARN: Final = 14 * DAY
_URGENT: Final = 3 * DAY
_FIRST_WAIT: Final = 300.0
_LONGEST_WAIT: Final = 12 * 3600.0
# The longest that a server may make us wait: rate limits of public ones are counted over a week.
_LONGEST_ASKED: Final = 8 * DAY
CLOCK_OFF: Final = 300.0
ASK_AGAIN: Final = 6 * 3600.0

Source = Literal["auto", "file"]


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says of itself; `names` in lower case."""

    names: tuple[str, ...]
    not_before: float
    not_after: float
    issuer: str = ""

    @property
    def lifetime(self) -> float:
        return self.not_after - self.not_before

    def covers(self, host: str) -> bool:
        """Whether a client that asks for `host`, a name or a wildcard, takes it."""
        parent = "*." + host.partition(".")[2]
        return host in self.names or (not host.startswith("*.") and parent in self.names)


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is remembered of a name that gets its certificate by ACME.

    Attributes:
        issued_at: when the present certificate was got, by this host's clock.
        failures: in a row since then.
        next_try: not before, after a failure.
        error: the last failure, for people.
        renew_at: when the server would like it renewed (ARI); None when it says nothing.
        ask_at: when to ask it again.
    """

    issued_at: float | None = None
    failures: int = 0
    next_try: float = 0.0
    error: str = ""
    renew_at: float | None = None
    ask_at: float = 0.0


@dataclass(frozen=True, slots=True)
class CertificateState:
    """One name, and how it stands. `facts` is None without a certificate, or with one that cannot be read."""

    name: str
    service: str
    source: Source
    facts: CertificateFacts | None
    renew_at: float | None = None
    error: str = ""
    next_try: float = 0.0


def renew_at(facts: CertificateFacts, attempts: Attempts) -> float:
    """At two thirds of the lifetime, or when the server wishes, should that be earlier.

    The lifetime is counted from when we got it, by our own clock: a clock that is off by a year renews in time all the
    same, and not again and again.
    """
    started = attempts.issued_at if attempts.issued_at is not None else facts.not_before
    ours = started + facts.lifetime * 2 / 3
    return ours if attempts.renew_at is None else min(ours, attempts.renew_at)


def due(facts: CertificateFacts | None, attempts: Attempts, now: float) -> bool:
    """Whether a certificate is to be got now."""
    if now < attempts.next_try:
        return False
    return facts is None or now >= renew_at(facts, attempts)


def failed(attempts: Attempts, error: str, now: float, retry_after: float | None = None) -> Attempts:
    """After a failure: 5 minutes, then three times as long each time, 12 hours at most; longer if asked to."""
    failures = attempts.failures + 1
    wait = min(_FIRST_WAIT * 3 ** min(failures - 1, 10), _LONGEST_WAIT)
    if retry_after is not None:
        wait = max(wait, min(retry_after, _LONGEST_ASKED))
    return replace(attempts, failures=failures, next_try=now + wait, error=error)


def warn_from(facts: CertificateFacts) -> float:
    """From when on its end is told of: 14 days before, or a quarter of a short lifetime."""
    return facts.not_after - min(_WARN, facts.lifetime / 4)


def severity(facts: CertificateFacts, now: float) -> Severity | None:
    """How urgent the end of a certificate is; None while it is far."""
    if now < warn_from(facts):
        return None
    return "page" if now >= facts.not_after - min(_URGENT, facts.lifetime / 16) else "ticket"
