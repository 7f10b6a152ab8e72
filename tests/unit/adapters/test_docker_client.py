"""Which engine is spoken to, in which version, and for how long nobody waits."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.context.config import get_context_id

from monitor.adapters.docker.client import Connection
from monitor.adapters.docker.engine import DockerEngine
from monitor.domain.containers import PullProgress
from monitor.errors import EngineError, EngineUnreachable, PullFailed, UsageError

Answer = Callable[[str], bytes | None]


@contextmanager
def engine_that(answer: Answer, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A unix socket that answers request lines with bytes; None, and chunks without an end, keep the client waiting."""
    asked: list[str] = []
    closing = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline().decode()
            asked.append(line.split(" ")[1] if " " in line else line)
            while self.rfile.readline().strip():
                pass
            given = answer(line)
            self.wfile.write(given or b"")
            if given is None or b"chunked" in given:
                closing.wait(10)

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    with Server(str(folder / "s"), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"unix://{folder}/s", asked
        finally:
            closing.set()
            server.shutdown()
            thread.join()


def answers(body: object, status: str = "200 OK") -> bytes:
    text = json.dumps(body).encode()
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status.encode(), len(text), text)


@pytest.mark.parametrize(("spoken", "used"), [("1.41", "1.41"), ("1.99", DEFAULT_DOCKER_API_VERSION), ("1.24", "1.24")])
def test_the_newest_version_that_both_know_is_spoken(tmp_path: Path, spoken: str, used: str) -> None:
    with engine_that(lambda _: answers({"ApiVersion": spoken, "Id": "x"}), tmp_path) as (url, asked):
        engine = DockerEngine(url)
        engine.image("core:1")
        engine.close()
    assert asked == ["/version", f"/v{used}/images/core:1/json"]


def test_what_was_asked_ahead_is_taken_once(tmp_path: Path) -> None:
    def answer(line: str) -> bytes:
        return answers({"ApiVersion": "1.41", "Arch": "amd64", "ServerVersion": "28.5", "DockerRootDir": "/data"})

    with engine_that(answer, tmp_path) as (url, asked):
        engine = DockerEngine(url)
        engine.ask_ahead()
        first = engine.info()
        assert (first.version, first.architecture, first.root_dir) == ("28.5", "amd64", "/data")
        assert asked == ["/version", "/v1.41/info"]
        assert engine.info() == first
        assert asked[2:] == ["/v1.41/info"]
        engine.close()


def test_an_engine_that_does_not_answer_ahead_is_told_when_it_is_needed(tmp_path: Path) -> None:
    engine = DockerEngine(f"unix://{tmp_path}/s", timeout=5)
    engine.ask_ahead()
    with pytest.raises(EngineUnreachable, match="no Docker engine listens"):
        engine.info()
    engine.close()


def test_an_engine_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with engine_that(lambda _: None, tmp_path) as (url, _):
        engine = DockerEngine(url, timeout=0.1)
        with pytest.raises(EngineUnreachable, match="did not answer in time"):
            engine.info()
        engine.close()


@pytest.mark.parametrize("given", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"])
def test_an_answer_that_is_none_is_unreachable(tmp_path: Path, given: bytes) -> None:
    with engine_that(lambda _: given, tmp_path) as (url, _):
        engine = DockerEngine(url, timeout=5)
        with pytest.raises((EngineUnreachable, EngineError)) as caught:
            engine.info()
        engine.close()
    assert str(caught.value).startswith("connecting: ")


def test_an_engine_that_failed_once_is_looked_for_again(tmp_path: Path) -> None:
    engine = DockerEngine(f"unix://{tmp_path}/s", timeout=5)
    with pytest.raises(EngineUnreachable, match="no Docker engine listens"):
        engine.inspect("x")
    with engine_that(lambda line: answers({"ApiVersion": "1.41", "message": "gone"}, _status(line)), tmp_path):
        assert engine.inspect("x") is None
    engine.close()


def _status(line: str) -> str:
    return "200 OK" if "/version" in line else "404 Not Found"


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("far", "near"):
        folder = tmp_path / "contexts" / "meta" / get_context_id(name)
        folder.mkdir(parents=True)
        endpoints = {"docker": {"Host": f"unix:///run/{name}.sock", "SkipTLSVerify": False}}
        (folder / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}))
    return tmp_path


