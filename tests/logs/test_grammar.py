"""Every query that is sent is one by Grafana's own grammar."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.domain.logs.events import events_query
from monitor.domain.logs.logql import Selector, queries
from tests.logs.test_events import CASES as EVENT_CASES
from tests.support.loglines import RULES

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[2]
SELECTORS = {
    "one": Selector("shop", "access", ("core",)),
    "many": Selector("shop", "app", ("core", "web.internal", "a_b-c"), host="vps1"),
    "all": Selector("shop", "access"),
    "another label": Selector("shop", "app", ("core", "web"), service_label="app_name"),
    "own labels": Selector("shop", "app", ("core",), labels=(("job", 'a "quoted" `job`'), ("env", "é\n"))),
}
HOSTILE = {
    "quotes": replace(RULES["regex"], regex='(?P<code>[0-9]+) "(?P<ms>[^"`]+)`(?P<uri>.*)\\\\'),
    "field names": replace(RULES["json"], status='["a`b\\"c"]', path='["é\\\\"]', ignore=('/"x"', "/`", "/é", "/\\")),
    "logfmt names": replace(RULES["logfmt"], status="http.status(code)", duration="a`b", path='c"d'),
    "many buckets": replace(RULES["access"], buckets=tuple(n / 1000 for n in range(1, 60))),
    "tiny buckets": replace(RULES["json-ns"], buckets=(1e-9, 1e-7, 1e-5, 86400.0)),
}


def test_the_grammar_accepts_every_query(tmp_path: Path) -> None:
    found = [
        {"name": f"{rule_name}, {selector_name}: {what}", "query": query}
        for rule_name, rule in (RULES | HOSTILE).items()
        for selector_name, selector in SELECTORS.items()
        for range_ms in (60_000, 600_001)
        for what, query in queries(rule, selector, range_ms).named()
    ]
    found += [
        {"name": f"events of {name}, {selector_name}", "query": events_query(rule, selector, 60_000)}
        for name, (rule, _) in EVENT_CASES.items()
        for selector_name, selector in SELECTORS.items()
    ]
    recordings = [
        {"name": file.stem, "query": json.loads(file.read_text())["request"]["params"]["query"]}
        for file in sorted((ROOT / "tests" / "data" / "loki").glob("*.json"))
        if "query" in json.loads(file.read_text()).get("request", {}).get("params", {}) and file.stem != "error_parse"
    ]
    assert len(recordings) > 8
    (tmp_path / "sent.json").write_text(json.dumps(found))
    (tmp_path / "recorded.json").write_text(json.dumps(recordings))
    done = subprocess.run([ROOT / "tools" / "logql-test.sh", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout or "fail 0" in done.stdout
