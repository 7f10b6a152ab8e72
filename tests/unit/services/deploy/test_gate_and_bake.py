"""How a candidate is judged: at the gate, on its canary steps and in the bake; what is said of one that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from monitor.domain.health.probing import ProbeAnswer
from monitor.domain.logs.requests import RequestWindow
from monitor.domain.proxy.routes import SlotCounters
from monitor.errors import BakeFailed, EngineError, EngineUnreachable, GateFailed, ProxyUnreachable, SourceUnreachable
from monitor.services.deploy.deployer import deploy
from monitor.services.deploy.deps import DeployDeps, DeployRequest
from monitor.services.deploy.recreate import recreate
from monitor.testing.engine_containers import Behaviour
from tests.support.deploys import IMAGE, World, world

BAKE: dict[str, Any] = {"bake": "5s", "drain": "1s", "stop": "1s", "keep_images": 1}
BAD = ProbeAnswer(503, body="no")


@pytest.fixture
def baking() -> Iterator[World]:
    with world(deploy=BAKE) as made:
        made.deploy("v1")
        yield made


def next_one(made: World, **behaviour: Any) -> None:
    """What the container of v2 does."""
    made.engine.push(f"{IMAGE}:v2", Behaviour(**behaviour))


def refused(made: World) -> GateFailed:
    """What is said of v2, which does not pass its gate; v1 serves."""
    with pytest.raises(GateFailed) as caught:
        made.deploy("v2")
    made.assert_settled("v1")
    return caught.value


def deploy_v2(made: World, deps: DeployDeps) -> None:
    made.clock.advance(1)
    deploy(deps, DeployRequest(spec=made.spec(), image=f"{IMAGE}:v2", version="v2"))


def candidate(made: World) -> str:
    (ref,) = [one.id for one in made.engine.containers({"bgmon.version": "v2"})]
    return ref


# -- at the gate --


def test_one_that_exits_is_refused_with_its_last_lines_and_without_secrets(shop: World) -> None:
    next_one(shop, exit_after=0.0, exit_code=1, output=(b"connecting", b"no user with t0p-s3cret"))
    said = str(refused(shop))
    assert "the container exited with code 1" in said
    assert "its last log lines:\n  | connecting\n  | no user with" in said
    assert "t0p-s3cret" not in said


def test_a_log_that_cannot_be_read_keeps_nobody_from_saying_why(shop: World) -> None:
    next_one(shop, exit_after=0.0, exit_code=1, output=(b"connecting",))
    shop.engine.fail("logs", EngineError("configured logging driver does not support reading"))
    said = str(refused(shop))
    assert "the container exited with code 1" in said
    assert "last log lines" not in said


def test_whoever_interrupts_it_ends_the_wait_for_its_health(shop: World) -> None:
    shop.sick.add("v2")
    began = shop.clock.monotonic()
    with pytest.raises(GateFailed, match="interrupted while waiting for the candidate's health"):
        deploy_v2(shop, shop.deps(cancelled=lambda: shop.clock.monotonic() > began + 2))
    shop.assert_settled("v1")


def test_an_answer_from_an_address_that_is_not_its_own_counts_for_nothing(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = shop.engine.start
    asked: list[str] = []

    def elsewhere(ref: str) -> None:
        start(ref)
        one = shop.engine.life.containers[ref]
        one.addresses = dict.fromkeys(one.addresses, "172.30.9.9")

    def answer(address: str, port: int) -> ProbeAnswer:
        asked.append(address)
        return ProbeAnswer(200, body="ok")

    shop.prober.answer = answer
    monkeypatch.setattr(shop.engine, "start", elsewhere)
    said = str(refused(shop))
    assert "the container does not have the address" in said
    assert asked == []


def test_one_that_does_not_run_yet_is_not_asked(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.engine, "start", lambda _: None)
    assert "the container is created" in str(refused(shop))


def test_a_health_check_that_docker_gives_up_refuses_it() -> None:
    with world(health={"mode": "docker", "start": "60s"}) as made:
        made.engine.push(f"{IMAGE}:v1", healthcheck=True)
        made.engine.push(f"{IMAGE}:v2", Behaviour(healthy_after=None, unhealthy_after=3.0), healthcheck=True)
        made.deploy("v1")
        error = refused(made)
        assert "Docker's health check says unhealthy" in str(error)
        assert error.hint == ""


@pytest.mark.parametrize("told", [True, False])
def test_that_memory_was_why_may_be_told_a_moment_after_the_death(monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    with world(limits={"memory": "64m"}) as made:
        made.deploy("v1")
        next_one(made, exit_after=0.0, exit_code=137)
        inspect = made.engine.inspect
        looks: list[float] = []

        def late(ref: str) -> Any:
            found = inspect(ref)
            if found is not None and found.version == "v2" and found.state == "exited":
                looks.append(made.clock.monotonic())
                made.engine.life.containers[found.id].oom_killed = told and len(looks) > 3
            return found

        monkeypatch.setattr(made.engine, "inspect", late)
        error = refused(made)
        assert ("killed for using more memory than limits.memory allows" in str(error)) is told
        assert ("exited with code 137" in str(error)) is not told
        assert (error.hint == "raise limits.memory") is told
        assert looks[-1] - looks[0] <= 1.5


# -- what to do about it --


def test_one_whose_init_is_not_the_first_process_is_to_run_without_ours(shop: World) -> None:
    next_one(shop, exit_after=0.0, exit_code=100, output=(b"s6-overlay-suexec: fatal: can only run as pid 1",))
    assert refused(shop).hint == "its own init wants to be the first process: set `init: false` for this service"


@pytest.mark.parametrize(
    ("limits", "cure"), [({"memory": "64m"}, "raise limits.memory"), ({}, "the host has too little of it")]
)
def test_one_that_the_kernel_kills_in_needs_more_memory(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, str], cure: str
) -> None:
    with world(limits=limits) as made:
        made.deploy("v1")
        made.sick.add("v2")
        monkeypatch.setattr(made.engine, "oom_kills", lambda one: 2 if one.version == "v2" else 0)
        hint = refused(made).hint
        assert "the kernel killed 2 processes in it for want of memory" in hint
        assert hint.endswith(cure)


def test_one_that_listens_on_another_port_is_told_which(shop: World) -> None:
    shop.sick.add("v2")
    shop.host.listening = (8080, 9090)
    hint = refused(shop).hint
    assert hint == "nothing listens on port 3000 inside the container, but on 8080, 9090: correct `port`"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (BAD, "health.path is /health, health.status 200: do they fit what it answers?"),
        (ProbeAnswer(0, error="connection refused"), "does it listen on 0.0.0.0, not only on 127.0.0.1"),
    ],
)
def test_one_that_runs_and_answers_badly_is_asked_about_its_settings(
    shop: World, answer: ProbeAnswer, words: str
) -> None:
    shop.host.listening = (3000,)
    shop.prober.answer = lambda *_: answer
    assert words in refused(shop).hint


@pytest.mark.parametrize(
    ("behaviour", "hint"),
    [
        ({"exit_code": 127}, "the command cannot be run in this image"),
        ({"exit_code": 1}, ""),
        ({"oom": True}, "raise limits.memory"),
    ],
)
def test_one_that_exits_is_told_what_its_exit_code_says(shop: World, behaviour: dict[str, Any], hint: str) -> None:
    next_one(shop, exit_after=0.0, **behaviour)
    assert refused(shop).hint == hint


def test_one_that_was_removed_by_somebody_else_has_no_hint(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    start = shop.engine.start

    def removed(ref: str) -> None:
        start(ref)
        shop.own.remove(ref)

    monkeypatch.setattr(shop.engine, "start", removed)
    error = refused(shop)
    assert "the container was removed by somebody else" in str(error)
    assert error.hint == ""


# -- in the bake --


def baked_badly(made: World, deps: DeployDeps | None = None) -> str:
    """What is said of v2, which does not pass its bake; v1 serves."""
    with pytest.raises(BakeFailed) as caught:
        deploy_v2(made, deps or made.deps())
    made.assert_settled("v1")
    assert made.told("switched-back") == ["traffic moved back to blue"]
    return str(caught.value)


def once_switched(made: World, do: Callable[[], None]) -> None:
    """`do` is called with the first health probe after the candidate has the traffic."""
    answer = made.prober.answer
    done: list[str] = []

    def look(address: str, port: int) -> ProbeAnswer:
        if made.proxy.target("core") == "green" and not done:
            done.append(address)
            do()
        return answer(address, port)

    made.prober.answer = look


def test_one_that_loses_its_health_goes_back(baking: World) -> None:
    once_switched(baking, lambda: baking.sick.add("v2"))
    assert baked_badly(baking) == "the candidate got worse in the bake: 3 health probes in a row failed"


def test_one_that_hangs_near_the_end_is_asked_until_it_is_known(baking: World) -> None:
    switched: list[float] = []
    answer = baking.prober.answer

    def look(address: str, port: int) -> ProbeAnswer:
        if baking.proxy.target("core") == "green":
            switched.append(baking.clock.monotonic())
            if switched[-1] - switched[0] > 4.4:
                return BAD
        return answer(address, port)

    baking.prober.answer = look
    assert "3 health probes in a row failed" in baked_badly(baking)


def test_one_bad_answer_among_good_ones_is_forgiven(baking: World) -> None:
    answers = iter([BAD])
    answer = baking.prober.answer
    baking.prober.answer = lambda address, port: (
        next(answers, answer(address, port)) if baking.proxy.target("core") == "green" else answer(address, port)
    )
    baking.deploy("v2")
    assert next(answers, None) is None
    baking.assert_settled("v2")


def test_one_whose_container_is_removed_goes_back(baking: World) -> None:
    once_switched(baking, lambda: baking.own.remove(candidate(baking)))
    assert "its container was removed" in baked_badly(baking)


def test_one_that_the_kernel_kills_in_goes_back(baking: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kills: list[int] = []
    monkeypatch.setattr(baking.engine, "oom_kills", lambda _: sum(kills))
    once_switched(baking, lambda: kills.append(1))
    assert "the kernel killed a process in it for want of memory" in baked_badly(baking)


def test_one_that_answers_more_errors_than_the_active_one_did_goes_back(baking: World) -> None:
    baking.proxy.totals["core", "blue"] = SlotCounters(1000, 10)
    once_switched(baking, lambda: baking.proxy.totals.update({("core", "green"): SlotCounters(100, 20)}))
    assert "20.0% errors (20 of 100 requests), 1.0% before the swap" in baked_badly(baking)


def test_whoever_interrupts_the_bake_has_the_old_one_back(baking: World) -> None:
    said = baked_badly(baking, baking.deps(cancelled=lambda: baking.proxy.target("core") == "green"))
    assert said == "interrupted during the bake"


def test_a_proxy_that_restarts_says_nothing_about_the_candidate(baking: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: str) -> Mapping[str, SlotCounters]:
        raise ProxyUnreachable("the proxy does not answer")

    counters = baking.proxy.counters
    asked: list[str] = []

    def counted(service: str) -> Any:
        if baking.proxy.target(service) == "green":
            asked.append(service)
            return away(service)
        return counters(service)

    monkeypatch.setattr(baking.proxy, "counters", counted)
    baking.deploy("v2")
    assert len(asked) > 2
    baking.assert_settled("v2")


def test_a_service_without_a_port_bakes_by_what_its_container_does() -> None:
    with world(port=None, health={"settle": "0s"}, deploy=BAKE) as made:
        made.deploy("v1")
        next_one(made, exit_after=3.0, exit_code=4)
        with pytest.raises(BakeFailed, match="its container exited with code 4"):
            made.deploy("v2")
        assert made.active().version == "v1"
        release = made.deploy("v3")
        assert (release.version, release.port) == ("v3", None)
        assert [one.version for one in made.engine.containers({"bgmon.service": "core"})] == ["v3"]


class Logged:
    """RequestStats: what the log says of v2's requests; without a window it does not answer."""

    def __init__(self, window: RequestWindow | None) -> None:
        self.window_given = window
        self.asked: list[tuple[tuple[str, ...], float]] = []

    def window(self, services: Sequence[str], start: float, end: float) -> Mapping[str, RequestWindow]:
        self.asked.append((tuple(services), end - start))
        if self.window_given is None:
            raise SourceUnreachable("Loki does not answer")
        return {"core": self.window_given}


