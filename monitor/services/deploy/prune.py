"""Taking away what is not needed any more: only images that our releases used, only containers with our labels."""

from __future__ import annotations

from monitor.errors import Conflict, NotFound
from monitor.services.deploy.parts import Parts


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
