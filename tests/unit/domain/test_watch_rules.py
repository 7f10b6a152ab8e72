"""The small rules the watchdog is made of: the table of moves, backoff, wishes, causes, tallies, masks."""

from __future__ import annotations

import doctest
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain import mask
from monitor.domain.containers import CheckResult, Container, EngineEvent
from monitor.domain.deploy.spec import BakePolicy, DeployPolicy, HealthPolicy, ServiceSpec
from monitor.domain.health import backoff, causes, threshold
from monitor.domain.health.stop_detection import OwnAct, StopIntent, explains, intent_of, merged
from monitor.domain.health.watch import STATES, TABLE, TRIGGERS, IllegalHealthMove, Watch, move, settled
from monitor.domain.logs.requests import RequestWindow
from monitor.services.watchdog.degradation import degradation
from monitor.services.watchdog.orphans import orphans


@pytest.mark.parametrize("module", [backoff, causes, mask, threshold])
def test_the_examples_in_the_documentation_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


# -- the table --


def test_every_state_has_a_row_and_every_move_leads_to_a_state() -> None:
    assert set(TABLE) == set(STATES)
    for row in TABLE.values():
        assert set(row) <= set(TRIGGERS)
        assert set(row.values()) <= set(STATES)


def test_a_deploy_is_entered_from_everywhere_and_left_only_when_its_lock_is_free() -> None:
    assert all(TABLE[state]["locked"] == "deploying" for state in STATES)
    assert set(TABLE["deploying"]) == {"locked", "unlocked"}


def test_a_person_can_stop_it_in_every_state_but_during_a_deploy() -> None:
    assert all(TABLE[state].get("stopped") == "stopped" for state in STATES if state != "deploying")


def test_quarantine_is_never_left_by_failing_or_passing() -> None:
    assert not {"passed", "failed", "died", "looped", "spent"} & set(TABLE["quarantined"])


def test_every_move_that_the_table_does_not_hold_is_refused() -> None:
    for state, trigger in itertools.product(STATES, TRIGGERS):
        if trigger not in TABLE[state]:
            with pytest.raises(IllegalHealthMove, match=f"{state} cannot be {trigger}"):
                move(state, trigger)


@given(st.lists(st.sampled_from(TRIGGERS), max_size=30))
def test_any_sequence_of_triggers_ends_in_a_state_or_is_refused(triggers: list[str]) -> None:
    state = "unknown"
    for trigger in triggers:
        try:
            state = move(state, trigger)  # type: ignore[arg-type]
        except IllegalHealthMove:
            continue
        assert state in STATES


# -- time --


def test_a_clock_set_back_leaves_no_time_in_the_future() -> None:
    watch = Watch("core", since=5000.0, exits=(4990.0,), restarts=(4995.0,), not_before=5040.0, retry_at=5600.0)
    after = settled(watch, 1000.0)
    assert (after.since, after.exits, after.restarts) == (1000.0, (1000.0,), (1000.0,))
    assert (after.not_before, after.retry_at) == (1040.0, 1600.0)


def test_a_clock_that_goes_on_changes_nothing() -> None:
    watch = Watch("core", since=5000.0, restarts=(4995.0,), not_before=5040.0)
    assert settled(watch, 5000.5) is watch


@given(st.integers(0, 10_000))
def test_waits_grow_and_are_bounded(attempts: int) -> None:
    assert backoff.delay(attempts) <= backoff.delay(attempts + 1) <= backoff.LONGEST


def test_times_out_of_the_window_and_in_the_future() -> None:
    assert backoff.within((0.0, 50.0, 200.0), 100.0, 120.0) == (50.0, 120.0)


# -- wishes --


def event(action: str, at: float, signal: str = "", container: str = "c1") -> EngineEvent:
    return EngineEvent(action, container, "shop-core-blue", {}, at, round(at * 1e9), None, signal)


