"""Judging green while blue still runs: canary steps and the bake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from monitor.domain.containers import Container
from monitor.domain.deploy.spec import BakePolicy
from monitor.domain.health.causes import kill_words
from monitor.domain.logs.requests import RequestWindow
from monitor.domain.proxy.routes import SlotCounters

LOOK_EVERY: Final = 0.5


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests of one color over some time, by the proxy's counters."""

    requests: int = 0
    errors: int = 0

    @property
    def share(self) -> float:
        """Errors among the requests, 0 to 1."""
        return self.errors / self.requests if self.requests else 0.0


def between(before: SlotCounters | None, after: SlotCounters) -> Traffic:
    """What came between two readings. Counters begin again at 0 when the proxy reloads; then all of `after` is new."""
    if before is None or after.requests < before.requests or after.errors < before.errors:
        return Traffic(after.requests, after.errors)
    return Traffic(after.requests - before.requests, after.errors - before.errors)


def baseline(policy: BakePolicy, recent: Traffic, total: Traffic) -> float:
    """Blue's 5xx share before the swap: of late where that was enough traffic to tell, else since the proxy started."""
    for traffic in (recent, total):
        if traffic.requests >= policy.min_requests:
            return traffic.share
    return 0.0


def regression(
    policy: BakePolicy,
    *,
    container: Container | None,
    restarts_before: int,
    failed_probes: int,
    allowed_failures: int,
    blue_share: float,
    green: Traffic,
    oom_kills: int = 0,
    memory: int | None = None,
    window: RequestWindow | None = None,
) -> str:
    """Why green must go; empty while it does well.

    Args:
        policy: the limits.
        container: green as the engine has it now.
        restarts_before: its restart count when it was switched in.
        failed_probes: failed health probes in a row.
        allowed_failures: how many of those mean that health is lost.
        blue_share: blue's 5xx share before the swap, 0 to 1.
        green: green's traffic since it was switched in.
        oom_kills: how many of its processes the kernel killed for want of memory.
        memory: its limit in bytes.
        window: green's requests out of the log, where a log source is at hand.
    """
    if failed_probes >= allowed_failures:
        return f"{failed_probes} health probes in a row failed"
    return (
        lost_container(container, restarts_before)
        or (kill_words(oom_kills, memory) if oom_kills else "")
        or _bad_traffic(policy, green, blue_share)
        or _bad_window(policy, window)
        or (_too_many_events(policy, window) if window is not None else "")
    )


def lost_container(container: Container | None, restarts_before: int) -> str:
    """How it was lost; empty while it runs and was not restarted since it had `restarts_before` restarts."""
    if container is None:
        return "its container was removed"
    if not container.running or container.restarts > restarts_before:
        cause = "was killed for want of memory" if container.oom_killed else f"exited with code {container.exit_code}"
        return f"its container {cause}"
    return "Docker's health check says unhealthy" if container.health == "unhealthy" else ""


def _bad_traffic(policy: BakePolicy, green: Traffic, blue_share: float) -> str:
    if green.requests < policy.min_requests:
        return ""
    return _too_many_errors(policy, green.share, blue_share, f"{green.errors} of {green.requests} requests")


def _bad_window(policy: BakePolicy, window: RequestWindow | None) -> str:
    if window is None or window.requests < policy.min_requests:
        return ""
    p95 = window.quantile(0.95)
    if policy.max_p95 is not None and p95 is not None and p95 > policy.max_p95:
        return f"its p95 is {p95 * 1000:.0f} ms, more than {policy.max_p95 * 1000:.0f} ms"
    return _too_many_errors(policy, window.error_share, None, f"{window.errors} of {window.requests} logged")


def _too_many_events(policy: BakePolicy, window: RequestWindow) -> str:
    for name, most in policy.max_events.items():
        count = window.events.get(name, 0)
        if count > most:
            return f"{count} lines of its log are {name}, more than {most}"
    return ""


def _too_many_errors(policy: BakePolicy, share: float, blue_share: float | None, what: str) -> str:
    if policy.max_error_rate is not None and share > policy.max_error_rate:
        return f"{share:.1%} errors ({what}), more than {policy.max_error_rate:.1%}"
    if blue_share is not None and share > blue_share + policy.max_error_increase:
        return f"{share:.1%} errors ({what}), {blue_share:.1%} before the swap"
    return ""
