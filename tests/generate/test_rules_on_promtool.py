"""Every Prometheus rule on Debian's promtool: when it fires, when not, and that it ends. Cases are files in cases/."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.generated import shop, write

pytestmark = pytest.mark.tools

CASES = [
    case
    for path in sorted(Path(__file__).with_name("cases").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text())
]
TARGET = {"job": "bgmon", "project": "shop", "host": "vps1", "instance": "vps1"}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated rule files, their texts taken out: promtool would want them spelled out in every case."""
    folder = write(shop(), tmp_path_factory.mktemp("shop"))
    for path in (folder / "prometheus/rules").glob("*.yml"):
        document = yaml.safe_load(path.read_text())
        for group in document["groups"]:
            for rule in group["rules"]:
                rule.pop("annotations", None)
        path.write_text(json.dumps(document))
    return folder / "prometheus/rules"


def alerts(rules: Path) -> dict[str, dict[str, Any]]:
    document = json.loads((rules / "alerts.yml").read_text())
    return {rule["alert"]: rule for group in document["groups"] for rule in group["rules"]}


def full(series: str) -> str:
    name, own = re.fullmatch(r"(\w+)\{(.*)\}", series).groups()  # type: ignore[union-attr]
    labels = dict(re.findall(r'(\w+)="([^"]*)"', own))
    return f"{name}{{{', '.join(f'{key}={json.dumps(value)}' for key, value in (TARGET | labels).items())}}}"


def test_all_cases_hold(rules: Path) -> None:
    known = alerts(rules)
    tests: dict[bool, list[dict[str, Any]]] = {False: [], True: []}  # recording rules are slow: only where needed
    for case in CASES:
        checks = []
        for time, expected in case["expect"].items():
            labels = {"project": "shop", "severity": known[case["rule"]]["labels"]["severity"]}
            firing = [{"exp_labels": {**labels, **each}} for each in expected]
            checks.append({"eval_time": time, "alertname": case["rule"], "exp_alerts": firing})
            checks += [{"eval_time": time, "alertname": other, "exp_alerts": []} for other in case.get("never", ())]
        series = [{"series": full(name), "values": values} for item in case["series"] for name, values in item.items()]
        name = f"{case['rule']}: {case.get('about', '')}"
        tests[case["rule"].startswith("ErrorBudget")].append(
            {"name": name, "interval": "30s", "input_series": series, "alert_rule_test": checks}
        )
    for objectives, group in tests.items():
        files = ["alerts.yml", *(["recording.yml"] if objectives else [])]
        document = {"rule_files": files, "evaluation_interval": "30s", "tests": group}
        (rules / "all.test").write_text(json.dumps(document))
        command = ["promtool", "test", "rules", "all.test"]
        done = subprocess.run(command, cwd=rules, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_seen_to_fire_to_be_quiet_and_to_end(rules: Path) -> None:
    for name in alerts(rules):
        courses = [[bool(firing) for firing in case["expect"].values()] for case in CASES if case["rule"] == name]
        assert any(course[0] is False and any(course) and course[-1] is False for course in courses), name


def test_promtool_accepts_the_files_as_they_are(tmp_path: Path) -> None:
    folder = write(shop(), tmp_path) / "prometheus"
    done = subprocess.run(
        ["promtool", "check", "rules", "rules/alerts.yml", "rules/recording.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 rule files found" in done.stdout
