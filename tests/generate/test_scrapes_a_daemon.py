"""The generated scrape configuration and rules, on a real daemon that watches a real service behind a real proxy."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.certificate import certificate
from tests.support.wait import wait_until

pytestmark = [pytest.mark.tools, pytest.mark.engine, pytest.mark.proxy]

BGMON = Path(sys.executable).with_name("bgmon")


@dataclass
class Scraped:
    url: str
    daemon: str
    rules: list[dict[str, Any]]

    def ask(self, query: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10, trust_env=False)
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result


@pytest.fixture
def scraped(
    project: str, shop_image: str, haproxy_image: str, free_port: Callable[[], int], tmp_path: Path
) -> Iterator[Scraped]:
    web, watch, port = free_port(), free_port(), free_port()
    config = {
        "project": project,
        "state": {"dir": str(tmp_path / "state")},
        "proxy": {
            "image": haproxy_image,
            "listen": [f"127.0.0.1:{web}"],
            "tls_listen": [f"127.0.0.1:{free_port()}"],
            "tls": asdict(certificate(tmp_path, "shop.test")),
            "redirect_https": False,
        },
        "services": {
            "core": {
                "image": shop_image,
                "port": 3000,
                "route": {"path": "/"},
                "health": {"path": "/health"},
                "limits": {"memory": "128m", "cpus": 1},
                "deploy": {"bake": 0},
                "slo": {"availability": 99.9, "latency": {"threshold": "250ms", "target": 99}},
            }
        },
        "jobs": {"report": {"like": "core", "command": ["report"], "schedule": "@daily"}},
        "watch": {"listen": f"127.0.0.1:{watch}"},
        "logs": {"window": "2s", "delay": "1s"},
    }
    (tmp_path / "bgmon.yml").write_text(yaml.safe_dump(config))

    def bgmon(*arguments: str) -> None:
        done = subprocess.run([BGMON, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"bgmon {' '.join(arguments)}: {done.stdout}{done.stderr}"

    for command in (("proxy", "boot"), ("deploy", "core"), ("generate",)):
        bgmon(*command)
    folder = tmp_path / "monitoring/prometheus"
    for path in (folder / "prometheus.yml", folder / "rules/recording.yml"):
        path.write_text(re.sub(r"(_interval|_timeout|interval): (15|30|10)s", r"\1: 1s", path.read_text()))
    rules = [
        rule for group in yaml.safe_load((folder / "rules/alerts.yml").read_text())["groups"] for rule in group["rules"]
    ]
    with contextlib.ExitStack() as stack:
        commands: tuple[list[str], ...] = (
            [str(BGMON), "watch"],
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
        )
        for started in commands:
            log = stack.enter_context((tmp_path / f"{Path(started[0]).name}.log").open("w"))
            process = stack.enter_context(
                subprocess.Popen(started, cwd=tmp_path, stdout=log, stderr=log, env=os.environ)
            )
            stack.callback(process.terminate)
        made = Scraped(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{watch}", rules)

        def counted() -> bool:
            with contextlib.suppress(httpx.HTTPError, KeyError, ValueError):
                httpx.get(f"http://127.0.0.1:{web}/", timeout=5, trust_env=False)
                return bool(made.ask('bgmon_http_requests_total{service="core"} > 3')) and bool(
                    made.ask("bgmon:slo_burn:ratio_rate5m")
                )
            return False

        try:
            wait_until(counted, timeout=90, what="the daemon counts requests and Prometheus records objectives")
        except BaseException:
            print((tmp_path / "bgmon.log").read_text()[-4000:], (tmp_path / "prometheus.log").read_text()[-2000:])  # noqa: T201
            raise
        yield made


# No event of theirs has happened, or nothing on this host can show them.
WITHOUT_EVENTS = {"bgmon_container_exits_total", "bgmon_peer_up", "bgmon_job_success"}


def test_a_daemon_exports_every_metric_that_a_rule_asks_for_and_promtool_likes_them(
    scraped: Scraped, project: str
) -> None:
    (up,) = scraped.ask('up{job="bgmon"}')
    assert up["metric"] == {
        "__name__": "up",
        "job": "bgmon",
        "project": project,
        "host": "localhost",
        "instance": "localhost",
    }
    assert up["value"][1] == "1"
    missing = set()
    for rule in scraped.rules:
        for metric in set(re.findall(r"\b(?:bgmon[:_][a-z0-9_:]+)\b(?=\{)", rule["expr"])) - WITHOUT_EVENTS:
            if not scraped.ask(f'{metric}{{project="{project}"}}'):
                missing.add(f"{rule['alert']}: {metric}")
    assert not missing
    assert scraped.ask(f'bgmon_http_request_duration_seconds_bucket{{project="{project}", service="core", le="0.25"}}')
    text = httpx.get(f"{scraped.daemon}/metrics", timeout=10, trust_env=False).text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
