"""Going back: a deploy of an earlier release's image, with the configuration and secrets that it was deployed with."""

from __future__ import annotations

from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.errors import UsageError
from monitor.ports.deploys import DeployStore
from monitor.services.deploy.deps import DeployDeps, DeployRequest
from monitor.services.deploy.recreate import release_secrets


def choose(store: DeployStore, service: str, to: str | None, *, previous: bool = False) -> Release:
    """The release to go back to: the one with version or deploy id `to`, else the newest that runs another image.

    With `previous`, the one that was active before, even where its image is the same.

    Raises:
        UsageError: there is none.
    """
    active = store.active(service)
    if active is None:
        raise UsageError(f"{service} was never deployed here", hint=f"bgmon deploy {service}")
    earlier = [release for release in store.releases(service, limit=1000) if not release.active]
    if previous:
        fitting = earlier
    elif to is None:
        fitting = [release for release in earlier if release.image_id != active.image_id]
    else:
        fitting = [release for release in earlier if to in (release.version, release.deploy)]
    if not fitting:
        known = ", ".join(dict.fromkeys(release.version for release in earlier)) or "none"
        wanted = f"version {to}" if to is not None else "an earlier version"
        raise UsageError(f"{service}: no good release of {wanted} is recorded", hint=f"recorded: {known}")
    return fitting[0]


def rollback_request(deps: DeployDeps, release: Release, *, current: ServiceSpec | None = None) -> DeployRequest:
    """The deploy that brings a release back.

    Args:
        deps: the ports.
        release: where to.
        current: today's spec, to be used instead of the one recorded with the release; then today's secrets are too.
    """
    spec = current if current is not None else release.spec
    return DeployRequest(
        spec=spec,
        image=release.image,
        version=release.version,
        kind="rollback",
        pinned=release.digest,
        secrets=None if current is not None else release_secrets(deps, release, spec),
    )
