"""`watch --once`: one round without a daemon, which looks, heals, probes and looks again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monitor.domain.deploy.records import DeployRecord
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import ProbeAnswer
from monitor.domain.health.watch import Watch
from monitor.errors import EngineUnreachable
from monitor.services.watchdog.one_shot import OneShot
from tests.support.simulated import IMAGE, OLD, Host

GOOD = ProbeAnswer(200, "ok", seconds=0.001)
BAD = ProbeAnswer(503, "no", seconds=0.001)


class Answers:
    """An AsyncProber; `answer` is asked for each."""

    def __init__(self, answer: Callable[[], ProbeAnswer] = lambda: GOOD) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.closed = 0

    async def probe(self, url: str, policy: HealthPolicy) -> ProbeAnswer:
        del policy
        self.asked.append(url)
        return self.answer()

    async def close(self) -> None:
        self.closed += 1


def make(host: Host, service: str = "core", **changes: Any) -> str:
    section = {"health": {"path": "/", "interval": 0.01, "start": "30s"}, **changes.pop("section", {})}
    return host.make(service, at=host.clock.now() - OLD, section=section, **changes)


def round_of(host: Host, answers: Answers) -> dict[str, Watch]:
    return OneShot(host.deps, host.settings, lambda: answers).run()


def test_a_round_on_a_good_host_changes_nothing(host: Host) -> None:
    make(host, "core")
    make(host, "other")
    answers = Answers()
    watches = round_of(host, answers)
    assert {name: watch.state for name, watch in watches.items()} == {"core": "healthy", "other": "healthy"}
    assert host.acts == []
    assert host.alerts.said == []
    assert answers.closed == 1
    assert {name: watch.state for name, watch in host.memory.watches().items()} == {
        "core": "healthy",
        "other": "healthy",
    }


def test_a_container_that_is_down_is_started_and_verified_in_the_same_round(host: Host) -> None:
    ref = make(host, restart="no")
    host.engine.crash(ref, 3)
    answers = Answers()
    watches = round_of(host, answers)
    assert [act.how for act in host.acts] == ["start"]
    assert watches["core"].state == "healthy"
    assert host.alerts.kinds("fired") == host.alerts.kinds("resolved") == ["exited"]
    assert answers.asked


def test_a_service_that_answers_badly_is_restarted_and_probed_again(host: Host) -> None:
    make(host)
    host.clock.advance(60)  # its start period is over
    answers = Answers(lambda: GOOD if host.acts else BAD)
    assert round_of(host, answers)["core"].state == "healthy"
    assert [act.how for act in host.acts] == ["restart"]
    assert host.alerts.kinds("fired") == ["unhealthy"]
    assert answers.closed == 2


def test_a_service_within_its_start_period_is_waited_for(host: Host) -> None:
    make(host)

    def answer() -> ProbeAnswer:
        host.clock.advance(1)
        return GOOD if len(answers.asked) > 4 else BAD

    answers = Answers(answer)
    assert round_of(host, answers)["core"].state == "healthy"
    assert len(answers.asked) == 6  # three bad answers make a verdict, which is not believed yet
    assert host.acts == []


def test_a_deploy_that_was_cut_off_is_settled_first(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    make(host)
    host.store.begin(DeployRecord("core-cut", "core", "deploy", IMAGE, "v2", "ann", host.clock.now()))
    states: list[int] = []

    def recover() -> list[str]:
        states.append(len(host.memory.watches()))
        host.store.finish("core-cut", "aborted", at=host.clock.now())
        return ["core: cleared away"]

    monkeypatch.setattr(host.deployer, "recover", recover)
    assert round_of(host, Answers())["core"].state == "healthy"
    assert states == [0]  # nothing had been looked at


def test_a_round_without_an_engine_says_so_and_probes_nothing(host: Host) -> None:
    make(host)
    host.engine.reachable = False
    answers = Answers()
    with pytest.raises(EngineUnreachable, match="does not answer") as caught:
        round_of(host, answers)
    assert "bgmon doctor" in caught.value.hint
    assert answers.asked == []


def test_a_service_that_is_gone_since_the_last_round_is_forgotten(host: Host) -> None:
    make(host)
    round_of(host, Answers())
    host.store.forget("core")
    assert round_of(host, Answers()) == {}
    assert host.memory.watches() == {}
