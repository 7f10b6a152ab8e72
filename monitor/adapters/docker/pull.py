"""Pulling an image: credentials, progress over all layers, and what went wrong in words a user can act on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import docker
import docker.errors
from docker import auth
from docker.utils import parse_repository_tag
from docker.utils.json_stream import json_stream

from monitor.adapters.docker.errors import explain, one_line, timed_out, translate
from monitor.adapters.docker.stream import request
from monitor.domain.containers import PullProgress
from monitor.errors import EngineUnreachable, PullFailed

_DISK = "free space where Docker keeps its data: bgmon prune, docker system prune"
_LOGIN = "log in on this host as the user that runs bgmon: docker login {registry}"
# (part of what the engine said, what it means, what to do next); the first that fits counts.
_REASONS = (
    ("no space left on device", "the disk is full", _DISK),
    ("disk quota exceeded", "the disk quota is used up", _DISK),
    ("no matching manifest", "it was not built for this host's architecture", "docker buildx build --platform ..."),
    ("no match for platform", "it was not built for this host's architecture", "docker buildx build --platform ..."),
    ("toomanyrequests", "the registry refuses: too many pulls", "log in, or wait: docker login {registry}"),
    ("manifest unknown", "the tag does not exist there", "check the tag, and that CI has pushed it"),
    ("manifest for", "the tag does not exist there", "check the tag, and that CI has pushed it"),
    ("pull access denied", "it does not exist, or a login is missing", _LOGIN),
    ("name unknown", "the repository does not exist there", "check the name"),
    ("no basic auth credentials", "the registry wants a login", _LOGIN),
    ("unauthorized", "the registry refuses these credentials", _LOGIN),
    ("authentication required", "the registry wants a login", _LOGIN),
    ("denied", "the registry refuses access", _LOGIN),
    ("server gave http response to https", "the registry speaks no TLS", "add it to insecure-registries of the engine"),
    ("x509:", "the registry's certificate is not trusted", "put its CA into /etc/docker/certs.d/{registry}/ca.crt"),
    ("no such host", "the registry's name cannot be resolved", "check {registry} and this host's DNS"),
    ("connection refused", "the registry does not answer", "check that {registry} runs and can be reached from here"),
    ("timeout", "the registry does not answer in time", "check that {registry} can be reached from this host"),
    ("deadline exceeded", "the registry does not answer in time", "check that {registry} can be reached from here"),
    ("invalid reference format", "that is no image reference", "write it as registry/repository:tag"),
)  # fmt: skip


@dataclass(slots=True)
class _Layer:
    fetched: int = 0
    size: int = 0
    done: bool = False


@dataclass(slots=True)
class Meter:
    """Adds layers up. A layer's size is known only once its download starts, so `total` grows at first."""

    layers: dict[str, _Layer] = field(default_factory=dict)

    def take(self, line: Mapping[str, Any]) -> PullProgress | None:
        """Progress after one line of the engine's answer; None when it says nothing about a layer."""
        status, layer_id = line.get("status", ""), line.get("id", "")
        if not layer_id or status.startswith("Pulling from"):
            return None
        layer = self.layers.setdefault(layer_id, _Layer())
        detail = line.get("progressDetail") or {}
        match status:
            case "Downloading":
                layer.fetched = max(layer.fetched, detail.get("current") or 0)
                layer.size = max(layer.size, detail.get("total") or 0, layer.fetched)
            case "Download complete" | "Verifying Checksum" | "Extracting":
                layer.size = max(layer.size, detail.get("total") or 0)
                layer.fetched = layer.size
            case "Pull complete" | "Already exists":
                layer.fetched = layer.size
                layer.done = True
            case _:
                pass
        done = sum(layer.done for layer in self.layers.values())
        return PullProgress(
            status=f"{status.lower()}: {done} of {len(self.layers)} layers",
            current=sum(layer.fetched for layer in self.layers.values()),
            total=sum(layer.size for layer in self.layers.values()),
        )


def pull(
    client: docker.APIClient,
    reference: str,
    progress: Callable[[PullProgress], None] | None,
    *,
    engine: str,
    silence: float,
) -> str:
    """Pull, and name exactly what came: `repository@digest`, or `reference` when the engine told no digest.

    `silence` is how long, in seconds, the engine may say nothing. What `progress` raises ends the pull and passes.

    Raises:
        PullFailed: there is no such image, no access, no registry, no space, or nothing happens.
        EngineUnreachable: the engine itself does not answer.
    """
    repository, tag = parse_repository_tag(reference)
    registry = _registry(repository, reference)
    headers = _credentials(client, registry)
    border = partial(_border, reference, registry, engine)
    with border():
        params = {"fromImage": repository, "tag": tag or "latest"}
        response = request(client, "POST", "/images/create", params=params, headers=headers, read_timeout=silence)
    meter = Meter()
    digest = ""
    with response:
        lines = json_stream(response.iter_content(None))
        while True:
            with border():
                line = next(lines, None)
            if line is None:
                return f"{repository}@{digest}" if digest else reference
            if error := (line.get("errorDetail") or {}).get("message") or line.get("error"):
                raise failed(reference, registry, one_line(str(error)))
            if line.get("status", "").startswith("Digest: "):
                digest = line["status"].removeprefix("Digest: ").strip()
            step = meter.take(line)
            if step is not None and progress is not None:
                progress(step)


@contextmanager
def _border(reference: str, registry: str, engine: str) -> Iterator[None]:
    try:
        yield
    except docker.errors.APIError as error:
        raise failed(reference, registry, explain(error)) from error
    except Exception as error:
        if timed_out(error):
            raise PullFailed(
                f"cannot pull {reference}: nothing came for too long", hint=f"check the way to {registry}, and its load"
            ) from error
        translated = translate(error, f"pulling {reference}", engine=engine)
        if isinstance(translated, EngineUnreachable):
            raise translated from error
        raise PullFailed(str(translated), hint=translated.hint) from error


def failed(reference: str, registry: str, said: str) -> PullFailed:
    """What a user reads when the engine `said` no."""
    low = said.lower()
    for part, meaning, hint in _REASONS:
        if part in low:
            return PullFailed(f"cannot pull {reference}: {meaning} ({said})", hint=hint.format(registry=registry))
    return PullFailed(f"cannot pull {reference}: {said}", hint=f"try it by hand: docker pull {reference}")


def _registry(repository: str, reference: str) -> str:
    try:
        registry, _ = auth.resolve_repository_name(repository)
    except docker.errors.InvalidRepository as error:
        raise PullFailed(f"cannot pull {reference}: {error}", hint="write it as registry/repository:tag") from error
    return str(registry)


def _credentials(client: docker.APIClient, registry: str) -> dict[str, str]:
    """The header for this registry, from Docker's own config, read anew: tokens expire and people log in.

    Credential helpers run as child processes and answer on a pipe; nothing of it is logged.
    """
    try:
        with warnings.catch_warnings():  # the SDK warns of a missing helper, and then raises
            warnings.simplefilter("ignore")
            client.reload_config()
            header = auth.get_config_header(client, registry)
    except (docker.errors.DockerException, ValueError, KeyError) as error:
        raise PullFailed(
            f"no credentials for {registry}: {one_line(str(error))}",
            hint="mend credsStore and credHelpers in Docker's config.json, or the helper they name",
        ) from error
    return {"X-Registry-Auth": header.decode()} if header else {}
