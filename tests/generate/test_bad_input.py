"""Names with every legal character, texts with every nasty one, catalogues with mistakes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from monitor.config.loader import load_text
from monitor.config.rules import load_rules
from monitor.config.sources import load_sources
from monitor.errors import ConfigError
from monitor.render.render_all import GeneratedFiles, render_all
from tests.support.generated import ROOT, shipped, site_from, write

LEGAL = (
    "0",
    "a",
    "9z",
    "a.b",
    "a-b",
    "a_b",
    "a--b",
    "a..b",
    "x.y-z_1",
    "a" * 63,
    "z" * 61 + ".9",
    "up",
    "bgmon",
    "null",
    "true",
    "1e3",
    "0x10",
)
NASTY = "costs $5 or ${HOME}, \"double\" and 'single' quotes, back\\slash, #hash: colon, %percent, 日本語 ünïcode 🚀, tab\tend"


def strange(tmp_path: Path, extra: str = "") -> GeneratedFiles:
    services = "".join(
        f'  "{name}": {{image: x, port: 3000, slo: {{availability: 99.9, latency: {{threshold: {1 + at % 3}s, target: 99}}}}}}\n'
        for at, name in enumerate(LEGAL)
    )
    folder = tmp_path / "site"
    site = site_from(f"project: p.q-r_s\nservices:\n{services}{extra}", folder)
    return render_all(
        site, load_sources(load_text(f"project: p\nservices:\n{services}{extra}", "x", {}).generate, folder)
    )


def test_every_legal_name_makes_files_that_the_servers_take(tmp_path: Path) -> None:
    rendered = strange(tmp_path)
    folder = write(rendered, tmp_path / "out")
    for path, text in rendered.files.items():
        if path.endswith(".json"):
            json.loads(text)
        elif path.endswith((".yaml", ".yml")):
            yaml.safe_load(text)
    rules = yaml.safe_load(rendered.files["prometheus/rules/recording.yml"])["groups"][0]["rules"]
    assert rules[0]["expr"].count("|") == len(LEGAL) - 1
    assert "a[.]b" in rules[0]["expr"]
    for command in (
        ["promtool", "check", "config", "prometheus/prometheus.yml"],
        ["amtool", "check-config", "alertmanager/alertmanager.yml"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_name_counts_in_its_own_latency_group_once(tmp_path: Path) -> None:
    rules = yaml.safe_load(strange(tmp_path).files["prometheus/rules/recording.yml"])["groups"][0]["rules"]
    totals = [
        rule["expr"]
        for rule in rules
        if rule["record"] == "bgmon:slo_total:rate5m" and rule["labels"] == {"slo": "latency"}
    ]
    assert len(totals) == 3
    counted = [name for expr in totals for name in expr.partition('service=~"')[2].partition('"')[0].split("|")]
    assert sorted(counted) == sorted(name.replace(".", "[.]") for name in LEGAL)


@pytest.mark.parametrize("name", ["a" * 200, "a" * 64, "-a", "a-", "A", "a b", "a/b", "ä", "a$b", "{{a}}", "proxy", ""])
def test_illegal_names_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(f"project: p\nservices: {{{json.dumps(name)}: {{image: x}}}}\n", "bgmon.yml", {})
    assert "bgmon.yml" in str(caught.value)
    assert len(str(caught.value)) < 400


def own_rules(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir(exist_ok=True)
    (folder / "own.yaml").write_text(text, encoding="utf-8")
    return folder


def test_nasty_texts_reach_every_engine_as_they_were_written(tmp_path: Path) -> None:
    rule = {
        "name": "Nasty", "severity": "info", "promql": 'up{job="bgmon"} # "quoted"', "logql": 'count_over_time({job="x"} |= `a"b` [5m])',
        "threshold": 1, "compare": "<", "summary": NASTY, "description": NASTY + '\n\nsecond {{ "{{" }} paragraph {{ $labels.job }}',
    }  # fmt: skip
    folder = tmp_path / "site"
    folder.mkdir()
    own_rules(folder, json.dumps({"rules": [rule]}, ensure_ascii=False))
    rendered = strange(tmp_path, "generate: {rules: rules}\n")
    texts = {}
    for path in ("prometheus/rules/alerts.yml", "loki/rules/fake/bgmon.yaml"):
        (made,) = [
            item
            for group in yaml.safe_load(rendered.files[path])["groups"]
            for item in group["rules"]
            if item["alert"] == "Nasty"
        ]
        texts[path] = made["annotations"]
        assert made["annotations"]["summary"] == NASTY
        assert made["annotations"]["description"] == rule["description"]
    (made,) = [
        item
        for group in yaml.safe_load(rendered.files["grafana/provisioning/alerting/rules.yaml"])["groups"]
        for item in group["rules"]
        if item["title"] == "Nasty"
    ]
    assert made["annotations"]["summary"] == NASTY.replace("${", '{{ "$" }}{')
    out = write(rendered, tmp_path / "out")
    done = subprocess.run(
        ["promtool", "check", "rules", "prometheus/rules/alerts.yml"],
        cwd=out,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_without_a_runbook_page_still_has_one_on_the_board(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    own_rules(
        tmp_path / "site",
        "rules: [{name: Mine, severity: info, promql: up, no_logql: x, threshold: 1, summary: s, description: What it means.}]\n",
    )
    rendered = strange(tmp_path, "generate: {rules: rules}\n")
    board = json.loads(rendered.files["grafana/dashboards/_runbooks.json"])
    assert "What it means." in next(
        panel["options"]["content"] for panel in board["panels"] if panel["title"].startswith("Mine")
    )


GOOD = "{name: Mine, severity: info, promql: up, no_logql: x, threshold: 1, summary: s, description: d}"


def spoilt(old: str, new: str) -> str:
    return f"rules:\n  - {GOOD.replace(old, new)}\n"


MISTAKES = {
    "a misspelt key": (
        f"rules:\n  - {GOOD}\n  - {{name: B, severitty: page}}\n",
        3,
        r"rules\[1\]\.severitty: unknown key; did you mean 'severity'\?",
    ),
    "a wrong severity": (spoilt("info", "critical"), 2, r"rules\[0\]\.severity: .*'page', 'ticket' or 'info'"),
    "no query": (spoilt("promql: up, ", ""), 2, r"a rule needs promql, logql, or both"),
    "no reason": (spoilt("no_logql: x, ", ""), 2, r"say in no_logql why"),
    "a misspelt placeholder": (
        spoilt("promql: up", 'promql: "up{%{metrix}}"'),
        2,
        r"%\{metrix\} stands for nothing; known: durations, lines",
    ),
    "a template of one engine": (
        spoilt("summary: s", 'summary: "{{ range .Alerts }}"'),
        2,
        r"is not understood by all engines",
    ),
    "half a template": (spoilt("summary: s", 'summary: "{{ $value"'), 2, r"must come in pairs"),
    "a bare number for a time": (spoilt("threshold", "for: 5, threshold"), 2, r"5 has no unit"),
    "a name that is none": (spoilt("Mine", "my rule"), 2, r"rules\[0\]\.name: "),
    "a name twice": (f"rules:\n  - {GOOD}\n  - {GOOD}\n", 3, r"Mine stands here a second time"),
    "a change of nothing": ("change:\n  NoSuch: {threshold: 2}\n", 2, r"there is no rule 'NoSuch'"),
    "a drop of nothing": ("drop:\n  - NoTrafic\n", 2, r"there is no rule 'NoTrafic'; did you mean 'NoTraffic'\?"),
    "no YAML": ("rules: [\n", 2, r"is no YAML"),
    "a list": ("- a\n", 0, r"should be|dictionary|object"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_catalogue_names_file_line_and_key(tmp_path: Path, mistake: str) -> None:
    text, line, message = MISTAKES[mistake]
    with pytest.raises(ConfigError, match=message) as caught:
        load_rules(ROOT / "alert-rules", own_rules(tmp_path, text))
    problem = caught.value.problems[0]
    assert problem.file.endswith("rules/own.yaml")
    assert problem.line == line


def test_every_mistake_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    folder = own_rules(tmp_path, "rules: [{}]\n")
    (folder / "second.yml").write_text("x: 1\n")
    with pytest.raises(ConfigError) as caught:
        load_rules(ROOT / "alert-rules", folder)
    assert {Path(problem.file).name for problem in caught.value.problems} == {"own.yaml", "second.yml"}


def test_a_user_s_rules_add_replace_change_and_drop(tmp_path: Path) -> None:
    folder = own_rules(
        tmp_path,
        f"rules:\n  - {GOOD}\n  - {GOOD.replace('Mine', 'CrashLoop')}\n"
        "change:\n  HighErrorRatio: {threshold: 0.1, for: 10m, severity: ticket}\n  ErrorBudgetBurn14x: {threshold: 10}\ndrop: [NoTraffic]\n",
    )
    catalogue = load_rules(ROOT / "alert-rules", folder)
    rules = {rule.name: rule for rule in catalogue.rules}
    shipped_rules = {rule.name for rule in load_rules(ROOT / "alert-rules").rules}
    assert set(rules) == (shipped_rules | {"Mine"}) - {"NoTraffic"}
    assert rules["CrashLoop"].promql == "up"
    assert (rules["HighErrorRatio"].threshold, rules["HighErrorRatio"].for_, rules["HighErrorRatio"].severity) == (
        0.1,
        600.0,
        "ticket",
    )
    assert {burn.name: burn.factor for burn in catalogue.burn_rates}["ErrorBudgetBurn14x"] == 10


def test_a_user_s_file_of_a_shipped_name_replaces_that_file(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "hosts.yaml").write_text(f"rules: [{GOOD}]\n")
    names = {rule.name for rule in load_rules(ROOT / "alert-rules", folder).rules}
    assert "Mine" in names
    assert "HostDiskLow" not in names
    assert "CrashLoop" in names


def test_a_folder_that_is_none_is_said_so(tmp_path: Path) -> None:
    config = load_text("project: p\nservices: {a: {image: x}}\ngenerate: {rules: nowhere}\n", "bgmon.yml", {})
    with pytest.raises(ConfigError, match=r"generate\.rules: is no folder"):
        load_sources(config.generate, tmp_path)


def test_a_site_without_objectives_records_nothing(tmp_path: Path) -> None:
    rendered = render_all(site_from("project: p\nservices: {a: {image: x}}\n", tmp_path), shipped())
    assert "prometheus/rules/recording.yml" not in rendered.files
    assert "ErrorBudget" not in rendered.files["prometheus/rules/alerts.yml"]
