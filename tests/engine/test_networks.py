"""Services that are deployed side by side share one network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import docker
import pytest

from monitor.adapters.docker.engine import DockerEngine
from monitor.domain.names import LABEL_PROJECT

pytestmark = pytest.mark.engine


def test_a_network_that_several_ask_for_at_once_is_made_once(
    docker_client: docker.DockerClient, docker_host: str, project: str
) -> None:
    engines = [DockerEngine(docker_host) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(engine.ensure_network, project, {LABEL_PROJECT: project})
            for engine in engines
            for _ in range(4)
        ]
    for future in asked:
        future.result()
    for engine in engines:
        engine.close()
    assert len([network for network in docker_client.networks.list() if network.name == project]) == 1
