"""Taking away what is not needed any more: only images that our releases used, only containers that we made."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.config.compile import spec_from_json
from monitor.domain.records import Release, past
from monitor.errors import Conflict, NotFound
from monitor.services.deploy.green import discard
from monitor.services.deploy.own import chosen, look_around
from monitor.services.deploy.parts import Parts


def prune_service(parts: Parts, service: str, *, keep: int, local: bool = False) -> list[str]:
    """Forget releases past the newest `keep` (the active one not counted), and remove images that none other needs.

    Args:
        parts: the ports.
        service: whose releases.
        keep: how many to keep.
        local: also remove images that no registry has seen, which nobody could pull again.

    Returns:
        The images that were removed.
    """
    forgotten = parts.store.prune(service, keep)
    needed = {release.image_id for name in parts.store.services() for release in parts.store.releases(name, limit=1000)}
    removed: list[str] = []
    for release in forgotten:
        parts.secrets.drop(release.deploy)
        if release.image_id in needed or (is_local(release) and not local):
            continue
        # By name, not by id: a tag that somebody else gave the same image keeps it.
        for name in (release.image, release.digest):
            image = parts.engine.image(name)
            if image is not None and image.id == release.image_id and _remove(parts, name):
                removed.append(name)
    return removed


def is_local(release: Release) -> bool:
    """Whether its image came from no registry."""
    return release.digest.startswith("sha256:")


def _remove(parts: Parts, name: str) -> bool:
    try:
        parts.engine.remove_image(name)
    except (Conflict, NotFound):
        return False  # a container, perhaps a stranger's, uses it; or it is gone already
    return True


def prune_project(parts: Parts, *, keep: int | None, dry_run: bool, force: bool = False) -> dict[str, list[str]]:
    """Old images of every service, and containers that belong to no release.

    Args:
        parts: the ports.
        keep: how many releases to keep besides the active one; None takes what each release was deployed with.
        dry_run: only say what would go.
        force: also containers that run.

    Returns:
        Names of "containers" and "images" that went, and of the containers that were "left_alone", since they only
        carry our labels: a copy of one of ours, or all of them where the state was lost.
    """
    around = look_around(parts.engine, parts.own, parts.store, parts.project)
    orphans = [orphan for orphan in around.orphans if force or orphan.state not in ("running", "restarting")]
    gone: dict[str, list[str]] = {"containers": [orphan.name for orphan in orphans], "images": []}
    if around.lookalikes:
        gone["left_alone"] = [f"{one.name} ({one.id[:12]})" for one in around.lookalikes]
    if not dry_run:
        for orphan in orphans:
            discard(parts.engine, parts.own, orphan.id, stop=0)
        parts.own.tidy()
    for service in parts.store.services():
        active = parts.store.active(service)
        kept = keep if keep is not None else spec_from_json(active.spec).deploy.keep_images if active else 0
        if dry_run:
            old = past(parts.store.releases(service, limit=10_000), kept)
            gone["images"] += [release.image for release in old]
        else:
            gone["images"] += prune_service(parts, service, keep=kept, local=True)
    return gone


def prune_chosen(parts: Parts, wanted: Iterable[str], *, dry_run: bool) -> dict[str, list[str]]:
    """Remove containers that a person named, and nothing else; lookalikes too.

    Raises:
        UsageError: one of them carries no label of ours, or serves; nothing was removed.
    """
    found = chosen(parts, wanted)
    for container in found if not dry_run else []:
        discard(parts.engine, parts.own, container.id, stop=0)
    return {"containers": [container.name for container in found], "images": []}
