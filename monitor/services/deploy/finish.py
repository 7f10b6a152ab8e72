"""The proven end of a swap: the active container drains, stops and goes, and the release is recorded."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.errors import BgmonError
from monitor.services.deploy.candidate import Candidate, discard_retired, retire
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.journal import Journal
from monitor.services.deploy.networks import introduce
from monitor.services.deploy.prune import prune_service
from monitor.services.deploy.traffic import TrafficControl, leave, traffic_of


def finish(
    deps: DeployDeps,
    spec: ServiceSpec,
    candidate: Candidate,
    active: Release | None,
    *,
    container: str,
    journal: Journal,
    before_stop: Callable[[], None] = lambda: None,
    before_end: Callable[[], None] = lambda: None,
) -> Release:
    """Safe to repeat from any of its steps.

    Args:
        deps: the ports.
        spec: the candidate's spec.
        candidate: what serves from now on.
        active: what served before, if anything.
        container: the candidate's id.
        journal: of the deploy.
        before_stop: called when the active slot is idle.
        before_end: called before the release is on record.

    Raises:
        BakeFailed: `before_stop` found that the candidate is not fit to be left alone; the active container still runs.
        UnreachableError: the engine or the proxy does not answer; the journal keeps what is left to do.
    """
    traffic = TrafficControl(deps, spec)
    with ThreadPoolExecutor(max_workers=1) as side:
        journal.note("drain")
        with journal.timed("drain"):
            # Once more: the proxy may have been restarted, or a kill come before it was told.
            traffic.switch(candidate.color)
            if active is not None:
                retired = side.submit(retire, deps.engine, active.container)
                _drain(deps, traffic_of(deps, spec, active), spec, active)
                deps.tell("drained", spec.name, f"slot {active.color} is idle")
                retired.result()
            before_stop()
        journal.note("retire")
        with journal.timed("stop"):
            written = side.submit(traffic.save_config)
            if active is not None:
                discard_retired(deps.engine, deps.own, active.container, stop=active.spec.deploy.stop)
            written.result()
            before_end()
        journal.total()
    release = candidate.release(container, deps.clock.now())
    journal.deployed(release)
    flags = deps.store.flags(spec.name)
    if flags.stopped_by:  # whoever deploys it wants it to run
        deps.store.set_flags(spec.name, replace(flags, stopped_by="", stopped_at=None))
    _afterwards(deps, spec, release)
    return release


def _drain(deps: DeployDeps, traffic: TrafficControl, spec: ServiceSpec, active: Release) -> None:
    if not spec.proxied:  # nothing took the traffic over, so that nothing took it away
        traffic.rest()
    left = traffic.drained(active.color, spec.deploy.drain)
    if left:
        deps.tell("warning", spec.name, f"{left} requests were still under way after {spec.deploy.drain:g} s")
    traffic.close(active.color)


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