@pytest.mark.parametrize(
    ("limits", "window", "words"),
    [
        ({"max_error_rate": 0.1}, RequestWindow({"200": 80, "500": 20}), "20.0% errors (20 of 100 logged)"),
        ({"max_p95": "100ms"}, RequestWindow({"200": 100}, {"0.25": 0, "0.5": 100, "+Inf": 100}), "its p95 is"),
    ],
)
def test_one_whose_requests_in_the_log_are_too_bad_goes_back(
    limits: dict[str, Any], window: RequestWindow, words: str
) -> None:
    with world(deploy={**BAKE, "bake": {"for": "5s", **limits}}) as made:
        made.deploy("v1")
        stats = Logged(window)
        assert words in baked_badly(made, made.deps(stats=stats))
        assert stats.asked[0][0] == ("core",)


@pytest.mark.parametrize("stats", [None, Logged(None)])
def test_a_log_that_is_away_says_nothing_about_the_candidate(stats: Logged | None) -> None:
    with world(deploy={**BAKE, "bake": {"for": "5s", "max_error_rate": 0.1}}) as made:
        made.deploy("v1")
        deploy_v2(made, made.deps(stats=stats))
        made.assert_settled("v2")
        assert stats is None or stats.asked


# -- on its canary steps --


def test_a_canary_step_is_judged_by_the_share_it_got() -> None:
    with world(deploy={**BAKE, "canary": [{"weight": 10, "for": "5s"}]}) as made:
        made.deploy("v1")
        made.proxy.totals["core", "green"] = SlotCounters(100, 50)
        answer = made.prober.answer

        def look(address: str, port: int) -> ProbeAnswer:
            if made.proxy.slots("core")["green"].weight == 10:
                made.proxy.totals["core", "green"] = SlotCounters(200, 100)
            return answer(address, port)

        made.prober.answer = look
        with pytest.raises(BakeFailed, match="worse in the canary at 10%: 50.0% errors .50 of 100 requests"):
            made.deploy("v2")
        assert made.told("canary") == ["10% of new requests to green"]
        made.assert_settled("v1")


