"""Cleaning up on a real engine."""

from __future__ import annotations

import contextlib

import docker
import docker.errors

from monitor.domain.names import LABEL_PROJECT


def remove_project(client: docker.DockerClient, project: str) -> None:
    """Take away every container, network and volume of one test's project, by label or by name."""
    for container in client.containers.list(all=True, ignore_removed=True):
        name = container.name or ""
        if container.labels.get(LABEL_PROJECT) == project or name == project or name.startswith(f"{project}-"):
            with contextlib.suppress(docker.errors.NotFound):
                container.remove(force=True, v=True)
    for network in client.networks.list():
        labels = network.attrs.get("Labels") or {}
        if labels.get(LABEL_PROJECT) == project or network.name == project:
            with contextlib.suppress(docker.errors.NotFound):
                network.remove()
    for volume in client.volumes.list():
        if (volume.attrs.get("Labels") or {}).get(LABEL_PROJECT) == project or volume.name.startswith(f"{project}-"):
            with contextlib.suppress(docker.errors.NotFound):
                volume.remove(force=True)
