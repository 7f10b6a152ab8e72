"""A stand-in for Loki on loopback that runs our queries with Go's own template, regexp and JSON packages and sprig."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

SOURCE = Path(__file__).parents[1] / "logql" / "oracle" / "main.go"
Entry = tuple[Mapping[str, str], int, bytes]  # labels, nanoseconds, line


def build(folder: Path) -> Path:
    """Compile it with Debian's Go and libraries."""
    go = shutil.which("go")
    assert go, "go is not installed: run `make setup`"
    binary = folder / "miniloki"
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOFLAGS": "",
        "GOCACHE": str(Path(tempfile.gettempdir()) / f"bgmon-gocache-{os.getuid()}"),
    }
    subprocess.run([go, "build", "-o", str(binary), str(SOURCE)], check=True, env=environment)
    return binary


class MiniLoki:
    """`url` is its address; `queries` counts nothing: put a proxy before it for that."""

    def __init__(self, binary: Path, *, max_series: int = 0) -> None:
        self._process = subprocess.Popen(
            [str(binary)], stdout=subprocess.PIPE, text=True, env={**os.environ, "MAX_SERIES": str(max_series)}
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self._http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def push(self, entries: Sequence[Entry], *, reset: bool = False) -> None:
        body = [
            {"labels": dict(labels), "ts": str(at), "line": base64.b64encode(line).decode()}
            for labels, at, line in entries
        ]
        self._http.post("/push", params={"reset": "1"} if reset else {}, json=body).raise_for_status()

    def query(self, query: str, at_ns: int) -> list[dict[str, Any]]:
        response = self._http.post("/loki/api/v1/query", data={"query": query, "time": str(at_ns)})
        assert response.status_code == 200, f"{response.text} of {query}"
        result: list[dict[str, Any]] = response.json()["data"]["result"]
        return result

    def close(self) -> None:
        self._http.close()
        self._process.terminate()
        self._process.wait(timeout=10)
        assert self._process.stdout is not None
        self._process.stdout.close()
