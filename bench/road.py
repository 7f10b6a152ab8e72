"""Requests a second through the proxy, as it comes and in other forms, beside Caddy and the service alone.

The service is a HAProxy of one thread that answers by itself, so that what is measured is the way to it. Each round
asks all of them in turn: a machine that slows down slows all of them down. `KAMAL_PROXY` may name a kamal-proxy.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.common import percentile, table, write_result
from bench.project import Project, project
from bench.swap import caddy, wait_for
from bench.wrk import Report, Wrk
from tools import images
from tools.net import free_port

ROUNDS: Final = 5
SECONDS: Final = 4
KILLS: Final = 4
UPSTREAM: Final = """\
global
    nbthread 1
    maxconn 1000
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 1s
frontend all
    bind :3000
    http-request return status 200 content-type text/plain string "ok, as small answers go"
"""
# What each form of ours changes in `proxy`.
FORMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": {},
    "default_process": {"run": "process"},
    "closed": {"reuse_connections": False},
    "closed_process": {"reuse_connections": False, "run": "process"},
    "former": {"reuse_connections": False, "reach": "port"},
}


def service(config: Path) -> dict[str, Any]:
    return {
        "image": images.HAPROXY,
        "port": 3000,
        "route": {"path": "/"},
        "command": ["haproxy", "-db", "-f", "/upstream.cfg"],
        "volumes": [f"{config}:/upstream.cfg:ro"],
        "health": {"path": "/"},
        "deploy": {"bake": 0, "drain": "1s", "stop": "1s"},
    }


@contextlib.contextmanager
def kamal_proxy(binary: str, port: int, target: str) -> Iterator[None]:
    """kamal-proxy as a process, with one service at `target`."""
    with tempfile.TemporaryDirectory(prefix="bench-kamal-") as folder:
        environ = {"PATH": os.environ["PATH"], "HOME": folder, "XDG_RUNTIME_DIR": folder, "XDG_DATA_HOME": folder}
        words = [binary, "run", f"--http-port={port}", f"--https-port={free_port()}"]
        with subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL) as process:
            try:
                time.sleep(1)  # it says nowhere that it listens
                deploy = [binary, "deploy", "web", f"--target={target}", "--health-check-path=/"]
                subprocess.run(deploy, env=environ, check=True)
                yield
            finally:
                process.terminate()


def measured(url: str) -> Report:
    with Wrk(url, seconds=SECONDS) as wrk:
        return wrk.wait()


def address_of(made: Project) -> str:
    container = of_service(made)
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def of_service(made: Project) -> Any:
    (container,) = made.client.containers.list(
        filters={"label": [f"bgmon.project={made.name}", "bgmon.service=web"]}, ignore_removed=True
    )
    return container


def lost_at_kill(made: Project) -> tuple[int, int]:
    """Requests that broke, of how many, while the service is killed again and again under 8 kept-open clients."""
    with Wrk(f"http://127.0.0.1:{made.port}/", connections=8, seconds=120) as wrk:
        for _ in range(KILLS):
            time.sleep(1.5)
            pid = of_service(made).attrs["State"]["Pid"]
            os.kill(pid, signal.SIGKILL)
            wait_for(made.port)
        time.sleep(1)
        report = wrk.stop()
    return report.broken, report.requests


def main() -> list[str]:
    config = Path(tempfile.mkstemp(prefix="bench-road-", suffix=".cfg")[1])
    config.write_text(UPSTREAM)
    config.chmod(0o644)
    try:
        with contextlib.ExitStack() as stack:
            roads: dict[str, Callable[[], Report]] = {}
            projects: dict[str, Project] = {}
            for name, changes in FORMS.items():
                made = stack.enter_context(project({"web": service(config)}, proxy=changes))
                made.bgmon("deploy", "web")
                projects[name] = made
                roads[name] = lambda made=made: measured(f"http://127.0.0.1:{made.port}/")  # type: ignore[misc]
            target = f"{address_of(projects['default'])}:3000"
            listen = free_port()
            stack.enter_context(caddy(listen, free_port(), target))
            wait_for(listen)
            roads["caddy"] = lambda: measured(f"http://127.0.0.1:{listen}/")
            if binary := os.environ.get("KAMAL_PROXY"):
                port = free_port()
                stack.enter_context(kamal_proxy(binary, port, target))
                roads["kamal_proxy"] = lambda: measured(f"http://127.0.0.1:{port}/")
            roads["service_alone"] = lambda: measured(f"http://{target}/")
            reports: dict[str, list[Report]] = {name: [] for name in roads}
            for _ in range(ROUNDS):
                for name, road in roads.items():
                    reports[name].append(road())
            lost = {name: lost_at_kill(projects[name]) for name in ("default", "closed")}
        return _told(reports, lost)
    finally:
        config.unlink()


def _told(reports: Mapping[str, list[Report]], lost: Mapping[str, tuple[int, int]]) -> list[str]:
    rates = {name: [report.rate for report in found] for name, found in reports.items()}
    figures: dict[str, Any] = {"rounds": ROUNDS}
    for name, found in reports.items():
        figures[name] = {
            "requests_per_second": round(percentile(rates[name], 0.5)),
            "p50_ms": round(percentile([report.p50 / 1000 for report in found], 0.5), 2),
            "p99_ms": round(percentile([report.p99 / 1000 for report in found], 0.5), 2),
            "broken": sum(report.broken for report in found),
        }
        for peer in ("caddy", "former", "kamal_proxy"):
            if peer in rates and name not in (peer, "service_alone"):
                ratios = [mine / theirs for mine, theirs in zip(rates[name], rates[peer], strict=True)]
                figures[name][f"ratio_to_{peer}"] = round(percentile(ratios, 0.5), 2)
                figures[name][f"ratio_to_{peer}_spread"] = [round(min(ratios), 2), round(max(ratios), 2)]
    figures["lost_at_kill"] = lost["default"][0]
    figures["lost_at_kill_closed"] = lost["closed"][0]
    figures["kills"] = KILLS
    figures["requests_meanwhile"] = lost["default"][1]
    write_result("road", figures)
    columns = ("road", "requests/s", "p50 ms", "p99 ms", "to Caddy", "to the former", "broken")
    rows = [
        [
            name,
            figures[name]["requests_per_second"],
            figures[name]["p50_ms"],
            figures[name]["p99_ms"],
            figures[name].get("ratio_to_caddy", ""),
            figures[name].get("ratio_to_former", ""),
            figures[name]["broken"],
        ]
        for name in reports
    ]
    table(f"wrk -t1 -c32, median of {ROUNDS} alternating rounds", columns, rows)
    broken = []
    if figures["default"]["ratio_to_caddy"] < 2.5:
        broken.append(f"as it comes {figures['default']['ratio_to_caddy']} times Caddy's requests/s, not 2.5")
    if figures["lost_at_kill_closed"]:
        broken.append(f"{figures['lost_at_kill_closed']} requests lost at kills with connections closed")
    return broken
