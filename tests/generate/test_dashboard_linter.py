"""All 17 rules of Grafana's dashboard-linter, in our own words: https://github.com/grafana/dashboard-linter/tree/main/docs.

Where the linter is lax, for instance about panel types it does not know, these are stricter.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.boards import boards_of, panels_of, shop_site, strange_site, targets_of

BOARDS = {
    f"{site.project}/{name}": board for site in (shop_site(), strange_site()) for name, board in boards_of(site).items()
}
VARIABLES = {
    "$__rate_interval": "240s",
    "$__range": "6h",
    "$__interval": "60s",
    "$job": "bgmon",
    "$instance": "x",
    "$service": "x",
}
UNITS = {
    "none", "short", "percent", "percentunit", "bytes", "decbytes", "Bps", "s", "ms", "reqps", "cps", "ops", "bool",
    "bool_on_off", "dateTimeFromNow", "dateTimeAsIso", "string", "dtdurations",
}  # fmt: skip  # those of Grafana's that boards here use or may use
METRIC = re.compile(r"(?<![\w:.\"])((?:bgmon_|process_)\w+|up)\b(\{[^}]*\})?(\[[^\]]+\])?")
CALL = re.compile(r"(\w+)\s*\(\s*$")


@pytest.fixture(params=BOARDS, scope="module")
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    return BOARDS[request.param]


def variables(board: dict[str, Any], **wanted: Any) -> list[dict[str, Any]]:
    return [
        item for item in board["templating"]["list"] if all(item.get(key) == value for key, value in wanted.items())
    ]


def plain(expr: str) -> str:
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, f"an unknown variable: {expr}"
    return expr


def test_template_datasource(board: dict[str, Any]) -> None:
    found = variables(board, type="datasource")
    assert [item["query"] for item in found] == ["prometheus", "loki"]
    for item in found:
        assert item["name"] == f"{item['query']}_datasource"
        assert item["label"] == f"{item['query'].title()} data source"


@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_job_and_template_instance(board: dict[str, Any], name: str) -> None:
    (item,) = variables(board, name=name)
    assert item["type"] == "query"
    assert item["label"] == name.title()
    assert item["datasource"]["uid"] == "${prometheus_datasource}"
    assert item["multi"] is True
    assert item["allValue"] == ".+"


def test_template_label_promql(board: dict[str, Any]) -> None:
    for item in variables(board, type="query"):
        query = item["query"]["query"]
        assert re.fullmatch(r"label_values\(\w+(\{[^}]*\})?, \w+\)", query), query


def test_template_on_time_change_reload(board: dict[str, Any]) -> None:
    assert all(item["refresh"] == 2 for item in variables(board, type="query"))


def test_panel_datasource(board: dict[str, Any]) -> None:
    allowed = {f"${{{item['name']}}}" for item in variables(board, type="datasource")}
    for panel in panels_of(board):
        assert panel["datasource"]["uid"] in allowed
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {panel["datasource"]["uid"]}


def test_panel_title_description(board: dict[str, Any]) -> None:
    for panel in panels_of(board):
        assert panel["title"].strip()
        assert len(panel["description"].split()) >= 4, panel["title"]


def test_panel_units(board: dict[str, Any]) -> None:
    for panel in panels_of(board):
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        for override in panel["fieldConfig"]["overrides"]:
            assert all(item["value"] in UNITS for item in override["properties"] if item["id"] == "unit")


def test_panel_no_targets(board: dict[str, Any]) -> None:
    assert all(panel["targets"] for panel in panels_of(board))


def test_target_logql_auto(board: dict[str, Any]) -> None:
    for where, target in targets_of(board, "loki"):
        assert set(re.findall(r"\[([^\]]+)\]", target["expr"])) <= {"$__auto"}, where


def test_target_logql_names_the_stream_labels(board: dict[str, Any]) -> None:
    """That every query parses is shown with Grafana's own grammar, in tests/logql."""
    for where, target in targets_of(board, "loki"):
        selectors = re.findall(r"\{(project=[^}]*)\}", target["expr"])
        assert len(selectors) == 1, where
        labels = re.findall(r'(\w+)=~?"', selectors[0])
        assert set(labels) <= {"project", "host", "service", "kind", "stream"}, where


@pytest.mark.tools
def test_target_promql(tmp_path: Path) -> None:
    """Prometheus' own parser reads every expression."""
    rules = [
        {"record": f"q:{number}", "expr": plain(target["expr"])}
        for number, (_, target) in enumerate(
            item for board in BOARDS.values() for item in targets_of(board, "prometheus")
        )
    ]
    unique = {rule["expr"]: rule for rule in rules}
    assert len(unique) > 100
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": list(unique.values())}]}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(unique)} rules found" in done.stdout


def test_target_rate_interval(board: dict[str, Any]) -> None:
    for where, target in targets_of(board, "prometheus"):
        for name, _, window in METRIC.findall(target["expr"]):
            before = target["expr"][: target["expr"].index(name)]
            if window and (call := CALL.search(before)) and call[1] in ("rate", "irate"):
                assert window == "[$__rate_interval]", where


@pytest.mark.parametrize("label", ["job", "instance"])
def test_target_job_and_target_instance(board: dict[str, Any], label: str) -> None:
    for where, target in targets_of(board, "prometheus"):
        for name, matchers, _ in METRIC.findall(target["expr"]):
            assert f'{label}=~"${label}"' in matchers, f"{where}: {name}"


def test_target_counter_agg(board: dict[str, Any]) -> None:
    for where, target in targets_of(board, "prometheus"):
        for match in METRIC.finditer(target["expr"]):
            if match[1].endswith(("_total", "_bucket", "_count")):
                call = CALL.search(target["expr"][: match.start()])
                assert match[3], f"{where}: {match[1]} without a range"
                assert call, where
                assert call[1] in ("rate", "irate", "increase"), where


def test_uneditable_dashboard(board: dict[str, Any]) -> None:
    assert board["editable"] is False
