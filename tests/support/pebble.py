"""A real ACME server for tests (Debian's pebble), with its name server (pebble-challtestsrv)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.wait import wait_until


class Pebble:
    """An ACME server that takes every name for one on 127.0.0.1.

    Args:
        folder: its files.
        free_port: gives ports.
        http_port: where it looks for HTTP-01 answers.
        lifetime: seconds that its certificates are valid.
        strange: further variables of its environment, see its documentation.
    """

    def __init__(
        self, folder: Path, free_port: Callable[[], int], *, http_port: int, lifetime: int = 0, **strange: str
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.management, self.dns, self.dns_admin = (free_port() for _ in range(4))
        self._http_port, self._lifetime, self._strange = http_port, lifetime, strange
        self.ca = folder / "pebble.crt"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-keyout", "pebble.key", "-out", "pebble.crt", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            cwd=folder, check=True, capture_output=True, timeout=30,
        )  # fmt: skip
        self._names = self._start(
            "pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "",
            "-dns01", f"127.0.0.1:{self.dns}", "-management", f"127.0.0.1:{self.dns_admin}",
            "-http01", "", "-https01", "", "-tlsalpn01", "",
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def directory(self) -> str:
        return f"https://127.0.0.1:{self.port}/dir"

    def start(self) -> None:
        config: dict[str, Any] = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": "pebble.crt",
            "privateKey": "pebble.key",
            "httpPort": self._http_port,
            "tlsPort": 1,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        if self._lifetime:
            config["certificateValidityPeriod"] = self._lifetime
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": config}))
        self._process = self._start("pebble", "-config", "pebble.json", "-dnsserver", f"127.0.0.1:{self.dns}")
        wait_until(self._answers, what="pebble")

    def stop(self) -> None:
        """It is down; what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.stop()
        self._names.kill()
        self._names.wait()

    def lead(self, host: str, address: str) -> None:
        """Let a name have another address, or none when it is empty."""
        document = {"host": f"{host}.", "addresses": [address] if address else []}
        self._tell("add-a" if address else "clear-a", document)

    def txt(self, name: str, value: str) -> None:
        self._tell("set-txt", {"host": f"{name}.", "value": value})

    def _tell(self, what: str, document: dict[str, Any]) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.dns_admin}/{what}", json.dumps(document).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()

    def root(self) -> Path:
        """The root of what it issues now."""
        import ssl

        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(
            f"https://127.0.0.1:{self.management}/roots/0", timeout=10, context=context
        ) as answer:
            path = self.folder / "root.pem"
            path.write_bytes(answer.read())
        return path

    def log(self) -> str:
        return (self.folder / "pebble.log").read_text(errors="replace")

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{program}.log").open("ab") as log:
            return subprocess.Popen(
                [program, *arguments],
                cwd=self.folder,
                env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", **self._strange},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
