"""The daemon as it is run, from a death in the engine to the chat, the page and the metrics."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chat import Chat
from tests.support.wait import wait_until
from tests.support.watched import Watched

pytestmark = pytest.mark.engine

SLEEP = ("/bin/sh", "-c", "sleep 3600 & wait")
NO_ROLLBACK = {"rollback_window": "0s"}
HEALTH = {"mode": "running", "settle": "200ms", "start": "5s"}


@pytest.fixture
def chat() -> Iterator[Chat]:
    server = Chat()
    yield server
    server.close()


class Host:
    def __init__(self, folder: Path, project: str, docker_host: str, port: int) -> None:
        self.folder, self.project = folder, project
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        (folder / "state" / project).mkdir(parents=True)
        self.watched = Watched(folder / "state" / project, project, docker_host)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "daemon.log"
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.systemd.bind(str(folder / "notify"))
        self.systemd.setblocking(False)
        self.notes: list[str] = []

    def configure(self, image: str, chat: Chat) -> None:
        service = {"image": image, "health": HEALTH, "heal": NO_ROLLBACK}
        config = {
            "project": self.project,
            "proxy": {"listen": [f"127.0.0.1:{self.port + 1}"]},
            "services": {"core": service},
            "notify": {"urls": [chat.url], "group": 0},
            "watch": {"listen": f"127.0.0.1:{self.port}"},
        }
        (self.folder / "bgmon.yml").write_text(json.dumps(config))

    def start(self) -> None:
        environ = {**os.environ, "BGMON_STATE_DIR": str(self.folder / "state"), "BGMON_HOST": "vps1"}
        environ["NOTIFY_SOCKET"] = str(self.folder / "notify")
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "monitor", "watch"]
            self.process = subprocess.Popen(command, cwd=self.folder, env=environ, stderr=log)
        wait_until(lambda: self.get("/readyz") == "ready\n" or self.process.poll() is not None, timeout=60)  # type: ignore[union-attr]
        assert self.process.poll() is None, self.log.read_text()
        wait_until(lambda: self.state() == "healthy", what="core to be healthy")

    def close(self) -> None:
        if self.process is not None:
            self.stop(signal.SIGKILL)
        self.systemd.close()
        self.watched.close()

    def noted(self, text: str) -> bool:
        """Whether systemd was told."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.notes += self.systemd.recv(4096).decode().splitlines()
        return any(note.startswith(text) for note in self.notes)

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.read().decode())
        except OSError:
            return ""

    def state(self) -> str:
        services = json.loads(self.get("/api/v1/status") or "{}").get("services", [])
        return str(services[0]["state"]) if services else ""

    def said(self, chat: Chat) -> list[str]:
        alerts = [alert for request in chat.received for alert in request.body["alerts"]]
        return [f"{alert['status']} {alert['kind']} {alert['service']}" for alert in alerts]

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process = None
        return code


@pytest.fixture
def host(
    *, tmp_path: Path, project: str, docker_host: str, free_port: Callable[[], int], chat: Chat, busybox_image: str
) -> Iterator[Host]:
    made = Host(tmp_path, project, docker_host, free_port())
    try:
        made.watched.run("core", busybox_image, command=SLEEP, restart="no", health=HEALTH, heal=NO_ROLLBACK)
        made.configure(busybox_image, chat)
        made.start()
        yield made
    finally:
        made.close()


def test_a_death_is_healed_told_shown_and_counted(host: Host, chat: Chat) -> None:
    host.watched.kill_process("core")
    wait_until(lambda: host.said(chat) == ["firing exited core", "resolved exited core"], what="both messages")
    assert "killed by SIGKILL" in chat.received[0].body["text"]
    assert chat.received[0].body["host"] == "vps1"
    wait_until(lambda: "killed by SIGKILL" in host.get("/"), what="the incident on the page")
    wait_until(lambda: host.state() == "healthy")
    (incident,) = json.loads(host.get("/api/v1/incidents"))["incidents"]
    assert incident["ended_at"] is not None
    wait_until(lambda: 'bgmon_restarts_total{reason="start",service="core"} 1.0' in host.get("/metrics"))
    wait_until(lambda: 'bgmon_alerts_sent_total{result="delivered"} 2.0' in host.get("/metrics"))
    wait_until(lambda: 'bgmon_container_memory_bytes{service="core"}' in host.get("/metrics"))
    text = host.get("/metrics").encode()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
    assert host.noted("READY=1")
    wait_until(lambda: host.noted("WATCHDOG=1"), what="a sign of life")
    assert host.noted("STATUS=1 of 1 services healthy")
    assert host.stop() == 0
    assert host.noted("STOPPING=1")
    assert "Traceback" not in host.log.read_text()


def test_the_next_daemon_tells_what_the_killed_one_could_not(host: Host, chat: Chat, busybox_image: str) -> None:
    port = chat.port
    chat.close()
    host.watched.kill_process("core")
    wait_until(lambda: json.loads(host.get("/api/v1/incidents"))["incidents"], what="the incident")
    wait_until(lambda: 'bgmon_alerts_sent_total{result="failed"} 0.0' not in host.get("/metrics"), what="a failed try")
    host.stop(signal.SIGKILL)
    again = Chat(port)
    try:
        host.start()
        wait_until(lambda: host.said(again) == ["firing exited core", "resolved exited core"], timeout=60)
        assert len({request.headers["idempotency-key"] for request in again.received}) == 2
    finally:
        again.close()


def test_a_new_channel_is_taken_over_without_a_restart(host: Host, chat: Chat, busybox_image: str) -> None:
    other = Chat()
    try:
        host.configure(busybox_image, other)
        assert host.process is not None
        host.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "read again" in host.log.read_text(), what="the new configuration")
        host.watched.kill_process("core")
        wait_until(lambda: host.said(other) == ["firing exited core", "resolved exited core"])
        assert chat.received == []
    finally:
        other.close()
