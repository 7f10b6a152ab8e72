"""`bgmon doctor`: everything that tends to be wrong with a host, each with what to do about it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from monitor import masking
from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import effective_policy, failing
from monitor.errors import BgmonError
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.reach import look
from monitor.services.deploy.status import picture

_LOW_DISK = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    level: Literal["ok", "warning", "error"]
    text: str
    hint: str = ""


def examine(deps: DeployDeps, configured: list[str]) -> list[Finding]:
    """Look at everything; nothing is changed. Never raises: what fails is a finding."""
    checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("installation", _installation),
        ("engine", lambda: _engine(deps)),
        ("proxy", lambda: _proxy(deps)),
        ("reach", lambda: _reach(deps)),
        ("hooks", lambda: _hooks(deps)),
        ("deploys", lambda: _deploys(deps)),
        ("services", lambda: _services(deps, configured)),
        ("health", lambda: _health(deps)),
    )
    findings: list[Finding] = []
    for name, check in checks:
        try:
            findings += check()
        except BgmonError as error:
            findings.append(Finding(name, "error", str(error), error.hint))
    return findings


def _installation() -> Iterator[Finding]:
    owners = set(importlib.metadata.packages_distributions().get("monitor", []))
    strangers = sorted(owners - {"bgmon"})
    if strangers:
        text = f"the package `monitor` also belongs to {', '.join(strangers)}"
        yield Finding("installation", "error", text, "install bgmon into an environment of its own, e.g. with pipx")
    else:
        yield Finding("installation", "ok", "the package `monitor` is bgmon's own")


def _engine(deps: DeployDeps) -> Iterator[Finding]:
    info = deps.engine.info()
    yield Finding("engine", "ok", f"Docker {info.version} ({info.architecture}), {info.containers} containers")
    free = deps.host.disk_free(info.root_dir)
    if free is not None and free < _LOW_DISK:
        yield Finding("disk", "warning", f"{free // 1024**2} MB free at {info.root_dir}", "free some: bgmon prune")
    elif free is not None:
        yield Finding("disk", "ok", f"{free // 1024**3} GB free at {info.root_dir}")


def _proxy(deps: DeployDeps) -> Iterator[Finding]:
    status = deps.proxy.status()
    if status.lost_lines:
        yield Finding(
            "proxy",
            "warning",
            status.detail,
            "counts of it are too low: set proxy.run to process, so that the log is a file, or use a larger host",
        )
    elif status.running:
        yield Finding("proxy", "ok", f"HAProxy {status.version} listens on {', '.join(status.listening)}")
    else:
        yield Finding(
            "proxy", "warning", status.detail or "does not run", "start it: bgmon proxy boot (a deploy does it too)"
        )


def _reach(deps: DeployDeps) -> Iterator[Finding]:
    reach = look(deps)
    way = "by their addresses" if reach.network is not None else "by published ports"
    if reach.network is None and deps.reach == "address":
        hint = "set proxy.reach to auto, or proxy.subnet where the subnet is in use elsewhere"
        yield Finding("reach", "error", f"proxy.reach is address, but {reach.why}", hint)
    else:
        yield Finding("reach", "ok", f"containers are reached {way}: {reach.why}")


def _hooks(deps: DeployDeps) -> Iterator[Finding]:
    problems = deps.hooks.check()
    for problem in problems:
        yield Finding("hooks", "error", problem)
    if not problems:
        yield Finding("hooks", "ok", "all that exist can be run")


def _deploys(deps: DeployDeps) -> Iterator[Finding]:
    cut_off = [record for record in deps.store.unfinished() if not deps.locks.held(record.service)]
    for record in cut_off:
        text = f"{record.service}: the {record.kind} of {record.version} was cut off"
        yield Finding("deploys", "warning", text, "settle it: bgmon deploy --resume")
    if not cut_off:
        yield Finding("deploys", "ok", "none was cut off")


def _services(deps: DeployDeps, configured: list[str]) -> Iterator[Finding]:
    found = picture(deps.engine, deps.own, deps.store, deps.project, configured)
    for row in found.services:
        if row.version is not None and row.state not in ("running", "stopped", "maintenance", "starting"):
            yield Finding(
                "services", "error", f"{row.name} is {row.state}", f"bgmon logs {row.name}; bgmon start {row.name}"
            )
        if row.version is not None and row.name not in configured:
            yield Finding("services", "warning", f"{row.name} is not in bgmon.yml any more", f"bgmon remove {row.name}")
    for orphan in found.orphans:
        yield Finding("services", "warning", f"container {orphan.name} belongs to no release", "bgmon prune")
    for one in found.lookalikes:
        text = f"container {one.name} carries {one.service or 'our'} labels, but bgmon did not make it"
        hint = f"left alone; to remove it: bgmon prune --id {one.id[:12]}"
        yield Finding("services", "warning", text, hint)
    running = sum(row.state == "running" for row in found.services)
    yield Finding("services", "ok", f"{running} of {len(found.services)} run")


def _health(deps: DeployDeps) -> Iterator[Finding]:
    """Ask every running service once, with the gate's and the daemon's own prober."""
    asked, good = 0, 0
    for name in deps.store.services():
        active = deps.store.active(name)
        container = deps.engine.inspect(active.container) if active is not None else None
        if active is None or active.port is None or container is None or container.state != "running":
            continue
        policy = effective_policy(active.spec.health, port=active.port, healthcheck=container.health is not None)
        if policy.mode != "http":
            continue
        asked += 1
        problem = probe_once(deps, active, policy)
        good += not problem
        if problem:
            starts = container.started_at is not None and deps.clock.now() < container.started_at + policy.start
            level: Literal["warning", "error"] = "warning" if starts else "error"
            yield Finding("health", level, f"{name}: {problem}", f"bgmon logs {name}")
    yield Finding("health", "ok", f"{good} of {asked} answer as their health policy wants")


def probe_once(deps: DeployDeps, active: Release, policy: HealthPolicy) -> str:
    """Why one look at the service's health was not good, secrets masked; empty when it was."""
    assert active.port is not None
    masking.learn(deps.secrets.kept(active.deploy) or {})
    return failing(policy, deps.prober.probe(active.address, active.port, policy), masking.clean)
