"""Pulling from a real registry that wants a login, and from ones that are not there."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from monitor.adapters.docker.engine import DockerEngine
from monitor.domain.containers import ContainerSpec, PullProgress
from monitor.errors import Conflict, PullFailed
from tests.support.registry import Registry

pytestmark = pytest.mark.engine


@pytest.fixture
def engine(docker_host: str) -> Iterator[DockerEngine]:
    engine = DockerEngine()
    yield engine
    engine.close()


@pytest.fixture
def pushed(registry: Registry, busybox_image: str, project: str) -> Iterator[str]:
    """A reference in the registry that is not on the host."""
    reference = registry.push(busybox_image, f"{project}/core:v1")
    yield reference
    cleaner = DockerEngine()
    repository = reference.rpartition(":")[0]
    for image in cleaner.images(repository):  # other tests hold the same image by other names
        cleaner.remove_image(next(name for name in image.digests if name.startswith(f"{repository}@")))
    cleaner.close()


def config(folder: Path, monkeypatch: pytest.MonkeyPatch, content: object) -> None:
    (folder / "config.json").write_text(json.dumps(content))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put docker-credential-bgmon on PATH."""
    program = folder / "docker-credential-bgmon"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_docker_logins_are_used(engine: DockerEngine, pushed: str, logged_in: Path) -> None:
    steps: list[PullProgress] = []
    image = engine.pull(pushed, steps.append)
    assert pushed in image.tags
    assert image.digests[0].startswith(pushed.rpartition(":")[0] + "@sha256:")
    assert [step.current for step in steps] == sorted(step.current for step in steps)
    assert all(step.current <= step.total for step in steps)


def test_a_digest_can_be_pulled(engine: DockerEngine, pushed: str, logged_in: Path) -> None:
    pinned = engine.pull(pushed).digests[0]
    engine.remove_image(pinned)
    assert engine.image(pinned) is None
    again = engine.pull(pinned)
    assert again.digests[0] == pinned
    assert again.tags == () or pushed not in again.tags


def test_only_containers_of_that_name_keep_it_where_the_image_has_others(
    engine: DockerEngine, pushed: str, logged_in: Path, project: str, busybox_image: str
) -> None:
    """Two services may run the very same image out of two repositories."""
    pinned = engine.pull(pushed).digests[0]
    other = engine.create(ContainerSpec(name=f"{project}-other", image=busybox_image))
    mine = engine.create(ContainerSpec(name=f"{project}-mine", image=pinned))
    assert mine.image_id == other.image_id
    for name in (pinned, pushed):  # the digest goes with the last tag
        with pytest.raises(Conflict, match=f": {project}-mine was made from it"):
            engine.remove_image(name)
    engine.remove(mine.id)
    engine.remove_image(pinned)
    assert engine.image(pushed) is None
    assert engine.image(busybox_image) is not None


def test_a_credential_helper_is_asked(
    engine: DockerEngine, registry: Registry, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(tmp_path, monkeypatch, {"credHelpers": {registry.address: "bgmon"}})
    answer = json.dumps({"ServerURL": registry.address, "Username": registry.user, "Secret": registry.password})
    helper(tmp_path, monkeypatch, f"cat > {tmp_path}/asked; echo \"$1\" >> {tmp_path}/asked; echo '{answer}'")
    assert pushed in engine.pull(pushed).tags
    assert (tmp_path / "asked").read_text() == f"{registry.address}get\n"


def test_a_login_made_while_bgmon_runs_counts(
    engine: DockerEngine, registry: Registry, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(tmp_path, monkeypatch, {})
    with pytest.raises(PullFailed):
        engine.pull(pushed)
    config(tmp_path, monkeypatch, {"auths": {registry.address: registry.auth}})
    assert pushed in engine.pull(pushed).tags


def test_without_a_login_the_registry_refuses(
    engine: DockerEngine, registry: Registry, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(tmp_path, monkeypatch, {})
    with pytest.raises(PullFailed, match=f"cannot pull {pushed}: the registry wants a login") as caught:
        engine.pull(pushed)
    assert f"docker login {registry.address}" in caught.value.hint


def test_a_wrong_password_is_named_and_not_shown(
    engine: DockerEngine, registry: Registry, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(tmp_path, monkeypatch, {"credHelpers": {registry.address: "bgmon"}})
    answer = json.dumps({"ServerURL": registry.address, "Username": registry.user, "Secret": "hunter2-wrong"})
    helper(tmp_path, monkeypatch, f"cat > /dev/null; echo '{answer}'")
    with pytest.raises(PullFailed, match="refuses these credentials") as caught:
        engine.pull(pushed)
    assert "hunter2" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


@pytest.mark.parametrize("script", [None, "echo 'the vault is sealed' >&2; exit 1"])
def test_a_helper_that_fails_is_named(
    registry: Registry, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    config(tmp_path, monkeypatch, {"credHelpers": {registry.address: "bgmon"}})
    if script is not None:
        helper(tmp_path, monkeypatch, script)
    with pytest.raises(PullFailed, match=f"no credentials for {registry.address}: .*docker-credential-bgmon") as caught:
        DockerEngine().pull(pushed)
    assert "credHelpers" in caught.value.hint


@pytest.mark.parametrize("missing", ["none:v1", "core:v2"])
def test_what_the_registry_does_not_have(engine: DockerEngine, pushed: str, logged_in: Path, missing: str) -> None:
    with pytest.raises(PullFailed, match="does not exist"):
        engine.pull(pushed.replace("core:v1", missing))


def test_a_registry_that_is_not_there(engine: DockerEngine, free_port: Callable[[], int]) -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(PullFailed, match="the registry does not answer") as caught:
        engine.pull(f"{address}/core:v1")
    assert address in caught.value.hint


@pytest.mark.parametrize("reference", ["", "UPPER/core:v1", "core:bad tag", "-/core", "a@sha256:123"])
def test_what_is_no_reference(engine: DockerEngine, reference: str) -> None:
    with pytest.raises(PullFailed) as caught:
        engine.pull(reference)
    assert caught.value.hint


@contextmanager
def registry_that(status: int, code: str, message: str) -> Iterator[str]:
    """Its address. It answers every request like that."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/v2/" else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - as http.server wants it

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "code", "message", "meaning"),
    [
        (429, "TOOMANYREQUESTS", "you have reached your pull rate limit", "too many pulls"),
        (403, "DENIED", "requested access to the resource is denied", "a login is missing|refuses access"),
        (503, "UNAVAILABLE", "come back later", "come back later|503"),
        (404, "NAME_UNKNOWN", "repository name not known to registry", "does not exist"),
    ],
)
def test_a_registry_that_refuses(engine: DockerEngine, status: int, code: str, message: str, meaning: str) -> None:
    with registry_that(status, code, message) as address, pytest.raises(PullFailed, match=meaning) as caught:
        engine.pull(f"{address}/core:v1")
    assert str(caught.value).startswith(f"cannot pull {address}/core:v1: ")
    assert caught.value.hint