def test_a_service_without_a_port_has_no_canary_steps() -> None:
    with world(port=None, health={"settle": "0s"}, deploy={**BAKE, "bake": "0s"}) as made:
        made.deploy("v1")
        made.section["deploy"] = {**made.section["deploy"], "canary": [{"weight": 10, "for": "60s"}]}
        made.deploy("v2")
        assert made.told("canary") == []
        assert made.active().version == "v2"


# -- going back --


def test_one_that_dies_after_the_bake_is_noticed_before_the_old_one_goes(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = shop.proxy.close

    def dies(service: str, color: Any) -> None:
        close(service, color)
        if color == "blue":
            shop.engine.crash(candidate(shop), 9)

    monkeypatch.setattr(shop.proxy, "close", dies)
    with pytest.raises(BakeFailed, match="was healthy, and then its container exited with code 9"):
        shop.deploy("v2")
    shop.assert_settled("v1")


def test_a_proxy_that_cannot_be_told_to_go_back_starts_with_the_record(baking: World) -> None:
    def both_go() -> None:
        baking.proxy.reachable = False
        baking.sick.add("v2")

    once_switched(baking, both_go)
    with pytest.raises(BakeFailed):
        baking.deploy("v2")
    (warning,) = baking.told("warning")
    assert "the proxy could not be told" in warning
    assert warning.endswith("it starts with blue")
    assert baking.store.slots("core")["blue"].state == "ready"
    baking.proxy.reachable = True
    baking.proxy.crash()
    baking.proxy.boot(baking.routes())
    assert baking.proxy.target("core") == "blue"


def test_an_old_one_that_is_gone_cannot_be_had_back_and_nothing_is_left_over(baking: World) -> None:
    def both_die() -> None:
        baking.engine.remove(baking.active().container)
        baking.sick.add("v2")

    once_switched(baking, both_die)
    with pytest.raises(BakeFailed, match="3 health probes"):
        baking.deploy("v2")
    assert baking.engine.containers({"bgmon.service": "core"}) == []
    assert baking.active().version == "v1"
    baking.clock.advance(1)
    recreate(baking.deps(), "core")
    baking.assert_settled("v1")


def test_what_cannot_be_cleaned_up_yet_is_said_and_settled_by_the_next_command(shop: World) -> None:
    shop.sick.add("v2")
    shop.engine.fail("remove", EngineUnreachable("connection refused"))
    with pytest.raises(GateFailed):
        shop.deploy("v2")
    assert shop.told("warning") == ["could not clean up yet (connection refused); the next command or the daemon will"]
    assert [record.version for record in shop.store.unfinished()] == ["v2"]
    (line,) = shop.recover()
    assert "undone, v1 serves" in line
    shop.assert_settled("v1")


def test_an_old_one_that_comes_back_sick_is_said() -> None:
    with world(deploy={**BAKE, "bake": "0s", "order": "stop-first", "wait": "3s"}) as made:
        made.deploy("v1")
        made.sick |= {"v1", "v2"}
        made.proxy.sessions["core", "blue"] = 2
        with pytest.raises(GateFailed):
            made.deploy("v2")
        left, back = made.told("warning")
        assert left == "2 requests are still under way as blue is stopped"
        assert back.startswith("blue was started again: the candidate did not get healthy")
        made.assert_settled("v1")


def test_one_that_fails_at_once_is_no_reason_to_let_requests_wait_longer() -> None:
    with world(deploy={**BAKE, "bake": "0s", "order": "stop-first", "wait": "30s"}) as made:
        made.deploy("v1")
        next_one(made, exit_after=0.0, exit_code=1)
        assert "deploy.wait" not in refused(made).hint


# -- what keeps its data --


def test_what_keeps_data_is_not_made_again_beside_an_empty_volume(shop: World) -> None:
    spec = replace(shop.spec(), keeps_data=True, volumes=("data:/data", "/etc/core:/etc/core:ro"))
    shop.clock.advance(1)
    deploy(shop.deps(), DeployRequest(spec=spec, image=f"{IMAGE}:v2", version="v2"))
    shop.engine.remove(shop.active().container)
    shop.engine.lost_volumes.add("data")
    shop.clock.advance(1)
    with pytest.raises(EngineError, match="its volume data is gone") as caught:
        recreate(shop.deps(), "core")
    assert "bgmon accessory remove core" in caught.value.hint
    assert shop.engine.containers({"bgmon.service": "core"}) == []
    shop.engine.lost_volumes.clear()
    recreate(shop.deps(), "core")
    shop.assert_settled("v2")
