"""What a deploy would do, in words."""

from __future__ import annotations

import shlex

from monitor.domain.names import other
from monitor.ports.deploys import DeployStore
from monitor.services.deploy.deps import DeployRequest


def dry_run(store: DeployStore, request: DeployRequest) -> list[str]:
    """The steps of a deploy, changing nothing."""
    spec, policy = request.spec, request.spec.deploy
    active = store.active(spec.name)
    color = other(active.color) if active is not None else "blue"
    health = spec.health
    steps = [f"check the engine, the disk, the hooks{' and the proxy' if spec.proxied else ''}"]
    steps += [f"settle the cut-off {record.kind} of {record.version}" for record in store.unfinished(spec.name)]
    steps.append(f"pull {request.image}" if request.pull != "never" else f"take {request.image} from this host")
    if policy.release is not None and request.release and request.kind == "deploy":
        command = shlex.join(policy.release.command)
        steps.append(f"run its release command: {command}, {policy.release.timeout:g} s at most")
    steps.append(f"start it as {spec.name} {color}" + (f", port {spec.port}" if spec.port else ""))
    if health.mode in ("auto", "http") and spec.port is not None:
        path = health.path or "its HEALTHCHECK, else /health"
        steps.append(f"wait for {health.successes} good answers in a row from {path}, {health.start:g} s at most")
    else:
        steps.append(f"wait until it is healthy, {health.start:g} s at most")
    if spec.proxied and active is not None:
        steps += [f"send {step.weight}% of new requests to it for {step.for_:g} s" for step in policy.canary]
    if spec.proxied:
        steps.append(f"send all new requests to {color}")
    if active is not None:
        if policy.bake.for_:
            steps.append(f"watch it for {policy.bake.for_:g} s; go back to {active.version} if it gets worse")
        steps.append(f"let {active.color} ({active.version}) finish its requests, {policy.drain:g} s at most")
        steps.append(f"stop it (SIGTERM, {policy.stop:g} s), remove it")
    steps.append(f"record the release, keep the newest {policy.keep_images} earlier ones")
    return steps
