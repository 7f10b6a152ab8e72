"""The servers' and shippers' own files, by the tools and rules of their makers where those can be had."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.errors import GenerateError
from monitor.render.compose import compose_file
from monitor.render.render_all import GeneratedFiles, render_all
from monitor.render.rulefiles import LOKI_TENANT
from monitor.render.shippers import shipper_files
from tests.support.generated import full_site, shipped, shop, write

CHECK = Path(sys.executable).with_name("check-jsonschema")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> GeneratedFiles:
    return render_all(full_site(tmp_path_factory.mktemp("full")), shipped())


def load(rendered: GeneratedFiles, path: str) -> Any:
    return yaml.safe_load(rendered.files[path])


def test_compose_yaml_is_what_the_compose_specification_says(tmp_path: Path) -> None:
    files = []
    for notify_by in ("grafana", "alertmanager", "none"):
        for shipper in ("alloy", "promtail"):
            site = full_site(tmp_path, notify_by=notify_by, shipper=shipper)
            files.append(tmp_path / f"{notify_by}-{shipper}.yaml")
            files[-1].write_text(compose_file(site)["compose.yaml"])
    done = subprocess.run(
        [CHECK, "--builtin-schema", "vendor.compose-spec", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    files[0].write_text(files[0].read_text().replace("healthcheck", "helthcheck"))
    assert (
        subprocess.run(
            [CHECK, "--builtin-schema", "vendor.compose-spec", files[0]], capture_output=True, check=False
        ).returncode
        == 1
    )


def test_the_stack_is_pinned_limited_watched_and_closed(full: GeneratedFiles) -> None:
    document = load(full, "compose.yaml")
    assert set(document["services"]) == {"prometheus", "loki", "grafana", "alloy"}
    for name, service in document["services"].items():
        assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"]), name
        assert service["healthcheck"]["test"][0] == "CMD"
        assert {"cpus", "memory", "pids"} == set(service["deploy"]["resources"]["limits"])
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
        assert service.get("read_only", False) is not bool(service.get("secrets")), name
        assert service["cap_drop"] == ["ALL"]
        assert "ports" not in service
        assert service["network_mode"] == "host"
        assert f"{name}-data" in document["volumes"]
    assert {name for name, service in document["services"].items() if service["user"].startswith("0")} == {"alloy"}


def test_everything_of_the_stack_listens_on_loopback_alone(full: GeneratedFiles) -> None:
    services = load(full, "compose.yaml")["services"]
    assert "--web.listen-address=127.0.0.1:9090" in services["prometheus"]["command"]
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert "--server.http.listen-addr=127.0.0.1:12345" in services["alloy"]["command"]
    server = load(full, "loki/loki.yaml")["server"]
    assert (server["http_listen_address"], server["grpc_listen_address"]) == ("127.0.0.1", "127.0.0.1")
    assert load(full, "promtail/promtail.yaml")["server"]["http_listen_address"] == "127.0.0.1"


def test_files_that_a_container_mounts_are_generated(full: GeneratedFiles) -> None:
    for service in load(full, "compose.yaml")["services"].values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert any(path.startswith(f"{source[2:]}/") for path in full.files), source


def test_promtail_sets_the_labels_that_every_query_relies_on_and_no_other(full: GeneratedFiles) -> None:
    document = load(full, "promtail/promtail.yaml")
    (job,) = document["scrape_configs"]
    assert list(dict.fromkeys(rule["target_label"] for rule in job["relabel_configs"])) == [
        "project", "service", "kind", "stream",
    ]  # fmt: skip
    assert document["clients"][0]["external_labels"] == {"host": "vps1"}
    assert document["clients"][0]["url"] == "http://127.0.0.1:3100/loki/api/v1/push"
    (discovery,) = job["docker_sd_configs"]
    assert discovery["filters"] == [{"name": "label", "values": ["bgmon.project=shop"]}]
    (stage,) = job["pipeline_stages"]
    assert stage["match"]["selector"] == '{kind="access"}'
    assert stage["match"]["stages"] == [
        {"json": {"expressions": {"service": "service"}}},
        {"labels": {"service": None}},
    ]
    assert document["server"]["grpc_listen_port"] == 0


@pytest.mark.parametrize(
    ("name", "kind", "becomes"),
    [
        ("/shop-proxy", "access", "access"),
        ("/shop-proxy-previous", "access", "access"),
        ("/shop-core-blue", "app", "app"),
        ("/renamed", "app", "app"),
        ("/debug", "access", None),
        ("/shop-proxy-debug", "access", None),
        ("/my-shop-proxy", "access", None),
        ("/shop-proxy-check", "check", None),
    ],
)
def test_only_lines_of_the_proxys_own_containers_become_an_access_log(
    full: GeneratedFiles, name: str, kind: str, becomes: str | None
) -> None:
    labels = {"__meta_docker_container_name": name, "__meta_docker_container_label_bgmon_kind": kind}
    for rule in load(full, "promtail/promtail.yaml")["scrape_configs"][0]["relabel_configs"]:
        value = ";".join(labels.get(source, "") for source in rule["source_labels"])
        found = re.fullmatch(rule.get("regex", "(.*)"), value)  # the shipper's own rule: the whole value, or nothing
        if found:
            labels[rule["target_label"]] = rule.get("replacement", value)
    assert labels.get("kind") == becomes


def test_alloy_and_promtail_say_the_same(full: GeneratedFiles) -> None:
    alloy, promtail = full.files["alloy/config.alloy"], full.files["promtail/promtail.yaml"]
    blocks = re.findall(r"  rule \{\n(.*?)\n  \}", alloy, re.DOTALL)
    said = [{key: json.loads(value) for key, value in re.findall(r"(\w+)\s+= (.*)", block)} for block in blocks]
    assert said == load(full, "promtail/promtail.yaml")["scrape_configs"][0]["relabel_configs"]
    for text in (alloy, promtail):
        assert "bgmon.project=shop" in text
        assert "http://127.0.0.1:3100/loki/api/v1/push" in text
    assert re.search(r'external_labels = \{\s+host = "vps1",\s+\}', alloy)
    assert alloy.count("{") == alloy.count("}")
    assert r'selector = "{kind=\"access\"}"' in alloy


def test_each_host_has_a_shipper_s_file_of_its_own(full: GeneratedFiles) -> None:
    assert load(full, "promtail/vps2.yaml")["clients"][0]["external_labels"] == {"host": "vps2"}
    assert 'host = "vps2"' in full.files["alloy/hosts/vps2.alloy"]


def test_prometheus_finds_every_host_by_file_and_names_it(full: GeneratedFiles) -> None:
    assert json.loads(full.files["prometheus/targets/shop.json"]) == [
        {"targets": ["127.0.0.1:9180"], "labels": {"host": "vps1", "instance": "vps1", "project": "shop"}},
        {"targets": ["vps2.internal:9180"], "labels": {"host": "vps2", "instance": "vps2", "project": "shop"}},
    ]
    (job,) = load(full, "prometheus/prometheus.yml")["scrape_configs"]
    assert job["authorization"] == {"type": "Bearer", "credentials_file": "/run/secrets/bgmon_token"}
    assert job["job_name"] == "bgmon"


@pytest.mark.tools
def test_promtool_accepts_a_scrape_configuration_with_a_token(tmp_path: Path, full: GeneratedFiles) -> None:
    folder = write(full, tmp_path) / "prometheus"
    for name in ("prometheus.yml", "scrape.yml"):
        done = subprocess.run(
            ["promtool", "check", "config", "--syntax-only", name],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_loki_s_ruler_reads_the_rules_where_they_are(full: GeneratedFiles) -> None:
    ruler = load(full, "loki/loki.yaml")["ruler"]
    mounts = load(full, "compose.yaml")["services"]["loki"]["volumes"]
    assert "./loki:/etc/loki:ro" in mounts
    assert ruler["storage"]["local"]["directory"] == "/etc/loki/rules"
    assert f"loki/rules/{LOKI_TENANT}/bgmon.yaml" in full.files


def test_loki_s_rules_are_a_prometheus_rule_file_but_for_their_queries(tmp_path: Path) -> None:
    groups = yaml.safe_load(shop().files["loki/rules/fake/bgmon.yaml"])["groups"]
    assert len({group["name"] for group in groups}) == len(groups)
    for group in groups:
        assert set(group) == {"name", "interval", "rules"}
        for rule in group["rules"]:
            assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}


def test_a_broken_template_of_the_user_s_is_named(tmp_path: Path) -> None:
    site = full_site(tmp_path)
    for text in ("{{ unknown }}", "{% if %}", "{{ host"):
        with pytest.raises(GenerateError, match=r"promtail\.yaml\.j2: "):
            shipper_files(site, {"promtail.yaml.j2": text})


def test_retention_comes_from_bgmon_yml(tmp_path: Path) -> None:
    site = replace(full_site(tmp_path), log_retention=86400.0 * 7, metric_retention=86400.0 * 60)
    rendered = render_all(site, shipped())
    assert load(rendered, "loki/loki.yaml")["limits_config"]["retention_period"] == "168h"
    assert "--storage.tsdb.retention.time=60d" in load(rendered, "compose.yaml")["services"]["prometheus"]["command"]
