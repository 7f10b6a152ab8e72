"""Getting the image: pulled by tag, pinned by digest; an image that no registry has seen is taken as it is."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.domain.containers import Image, PullProgress
from monitor.domain.names import repository_of
from monitor.errors import PullFailed
from monitor.services.deploy.deps import DeployDeps, PullPolicy


@dataclass(frozen=True, slots=True)
class Fetched:
    """`pinned` names exactly this image, whatever happens to the tag."""

    id: str
    pinned: str


def fetch(
    deps: DeployDeps, service: str, reference: str, policy: PullPolicy, *, architecture: str = "", shown: str = ""
) -> Fetched:
    """The image of `reference`, on this host.

    `auto` pulls unless the image is here and its registry has never seen it, or it is named by a digest that is here;
    `always` pulls, `never` doesn't. `architecture` is the engine's, to refuse an image for another one.

    Raises:
        PullFailed: it cannot be had, or was built for another architecture.
    """
    here = deps.engine.image(reference)
    if here is not None and (policy == "never" or (policy == "auto" and _settled(here, reference))):
        deps.tell("pulled", service, f"{shown or reference} is here already")
        image = here
    elif policy == "never":
        raise PullFailed(f"image {reference} is not on this host", hint="leave out --pull never, or build it here")
    else:
        deps.tell("pulling", service, f"pulling {reference}")

        def progress(step: PullProgress) -> None:
            deps.tell("progress", service, step.status, current=step.current, total=step.total)

        image = deps.engine.pull(reference, progress)
        deps.tell("pulled", service, f"pulled {reference}")
    wanted = architecture
    if image.architecture and wanted and image.architecture != wanted:
        raise PullFailed(
            f"image {reference} is for {image.architecture}, this host is {wanted}",
            hint=f"build it with: docker build --platform linux/{wanted}",
        )
    return Fetched(id=image.id, pinned=_digest(image, reference) or image.id)


def _settled(image: Image, reference: str) -> bool:
    """Whether a pull could not bring anything else."""
    return "@" in reference or reference.startswith("sha256:") or _digest(image, reference) is None


def _digest(image: Image, reference: str) -> str | None:
    """What the reference's own registry calls this image; None when that registry has never seen it."""
    repository = repository_of(reference)
    for digest in image.digests:
        if digest.partition("@")[0] in (repository, f"docker.io/{repository}"):
            return digest
    return None
