"""From the engine's JSON to plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from monitor import masking
from monitor.domain.containers import (
    CheckResult,
    Container,
    ContainerState,
    ContainerStats,
    EngineEvent,
    EngineInfo,
    Image,
)

_NEVER_YEAR = 1  # 0001-01-01T00:00:00Z stands for "not yet"
_HEALTHS = ("starting", "healthy", "unhealthy")
_NANO = 1e-9
# What the engine puts beside the labels into an event.
_NO_LABELS = frozenset({"exitCode", "image", "name", "signal", "execID", "execDuration", "oldName"})


def unix_time(text: str | None) -> float | None:
    """Seconds since 1970 of an RFC 3339 time; None where the engine has none.

    >>> unix_time("1970-01-01T01:00:00.123456789+01:00")
    0.123456
    >>> unix_time("0001-01-01T00:00:00Z")
    """
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return None if moment.year == _NEVER_YEAR else moment.timestamp()


def container(raw: Mapping[str, Any]) -> Container:
    """A container, from the answer of GET /containers/{id}/json."""
    state = raw["State"]
    config = raw["Config"]
    host = raw["HostConfig"]
    settings = raw.get("NetworkSettings") or {}
    health = (state.get("Health") or {}).get("Status")
    return Container(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        image=config["Image"],
        image_id=raw["Image"],
        labels=dict(config.get("Labels") or {}),
        state=cast("ContainerState", state["Status"]),
        health=health if health in _HEALTHS else None,
        exit_code=state["ExitCode"],
        oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error") or "",
        created_at=unix_time(raw.get("Created")),
        started_at=unix_time(state.get("StartedAt")),
        finished_at=unix_time(state.get("FinishedAt")),
        restarts=raw.get("RestartCount") or 0,
        restart_policy=(host.get("RestartPolicy") or {}).get("Name") or "no",
        pid=state.get("Pid") or 0,
        ports=_ports(settings.get("Ports"), host.get("PortBindings")),
        networks=tuple(sorted(settings.get("Networks") or {})),
        addresses={
            name: endpoint["IPAddress"]
            for name, endpoint in (settings.get("Networks") or {}).items()
            if endpoint.get("IPAddress")
        },
        mounts=tuple(sorted(one["Source"] for one in raw.get("Mounts") or () if one.get("Type") == "bind")),
        check=_last_check(state.get("Health") or {}),
    )


def _last_check(health: Mapping[str, Any]) -> CheckResult | None:
    runs = health.get("Log") or []
    if not runs:
        return None
    # Checks like to print how they ask, password and all; masked while it is whole and has its lines.
    return CheckResult(runs[-1].get("ExitCode", 0), masking.clean(runs[-1].get("Output") or ""))


def _ports(bound: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> dict[int, int]:
    """Published TCP ports: as bound now, or as asked for by a container that does not run."""
    found: dict[int, int] = {}
    for source in (wanted or {}, bound or {}):
        for key, bindings in source.items():
            port, _, protocol = key.partition("/")
            host_port = next((binding["HostPort"] for binding in bindings or () if binding.get("HostPort")), "")
            if protocol in ("", "tcp") and host_port not in ("", "0"):
                found[int(port)] = int(host_port)
    return found


def image(raw: Mapping[str, Any]) -> Image:
    """An image, from the answer of GET /images/{name}/json."""
    config = raw.get("Config") or {}
    test = (config.get("Healthcheck") or {}).get("Test") or []
    exposed = (key.partition("/") for key in config.get("ExposedPorts") or {})
    return Image(
        id=raw["Id"],
        tags=tuple(raw.get("RepoTags") or ()),
        digests=tuple(raw.get("RepoDigests") or ()),
        architecture=raw.get("Architecture") or "",
        size=raw.get("Size") or 0,
        healthcheck=bool(test) and test != ["NONE"],
        exposed_ports=tuple(sorted(int(port) for port, _, protocol in exposed if protocol in ("", "tcp"))),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        created_at=unix_time(raw.get("Created")),
    )


def pinned_first(image: Image, pinned: str) -> Image:
    """Put the digest that was just pulled first: an image may have been pulled under several.

    Docker may spell its repository otherwise than `pinned` does: `core` is `docker.io/library/core`.
    """
    wanted = pinned.partition("@")[2]
    order = sorted(image.digests, key=lambda digest: (digest != pinned, digest.partition("@")[2] != wanted))
    return replace(image, digests=tuple(order))


def names_to_remove(image: Image, reference: str) -> list[str]:
    """What must be untagged for `reference` to be gone: for a digest, all tags of its repository as well.

    The engine drops the digests of a repository together with its last tag.
    """
    repository, at, _ = reference.partition("@")
    if reference.startswith("sha256:") or reference not in (*image.tags, *image.digests):
        return [image.id]
    if not at:
        return [reference]
    tags = [tag for tag in image.tags if _repository(tag) == repository]
    return [*tags, reference]


def names_left(image: Image, removed: Sequence[str]) -> list[str]:
    """By what the image is still known once `removed` are gone; nothing when its id is among them."""
    if image.id in removed:
        return []
    tagged = {_repository(tag) for tag in image.tags}
    tags = [tag for tag in image.tags if tag not in removed]
    untagged = tagged - {_repository(tag) for tag in tags}
    digests = [digest for digest in image.digests if digest not in removed and _repository(digest) not in untagged]
    return [*tags, *digests]


def _repository(reference: str) -> str:
    name, at, _ = reference.partition("@")
    return name if at else name.rpartition(":")[0]


def engine_info(info: Mapping[str, Any], version: Mapping[str, Any]) -> EngineInfo:
    """The engine, from the answers of GET /info and GET /version.

    The architecture is the version's (`amd64`), which images are named by, not the kernel's (`x86_64`).
    """
    return EngineInfo(
        version=info.get("ServerVersion") or "",
        architecture=version.get("Arch") or "",
        root_dir=info.get("DockerRootDir") or "",
        memory=info.get("MemTotal") or 0,
        containers=info.get("Containers") or 0,
        live_restore=bool(info.get("LiveRestoreEnabled")),
    )


def event(raw: Mapping[str, Any]) -> EngineEvent:
    """A container event, from one line of GET /events."""
    actor = raw.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    at_ns = raw.get("timeNano") or int(raw["time"]) * 10**9
    exit_code = attributes.get("exitCode")
    return EngineEvent(
        action=raw.get("Action") or raw.get("status") or "",
        container_id=actor.get("ID") or raw.get("id") or "",
        name=attributes.get("name", ""),
        labels={key: value for key, value in attributes.items() if key not in _NO_LABELS},
        at=at_ns * _NANO,
        at_ns=at_ns,
        exit_code=None if exit_code is None else int(exit_code),
        signal=attributes.get("signal", ""),
    )


def stats(raw: Mapping[str, Any]) -> ContainerStats | None:
    """What a container uses, from GET /containers/{id}/stats; None when it does not run.

    Memory is what `docker stats` shows: without the page cache that the kernel gives back when asked, which is
    `total_inactive_file` on cgroup v1 and `inactive_file` on v2.
    """
    memory = raw.get("memory_stats") or {}
    usage = memory.get("usage")
    cpu = (raw.get("cpu_stats") or {}).get("cpu_usage", {}).get("total_usage")
    if usage is None or cpu is None:
        return None
    detail = memory.get("stats") or {}
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return ContainerStats(
        memory=usage - cache if cache < usage else usage,
        memory_limit=memory.get("limit") or 0,
        cpu_seconds=cpu * _NANO,
    )