@pytest.mark.parametrize(
    ("seen", "wish"),
    [
        (event("kill", 10, "15"), StopIntent(10, certain=False)),
        (event("kill", 10, "9"), StopIntent(10, certain=False)),
        (event("kill", 10, "SIGTERM"), StopIntent(10, certain=False)),
        (event("kill", 10, "1"), None),
        (event("kill", 10, "SIGHUP"), None),
        (event("kill", 10, "28"), None),
        (event("stop", 10), StopIntent(10, certain=True)),
        (event("die", 10), None),
        (event("start", 10), None),
    ],
)
def test_what_an_event_says_of_a_wish(seen: EngineEvent, wish: StopIntent | None) -> None:
    assert intent_of(seen, ()) == wish


@pytest.mark.parametrize(
    ("span", "ours"),
    [
        (OwnAct("c1", 5.0), True),
        (OwnAct("c1", 5.0, 9.9), True),
        (OwnAct("c1", 5.0, 9.0), False),
        (OwnAct("c1", 11.0), False),
        (OwnAct("c2", 5.0), False),
    ],
)
def test_what_bgmon_did_itself_is_nobodys_wish(span: OwnAct, ours: bool) -> None:
    assert (intent_of(event("stop", 10.0), [span]) is None) is ours


def test_the_certain_wish_counts_and_the_later_one_among_equals() -> None:
    kill, stop, later = StopIntent(1, certain=False), StopIntent(2, certain=True), StopIntent(3, certain=False)
    assert merged(kill, stop) == merged(stop, later) == stop
    assert merged(kill, later) == later
    assert merged(None, kill) == kill


@pytest.mark.parametrize(("died", "explained"), [(9.0, True), (10.5, True), (69.0, True), (71.0, False), (7.0, False)])
def test_a_wish_explains_a_death_near_it(died: float, explained: bool) -> None:
    assert explains(StopIntent(10.0, certain=False), died) is explained


