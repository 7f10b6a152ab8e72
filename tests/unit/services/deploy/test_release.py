"""Release commands on fakes: once, in the new image, before anything of it starts; whatever they do, one release serves."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from monitor.config.service import ServiceSection
from monitor.errors import DeployFailed, EngineError, ReleaseCommandFailed
from monitor.services.deploy.deployer import deploy, roll_back
from monitor.services.deploy.deps import DeployRequest
from monitor.services.deploy.dry_run import dry_run
from monitor.services.deploy.release import release_alone
from monitor.testing.engine_containers import Behaviour
from tests.support.deploys import IMAGE, Killed, Tap, World, world

COMMAND = ("migrate", "--all")
DEPLOY: dict[str, Any] = {
    "release": {"command": list(COMMAND), "timeout": "10s"},
    "bake": "0s",
    "drain": "1s",
    "stop": "1s",
}


def does(made: World, **behaviour: Any) -> None:
    made.engine.commands[COMMAND] = Behaviour(**{"exit_after": 2.0, "output": (b"12 tables",), **behaviour})


def test_it_runs_in_the_new_image_before_the_candidate_is_made() -> None:
    with world(deploy=DEPLOY, volumes=["data:/data"], networks=["other"]) as made:
        made.engine.ensure_network("other", {})
        does(made)
        made.deploy("v1")
        first, second = list(made.engine.specs.values())
        assert first.image == second.image
        assert (first.command, first.env, first.volumes) == (COMMAND, {"TOKEN": "t0p-s3cret"}, ("data:/data",))
        assert "bgmon.service" not in first.labels
        assert first.publish == {}
        assert made.told("output") == ["12 tables"]
        assert made.told("released") == ["the release command is done"]
        (run,) = made.tasks.runs()
        assert (run.result, run.exit_code, run.output, run.version) == ("done", 0, "12 tables", "v1")
        (record,) = made.store.deploys("core")
        assert run.deploy == record.id
        assert record.timings["release"] == pytest.approx(2, abs=0.5)
        made.assert_settled("v1")


def test_one_that_fails_refuses_the_deploy_and_nothing_was_started() -> None:
    with world(deploy=DEPLOY) as made:
        does(made)
        made.deploy("v1")
        does(made, exit_code=3, output=(b"no table t0p-s3cret",))
        made.engine.calls.clear()
        with pytest.raises(ReleaseCommandFailed, match="ended with exit code 3\nno table") as caught:
            made.deploy("v2")
        assert "t0p-s3cret" not in str(caught.value)
        assert f"bgmon tasks --output {made.tasks.runs()[0].id}" in caught.value.hint
        assert "t0p-s3cret" not in made.tasks.runs()[0].output
        assert [name for name, _ in made.engine.calls].count("create") == 1
        assert made.assert_settled("v1").version == "v1"
        assert made.store.deploys("core")[0].result == "failed"


def test_one_that_does_not_end_is_stopped() -> None:
    with world(deploy=DEPLOY) as made:
        does(made, exit_after=None)
        with pytest.raises(ReleaseCommandFailed, match="did not end within 10 s and was stopped"):
            made.deploy("v1")
        assert made.tasks.runs()[0].result == "timed out"
        assert made.engine.containers({"bgmon.project": "shop"}) == []


def test_one_that_cannot_start_refuses_the_deploy() -> None:
    with world(deploy=DEPLOY) as made:
        does(made, start_error="exec: migrate: not found")
        with pytest.raises(EngineError, match="not found"):
            made.deploy("v1")
        assert made.engine.containers({"bgmon.project": "shop"}) == []
        assert made.tasks.unfinished("release", "core") == []


def test_whoever_interrupts_the_deploy_ends_it() -> None:
    with world(deploy=DEPLOY) as made:
        does(made, exit_after=None)
        began = made.clock.monotonic()
        deps = made.deps(cancelled=lambda: made.clock.monotonic() > began + 1)
        with pytest.raises(DeployFailed, match="interrupted"):
            deploy(deps, DeployRequest(spec=made.spec(), image=f"{IMAGE}:v1", version="v1"))
        assert made.engine.containers({"bgmon.project": "shop"}) == []


@pytest.mark.parametrize(("ended", "words"), [(None, "may be done in part"), (0.1, "it had ended with exit code 0")])
def test_a_kill_while_it_runs_is_known_and_told(ended: float | None, words: str) -> None:
    with world(deploy=DEPLOY) as made:
        does(made, exit_after=ended)
        with pytest.raises(Killed):
            made.deploy("v1", Tap(("engine.logs", 1), moment="after"))
        made.clock.advance(1)
        released, deploy = made.recover()
        assert words in released
        assert "cut off in its release command" in deploy
        assert made.tasks.runs()[0].result == "cut off"
        assert made.engine.containers({"bgmon.project": "shop"}) == []
        does(made)
        made.deploy("v1")
        made.assert_settled("v1")


def test_a_rollback_and_a_deploy_without_it_leave_it_out() -> None:
    with world(deploy=DEPLOY) as made:
        does(made)
        made.deploy("v1")
        made.deploy("v2", release=False)
        roll_back(made.deps(), "core")
        assert [run.version for run in made.tasks.runs()] == ["v1"]


def test_alone_it_starts_nothing() -> None:
    with world(deploy=DEPLOY) as made:
        does(made)
        made.engine.pull(f"{IMAGE}:v2")
        release_alone(made.deps(), DeployRequest(spec=made.spec(), image=f"{IMAGE}:v2", version="v2", pull="never"))
        assert made.store.active("core") is None
        assert [run.result for run in made.tasks.runs()] == ["done"]
        assert made.engine.containers({"bgmon.project": "shop"}) == []


def test_a_dry_run_tells_of_it() -> None:
    with world(deploy=DEPLOY) as made:
        request = DeployRequest(spec=made.spec(), image=f"{IMAGE}:v1", version="v1")
        assert "run its release command: migrate --all, 10 s at most" in dry_run(made.store, request)


@pytest.mark.parametrize(
    "release", [{"command": []}, {"command": ["x"], "timeout": 0}, {}, {"command": ["x"], "each": "host"}]
)
def test_what_cannot_be_meant_is_refused(release: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServiceSection.model_validate({"image": "x", "deploy": {"release": release}})


def test_one_text_runs_through_a_shell() -> None:
    section = ServiceSection.model_validate({"image": "x", "deploy": {"release": {"command": "a && b"}}})
    assert section.deploy.release is not None
    assert section.deploy.release.command == ("/bin/sh", "-c", "a && b")
