"""`deploy.order: stop-first` on fakes: never both at once, requests wait, and the old one comes back."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from monitor.config.service import ServiceSection
from monitor.domain.health.probing import ProbeAnswer
from monitor.errors import EngineError, GateFailed, HookFailed
from tests.support.deploys import Killed, Tap, World, world

FAST = {"bake": "0s", "drain": "1s", "stop": "1s", "keep_images": 1}
STOP_FIRST = {"order": "stop-first", **FAST}
VOLUME = ["data:/data"]


def running(made: World) -> list[str]:
    return [one.version for one in made.engine.containers({"bgmon.service": "core"}) if one.running]


class Watched:
    """A world in which each call of a deploy is followed by a look at what runs, and at whether requests wait."""

    def __init__(self, made: World) -> None:
        self.most = 0
        self.gated_with_traffic = False
        answer = made.prober.answer
        assert answer is not None

        def look(address: str, port: int) -> ProbeAnswer:
            self.most = max(self.most, len(running(made)))
            self.gated_with_traffic |= made.proxy.target("core") is not None
            return answer(address, port)

        made.prober.answer = look


def test_the_two_never_run_at_once_and_requests_wait_for_the_gate() -> None:
    with world(deploy=STOP_FIRST) as made:
        made.deploy("v1")
        made.proxy.calls.clear()
        watched = Watched(made)
        made.deploy("v2")
        assert watched.most == 1
        assert not watched.gated_with_traffic
        made.assert_settled("v2")
        names = [name for name, _ in made.proxy.calls]
        assert names.index("hold") < names.index("stage") < names.index("switch")
        (record, _) = made.store.deploys("core", limit=2)
        assert record.timings["wait"] >= 0
        assert made.told("waiting") == ["requests wait while blue stops"]
        assert "requests waited" in made.told("switched")[-1]


def test_a_first_deploy_and_a_stopped_service_have_nothing_to_wait_for() -> None:
    with world(deploy=STOP_FIRST) as made:
        made.deploy("v1")
        assert made.told("waiting") == []
        made.engine.stop(made.active().container, 1)
        made.deploy("v2")
        assert made.told("waiting") == []
        made.assert_settled("v2")


def test_a_candidate_that_cannot_be_made_stops_nothing() -> None:
    with world(deploy=STOP_FIRST) as made:
        made.deploy("v1")
        before = made.engine.inspect(made.active().container)
        with pytest.raises(EngineError):
            made.deploy("v2", Tap(("own.create", 1), error=EngineError("no such volume")))
        assert made.told("waiting") == []
        after = made.engine.inspect(made.active().container)
        assert before is not None
        assert after is not None
        assert after.started_at == before.started_at
        made.assert_settled("v1")


def test_when_the_candidate_fails_the_old_one_is_back_within_the_bound() -> None:
    with world(deploy={**STOP_FIRST, "wait": "3s"}, health={"path": "/health", "start": "60s"}) as made:
        made.deploy("v1")
        made.sick = {"v2"}
        watched = Watched(made)
        began = made.clock.monotonic()
        with pytest.raises(GateFailed, match="did not get healthy") as caught:
            made.deploy("v2")
        assert "raise deploy.wait" in caught.value.hint
        assert watched.most == 1
        assert not watched.gated_with_traffic
        made.assert_settled("v1")
        waited = caught.value.timings["wait"]
        assert 3 <= waited <= made.clock.monotonic() - began < 10
        assert made.told("switched-back") == ["traffic moved back to blue"]
        assert made.store.deploys("core", limit=1)[0].timings["wait"] == waited


def test_a_hook_may_take_no_longer_than_requests_may_wait() -> None:
    with world(deploy={**STOP_FIRST, "wait": "7s"}) as made:
        made.deploy("v1")
        made.hooks.hooks = {"pre-switch": HookFailed("no")}
        with pytest.raises(HookFailed):
            made.deploy("v2")
        made.assert_settled("v1")
        given = made.hooks.timeouts["pre-switch"]
        assert 0 < given <= 7


@pytest.mark.parametrize("call", ["proxy.hold", "engine.stop", "engine.start", "proxy.stage", "proxy.switch"])
def test_killed_on_the_way_a_later_command_brings_the_old_one_back(call: str) -> None:
    with world(deploy=STOP_FIRST) as made:
        made.deploy("v1")
        with pytest.raises(Killed):
            made.deploy("v2", Tap((call, 1), moment="after"))
        watched = Watched(made)
        (line,) = made.recover()
        assert line.endswith("undone, v1 serves")
        assert watched.most == 1
        made.assert_settled("v1")


def test_a_rollback_from_it_stops_first_although_the_earlier_release_did_not_say_so() -> None:
    from monitor.services.deploy.deployer import roll_back

    with world(deploy=FAST) as made:
        made.deploy("v1")
        made.section["deploy"] = STOP_FIRST
        made.deploy("v2")
        watched = Watched(made)
        made.clock.advance(1)
        assert roll_back(made.deps(), "core").version == "v1"
        assert watched.most == 1


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (VOLUME, VOLUME, True),
        (["data:/data:ro"], VOLUME, False),
        (VOLUME, ["data:/data:Z,ro"], False),
        (VOLUME, ["other:/data"], False),
    ],
)
def test_the_error_names_the_option_where_both_write_to_one_volume(old: list[str], new: list[str], named: bool) -> None:
    with world(deploy=FAST, volumes=old) as made:
        made.deploy("v1")
        made.section["volumes"] = new
        made.sick = {"v2"}
        with pytest.raises(GateFailed) as caught:
            made.deploy("v2")
        assert ("deploy.order: stop-first" in caught.value.hint) is named
        assert ("data" in caught.value.hint.partition(": if the service")[0]) is named


@pytest.mark.parametrize("section", [{"canary": [{"weight": 10, "for": "1s"}]}, {"wait": 0}])
def test_what_does_not_fit_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServiceSection.model_validate({"image": "a", "deploy": {"order": "stop-first", **section}})
