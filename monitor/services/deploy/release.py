"""The release command: once for each deploy, in the new image, before anything of it is started."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.deploy.tasks import ending
from monitor.domain.sealing import needed
from monitor.errors import ReleaseCommandFailed
from monitor.services.deploy.deps import DeployDeps, DeployRequest
from monitor.services.deploy.images import fetch
from monitor.services.deploy.locked import changing
from monitor.services.deploy.tasks import Task, run_task

_SHOWN: Final = 20  # lines of its output in an error


def release(
    deps: DeployDeps, spec: ServiceSpec, version: str, pinned: str, secrets: Mapping[str, str], *, deploy: str = ""
) -> None:
    """Run the spec's release command, if it has one, in the image `pinned`.

    Raises:
        ReleaseCommandFailed: it did not end well; nothing of the version was started.
        DeployFailed: somebody wants the deploy to end.
        EngineError, EngineUnreachable: it could not be run.
    """
    command = spec.deploy.release
    if command is None:
        return
    deps.tell("releasing", spec.name, f"release command: {shlex.join(command.command)}")
    task = Task(
        kind="release",
        name="release",
        spec=spec,
        version=version,
        pinned=pinned,
        command=command.command,
        timeout=command.timeout,
        deploy=deploy,
    )
    run = run_task(deps, task, secrets, lambda line: deps.tell("output", spec.name, line))
    text = f"the release command {ending(run, command.timeout)}"
    if run.result != "done":
        last = "\n".join(run.output.splitlines()[-_SHOWN:])
        raise ReleaseCommandFailed(
            f"{text}\n{last}" if last else text,
            hint=f"nothing of {version} was started; all of its output: bgmon tasks --output {run.id}",
        )
    deps.tell("released", spec.name, text, task=run.id)


def release_alone(deps: DeployDeps, request: DeployRequest) -> None:
    """For a rollout: its first host runs the command for all of them. Raises what `release` and `fetch` do."""
    spec = replace(request.spec, image=request.image)
    with changing(deps, spec.name, f"release of {request.version}", wait=request.wait):
        secrets = deps.secrets.resolve(needed(spec))
        image = fetch(deps, spec.name, request.image, request.pull, architecture=deps.engine.info().architecture)
        release(deps, spec, request.version, image.pinned, secrets)