@pytest.mark.parametrize(
    ("environ", "current", "expected"),
    [
        ({}, None, "unix:///var/run/docker.sock"),
        ({}, "far", "unix:///run/far.sock"),
        ({"DOCKER_CONTEXT": "near"}, "far", "unix:///run/near.sock"),
        ({"DOCKER_HOST": "tcp://10.0.0.1:2375"}, "far", "tcp://10.0.0.1:2375"),
        ({"DOCKER_HOST": "tcp://10.0.0.1:2375", "DOCKER_CONTEXT": "near"}, None, "tcp://10.0.0.1:2375"),
        ({"DOCKER_CONTEXT": "default"}, "far", "unix:///var/run/docker.sock"),
    ],
)
def test_the_engine_is_found_as_the_docker_command_finds_it(
    docker_config: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], current: str | None, expected: str
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if current is not None:
        (docker_config / "config.json").write_text(json.dumps({"currentContext": current}))
    connection = Connection(None, timeout=1)
    assert connection.url == expected
    assert Connection("unix:///run/given.sock", timeout=1).url == "unix:///run/given.sock"


def test_a_context_that_does_not_exist_is_named(docker_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(UsageError, match="nowhere"):
        Connection(None, timeout=1)


def test_ssh_says_what_it_lacks() -> None:
    with pytest.raises(EngineError, match="paramiko"):
        DockerEngine("ssh://deploy@host.invalid").info()


def test_proxies_of_the_environment_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert os.environ["http_proxy"]
    with engine_that(lambda _: answers({"ApiVersion": "1.41", "Id": "i"}), tmp_path) as (url, _):
        engine = DockerEngine(url)
        assert engine.image("x") is not None
        engine.close()


CHUNK = b'1b\r\n{"status":"a","id":"layer"}\r\n'


def test_a_pull_in_which_nothing_happens_is_given_up(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    steps: list[PullProgress] = []

    def answer(line: str) -> bytes:
        return answers({"ApiVersion": "1.41"}) if "/version" in line else head + CHUNK

    with engine_that(answer, tmp_path) as (url, _):
        engine = DockerEngine(url, silence=0.1)
        with pytest.raises(PullFailed, match="nothing came for too long") as caught:
            engine.pull("reg.example.com/core:1", steps.append)
        assert "reg.example.com" in caught.value.hint
        assert len(steps) == 1

        def stop(_: PullProgress) -> None:
            raise InterruptedError("whoever watches has enough")

        with pytest.raises(InterruptedError):
            engine.pull("reg.example.com/core:1", stop)
        engine.close()


def test_an_engine_that_was_exchanged_is_asked_for_its_version_again(tmp_path: Path) -> None:
    now = {"newest": "1.41"}

    def answer(line: str) -> bytes:
        if "/version" in line:
            return answers({"ApiVersion": now["newest"]})
        if f"/v{now['newest']}/" not in line:
            return answers(
                {"message": "client version 1.41 is too old. Minimum supported API version is 1.44"}, "400 Bad"
            )
        return answers({"Id": "i"})

    with engine_that(answer, tmp_path) as (url, _):
        engine = DockerEngine(url)
        assert engine.image("core:1") is not None
        now["newest"] = "1.44"
        with pytest.raises(EngineError, match="too old") as caught:
            engine.image("core:1")
        assert "try again" in caught.value.hint
        assert engine.image("core:1") is not None
        engine.close()


def test_a_broken_config_of_docker_is_named(docker_config: Path) -> None:
    (docker_config / "config.json").write_text(json.dumps({"auths": {"reg.example.com": {"auth": "%"}}}))
    with pytest.raises(UsageError, match="Docker's own config.json is wrong"):
        DockerEngine().info()


def test_a_policy_is_set_once_the_engine_has_noticed_that_the_process_ended(tmp_path: Path) -> None:
    said = "Cannot update container c: cannot update a stopped container: unknown"
    refusals = [answers({"message": said}, "500 Internal Server Error")] * 2

    def answer(line: str) -> bytes:
        if "/version" in line:
            return answers({"ApiVersion": "1.41"})
        return refusals.pop() if refusals else answers({})

    with engine_that(answer, tmp_path) as (url, asked):
        engine = DockerEngine(url)
        engine.set_restart_policy("c", "no")
        engine.close()
    assert asked[1:] == ["/v1.41/containers/c/update"] * 3
