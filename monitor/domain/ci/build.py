"""The command that builds one image."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from monitor.domain.secretnames import looks_secret

Builder = Literal["buildx", "plain"]


@dataclass(frozen=True, slots=True)
class ImageBuild:
    """One image to build. `context` is seen from the folder of bgmon.yml, `dockerfile` from the context.

    `hidden` are the `args` whose values Docker reads from its environment, because every user of a machine can read
    the arguments of its processes.
    """

    service: str
    repository: str
    tag: str
    context: str
    dockerfile: str | None = None
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    platforms: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    cache: str | None = None
    revision: str | None = None

    @property
    def image(self) -> str:
        return f"{self.repository}:{self.tag}"

    @property
    def environ(self) -> dict[str, str]:
        """What the commands need in their environment."""
        return {key: value for key, value in self.args.items() if key in self.hidden}


def hidden_args(args: Mapping[str, str], secrets: Collection[str]) -> frozenset[str]:
    """Which build arguments hold a secret: by name, by look, or because one of `secrets` is part of the value."""
    return frozenset(
        key for key, value in args.items() if looks_secret(key, value) or any(one in value for one in secrets if one)
    )


def commands(build: ImageBuild, *, builder: Builder, push: bool, cache: bool) -> list[list[str]]:
    """What to run, one after another, in the folder of bgmon.yml.

    Args:
        build: the image.
        builder: buildx keeps a cache in the registry and builds for other machines; the plain one has neither.
        push: also bring it to its registry.
        cache: read the build cache of the registry, and write it when pushing.
    """
    shared = ["--tag", build.image]
    if build.dockerfile:
        shared += ["--file", posixpath.normpath(posixpath.join(build.context, build.dockerfile))]
    if build.target:
        shared += ["--target", build.target]
    for key, value in build.args.items():
        shared += ["--build-arg", key if key in build.hidden else f"{key}={value}"]
    for name in build.secrets:
        shared += ["--secret", f"id={name},env={name}"]
    if build.platforms:
        shared += ["--platform", ",".join(build.platforms)]
    if build.revision:
        shared += ["--label", f"org.opencontainers.image.revision={build.revision}"]
    if builder == "plain":
        made = [["docker", "build", *shared, build.context]]
        return [*made, ["docker", "push", build.image]] if push else made
    if cache:
        place = f"type=registry,ref={build.cache or f'{build.repository}:buildcache'}"
        shared += ["--cache-from", place]
        if push:
            # A registry that takes no cache must not fail the build.
            shared += ["--cache-to", f"{place},mode=max,ignore-error=true"]
    return [["docker", "buildx", "build", "--push" if push else "--load", *shared, build.context]]
