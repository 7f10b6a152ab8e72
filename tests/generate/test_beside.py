"""bgmon's files beside a Grafana that has data sources of its own, and beside those of a second project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from monitor.render.render_all import GeneratedFiles, render_all
from tests.support.generated import shipped, site_from

SOURCES = "grafana/provisioning/datasources/bgmon.yaml"
CONFIG = "project: {name}\nservices: {{core: {{image: x, port: 1}}}}\ngenerate: {{{more}}}\n"


def rendered(folder: Path, name: str = "shop", more: str = "") -> GeneratedFiles:
    return render_all(site_from(CONFIG.format(name=name, more=more), folder), shipped())


def uids(files: GeneratedFiles) -> set[str]:
    """Every uid of a data source that boards or rules name."""
    found: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, dict):
            source = node.get("datasource")
            if isinstance(source, dict):
                found.add(source["uid"])
            if str(node.get("name", "")).endswith("_datasource"):
                found.add(node["current"]["value"])
            if "datasourceUid" in node:
                found.add(node["datasourceUid"])
            for item in node.values():
                look(item)
        elif isinstance(node, list):
            for item in node:
                look(item)

    for path, text in files.files.items():
        if path.endswith(".json") and "/dashboards/" in path:
            look(json.loads(text))
        elif path.endswith("alerting/rules.yaml"):
            look(yaml.safe_load(text))
    return {uid for uid in found if not uid.startswith(("$", "-- ", "__"))}


def test_two_projects_share_no_name_or_uid_and_none_is_the_default(tmp_path: Path) -> None:
    sources = [
        source
        for name in ("shop", "a.b", "a-b", "a" * 63)
        for source in yaml.safe_load(rendered(tmp_path, name).files[SOURCES])["datasources"]
    ]
    assert len(sources) == 8
    assert len({source["uid"] for source in sources}) == len({source["name"] for source in sources}) == 8
    assert all(len(source["uid"]) <= 40 for source in sources)
    assert not any(source.get("isDefault") for source in sources)


def test_the_default_is_asked_for(tmp_path: Path) -> None:
    sources = yaml.safe_load(rendered(tmp_path, more="grafana: {default: true}").files[SOURCES])["datasources"]
    assert [source.get("isDefault", False) for source in sources] == [True, False]


def test_boards_and_rules_use_the_data_sources_that_are_provisioned(tmp_path: Path) -> None:
    files = rendered(tmp_path)
    assert uids(files) == {"bgmon-shop-prometheus", "bgmon-shop-loki"}
    assert {source["uid"] for source in yaml.safe_load(files.files[SOURCES])["datasources"]} == uids(files)


def test_a_data_source_that_exists_is_used_and_not_provisioned(tmp_path: Path) -> None:
    more = "prometheus: {url: 'http://p:9090', uid: PBFA97CFB590B2093}, loki: {url: 'http://l:3100'}"
    files = rendered(tmp_path, more=more)
    assert uids(files) == {"PBFA97CFB590B2093", "bgmon-shop-loki"}
    sources = yaml.safe_load(files.files[SOURCES])["datasources"]
    assert [source["uid"] for source in sources] == ["bgmon-shop-loki"]
