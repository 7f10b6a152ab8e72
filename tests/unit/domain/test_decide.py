"""Each case file holds stories: what was seen, step by step, and the exact state and actions that follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.domain.containers import Container
from monitor.domain.deploy.spec import HealPolicy, HealthPolicy
from monitor.domain.health.act_outcome import act_done, act_failed, act_put_off
from monitor.domain.health.decide import decide
from monitor.domain.health.facts import (
    Action,
    CountExit,
    CountKills,
    CountRestart,
    Death,
    Facts,
    Fire,
    ForgetStop,
    Heal,
    HealthVerdict,
    NoteIncident,
    RememberStop,
    Resolve,
    SetPolicy,
    Wanted,
)
from monitor.domain.health.stop_detection import StopIntent
from monitor.domain.health.watch import Watch

CASES = Path(__file__).parent / "cases" / "supervise"


def _stories() -> list[Any]:
    return [
        pytest.param(story, id=f"{file.stem}: {story['story']}")
        for file in sorted(CASES.glob("*.yaml"))
        for story in yaml.safe_load(file.read_text())
    ]


def _container(given: dict[str, Any] | None) -> Container | None:
    if given is None:
        return None
    return Container(
        id=given.get("id", "c1"),
        name="shop-core-blue",
        image="core:v1",
        image_id="sha256:1",
        labels={},
        state=given["state"],
        exit_code=given.get("exit", 0),
        oom_killed=given.get("oom", False),
        error=given.get("error", ""),
        started_at=given.get("started"),
        finished_at=given.get("finished"),
        restart_policy=given.get("policy", "no"),
    )


def _facts(given: dict[str, Any]) -> Facts:
    verdict, intent = given.get("verdict"), given.get("intent")
    return Facts(
        wanted=Wanted(**{"deploy": "d1", "version": "v1", "at": -10_000, **given.get("wanted", {})}),
        container=_container(given.get("container")),
        health=HealthPolicy(
            mode="running" if "settles" in given else "http",
            start=given.get("start", 60.0),
            settle=given.get("settles", 5.0),
        ),
        heal=HealPolicy(**given.get("heal", {})),
        locked=given.get("locked", False),
        stopped_by=given.get("stopped_by", ""),
        stopped_at=given.get("stopped_at"),
        verdict=None
        if verdict is None
        else HealthVerdict(verdict[0], verdict[1], verdict[2] if len(verdict) > 2 else ""),
        deaths=tuple(Death(*death) for death in given.get("deaths", ())),
        intent=None if intent is None else StopIntent(at=intent[0], certain=intent[1]),
        strain=given.get("strain", ""),
        blocked_by=given.get("blocked_by", ""),
        host_acts=given.get("host_acts", 100),
        outage=tuple(given["outage"]) if "outage" in given else None,
        oom_kills=given.get("oom_kills"),
        memory=given.get("memory"),
    )


def _short(action: Action) -> str:  # noqa: PLR0911 - a case for each kind of action
    match action:
        case Heal():
            return f"heal by {action.how}"
        case SetPolicy():
            return f"set policy {action.policy}"
        case RememberStop():
            return f"remember the stop of {action.at:g}"
        case ForgetStop():
            return "forget the stop"
        case Fire():
            return f"fire {action.kind} ({action.severity}): {action.summary}"
        case Resolve():
            return f"resolve {', '.join(action.kinds)}: {action.note}"
        case NoteIncident():
            return f"note: {action.text}"
        case CountExit():
            return f"count exit {action.cause}"
        case CountKills():
            return f"count kills {action.count}"
        case CountRestart():
            return f"count restart {action.reason}"


@pytest.mark.parametrize("story", _stories())
def test_story(story: dict[str, Any]) -> None:
    watch = Watch("core", deploy="d1")
    common = story.get("always", {})
    for number, step in enumerate(story["steps"], 1):
        now = float(step["at"])
        if "failed" in step:
            decision = act_failed(watch, step.get("how", "start"), step["failed"], now)
        elif "done" in step:
            decision = act_done(watch, step["done"])
        elif "put_off" in step:
            decision = act_put_off(watch, now)
        else:
            decision = decide(watch, _facts({**common, **step}), now)
        watch = decision.watch
        place = f"step {number} at {now:g}"
        assert [_short(action) for action in decision.actions] == step.get("do", []), place
        if "state" in step:
            assert watch.state == step["state"], place
        if "wake" in step:
            assert watch.wake == step["wake"], place
        for name, value in step.get("watch", {}).items():
            found = getattr(watch, name)
            assert (list(found) if isinstance(found, tuple) else found) == value, f"{place}: {name}"
