"""The generated Prometheus files in a real Prometheus: it loads them, scrapes, and every rule's query has data."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from monitor.domain.names import SCRAPE_JOB
from monitor.render.render_all import render_all
from monitor.render.site import SiteHost
from tests.support.generated import full_site, shipped, write
from tests.support.ports import free_port
from tests.support.sample_shop import Exporter
from tests.support.wait import wait_until

pytestmark = [pytest.mark.tools, pytest.mark.xdist_group("generated-prometheus")]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address. It runs the generated configuration but for the pace and the token, with a daemon's metrics."""
    scraped, port = free_port(), free_port()
    exporter = Exporter(scraped)
    site = full_site(
        tmp_path_factory.mktemp("site"), hosts=(SiteHost("vps1", f"127.0.0.1:{scraped}"),), scrape_token=False
    )
    folder = write(render_all(site, shipped()), tmp_path_factory.mktemp("files")) / "prometheus"
    for path in (folder / "prometheus.yml", folder / "rules/recording.yml"):
        path.write_text(re.sub(r"(_interval|_timeout|interval): (15|30|10)s", r"\1: 1s", path.read_text()))
    with subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder.parent / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        url = f"http://127.0.0.1:{port}"

        def scraping() -> bool:
            with contextlib.suppress(httpx.HTTPError, KeyError, ValueError):
                return bool(ask(url, f'up{{job="{SCRAPE_JOB}"}} == 1')) and bool(
                    ask(url, "bgmon:slo_burn:ratio_rate3d")
                )
            return False

        try:
            wait_until(scraping, timeout=60, what="Prometheus scrapes and records")
            yield url
        finally:
            process.terminate()
            exporter.close()


def get(url: str, path: str, **parameters: str) -> Any:
    return httpx.get(f"{url}{path}", params=parameters, timeout=10, trust_env=False).json()["data"]


def ask(url: str, query: str) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = get(url, "/api/v1/query", query=query)["result"]
    return result


def test_every_rule_is_loaded_and_evaluates_without_an_error(prometheus: str) -> None:
    def evaluated() -> bool:
        rules = [rule for group in get(prometheus, "/api/v1/rules")["groups"] for rule in group["rules"]]
        return all(rule["health"] != "unknown" for rule in rules)

    wait_until(evaluated, timeout=60, what="every rule was evaluated once")
    groups = get(prometheus, "/api/v1/rules")["groups"]
    assert {group["name"] for group in groups} >= {
        "bgmon-slo",
        "bgmon-slo-recording",
        "bgmon-requests",
        "bgmon-services",
    }
    broken = {
        rule["name"]: rule.get("lastError") for group in groups for rule in group["rules"] if rule["health"] != "ok"
    }
    assert not broken


def test_targets_come_from_the_file_with_their_labels(prometheus: str) -> None:
    (target,) = get(prometheus, "/api/v1/targets")["activeTargets"]
    assert target["labels"] == {"host": "vps1", "instance": "vps1", "job": "bgmon", "project": "shop"}
    assert target["health"] == "up"


# What only shows when something is wrong, or needs more history than a test has.
ONLY_SOMETIMES = {"HighErrorRatio", "HighLatency", "NoTraffic", "LogLinesUnparsed", "OutOfMemory", "DeployFailed", "DeployRolledBack",
                  "ErrorBudgetBurn14x", "ErrorBudgetBurn6x", "ErrorBudgetBurn3x", "ErrorBudgetBurn1x"}  # fmt: skip


def test_every_selector_of_every_rule_finds_a_series(prometheus: str) -> None:
    """A misspelt metric or label never fires: so each metric of each rule must be there."""
    groups = get(prometheus, "/api/v1/rules")["groups"]
    missing: list[str] = []
    for group in groups:
        for rule in group["rules"]:
            metrics = set(re.findall(r"\b(?:bgmon[:_][a-z0-9_:]+|up)\b(?=\{)", rule["query"]))
            missing += [
                f"{rule['name']}: {metric}" for metric in metrics if not ask(prometheus, f'{metric}{{project="shop"}}')
            ]
    assert not missing


def test_every_query_gives_a_value_with_the_labels_its_texts_use(prometheus: str) -> None:
    document = yaml.safe_load(json.dumps(get(prometheus, "/api/v1/rules")["groups"]))
    quiet: list[str] = []
    for rule in (rule for group in document for rule in group["rules"] if rule["type"] == "alerting"):
        if rule["name"] in ONLY_SOMETIMES:
            continue
        query = re.fullmatch(r"\((.*)\) [<>] [0-9.]+", rule["query"], re.DOTALL)
        series = ask(prometheus, query[1]) if query else ask(prometheus, re.sub(r" [<>] [0-9.]+$", "", rule["query"]))
        if not series:
            quiet.append(rule["name"])
            continue
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert used <= set(series[0]["metric"]) | {"project", "severity"}, rule["name"]
    assert not quiet


def test_objectives_and_shares_are_recorded_as_promised(prometheus: str) -> None:
    objectives = {
        (item["metric"]["service"], item["metric"]["slo"]): float(item["value"][1])
        for item in ask(prometheus, "bgmon:slo_objective:ratio")
    }
    assert objectives[("core", "availability")] == pytest.approx(0.999)
    assert objectives[("core", "latency")] == pytest.approx(0.99)
    assert objectives[("search", "availability")] == pytest.approx(0.995)
    for item in ask(prometheus, '{__name__=~"bgmon:slo_errors:.*"}'):
        assert 0 <= float(item["value"][1]) <= 1
