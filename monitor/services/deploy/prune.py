"""Taking away what is not needed any more: only images that our releases used, only containers with our labels."""

from __future__ import annotations

from monitor.config.compile import spec_from_json
from monitor.errors import Conflict, NotFound
from monitor.services.deploy.green import discard
from monitor.services.deploy.parts import Parts
from monitor.services.deploy.status import rows


def prune_service(parts: Parts, service: str, *, keep: int) -> list[str]:
    """Forget releases past the newest `keep` (the active one not counted), and remove images that none other needs.

    Returns:
        The images that were removed.
    """
    forgotten = parts.store.prune(service, keep)
    needed = {release.image_id for name in parts.store.services() for release in parts.store.releases(name, limit=1000)}
    removed: list[str] = []
    for release in forgotten:
        parts.secrets.drop(release.deploy)
        if release.image_id in needed or release.image_id in removed:
            continue
        try:
            parts.engine.remove_image(release.digest)
        except (Conflict, NotFound):
            continue  # another container, perhaps a stranger's, uses it; or it is gone already
        removed.append(release.image_id)
    return removed


def prune_project(parts: Parts, *, keep: int | None, dry_run: bool) -> dict[str, list[str]]:
    """Old images of every service, and containers that belong to no release.

    Args:
        parts: the ports.
        keep: how many releases to keep besides the active one; None takes what each release was deployed with.
        dry_run: only say what would go.
    """
    _, orphans = rows(parts.engine, parts.store, parts.project, ())
    gone: dict[str, list[str]] = {"containers": [orphan.name for orphan in orphans], "images": []}
    if not dry_run:
        for orphan in orphans:
            discard(parts.engine, orphan.id, stop=0)
    for service in parts.store.services():
        active = parts.store.active(service)
        kept = keep if keep is not None else spec_from_json(active.spec).deploy.keep_images if active else 0
        if dry_run:
            old = [release for release in parts.store.releases(service, limit=10_000) if not release.active][kept:]
            gone["images"] += [release.digest for release in old]
        else:
            gone["images"] += prune_service(parts, service, keep=kept)
    return gone
