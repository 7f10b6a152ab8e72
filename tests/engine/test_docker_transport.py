"""The same engine by TCP and by TLS, as DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH name it."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.adapters.docker.engine import DockerEngine
from monitor.domain.containers import ContainerSpec
from monitor.domain.names import LABEL_PROJECT
from monitor.errors import EngineUnreachable

pytestmark = pytest.mark.engine


@contextlib.contextmanager
def forwarded(docker_host: str, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A TCP port that leads to the engine's socket; with a context, by TLS."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            near = self.request
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as far:
                if context is not None:
                    near = context.wrap_socket(near, server_side=True)
                far.connect(docker_host.removeprefix("unix://"))
                exec_asked = threading.Event()
                back = threading.Thread(target=_answer, args=(far, near, exec_asked), daemon=True)
                back.start()
                _ask(near, far, exec_asked)
                back.join()
            near.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _ask(client: socket.socket, engine: socket.socket, exec_asked: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := client.recv(65536):
            if b"/exec/" in data and b"/start HTTP/" in data:
                exec_asked.set()
            engine.sendall(data)
    with contextlib.suppress(OSError):
        engine.shutdown(socket.SHUT_RDWR)


def _answer(engine: socket.socket, client: socket.socket, exec_asked: threading.Event) -> None:
    """What a command printed goes out in one piece with the answer's head, as a busy network may put it together."""
    with contextlib.suppress(OSError):
        while data := engine.recv(65536):
            if exec_asked.is_set():
                while more := engine.recv(65536):
                    data += more
            client.sendall(data)
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, cert.pem and key.pem; one certificate for both sides, which vouches for itself."""
    folder = tmp_path_factory.mktemp("tls")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=bgmon test"]
    make += [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(folder / "key.pem"),
        "-out",
        str(folder / "ca.pem"),
    ]
    subprocess.run(make, check=True, capture_output=True)
    (folder / "cert.pem").write_bytes((folder / "ca.pem").read_bytes())
    return folder


@pytest.fixture(params=["tcp", "tls"])
def engine(request: pytest.FixtureRequest, docker_host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerEngine]:
    context = None
    if request.param == "tls":
        folder: Path = request.getfixturevalue("certificates")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(folder))
    with forwarded(docker_host, context) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        engine = DockerEngine()
        yield engine
        engine.close()


def test_calls_and_streams_work_and_can_be_cut(engine: DockerEngine, project: str, busybox_image: str) -> None:
    labels = {LABEL_PROJECT: project}
    events = engine.events(since=None, labels=labels)
    spec = ContainerSpec(
        name=f"{project}-a", image=busybox_image, labels=labels, command=("/bin/sh", "-c", "echo up; exec sleep 600")
    )
    made = engine.create(spec)
    engine.start(made.id)
    lines = engine.logs(made.id, follow=True)
    assert next(lines) == b"up"
    assert engine.exec(made.id, ("echo", "in")) == (0, b"in\n")
    assert [one.id for one in engine.containers(labels)] == [made.id]
    assert [next(events).action for _ in range(2)] == ["create", "start"]

    rest: list[object] = []
    readers = [threading.Thread(target=rest.extend, args=(stream,)) for stream in (lines, events)]
    for reader in readers:
        reader.start()
    lines.close()
    engine.close_events()
    for reader in readers:
        reader.join(10)
    assert not any(reader.is_alive() for reader in readers)
    assert rest == []


def test_a_certificate_nobody_vouches_for_is_refused(
    docker_host: str, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_bytes((certificates / name).read_bytes())
    subject = ["-subj", "/CN=another", "-keyout", str(tmp_path / "other.pem"), "-out", str(tmp_path / "ca.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    with forwarded(docker_host, context) as port:
        engine = DockerEngine(f"tcp://127.0.0.1:{port}")
        with pytest.raises(EngineUnreachable, match="certificate verify failed"):
            engine.info()
        engine.close()
