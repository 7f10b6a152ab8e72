"""What Prometheus, Loki, Grafana or Alertmanager would refuse, and what could never page: told with file and line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from monitor.assets import assets
from monitor.config.boards import load_boards
from monitor.config.findings import noted, refused
from monitor.config.loader import load_file, load_text
from monitor.config.promql import problem_of_rule
from monitor.config.rules import load_rules
from monitor.config.site import site_of
from monitor.domain.logs.counts import le_text
from monitor.errors import ConfigError
from monitor.render.grafana.fill import bound
from monitor.render.logforms import log_forms

SERVICE = "project: p\nservices:\n  a:\n    image: x\n    port: 80\n"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sum(rate(foo[5m])", "unclosed left parenthesis"),
        ("rate(foo)", "expected type matrix"),
        ("nofunc(foo)", "unknown function"),
        ('foo{a=~"("}', "regex"),
        ("sum by (project (foo)", "refuse"),
        ("increase(foo{%{metrics}}[5m]) +", "refuse"),
    ],
)
def test_broken_promql_of_an_own_rule_is_told_with_file_and_line(tmp_path: Path, query: str, words: str) -> None:
    (tmp_path / "own.yaml").write_text(
        "rules:\n  - name: Own\n    severity: page\n    no_logql: No.\n    threshold: 1\n"
        f"    summary: s\n    description: d\n    promql: '{query}'\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_rules(assets("alert-rules"), tmp_path)
    assert f"{tmp_path}/own.yaml:8: rules[0].promql: Prometheus would refuse it: " in str(caught.value)
    assert words in str(caught.value)


def test_broken_promql_of_an_own_board_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "title: Own\nrows:\n  - title: Row\n    panels:\n      - title: Panel\n        description: D.\n        queries:\n"
        "          - {expr: 'sum(rate(foo{%{service_labels}}[$__rate_interval])) or vector(0)'}\n"
        "          - {expr: 'sum(rate(foo{%{service_labels}}[$__rate_interval])'}\n"
        '          - {expr: \'{app="x"} |= "not PromQL"\', source: loki}\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_boards(tmp_path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (9, "rows[0].panels[0].queries[1].expr")


# Prometheus 3 takes more, such as x[300] in seconds: the library does as well, Debian's promtool does not.
QUERIES = (
    'sum by (a) (rate(x{a=~"b|c", d!="e"}[5m])) / on (a) group_left (f) y > bool 0.5',
    "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m]))) >= 0", "x offset -5m @ start()", "topk(3, -x ^ 2) unless y or vector(1)",
    "max_over_time(rate(x[1m])[1h:30s])", 'label_replace(x, "a", "$1", "b", "(.*)")', "predict_linear(x[6h], 4 * 3600)", "absent(x) == 1",
    "sum(x", "sum(x))", "x[5m] + 1", 'x{a="b"', "x and on (a) group_left y", "1 + +", "by (a) x", "x offset", "{}", "",
)  # fmt: skip


@pytest.mark.tools
@pytest.mark.parametrize("query", QUERIES)
def test_the_library_judges_as_promtool_does(tmp_path: Path, query: str) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "promtool is not installed: run `make setup`"
    rules = {"groups": [{"name": "g", "rules": [{"record": "r", "expr": query}]}]}
    (tmp_path / "rules.yml").write_text(json.dumps(rules))
    done = subprocess.run([promtool, "check", "rules", tmp_path / "rules.yml"], capture_output=True, check=False)
    assert bool(problem_of_rule(query)) == (done.returncode != 0)


@pytest.mark.parametrize(
    ("slo", "line", "words"),
    [
        ("{availability: 0.999}", 6, "for a share of 0.999 write 99.9"),
        ("{latency: {threshold: 1s, target: 0.95}}", 6, "for a share of 0.95 write 95"),
    ],
)
def test_a_share_instead_of_a_percentage_is_refused(slo: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(f"{SERVICE}    slo: {slo}\n", "bgmon.yml", {})
    assert f"bgmon.yml:{line}: " in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("slo", "keys"),
    [
        ("{availability: 80}", ["services.a.slo.availability"]),
        ("{availability: 83.33, latency: {threshold: 1s, target: 50}}", ["services.a.slo.availability", "services.a.slo.latency.target"]),
        ("{availability: 83.4, latency: {threshold: 1s, target: 99}}", []),
    ],
)  # fmt: skip
def test_an_objective_that_can_never_page_is_refused(tmp_path: Path, slo: str, keys: list[str]) -> None:
    file = tmp_path / "bgmon.yml"
    file.write_text(f"{SERVICE}    slo: {slo}\n")
    problems = refused(load_file(file, {}), load_rules(assets("alert-rules")), file)
    assert [problem.key for problem in problems] == keys
    assert all(problem.line == 6 and "can never page" in problem.message for problem in problems)


def test_a_secret_that_is_recorded_as_it_is_is_told_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "bgmon.yml"
    file.write_text(
        SERVICE + "    command: [serve, '--key=${API_KEY}', '--level=${LEVEL}']\n    env: {K: '${API_KEY}'}\n"
    )
    config = load_file(file, {"API_KEY": "k-12345678", "LEVEL": "low"})
    (note,) = noted(config, site_of(config), file)
    assert (note.line, note.key) == (6, "services.a.command[1]")
    assert "${API_KEY}" in note.message
    assert "k-12345678" not in str(note)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "Local", "America/Argentina/Ushuaia"])
def test_time_zones_that_exist(zone: str) -> None:
    load_text(f"{SERVICE}generate: {{mute: [{{name: n, location: {zone}}}]}}\n", "bgmon.yml", {})


@pytest.mark.parametrize("zone", ["Europe/Berlyn", "europe/berlin", "CEST", "Mars/Olympus"])
def test_a_time_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(ConfigError, match="is no time zone"):
        load_text(f"{SERVICE}generate: {{mute: [{{name: n, location: {zone}}}]}}\n", "bgmon.yml", {})


@pytest.mark.parametrize("buckets", ["", "logs: {buckets: [0.005, 0.5]}"])
@pytest.mark.parametrize("seconds", [5e-05, 0.001, 0.03, 1.0, 7.0])
def test_a_latency_objective_is_judged_at_its_own_threshold(buckets: str, seconds: float) -> None:
    text = f"{SERVICE}    slo: {{latency: {{threshold: {seconds * 1e6:.0f}us, target: 99}}}}\n    {buckets}\n"
    (service,) = site_of(load_text(text, "bgmon.yml", {})).services
    assert service.objectives[0].le == pytest.approx(seconds)
    assert service.log is not None
    assert service.objectives[0].le in service.log.buckets


def test_the_matcher_of_a_bound_finds_it_as_the_daemon_writes_it() -> None:
    for seconds in (5e-05, 1e-09, 0.0001, 0.25, 1.0, 2.5, 30.0):
        operator, text = re.fullmatch(r'le(=~?)"(.*)"', bound(seconds)).groups()  # type: ignore[union-attr]
        written = le_text(seconds)
        assert text == written if operator == "=" else re.fullmatch(text, written)


def test_a_json_field_with_other_characters_is_one_that_loki_reads() -> None:
    text = SERVICE + "    logs: {source: app, format: json, status: status-code, duration: 'http.@duration', unit: s}\n"
    (form,) = log_forms(site_of(load_text(text, "bgmon.yml", {})))
    assert """| json code=`["status-code"]`""" in form["requests"]
    assert """| json took=`http["@duration"]`""" in form["durations"]
