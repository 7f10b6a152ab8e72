"""A real Docker registry on loopback that wants a login."""

from __future__ import annotations

import http.client
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import docker

from tests.support.ports import free_port
from tests.support.wait import wait_until

# bcrypt, the only form the registry takes, at its lowest cost: of PASSWORD.
_HTPASSWD = "tester:$2b$05$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO\n"
_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}
http: {{addr: "{address}"}}
auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}
"""


class Registry:
    """docker-registry as a process; `push` makes an image available under its address."""

    user = "tester"
    password = "open-sesame"

    def __init__(self, client: docker.DockerClient, folder: Path) -> None:
        binary = shutil.which("docker-registry")
        assert binary, "docker-registry is not installed: run `make setup`"
        self._client = client
        self.address = f"127.0.0.1:{free_port()}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "htpasswd").write_text(_HTPASSWD)
        (folder / "config.yml").write_text(_CONFIG.format(folder=folder, address=self.address))
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [binary, "serve", str(folder / "config.yml")], stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self._answers, what="the registry answers")

    def _answers(self) -> bool:
        assert self._process.poll() is None, "docker-registry ended at once"
        try:
            return self.request("GET", "/v2/").status == 200
        except OSError:
            return False

    def request(self, method: str, path: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        """One authenticated call of the registry's API; the body is read and closed with the connection."""
        token = b64encode(f"{self.user}:{self.password}".encode()).decode()
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request(method, path, headers={"Authorization": f"Basic {token}", **(headers or {})})
            answer = connection.getresponse()
            answer.read()
            return answer
        finally:
            connection.close()

    @property
    def auth(self) -> dict[str, str]:
        """A config.json entry, as `docker login` writes it under auths."""
        return {"auth": b64encode(f"{self.user}:{self.password}".encode()).decode()}

    def push(self, local_ref: str, repo_tag: str) -> str:
        """Push a local image as `repo_tag` (such as shop/core:v1); its full reference, which is not kept locally."""
        repository, _, tag = repo_tag.partition(":")
        reference = f"{self.address}/{repository}:{tag or 'latest'}"
        self._client.images.get(local_ref).tag(f"{self.address}/{repository}", tag or "latest")
        login = {"username": self.user, "password": self.password}
        for line in self._client.images.push(
            f"{self.address}/{repository}", tag or "latest", auth_config=login, stream=True, decode=True
        ):
            assert "error" not in line, line
        self._client.images.remove(reference)
        return reference

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
