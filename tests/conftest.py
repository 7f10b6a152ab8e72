"""Fixtures for what tests share: a real engine, its images, a registry. `make setup` provides all of it."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import settings

from tests.support.ports import free_port as _free_port

if TYPE_CHECKING:
    import docker

    from tests.support.private_engine import PrivateEngine
    from tests.support.registry import Registry


@pytest.fixture(autouse=True)
def _nothing_masked() -> Iterator[None]:
    """A process never forgets a secret; one test must not mask what another expects."""
    yield
    from monitor import masking

    masking.forget()


@pytest.fixture(autouse=True)
def _environment_kept() -> Iterator[None]:
    """What a test leaves in os.environ, every later test of the process would find there."""
    before = {name: value for name, value in os.environ.items() if name not in _SHARED}
    yield
    after = {name: value for name, value in os.environ.items() if name not in _SHARED}
    assert sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)) == []


# pytest's own, what the fixtures of a session set, and what bgmon sets for pydantic.
_SHARED: Final = ("PYTEST_CURRENT_TEST", "DOCKER_HOST", "PATH", "PYDANTIC_DISABLE_PLUGINS")


# How long an example takes says how busy the machine is, nothing about bgmon.
settings.register_profile("bgmon", deadline=None)
settings.load_profile("bgmon")


@pytest.fixture(scope="session", autouse=True)
def _haproxy_of_a_suite(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Puts the haproxy of BGMON_HAPROXY_SUITE in front of the machine's own, for every test that runs one."""
    suite = os.environ.get("BGMON_HAPROXY_SUITE")
    if suite:
        from tools import suites

        folder = tmp_path_factory.mktemp("bin")
        suites.wrapper(suite, "/usr/sbin/haproxy", folder)
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def docker_host() -> str:
    """URL of a usable engine, also in DOCKER_HOST. Without one the test fails: nothing is skipped silently."""
    from tools import engine

    url = engine.find()
    if url is None:
        pytest.fail("no Docker engine answers: run `make setup`, or set DOCKER_HOST")
    os.environ["DOCKER_HOST"] = url
    return url


@pytest.fixture(scope="session")
def docker_client(docker_host: str) -> Iterator[docker.DockerClient]:
    import docker

    client = docker.DockerClient(base_url=docker_host, timeout=60)
    yield client
    client.close()


@pytest.fixture(scope="session")
def busybox_image(docker_client: docker.DockerClient) -> str:
    """`bgmon-test/busybox:1`: every applet in /bin, /bin/sh as the command."""
    from tools import images

    return images.busybox(docker_client)


@pytest.fixture(scope="session")
def haproxy_image(docker_client: docker.DockerClient) -> str:
    """Debian's haproxy and the libraries it needs; that of BGMON_HAPROXY_SUITE where it is set."""
    from tools import images

    return images.haproxy(docker_client)


@pytest.fixture(scope="session")
def shop_image(docker_client: docker.DockerClient) -> str:
    """`bgmon-example/shop:v1`; all other tags of the sample service exist as well, see tools/images.py."""
    from tools import images

    for tag in images.SHOP_TAGS:
        images.shop(docker_client, tag)
    return images.shop(docker_client, "v1")


@pytest.fixture
def project(docker_client: docker.DockerClient) -> Iterator[str]:
    """A project name nobody else has; what carries it is removed afterwards."""
    from tests.support.engine import remove_project

    name = f"t{uuid.uuid4().hex[:10]}"
    yield name
    remove_project(docker_client, name)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a free TCP port at each call."""
    return _free_port


@pytest.fixture(scope="session")
def registry(docker_client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A docker-registry on loopback that wants a login."""
    from tests.support.registry import Registry

    registry = Registry(docker_client, tmp_path_factory.mktemp("registry"))
    yield registry
    registry.close()


@pytest.fixture(scope="session")
def _private_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateEngine]:
    from tests.support.private_engine import PrivateEngine

    engine = PrivateEngine(tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()


@pytest.fixture
def private_engine(_private_engine: PrivateEngine) -> PrivateEngine:
    """An engine that the test may stop, kill and restart; running when the test begins."""
    _private_engine.start()
    return _private_engine


@pytest.fixture
def logged_in(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's own config folder for this test, with a login for `registry`, as `docker login` leaves it."""
    folder = tmp_path / "docker-config"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.address: registry.auth}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder
