"""Every LogQL query of the generated files, by Grafana's own grammar."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.render.logforms import log_forms
from monitor.render.render_all import GeneratedFiles, render_all
from tests.support.boards import strange_site
from tests.support.generated import ROOT, full_site, shipped, shop, site_from

pytestmark = pytest.mark.tools


def all_logql(rendered: GeneratedFiles) -> list[dict[str, str]]:
    """Of rules, of boards and of Promtail's stages."""
    found: list[dict[str, str]] = []
    for group in yaml.safe_load(rendered.files["loki/rules/fake/bgmon.yaml"])["groups"]:
        found += [{"name": rule["alert"], "query": rule["expr"]} for rule in group["rules"]]
    for path, text in rendered.files.items():
        if path.endswith(".json") and "/dashboards/" in path:
            found += [{"name": f"{path} {where}", "query": query} for where, query in _loki(json.loads(text))]
        if path.startswith("promtail/"):
            for job in yaml.safe_load(text)["scrape_configs"]:
                found += [{"name": path, "query": stage["match"]["selector"]} for stage in job["pipeline_stages"]]
    return found


def _loki(node: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for item in node:
            yield from _loki(item, where)
    elif isinstance(node, dict):
        where = str(node.get("title") or node.get("name") or where)
        source = node.get("datasource")
        if isinstance(source, dict) and source.get("type") == "loki" and "expr" in node:
            yield where, _filled(str(node["expr"]))
        for item in node.values():
            yield from _loki(item, where)


def _filled(query: str) -> str:
    """Grafana's own variables, which the grammar does not know, by what they become."""
    for variable in ("$__auto", "$__rate_interval", "$__interval", "$__range"):
        query = query.replace(variable, "1m")
    return query


FORMATS = """\
project: p.q
services:
  a.b: {image: x, port: 1, logs: {source: app, format: json, status: '["http.status"]', duration: took.ms, unit: ms}, health: {path: /h"i`}}
  b: {image: x, port: 1, logs: {source: app, format: logfmt, unit: duration}}
  c: {image: x, port: 1, logs: {source: app, format: nginx}}
  d: {image: x, port: 1, logs: {source: app, format: caddy}}
  e: {image: x, logs: {source: app, format: regex, regex: '(?P<status>[0-9]+) (?P<duration>[0-9.]+) (?P<path>.*)'}}
  f: {image: x, port: 1, logs: {source: "off"}}
  g: {image: x, port: 1}
"""


def test_each_way_of_logging_has_its_form_and_each_service_is_in_one(tmp_path: Path) -> None:
    forms = log_forms(site_from(FORMATS, tmp_path))
    lines = [form["lines"] for form in forms]
    assert lines[0] == r'{project="p.q", kind="access", service=~".+", service!~`proxy|a\.b|b|c|d|e|f`}'
    assert lines[1:] == [f'{{project="p.q", kind="app", service="{name}"}}' for name in ("a.b", "b", "c", "d", "e")]
    assert [form["per_second"] for form in forms] == ["1000000", "1000", "1", "1", "1", "1"]
    assert "unwrap duration_seconds(took)" in forms[2]["durations"]
    assert '| json code="status"' in forms[4]["requests"]
    assert "| regexp " in forms[3]["requests"]


def test_rules_on_requests_leave_loki_where_nobody_counts_any(tmp_path: Path) -> None:
    rendered = render_all(site_from("project: p\nservices: {a: {image: x}}\n", tmp_path), shipped())
    text = rendered.files["loki/rules/fake/bgmon.yaml"]
    assert "HighErrorRatio: No service's requests are counted from a log." in text
    assert "alert: HighErrorRatio" not in text


def test_the_grammar_accepts_every_generated_query(tmp_path: Path) -> None:
    for name, rendered in (
        ("shop", shop()),
        ("full", render_all(full_site(tmp_path / "full"), shipped())),
        ("strange", render_all(strange_site(), shipped())),
        ("formats", render_all(site_from(FORMATS, tmp_path / "formats"), shipped())),
    ):
        queries = all_logql(rendered)
        assert {"HighErrorRatio", "HighLatency", "NoTraffic", "DeployFailed", "promtail/promtail.yaml"} <= {
            query["name"] for query in queries
        }
        assert any("/dashboards/" in query["name"] for query in queries)
        (tmp_path / "queries").mkdir(exist_ok=True)
        (tmp_path / "queries" / f"{name}.json").write_text(json.dumps(queries))
    done = subprocess.run(
        [ROOT / "tools/logql-test.sh", tmp_path / "queries"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
