"""The proven end of a swap: blue drains, stops and goes, and the release is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from monitor.config.compile import spec_from_json
from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.deploy.swap import Step
from monitor.errors import BgmonError
from monitor.services.deploy.candidate import Candidate, discard_retired, retire
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.networks import introduce
from monitor.services.deploy.prune import prune_service
from monitor.services.deploy.traffic import TrafficControl, board_of, leave


def finish(
    deps: DeployDeps,
    spec: ServiceSpec,
    green: Candidate,
    blue: Release | None,
    *,
    container: str,
    timings: dict[str, float],
    began: float,
    note: Callable[[Step, Mapping[str, object]], None],
    before_stop: Callable[[], None] = lambda: None,
    before_end: Callable[[], None] = lambda: None,
) -> Release:
    """Safe to repeat from any of its steps.

    Args:
        deps: the ports.
        spec: green's spec.
        green: what serves from now on.
        blue: what served before, if anything.
        container: green's id.
        timings: seconds by step, to be completed.
        began: the monotonic time the deploy began.
        note: writes the journal.
        before_stop: called when blue is idle.
        before_end: called before green is on record.

    Raises:
        BakeFailed: `before_stop` found that green is not fit to be left alone; blue still runs.
        UnreachableError: the engine or the proxy does not answer; the journal keeps what is left to do.
    """
    clock = deps.clock
    traffic = TrafficControl(deps, spec)
    with ThreadPoolExecutor(max_workers=1) as side:
        note("drain", {})
        started = clock.monotonic()
        traffic.switch(green.color)  # once more: the proxy may have been restarted, or a kill come before it was told
        if blue is not None:
            retired = side.submit(retire, deps.engine, blue.container)
            _drain(deps, board_of(deps, spec, blue), spec, blue)
            deps.tell("drained", spec.name, f"{blue.color} is idle")
            retired.result()
        before_stop()
        timings["drain"] = clock.monotonic() - started
        note("retire", {})
        started = clock.monotonic()
        written = side.submit(traffic.save_config)
        if blue is not None:
            discard_retired(deps.engine, deps.own, blue.container, stop=spec_from_json(blue.spec).deploy.stop)
        written.result()
        before_end()
        timings["stop"] = clock.monotonic() - started
        timings["total"] = clock.monotonic() - began
    release = green.release(container, clock.now())
    deps.store.finish(green.deploy, "deployed", at=clock.now(), timings=timings, release=release)
    flags = deps.store.flags(spec.name)
    if flags.stopped_by:  # whoever deploys it wants it to run
        deps.store.set_flags(spec.name, replace(flags, stopped_by="", stopped_at=None))
    _afterwards(deps, spec, release)
    return release


def _drain(deps: DeployDeps, traffic: TrafficControl, spec: ServiceSpec, blue: Release) -> None:
    if not spec.proxied:  # nothing took the traffic over, so that nothing took it away
        traffic.rest()
    left = traffic.drained(blue.color, spec.deploy.drain)
    if left:
        deps.tell("warning", spec.name, f"{left} requests were still under way after {spec.deploy.drain:g} s")
    traffic.close(blue.color)


def _afterwards(deps: DeployDeps, spec: ServiceSpec, release: Release) -> None:
    """What must not turn a good deploy into a failed one."""
    try:
        introduce(deps, spec.name, release.container)  # another first deploy beside this one may not have seen it
    except BgmonError as error:
        deps.tell("warning", spec.name, f"other services may not find it by its name: {error}")
    try:
        if not spec.proxied and deps.store.slots(spec.name):
            leave(deps, spec.name)
    except BgmonError as error:
        deps.tell("warning", spec.name, f"the proxy still has it: {error}")
    try:
        prune_service(deps, spec.name, keep=spec.deploy.keep_images)
    except BgmonError as error:
        deps.tell("warning", spec.name, f"old images could not be pruned: {error}")
    announce(deps, spec.name, release.deploy)


def announce(deps: DeployDeps, service: str, deploy: str) -> None:
    """Tell whoever wants to know of a deploy that ended."""
    if deps.announce is None:
        return
    for record in deps.store.deploys(service, limit=20):
        if record.id == deploy:
            deps.announce(record)
