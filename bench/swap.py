"""30 swaps under load: broken requests, and the time from "gate passed" to "new requests on green"; Caddy beside it.

`median_ms` ends when the proxy has said that it sends every new request to green (for Caddy: when its admin API has
answered). `seen_median_ms` ends when a client beside the load has its first whole answer from green, so it holds one
request's time in a queue of 32 as well.
"""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.common import percentile, table, write_result
from bench.project import Project, project, shop
from bench.wrk import Report, Wrk
from tools import images
from tools.net import free_port

SWAPS = 30
REQUESTS = 300_000
MARGIN = 1.9


class Watcher:
    """Asks without a pause while it is on, and remembers when each version answered for the first time since then."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._on = threading.Event()
        self._end = False
        self.first: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def start(self) -> None:
        self.first = {}
        self._on.set()

    def stop(self) -> None:
        self._on.clear()

    def close(self) -> None:
        self._end = True
        self._on.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        while True:
            self._on.wait()
            if self._end:
                connection.close()
                return
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):  # cut in the swap: wrk counts that, we only look on
                connection.close()
                continue
            self.first.setdefault(answer.headers.get("X-Version", ""), time.time())
            time.sleep(0.0003)

    def wait(self, version: str) -> float:
        """Unix time of the version's first answer."""
        deadline = time.monotonic() + 10
        while version not in self.first:
            if time.monotonic() > deadline:
                raise RuntimeError(f"no answer from {version}")
            time.sleep(0.001)
        return self.first[version]


def pace(url: str) -> float:
    """Seconds each swap must last at least, so that all of them see enough requests."""
    with Wrk(url, seconds=2) as wrk:
        report = wrk.wait()
    return REQUESTS * MARGIN / report.rate / SWAPS


def swap_by_bgmon(made: Project, watcher: Watcher, version: str) -> tuple[float, float]:
    """Milliseconds from the gate to green's first answer, and from the gate to the end of the switch."""
    healthy = switched = 0.0
    for event in made.events("deploy", "web", "--image", f"{images.SHOP_REPOSITORY}:{version}"):
        if event["event"] == "created":
            watcher.start()
        elif event["event"] == "healthy":
            healthy = event["at"]
        elif event["event"] == "switched":
            switched = event["at"]
            watcher.wait(version)
            watcher.stop()
    return (watcher.wait(version) - healthy) * 1000, (switched - healthy) * 1000


def measure_bgmon() -> tuple[Report, list[float], list[float]]:
    with project({"web": shop()}) as made:
        made.bgmon("deploy", "web", "--image", f"{images.SHOP_REPOSITORY}:v1")
        url = f"http://127.0.0.1:{made.port}/"
        each = pace(url)
        watcher = Watcher(made.port)
        taken = []
        with Wrk(url) as wrk:
            for number in range(SWAPS):
                began = time.monotonic()
                taken.append(swap_by_bgmon(made, watcher, "v1" if number % 2 else "v2"))
                time.sleep(max(0.0, each - (time.monotonic() - began)))
            report = wrk.stop()
        watcher.close()
    return report, [gate for gate, _ in taken], [switch for _, switch in taken]


@contextmanager
def caddy(listen: int, admin: int, upstream: str) -> Iterator[None]:
    """Caddy with one reverse proxy, as its documentation sets it up for the admin API."""
    folder = Path(tempfile.mkdtemp(prefix="bench-caddy-"))
    config = {
        "admin": {"listen": f"127.0.0.1:{admin}"},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "apps": {
            "http": {
                "servers": {
                    "web": {
                        "listen": [f"127.0.0.1:{listen}"],
                        "automatic_https": {"disable": True},
                        "routes": [{"handle": [{"handler": "reverse_proxy", "upstreams": [dial(upstream)]}]}],
                    }
                }
            }
        },
    }
    (folder / "caddy.json").write_text(json.dumps(config))
    binary = shutil.which("caddy") or str(Path(sys.executable).with_name("caddy"))
    environ = {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "PATH": "/usr/bin:/bin",
    }
    process = subprocess.Popen([binary, "run", "--config", str(folder / "caddy.json")], env=environ)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


def dial(address: str) -> dict[str, Any]:
    return {"dial": address}


def swap_by_caddy(admin: int, upstream: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=10)
    path = "/config/apps/http/servers/web/routes/0/handle/0/upstreams"
    connection.request("PATCH", path, json.dumps([dial(upstream)]), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"caddy answered {answer.status}")


def measure_caddy() -> tuple[Report, list[float], list[float]]:
    """The same upstreams behind Caddy, both running all the time: only the switch is measured."""
    with project({"web": shop()}) as made:
        ports = {
            v: f"127.0.0.1:{made.container(images.shop(made.client, v), environment={'LOG_FORMAT': 'none'})[1]}"
            for v in ("v1", "v2")
        }
        listen, admin = free_port(), free_port()
        with caddy(listen, admin, ports["v1"]):
            wait_for(listen)
            url = f"http://127.0.0.1:{listen}/"
            each = pace(url)
            watcher = Watcher(listen)
            taken, called = [], []
            with Wrk(url) as wrk:
                for number in range(SWAPS):
                    version = "v1" if number % 2 else "v2"
                    time.sleep(max(0.1, each))
                    watcher.start()
                    time.sleep(0.1)
                    began = time.time()
                    swap_by_caddy(admin, ports[version])
                    called.append((time.time() - began) * 1000)
                    taken.append((watcher.wait(version) - began) * 1000)
                    watcher.stop()
                report = wrk.stop()
            watcher.close()
    return report, taken, called


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise RuntimeError(f"nothing answers on port {port}")


def main() -> list[str]:
    report, gate, switch = measure_bgmon()
    other, other_times, called = measure_caddy()
    figures: dict[str, Any] = {
        "requests": report.requests,
        "broken": report.broken,
        "swaps": SWAPS,
        "median_ms": round(percentile(switch, 0.5), 2),
        "p99_ms": round(percentile(switch, 0.99), 2),
        "seen_median_ms": round(percentile(gate, 0.5), 2),
        "requests_per_second": round(report.rate),
        "caddy": {
            "requests": other.requests,
            "broken": other.broken,
            "swaps": SWAPS,
            "median_ms": round(percentile(called, 0.5), 2),
            "p99_ms": round(percentile(called, 0.99), 2),
            "seen_median_ms": round(percentile(other_times, 0.5), 2),
            "requests_per_second": round(other.rate),
        },
    }
    write_result("swap", figures)
    columns = ("", "requests", "broken", "swap, median ms", "p99 ms", "first answer seen, median ms", "requests/s")
    rows = []
    for name, side in (("bgmon (HAProxy)", figures), ("Caddy's admin API", figures["caddy"])):
        rows.append(
            [
                name,
                *(
                    side[key]
                    for key in ("requests", "broken", "median_ms", "p99_ms", "seen_median_ms", "requests_per_second")
                ),
            ]
        )
    table(f"{SWAPS} swaps under wrk -t1 -c32", columns, rows)
    broken = []
    if report.broken:
        broken.append(f"{report.broken} of {report.requests} requests broke")
    if report.requests < REQUESTS:
        broken.append(f"only {report.requests} requests")
    if figures["median_ms"] >= 5:
        broken.append(f"median {figures['median_ms']} ms from the gate to green, not under 5")
    return broken
