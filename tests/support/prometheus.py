"""Debian's Prometheus, for tests and screenshots."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support.ports import free_port
from tests.support.wait import wait_until


@contextlib.contextmanager
def prometheus(folder: Path, *, target: str = "", every: str = "1s", data: Path | None = None) -> Iterator[str]:
    """Its address. It scrapes `target`, or serves the blocks in `data`."""
    port = free_port()
    jobs = [{"job_name": "bgmon", "static_configs": [{"targets": [target], "labels": {"instance": "vps1"}}]}]
    config = {"global": {"scrape_interval": every, "scrape_timeout": every}, "scrape_configs": jobs if target else []}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={data or folder / 'tsdb'}",
            "--storage.tsdb.retention.time=40d",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{url}/-/ready", timeout=5, trust_env=False).status_code == httpx.codes.OK
        return False

    try:
        wait_until(ready, timeout=30, what="Prometheus is ready")
        yield url
    finally:
        process.terminate()
        process.wait(10)
