"""The fixtures themselves, on a real engine: images run, the registry takes a push only with its login."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable

import docker
import pytest

from monitor.domain.names import LABEL_PROJECT
from tests.support.registry import Registry
from tests.support.wait import wait_until

pytestmark = pytest.mark.engine


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_a_release_of_the_sample_service_tells_its_version(
    docker_client: docker.DockerClient, shop_image: str, project: str, free_port: Callable[[], int]
) -> None:
    port = free_port()
    docker_client.containers.run(
        shop_image,
        detach=True,
        name=f"{project}-shop",
        labels={LABEL_PROJECT: project},
        ports={"3000/tcp": ("127.0.0.1", port)},
    )
    base = f"http://127.0.0.1:{port}"
    assert wait_until(lambda: _get(f"{base}/health")[0] == 200)
    assert json.loads(_get(f"{base}/version")[1])["version"] == "v1"
    assert _get(f"{base}/error?status=503")[0] == 503
    urllib.request.urlopen(f"{base}/set?error_rate=0.5", data=b"", timeout=5).close()
    assert [_get(base)[0] for _ in range(4)] == [200, 500, 200, 500]
    assert _get(f"{base}/health")[0] == 200


def test_the_registry_takes_an_image_with_the_right_login_alone(
    docker_client: docker.DockerClient, registry: Registry, busybox_image: str
) -> None:
    reference = registry.push(busybox_image, "shop/tool:v1")
    with pytest.raises(docker.errors.APIError):
        docker_client.images.pull(reference, auth_config={"username": registry.user, "password": "wrong"})
    login = {"username": registry.user, "password": registry.password}
    assert docker_client.images.pull(reference, auth_config=login).attrs["RepoDigests"]
    docker_client.images.remove(reference)


def test_the_proxy_image_runs_haproxy(docker_client: docker.DockerClient, haproxy_image: str) -> None:
    version = docker_client.containers.run(haproxy_image, ["haproxy", "-v"], remove=True, network_mode="host")
    assert version.startswith(f"HAProxy version {haproxy_image.rpartition(':')[2]}".encode())
