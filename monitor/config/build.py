"""`services.NAME.build`: out of what an image is built, and which files count as its own."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from monitor.config.base import Model
from monitor.config.spelled import as_written


def _as_paths(value: object) -> object:
    return [value] if isinstance(value, str) else value


class BuildSection(Model):
    context: str = Field(default=".", min_length=1)
    """The folder that is handed to Docker, seen from bgmon.yml's."""
    paths: Annotated[tuple[str, ...], BeforeValidator(_as_paths)] = ()
    """Files and folders, seen from bgmon.yml's, whose change needs a new image; `*` stands for anything. None means the
    context."""
    dockerfile: str | None = None
    """Seen from the context; `Dockerfile` by default."""
    target: str | None = None
    """The stage to build."""
    args: dict[
        str, Annotated[str, BeforeValidator(as_written), WithJsonSchema({"type": ["string", "number", "boolean"]})]
    ] = {}
    """Build arguments; they are readable in the image, so that no secret belongs here."""
    platforms: tuple[str, ...] = ()
    """For instance `linux/arm64`; several need buildx and `--push`."""
    secrets: tuple[str, ...] = ()
    """Variables of the environment that a `RUN --mount=type=secret,id=NAME` reads."""
    cache: str | None = None
    """The image that holds the build cache; `<repository>:buildcache` by default."""

    @field_validator("context", "paths", "dockerfile")
    @classmethod
    def _inside(cls, value: Any) -> Any:
        for item in (value,) if isinstance(value, str) else value or ():
            if item.startswith(("/", "~")):
                raise ValueError(f"{item!r} must be seen from the folder of bgmon.yml, not from the root")
        return value


def as_build(value: object) -> object:
    """`build: services/core` is short for its context."""
    return {"context": value} if isinstance(value, str) else value
