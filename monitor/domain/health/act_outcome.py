"""What is remembered of an act once it is over. Whether it helped is for the next probes to say."""

from __future__ import annotations

from dataclasses import replace

from monitor.domain.health.backoff import FIRST, delay
from monitor.domain.health.facts import Decision, Fire, How, NoteIncident
from monitor.domain.health.stop_detection import SETTLE
from monitor.domain.health.watch import Watch, move


def act_done(watch: Watch, what: str) -> Decision:
    return Decision(replace(watch, error="", same_errors=0), (NoteIncident(what),))


def act_failed(watch: Watch, how: How, error: str, now: float) -> Decision:
    """The act itself failed. The same error three times in a row ends in quarantine at the next look."""
    wait = delay(watch.attempts)
    after = replace(
        watch,
        error=error,
        same_errors=watch.same_errors + 1 if error == watch.error else 1,
        expected=False,
        not_before=now + wait,
        wake=now + wait,
        fired=watch.fired if "heal-failed" in watch.fired else (*watch.fired, "heal-failed"),
        down_since=now if watch.down_since is None else watch.down_since,
    )
    summary = f"{watch.service} could not be healed by {how}: {error}"
    return Decision(after, (NoteIncident(f"{how} failed: {error}"), Fire("heal-failed", "page", summary)))


def act_put_off(watch: Watch, now: float) -> Decision:
    """The act did not take place, since somebody holds the lock or the engine is away: it counts for nothing."""
    after = replace(
        watch,
        expected=False,
        attempts=max(0, watch.attempts - 1),
        restarts=watch.restarts[:-1],
        rolled_back="" if watch.rolled_back == watch.deploy else watch.rolled_back,
        wake=now + SETTLE,
    )
    if watch.half_open:
        after = replace(after, state=move(watch.state, "spent"), half_open=False, retry_at=now + FIRST)
    return Decision(after)