# -- causes, and what looks like a secret --


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"code": 139, "ran": 3.0}, "killed by SIGSEGV (exit code 139) after 3 s"),
        ({"code": 143}, "killed by SIGTERM (exit code 143)"),
        ({"code": 0, "ran": 7200.0}, "exited with code 0 after 2 h"),
        ({"code": 127}, "could not start: its command was not found (exit code 127)"),
        ({"code": 137, "oom": True}, "out of memory (exit code 137)"),
        ({"code": 128, "error": "port is already allocated"}, "could not start: port is already allocated"),
        ({"code": -1, "ran": 90061.0}, "ended while nobody watched after 1 d 1 h"),
        ({"code": 200}, "exited with code 200"),
    ],
)
def test_how_it_ended_in_words(words: dict[str, object], text: str) -> None:
    code = words.pop("code")
    assert causes.exit_words(code, **words) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password: hunter22", "password: [masked]"),
        ('{"api_key": "abcdef123"}', '{"api_key": "[masked]"}'),
        ("GET /?token=abcdef123&page=2", "GET /?token=[masked]&page=2"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [masked]"),
        ("postgres://bob:s3cret@db/shop", "postgres://bob:[masked]@db/shop"),
        ("key AKIAIOSFODNN7EXAMPLE used", "key [masked] used"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "AWS_SECRET_ACCESS_KEY=[masked]"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----[masked]",
        ),
        ("the token bucket is empty", "the token bucket is empty"),
        ("listening on http://127.0.0.1:3000/health", "listening on http://127.0.0.1:3000/health"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, masked: str) -> None:
    assert mask.scrub(text) == masked


@pytest.mark.parametrize("part", ["x", "eyJ-", "a.", "a_", "://:", "password ", "-----BEGIN ", "Basic ", "AKIA"])
def test_a_long_text_is_looked_through_once(part: str) -> None:
    """An engine that backtracks takes hours for this; others decide what is in a log line or an answer."""
    text = part * (1_000_000 // len(part))
    assert mask.scrub(text + " token=abcdef123") == text + " token=[masked]"


# -- verdicts --


def test_a_verdict_needs_enough_answers_in_a_row_and_is_made_once() -> None:
    policy = HealthPolicy(successes=2, failures=3)
    one = threshold.ProbeStreak("life")
    seen = []
    for now, shortfall in enumerate(["", "", "", "x", "x", "", "x", "x", "x", "x", "", ""]):
        one = threshold.count(one, shortfall, policy, float(now))
        seen.append((one.verdict.ok, one.verdict.at) if one.verdict else None)
    assert seen == [None, *[(True, 1.0)] * 7, (False, 8.0), (False, 8.0), (False, 8.0), (True, 11.0)]


@pytest.mark.parametrize(
    ("health", "verdict"), [("healthy", True), ("unhealthy", False), ("starting", None), (None, None)]
)
def test_docker_s_own_health_check_is_a_verdict(health: str | None, verdict: bool | None) -> None:
    container = Container("c1", "n", "i", "i", {}, "running", health=health, started_at=0.0)  # type: ignore[arg-type]
    found = threshold.by_engine(container, HealthPolicy(mode="docker"), 10.0)
    assert (found.ok if found else None) is verdict


@pytest.mark.parametrize(
    ("health", "detail"),
    [
        ("starting", "Docker's health check says starting (exit code 1: no), 20 s (health.start) after its start"),
        (None, "health.mode is docker, but the image has no HEALTHCHECK"),
    ],
)
def test_health_start_bounds_docker_s_check_too(health: str | None, detail: str) -> None:
    """Its own start period may be an hour, and a check that hangs says nothing at all."""
    check = CheckResult(1, "no\n")
    container = Container("c1", "n", "i", "i", {}, "running", health=health, started_at=5.0, check=check)  # type: ignore[arg-type]
    policy = HealthPolicy(mode="docker", start=20.0)
    assert threshold.by_engine(container, policy, 24.9) is None
    late = threshold.by_engine(container, policy, 25.0)
    assert late is not None
    assert (late.ok, late.detail) == (False, detail)


def test_health_start_bounds_answers_that_never_agree() -> None:
    policy = HealthPolicy(successes=2, failures=2, start=10.0)
    streak = threshold.ProbeStreak("life")
    verdicts = []
    for number in range(12):
        streak = threshold.count(streak, "x" if number % 2 else "", policy, 100.0 + number)
        verdicts.append(streak.verdict)
    assert verdicts[:10] == [None] * 10
    assert verdicts[10] is not None
    assert not verdicts[10].ok
    assert verdicts[10].detail == "no 2 good answers in a row within 10 s (health.start)"


def test_too_few_answers_say_nothing_however_late_they_come() -> None:
    """With an interval of a minute the first answers come after the start period."""
    policy = HealthPolicy(successes=2, failures=3, start=10.0, interval=60.0)
    streak = threshold.count(threshold.ProbeStreak("life"), "", policy, 100.0)
    streak = threshold.count(streak, "x", policy, 160.0)
    assert streak.verdict is None


# -- degraded, and strangers --


def window(good: int, bad: int, slow: int = 0) -> RequestWindow:
    total = good + bad
    return RequestWindow(
        codes={"200": good, "500": bad}, buckets={"0.1": total - slow, "1.0": total, "+Inf": total}, duration_sum=1.0
    )


@pytest.mark.parametrize(
    ("bake", "seen", "text"),
    [
        (BakePolicy(), window(100, 0), ""),
        (BakePolicy(), window(10, 5), ""),
        (BakePolicy(), window(90, 10), "10.0% of 100 requests in 5 min failed (limit 5.0%)"),
        (BakePolicy(max_error_rate=0.2), window(90, 10), ""),
        (BakePolicy(max_p95=0.1), window(100, 0, slow=50), "95 % of requests take up to 0.9 s (limit 0.1 s)"),
    ],
)
def test_when_a_service_counts_as_degraded(bake: BakePolicy, seen: RequestWindow, text: str) -> None:
    assert degradation(ServiceSpec("core", "core", deploy=DeployPolicy(bake=bake)), seen) == text


def test_containers_that_no_release_knows() -> None:
    def one(ref: str, service: str, kind: str = "app") -> Container:
        labels = {"bgmon.service": service, "bgmon.kind": kind}
        return Container(ref, f"name-{ref}", "image", "i", labels, "running")

    found = orphans(
        [one("a", "core"), one("b", "core"), one("c", "busy"), one("d", "proxy", "access")], ["a", "d"], ["busy"]
    )
    assert found == {"b": "name-b (image, running) says it is core"}
