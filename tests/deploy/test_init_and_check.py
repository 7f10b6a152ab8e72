"""Images that bring an init of their own, and health checks of Docker's that fail."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Callable, Iterator

import docker
import pytest

from monitor.errors import GateFailed
from tests.support.stage import Stage

pytestmark = [pytest.mark.engine, pytest.mark.proxy]

# As s6-overlay's first program does.
INIT = """#!/bin/sh
[ $$ = 1 ] || { echo "s6-overlay-suexec: fatal: can only run as pid 1"; exit 100; }
mkdir -p /tmp/www && echo fine > /tmp/www/health
exec httpd -f -p 3000 -h /tmp/www
"""


@pytest.fixture
def build(docker_client: docker.DockerClient) -> Iterator[Callable[..., str]]:
    """An image out of these lines of a Dockerfile; `init` is among its files."""
    made: list[str] = []

    def build(*lines: str) -> str:
        reference = f"bgmon-test/init-{uuid.uuid4().hex[:8]}:v1"
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            for name, text in {"Dockerfile": "\n".join(lines), "init": INIT}.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(text), 0o755
                tar.addfile(info, io.BytesIO(text.encode()))
        context.seek(0)
        docker_client.images.build(fileobj=context, custom_context=True, tag=reference, rm=True, forcerm=True)
        made.append(reference)
        return reference

    yield build
    for reference in made:
        docker_client.images.remove(reference, force=True)


def test_an_init_of_the_image_s_own_is_pid_1(stage: Stage, build: Callable[..., str], busybox_image: str) -> None:
    stage.service(deploy__bake="0s")
    image = build(f"FROM {busybox_image}", "COPY init /init", 'ENTRYPOINT ["/init"]')
    stage.deploy("v1", image=image, pull="never")
    assert stage.answer("/health")[0] == 200


def test_an_init_that_nobody_knows_fails_with_the_hint(
    stage: Stage, build: Callable[..., str], busybox_image: str
) -> None:
    stage.service(deploy__bake="0s")
    image = build(f"FROM {busybox_image}", "COPY init /entrypoint.sh", 'ENTRYPOINT ["/entrypoint.sh"]')
    with pytest.raises(GateFailed, match="can only run as pid 1") as caught:
        stage.deploy("v1", image=image, pull="never")
    assert "init: false" in caught.value.hint
    stage.service(deploy__bake="0s", init=False)
    stage.deploy("v1", image=image, pull="never")
    assert stage.answer("/health")[0] == 200


def test_a_health_check_that_fails_shows_its_output(stage: Stage, build: Callable[..., str], shop_image: str) -> None:
    check = "HEALTHCHECK --interval=200ms --retries=2 CMD echo no database at 10.0.0.7; exit 3"
    image = build(f"FROM {shop_image}", check)
    stage.service(health={"mode": "docker", "start": "20s"})
    with pytest.raises(GateFailed) as caught:
        stage.deploy("v1", image=image, pull="never")
    assert "Docker's health check says unhealthy (exit code 3: no database at 10.0.0.7)" in str(caught.value)


def test_a_health_check_that_never_runs_is_waited_for_no_longer_than_health_start(
    stage: Stage, build: Callable[..., str], shop_image: str
) -> None:
    image = build(f"FROM {shop_image}", "HEALTHCHECK --interval=1h CMD true")
    stage.service(health={"mode": "docker", "start": "1s"})
    with pytest.raises(GateFailed, match="not healthy within 1 s"):
        stage.deploy("v1", image=image, pull="never")
