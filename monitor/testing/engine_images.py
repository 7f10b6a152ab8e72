"""Images of the fake engine: a registry, and what of it is on the host."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from monitor.domain.containers import Image
from monitor.errors import BgmonError, PullFailed
from monitor.testing.engine_containers import Behaviour

_SIZE = 100_000_000


@dataclass(frozen=True, slots=True)
class Stored:
    """An image, and what a container of it will do."""

    image: Image
    labels: Mapping[str, str]
    behaviour: Behaviour


class FakeImages:
    """Names are `repository:tag` or `repository@digest`; a tag that was pushed again has moved."""

    def __init__(self, now: Callable[[], float], architecture: str) -> None:
        self._now = now
        self._architecture = architecture
        self._registry: dict[str, Stored | BgmonError] = {}
        self._local: dict[str, Stored] = {}

    def push(
        self,
        reference: str,
        behaviour: Behaviour = Behaviour(),  # noqa: B008 - frozen
        *,
        content: str = "",
        labels: Mapping[str, str] | None = None,
        healthcheck: bool = False,
        architecture: str = "",
        exposed_ports: tuple[int, ...] = (),
    ) -> Image:
        """Put an image into the registry; pushing a tag again with other `content` moves it."""
        repository, tag = split(reference)
        digest = f"sha256:{_hash(f'digest {repository} {content or tag}')}"
        image = Image(
            id=f"sha256:{_hash(f'image {content or repository + tag}')}",
            tags=(f"{repository}:{tag}",),
            digests=(f"{repository}@{digest}",),
            architecture=architecture or self._architecture,
            size=_SIZE,
            healthcheck=healthcheck,
            exposed_ports=exposed_ports,
            created_at=self._now(),
        )
        stored = Stored(image, dict(labels or {}), behaviour)
        self._registry[f"{repository}:{tag}"] = self._registry[image.digests[0]] = stored
        return image

    def refuse(self, reference: str, error: BgmonError) -> None:
        """Let every pull of `reference` fail."""
        self._registry[_key(reference)] = error

    def build(self, reference: str, behaviour: Behaviour = Behaviour(), *, healthcheck: bool = False) -> Image:  # noqa: B008 - frozen
        """Put an image on the host that no registry has seen."""
        image = replace(self.push(reference, behaviour, healthcheck=healthcheck), digests=())
        self._registry.pop(_key(reference))
        self._local[_key(reference)] = Stored(image, {}, behaviour)
        return image

    def pull(self, reference: str) -> Image:
        stored = self._registry.get(_key(reference))
        if stored is None:
            raise PullFailed(f"cannot pull {reference}: the tag does not exist there", hint="check the tag")
        if isinstance(stored, BgmonError):
            raise stored
        for name in stored.image.digests if "@" in reference else (*stored.image.tags, *stored.image.digests):
            self._local[name] = stored
        return self.view(reference, stored)

    def find(self, reference: str) -> Stored | None:
        if reference.startswith("sha256:"):
            return next((stored for stored in self._local.values() if stored.image.id == reference), None)
        return self._local.get(_key(reference))

    def of(self, repository: str) -> list[Image]:
        named = {name: stored for name, stored in self._local.items() if split(name)[0] == repository}
        return list({stored.image.id: self.view(name, stored) for name, stored in named.items()}.values())

    def removal(self, reference: str, stored: Stored) -> tuple[list[str], list[str]]:
        """(names that go with `reference`, names that stay).

        A repository's digests go with its last tag, and a digest takes its tags along.
        """
        names = [name for name, held in self._local.items() if held.image.id == stored.image.id]
        going = names
        if reference != stored.image.id:
            repository = split(reference)[0]
            mine = [name for name in names if split(name)[0] == repository]
            other_tags = [name for name in mine if "@" not in name and name != _key(reference)]
            going = mine if "@" in reference or not other_tags else [_key(reference)]
        return going, [name for name in names if name not in going]

    def drop(self, names: list[str]) -> None:
        for name in names:
            del self._local[name]

    def view(self, reference: str, stored: Stored) -> Image:
        """As the host knows it now: a tag that has moved on is no longer this image's."""
        names = [name for name, held in self._local.items() if held.image.id == stored.image.id]
        digests = sorted((name for name in names if "@" in name), key=lambda name: name != reference)
        return replace(stored.image, tags=tuple(name for name in names if "@" not in name), digests=tuple(digests))


def split(reference: str) -> tuple[str, str]:
    """(repository, tag) of a reference; the tag is `latest` unless it has one."""
    head, slash, last = reference.partition("@")[0].rpartition("/")
    repository, _, tag = last.partition(":")
    return head + slash + repository, tag or "latest"


def _key(reference: str) -> str:
    return reference if "@" in reference else ":".join(split(reference))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
