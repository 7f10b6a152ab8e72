"""One catalogue, three engines: they say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.config.rules import load_rules
from monitor.render.render_all import GeneratedFiles, render_all
from monitor.render.rules import condition, rules_for
from tests.support.generated import ROOT, full_site, shipped, shop

Summary = dict[str, tuple[str, str, str]]


@pytest.fixture(scope="module", params=["shop", "full"])
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GeneratedFiles:
    return shop() if request.param == "shop" else render_all(full_site(tmp_path_factory.mktemp("full")), shipped())


def prometheus_like(rendered: GeneratedFiles, path: str) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in yaml.safe_load(rendered.files[path])["groups"] for rule in group["rules"]}


def grafana(rendered: GeneratedFiles) -> dict[str, dict[str, Any]]:
    document = yaml.safe_load(rendered.files["grafana/provisioning/alerting/rules.yaml"])
    return {rule["title"]: rule for group in document["groups"] for rule in group["rules"]}


def split(expr: str) -> tuple[str, str, float]:
    """The query inside of the parentheses, the comparison and the threshold."""
    query, compare, threshold = re.fullmatch(r"\(\n(.*)\n\) ([<>]) ([0-9.]+)", expr, re.DOTALL).groups()  # type: ignore[union-attr]
    return "\n".join(line[2:] for line in query.splitlines()), compare, float(threshold)


def grafana_condition(rule: dict[str, Any]) -> tuple[str, str, float]:
    query, threshold = rule["data"]
    (only,) = threshold["model"]["conditions"]
    assert threshold["model"]["expression"] == query["refId"]
    assert rule["condition"] == threshold["refId"]
    return query["model"]["expr"], {"gt": ">", "lt": "<"}[only["evaluator"]["type"]], only["evaluator"]["params"][0]


def test_prometheus_and_grafana_hold_the_same_rules_with_the_same_conditions(rendered: GeneratedFiles) -> None:
    theirs, ours = prometheus_like(rendered, "prometheus/rules/alerts.yml"), grafana(rendered)
    assert set(theirs) == set(ours)
    for name, rule in theirs.items():
        assert split(rule["expr"]) == grafana_condition(ours[name]), name
        assert rule["for"] == ours[name]["for"], name
        assert rule["labels"] == ours[name]["labels"], name


def test_loki_holds_every_rule_that_logs_can_tell_and_names_the_others(rendered: GeneratedFiles) -> None:
    path = "loki/rules/fake/bgmon.yaml"
    theirs, all_rules = prometheus_like(rendered, path), prometheus_like(rendered, "prometheus/rules/alerts.yml")
    for name, rule in theirs.items():
        other = all_rules[name]
        assert split(rule["expr"])[1:] == split(other["expr"])[1:], name
        assert (rule["for"], rule["labels"], rule["annotations"]) == (
            other["for"],
            other["labels"],
            other["annotations"],
        ), name
    notes = set(re.findall(r"^#   (\w+): \S", rendered.files[path], re.MULTILINE))
    assert notes == set(all_rules) - set(theirs)
    assert {"HighErrorRatio", "HighLatency", "NoTraffic", "DeployFailed"} <= set(theirs)


def test_texts_differ_only_in_how_an_engine_calls_the_value(rendered: GeneratedFiles) -> None:
    ours = grafana(rendered)
    for name, rule in prometheus_like(rendered, "prometheus/rules/alerts.yml").items():
        for key, text in rule["annotations"].items():
            assert ours[name]["annotations"][key].replace("$values.A.Value", "$value") == text, name


def test_forms_for_metrics_and_logs_group_by_the_same_labels_and_have_the_same_windows_and_guards() -> None:
    for rule in load_rules(ROOT / "alert-rules").rules:
        if rule.promql and rule.logql:
            assert _labels(rule.promql) == _labels(rule.logql.replace("target", "service")), rule.name
            assert _windows(rule.promql) == _windows(rule.logql), rule.name
            assert set(re.findall(r"> (\d+)", rule.promql)) - {"0"} == set(re.findall(r"> (\d+)", rule.logql)) - {
                "0"
            }, rule.name


def _labels(query: str) -> set[str]:
    grouped = [set(re.split(r",\s*", labels)) for labels in re.findall(r"by \(([^)]*)\)", query)]
    return set.union(*grouped) - {"le"}


def _windows(query: str) -> set[str]:
    return {*re.findall(r"\[(\w+)\]", query), *re.findall(r"offset (?!15m)(\w+)", query)}


def test_every_rule_has_a_runbook_and_its_link_opens_it(rendered: GeneratedFiles) -> None:
    pages = {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")}
    board = json.loads(rendered.files["grafana/dashboards/_runbooks.json"])
    panels = {panel["id"]: panel["title"] for panel in board["panels"]}
    for name, rule in prometheus_like(rendered, "prometheus/rules/alerts.yml").items():
        url, number = re.fullmatch(r"(.*)\?viewPanel=(\d+)", rule["annotations"]["runbook_url"]).groups()  # type: ignore[union-attr]
        assert url == f"http://127.0.0.1:3000/d/{board['uid']}"
        assert panels[int(number)].startswith(f"{name}:")
        assert re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower() in pages


def test_links_to_boards_lead_to_boards_that_are_generated(rendered: GeneratedFiles) -> None:
    uids = {json.loads(text)["uid"] for path, text in rendered.files.items() if path.startswith("grafana/dashboards/")}
    for name, rule in prometheus_like(rendered, "prometheus/rules/alerts.yml").items():
        link = rule["annotations"]["dashboard_url"].replace("{{ $labels.service }}", "core")
        assert link.removeprefix("http://127.0.0.1:3000/d/") in uids, name


def test_the_runbook_board_has_the_variables_and_links_of_the_other_boards(rendered: GeneratedFiles) -> None:
    runbooks, hosts = (json.loads(rendered.files[f"grafana/dashboards/_{name}.json"]) for name in ("runbooks", "hosts"))
    assert runbooks["links"] == hosts["links"]
    names = [variable["name"] for variable in runbooks["templating"]["list"]]
    assert set(names) >= {"prometheus_datasource", "loki_datasource", "job", "instance"}
    assert runbooks["editable"] is False
    for panel in runbooks["panels"]:
        assert panel["title"]
        assert panel["description"]


def test_runbook_links_can_lead_to_a_site_of_ones_own(tmp_path: Path) -> None:
    rendered = render_all(full_site(tmp_path, runbook_base="https://git.example.com/runbooks"), shipped())
    rule = prometheus_like(rendered, "prometheus/rules/alerts.yml")["NoTraffic"]
    assert rule["annotations"]["runbook_url"] == "https://git.example.com/runbooks/no-traffic.md"


def test_runbook_pages_have_the_same_parts_and_name_commands() -> None:
    for path in (ROOT / "docs/runbooks").glob("*.md"):
        if path.stem != "README":
            text = path.read_text()
            assert re.findall(r"^## (.*)$", text, re.MULTILINE)[:4] == [
                "Symptom",
                "What it means",
                "First checks",
                "Fix",
            ], path
            assert "`bgmon " in text, path


def test_a_condition_is_one_query_and_one_threshold(tmp_path: Path) -> None:
    for rule in rules_for(full_site(tmp_path), load_rules(ROOT / "alert-rules")):
        assert split(condition(rule.promql or "", rule)) == (rule.promql, rule.compare, rule.threshold)
