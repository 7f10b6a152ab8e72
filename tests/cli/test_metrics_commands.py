"""metrics and logs --test, from the command line to what they print."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.bootstrap import App
from monitor.cli.main import main
from monitor.testing.proxy import FakeProxy
from tests.support.lokiserver import Answer, Asked, LokiServer

SERVICES = """\
project: shop
services:
  core: {image: core, port: 3000, health: {path: /health}, slo: {latency: {threshold: 300ms, target: 99}}}
  api: {image: api, logs: {source: app, format: logfmt, unit: duration}}
  worker: {image: worker}
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def server() -> Iterator[LokiServer]:
    made = LokiServer()
    yield made
    made.close()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], server: LokiServer) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LOKI_PASSWORD", "s3cr3t")
    (tmp_path / "bgmon.yml").write_text(
        SERVICES + f'logs: {{source: loki, url: "{server.url}", user: u, password: "${{LOKI_PASSWORD}}"}}\n'
    )

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return call


def vector(*samples: tuple[dict[str, str], str]) -> Answer:
    result = [{"metric": metric, "value": [0, value]} for metric, value in samples]
    return Answer(200, {"status": "success", "data": {"resultType": "vector", "result": result}})


def core_answers(asked: Asked) -> Answer:
    query = asked.params["query"]
    core = {"service": "core"}
    if 'kind="access"' not in query:
        return vector()
    if "sum by (service, code)" in query:
        counted = {"200": "11", "503": "1", "unparsed": "2", "health": "3"}
        return vector(*(({**core, "code": code}, number) for code, number in counted.items()))
    if "sum by (service, le)" in query:
        return vector(({**core, "le": "0.1"}, "7"), ({**core, "le": "0.3"}, "4"), ({**core, "le": "+Inf"}, "1"))
    return vector((core, "15250000"))


def test_json_has_the_documented_shape(run: Run, server: LokiServer) -> None:
    server.otherwise = core_answers
    code, out, _ = run("metrics", "core", "--from", "2026-11-24T12:00:00Z", "--to", "1795525200.5", "--json")
    assert code == 0
    document: dict[str, Any] = json.loads(out)
    core = document["services"]["core"]
    assert (document["source"], document["from"], document["to"]) == ("loki", 1795521600.0, 1795525200.5)
    assert core["requests"] == 12
    assert core["codes"] == {"200": 11, "503": 1}
    assert core["duration_sum"] == 15.25
    assert list(core["buckets"].items())[4:] == [
        ("0.1", 7), ("0.25", 7), ("0.3", 11), ("0.5", 11), ("1.0", 11), ("2.5", 11), ("5.0", 11), ("10.0", 11), ("+Inf", 12)
    ]  # fmt: skip
    assert (core["unparsed"], core["ignored"], core["lines"]) == (2, 3, 17)
    assert {asked.params["time"] for asked in server.asked} == {"1795525200500000000"}
    assert all("[3600500ms]" in asked.params["query"] for asked in server.asked)
    assert all(asked.headers["authorization"].startswith("Basic") for asked in server.asked)


def test_people_get_a_table_and_a_chart(run: Run, server: LokiServer) -> None:
    server.otherwise = core_answers
    code, out, _ = run("metrics", "core")
    assert code == 0
    assert "8.33%" in out
    assert "200:11 503:1" in out
    assert "<= 300ms" in out
    both = run("metrics", "--since", "1h")[1]
    assert "api" in both
    assert "worker" not in both


def test_lines_that_the_proxy_left_out_are_said_beside_the_counts(
    run: Run, server: LokiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = FakeProxy()
    proxy.boot([])
    monkeypatch.setattr(App, "proxy", property(lambda _: proxy))
    server.otherwise = core_answers
    assert run("metrics", "core", "--since", "5m", "--json")[2] == ""
    proxy.lost_lines = 266
    code, out, err = run("metrics", "core", "--since", "5m", "--json")
    assert code == 0
    assert json.loads(out)["services"]["core"]["requests"] == 12
    assert "266 access log lines were lost" in err


def test_openmetrics_ends_as_the_format_wants(run: Run, server: LokiServer) -> None:
    server.otherwise = core_answers
    out = run("metrics", "core", "--openmetrics")[1]
    assert 'bgmon_http_requests_total{code="503",service="core"} 1.0' in out
    assert 'bgmon_http_request_duration_seconds_bucket{le="0.3",service="core"} 11.0' in out
    assert out.endswith("# EOF\n")


def test_explain_prints_what_is_sent(run: Run, server: LokiServer) -> None:
    server.otherwise = core_answers
    run("metrics", "core", "--since", "1m")
    sent = [asked.params["query"] for asked in server.asked]
    assert json.loads(run("metrics", "explain", "core", "--json")[1])["services"]["core"] == dict(
        zip(("counts", "histogram", "durations"), sent, strict=True)
    )
    assert all(query in run("metrics", "explain")[1] for query in sent)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("metrics", "cor"), "did you mean 'core'?"),
        (("metrics", "worker"), "no request metrics"),
        (("metrics", "--since", "5m", "--from", "0"), "exclude"),
        (("metrics", "--from", "20", "--to", "10"), "empty"),
        (("metrics", "--from", "yesterday"), "2026-11-24T12:00:00Z"),
        (("metrics", "--from", "1795525200500"), "unix seconds"),
        (("logs", "--test", "x"), "does not name its service"),
        (("logs", "worker", "--test", "x"), "no request metrics"),
        (("logs",), "SERVICE"),
    ],
)
def test_wrong_usage_says_what_is_right(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert message in err


def test_lokis_refusal_is_shown_and_its_absence_is_exit_4(run: Run, server: LokiServer) -> None:
    server.otherwise = lambda _: Answer(400, "parse error at line 1, col 36: syntax error")
    code, out, err = run("metrics", "core", "--json")
    assert code == 1
    assert "parse error at line 1" in err
    assert json.loads(out)["exit"] == 1
    server.close()
    code, _, err = run("metrics", "core")
    assert code == 4
    assert "s3cr3t" not in err


@pytest.mark.parametrize(
    ("service", "line", "kind", "counted"),
    [
        ("core", '{"status":200,"duration_us":300000,"path":"/"}', "request", "a duration of 0.3 s, in the bucket up to 0.3"),
        ("core", '{"status":503,"duration_us":-1}', "request", "no duration: -1 is negative"),
        ("core", '{"status":200,"path":"/health?x"}', "health", "nothing: a health check of /health"),
        ("core", '{"status":999}', "unparsed", "an unparsed line: 999 is no status from 100 to 599"),
        ("core", "Traceback", "unparsed", "an unparsed line: it does not have the form access"),
        ("api", "status=200 duration=12ms", "request", "a duration of 0.012 s, in the bucket up to 0.025"),
        ("api", "status=200 duration=12", "request", "no duration: '12' is no Go duration such as 12ms"),
    ],
)  # fmt: skip
def test_a_line_is_explained(run: Run, service: str, line: str, kind: str, counted: str) -> None:
    code, out, _ = run("logs", service, "--test", line)
    assert code == 0
    assert out.startswith(kind)
    assert f"counts as {counted}" in out
    told = json.loads(run("logs", service, "--test", line, "--json")[1])["lines"][0]
    assert told["kind"] == kind
    assert counted in told["counted"]


def test_lines_of_the_proxy_name_their_service(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"service":"core","status":200}\n{"service":"core","status":500}\n'))
    told = json.loads(run("logs", "--test", "-", "--json")[1])["lines"]
    assert [(one["service"], one["status"]) for one in told] == [("core", "200"), ("core", "500")]
