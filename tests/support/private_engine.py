"""A Docker engine that a test may stop, kill and fill up. Needs root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import docker

from tests.support.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]


class PrivateEngine:
    """Started by tools/engine.py in a folder of its own; `disk` (such as 300m) limits what it can store.

    Containers with a restart policy come back with the engine, as they do after a host's reboot.
    """

    def __init__(self, folder: Path, *, disk: str | None = None) -> None:
        assert os.geteuid() == 0, "a private engine needs root"
        self._script = folder / "tools" / "engine.py"
        self._script.parent.mkdir(parents=True)
        for name in ("engine.py", "suites.py"):
            shutil.copy(ROOT / "tools" / name, self._script.with_name(name))
        self._data = folder / ".engine" / "data"
        self._disk = disk
        self._client: docker.DockerClient | None = None
        self.url = ""
        self.start()

    def start(self) -> str:
        """Its URL, once it answers; nothing happens when it runs."""
        if self._disk and not os.path.ismount(self._data):
            self._data.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self._disk}", "tmpfs", self._data], check=True)
        self.url = self._run("up")
        return self.url

    def stop(self) -> None:
        """As `systemctl stop docker`: its containers are stopped. With `disk`, what it stored is lost."""
        self._run("down")

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL, as the kernel does when memory runs out: its containers live on, without a log or a port."""
        pid = int((self._script.parents[1] / ".engine" / "docker.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not _command(pid), what="the engine is gone")

    @property
    def client(self) -> docker.DockerClient:
        if self._client is None:
            self._client = docker.DockerClient(base_url=self.url, timeout=60)
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._run("down", "--purge")

    def _run(self, *arguments: str) -> str:
        environ = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
        environ["BGMON_PRIVATE_ENGINE_ONLY"] = "1"
        done = subprocess.run(
            [sys.executable, self._script, *arguments], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()  # empty for one that ended and was not waited for
    except OSError:
        return b""
