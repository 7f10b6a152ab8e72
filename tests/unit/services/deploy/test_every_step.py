"""A deploy that fails, or whose process dies, at any call that it makes: what is left is whole, and one release serves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

import pytest

from monitor.errors import (
    BgmonError,
    EngineError,
    EngineUnreachable,
    HookFailed,
    ProxyError,
    ProxyUnreachable,
    StateError,
    UsageError,
)
from monitor.testing.engine_containers import Behaviour
from tests.support.deploys import Killed, Moment, Tap, World, world

CANARY = {"canary": [{"weight": 10, "for": "1s"}], "bake": "2s", "drain": "1s", "stop": "1s", "keep_images": 1}
STOP_FIRST = {"order": "stop-first", "bake": "2s", "drain": "1s", "stop": "1s", "keep_images": 1}
RELEASE = {"release": {"command": ["migrate"]}, "bake": "0s", "drain": "1s", "stop": "1s", "keep_images": 1}
SECTIONS = {
    "plain": {},
    "canary": {"deploy": CANARY},
    "stop-first": {"deploy": STOP_FIRST},
    "release": {"deploy": RELEASE},
}
HOOKS = ("pre-deploy", "pre-switch", "post-deploy", "on-failure")
ERRORS: dict[str, tuple[Callable[[str], BgmonError], ...]] = {
    "engine": (EngineError, EngineUnreachable),
    "own": (EngineError, EngineUnreachable),
    "proxy": (ProxyError, ProxyUnreachable),
    "store": (StateError,),
    "tasks": (StateError,),
    "secrets": (UsageError,),
    "hooks": (HookFailed,),
}
LOOKS = {
    *(f"engine.{name}" for name in ("inspect", "image", "info", "containers", "network", "logs", "oom_kills")),
    *(f"proxy.{name}" for name in ("counters", "slots", "status", "carries")),
    *(f"store.{name}" for name in ("active", "slots", "all_slots", "flags", "services", "releases", "unfinished")),
    *("tasks.unfinished", "own.knows", "own.made", "secrets.kept", "secrets.resolve", "hooks.check"),
    *("host.port_free", "host.port_candidates", "host.disk_free", "prober.probe"),
}
MOMENTS: tuple[Moment, ...] = ("before", "after")


def calls(kind: str, *, first: bool) -> list[tuple[str, int]]:
    """Every call of a deploy that goes well: (method, which of its calls)."""
    with world(**SECTIONS[kind]) as made:
        prepare(made, first=first)
        tap = Tap()
        made.deploy("v2", tap)
        return sorted((name, number) for name, count in tap.calls.items() for number in range(1, count + 1))


def prepare(made: World, *, first: bool) -> None:
    made.hooks.hooks = dict.fromkeys(HOOKS, "fine")
    made.engine.commands["migrate",] = Behaviour(exit_after=0.5)
    if not first:
        made.deploy("v1")


EVERY = os.environ.get("BGMON_SWEEP") == "all"  # `make sweep`: minutes instead of seconds
# A first deploy without canary steps and one with all of them reach every step; of a call that is made again and again,
# the first and the last one are taken.
WHOLE = (
    [(kind, first) for kind in SECTIONS for first in (False, True)]
    if EVERY
    else [("plain", True), ("canary", False), ("stop-first", False), ("release", True)]
)


def ends(made: list[tuple[str, int]]) -> list[tuple[str, int]]:
    last = dict(made)
    return [(name, number) for name, number in made if EVERY or number in (1, last[name])]


CASES = [(kind, first, call) for kind, first in WHOLE for call in ends(calls(kind, first=first))]
# To die while looking is to die after the act before it.
ACTS = [case for case in CASES if case[2][0] not in LOOKS]
ASKED = [case for case in CASES if case[2][0].partition(".")[0] in ERRORS]


def settled(made: World, *, first: bool) -> None:
    """Recover until nothing is left to settle; one release serves."""
    for _ in range(3):
        made.recover()
        if not made.store.unfinished():
            break
    if first and made.store.active("core") is None:
        assert made.engine.containers({"bgmon.project": "shop"}) == []
        assert made.own.made(service="core") == []
        assert made.proxy.target("core") is None or not made.proxy.running
    else:
        made.assert_settled("v1", "v2")
    made.deploy("v3")  # whatever happened, the next deploy goes through
    made.assert_settled("v3")


def test_the_sweep_sees_whole_deploys() -> None:
    seen = {(kind, first): {name for k, f, (name, _) in CASES if (k, f) == (kind, first)} for kind, first, _ in CASES}
    assert len(seen) == len(WHOLE) >= 2
    for names in seen.values():
        assert {"proxy.switch", "engine.start", "store.begin", "store.finish", "hooks.run", "secrets.keep"} <= names


@pytest.mark.parametrize(("kind", "first", "call"), ACTS)
def test_a_process_that_dies_at_any_call_leaves_what_the_next_command_settles(
    kind: str, first: bool, call: tuple[str, int]
) -> None:
    for moment in MOMENTS:
        with world(**SECTIONS[kind]) as made:
            prepare(made, first=first)
            tap = Tap(call, moment=moment)
            with pytest.raises(Killed):
                made.deploy("v2", tap)
            assert tap.reached
            settled(made, first=first)


@pytest.mark.parametrize(("kind", "first", "call"), ASKED)
def test_an_error_at_any_call_leaves_one_release_that_serves(kind: str, first: bool, call: tuple[str, int]) -> None:
    errors = ERRORS[call[0].partition(".")[0]]
    for error in errors if EVERY else errors[call[1] % len(errors) :][:1]:
        with world(**SECTIONS[kind]) as made:
            prepare(made, first=first)
            tap = Tap(call, error=error("no"))
            with contextlib.suppress(BgmonError):
                made.deploy("v2", tap)
            assert tap.reached
            settled(made, first=first)


@pytest.mark.parametrize("call", [call for kind, first, call in ACTS if kind == "canary" and not first])
def test_a_recovery_that_dies_is_settled_by_the_next(call: tuple[str, int]) -> None:
    """The recovery of a deploy that was killed in its bake; calls that it does not make show nothing."""
    with world(deploy=CANARY) as made:
        prepare(made, first=False)
        with pytest.raises(Killed):
            made.deploy("v2", Tap(("proxy.counters", 6)))
        assert made.store.unfinished()
        with contextlib.suppress(Killed):
            made.recover(tap=Tap(call))
        settled(made, first=False)
