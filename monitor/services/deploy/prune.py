"""Taking away what is not needed any more: only images that our releases used, only containers that we made."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.domain.deploy.records import Release, past
from monitor.errors import Conflict, NotFound
from monitor.services.deploy.candidate import discard
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.own import chosen, look_around


def prune_service(deps: DeployDeps, service: str, *, keep: int, local: bool = False) -> list[str]:
    """Forget releases past the newest `keep` (the active one not counted), and remove images that none other needs.

    Args:
        deps: the ports.
        service: whose releases.
        keep: how many to keep.
        local: also remove images that no registry has seen, which nobody could pull again.

    Returns:
        The images that were removed.
    """
    forgotten = deps.store.prune(service, keep)
    needed = {release.image_id for name in deps.store.services() for release in deps.store.releases(name, limit=1000)}
    removed: list[str] = []
    for release in forgotten:
        deps.secrets.drop(release.deploy)
        if release.image_id in needed or (is_local(release) and not local):
            continue
        # By name, not by id: a tag that somebody else gave the same image keeps it.
        for name in (release.image, release.digest):
            image = deps.engine.image(name)
            if image is not None and image.id == release.image_id and _remove(deps, name):
                removed.append(name)
    return removed


def is_local(release: Release) -> bool:
    """Whether its image came from no registry."""
    return release.digest.startswith("sha256:")


def _remove(deps: DeployDeps, name: str) -> bool:
    try:
        deps.engine.remove_image(name)
    except (Conflict, NotFound):
        return False  # a container, perhaps a stranger's, uses it; or it is gone already
    return True


def prune_project(deps: DeployDeps, *, keep: int | None, dry_run: bool, force: bool = False) -> dict[str, list[str]]:
    """Old images of every service, and containers that belong to no release.

    Args:
        deps: the ports.
        keep: how many releases to keep besides the active one; None takes what each release was deployed with.
        dry_run: only say what would go.
        force: also containers that run.

    Returns:
        Names of "containers" and "images" that went, and of the containers that were "left_alone", since they only
        carry our labels: a copy of one of ours, or all of them where the state was lost.
    """
    around = look_around(deps.engine, deps.own, deps.store, deps.project)
    orphans = [orphan for orphan in around.orphans if force or orphan.state not in ("running", "restarting")]
    gone: dict[str, list[str]] = {"containers": [orphan.name for orphan in orphans], "images": []}
    if around.lookalikes:
        gone["left_alone"] = [f"{one.name} ({one.id[:12]})" for one in around.lookalikes]
    if not dry_run:
        for orphan in orphans:
            discard(deps.engine, deps.own, orphan.id, stop=0)
        deps.own.tidy()
    for service in deps.store.services():
        active = deps.store.active(service)
        kept = keep if keep is not None else active.spec.deploy.keep_images if active else 0
        if dry_run:
            old = past(deps.store.releases(service, limit=10_000), kept)
            gone["images"] += [release.image for release in old]
        else:
            gone["images"] += prune_service(deps, service, keep=kept, local=True)
    return gone


def prune_chosen(deps: DeployDeps, wanted: Iterable[str], *, dry_run: bool) -> dict[str, list[str]]:
    """Remove containers that a person named, and nothing else; lookalikes too.

    Raises:
        UsageError: one of them carries no label of ours, or serves; nothing was removed.
    """
    found = chosen(deps, wanted)
    for container in found if not dry_run else []:
        discard(deps.engine, deps.own, container.id, stop=0)
    return {"containers": [container.name for container in found], "images": []}
