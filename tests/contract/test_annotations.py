"""Marks of deploys: what the fake and the real one promise, and what arrives at Loki and Grafana."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.adapters.grafana.annotations import HttpAnnotations
from monitor.adapters.loki.client import LokiOptions
from monitor.domain.deploy.line import deploy_line
from monitor.domain.deploy.records import DeployRecord
from monitor.domain.names import LOKI_LABELS
from monitor.ports.annotations import Annotations
from monitor.testing.annotations import FakeAnnotations
from tests.support.grafana_server import TOKEN, GrafanaServer
from tests.support.ports import free_port

RECORD = DeployRecord(
    id="d1", service="core", kind="deploy", image="reg/core:v2", version="v2", who="ci",
    started_at=1_760_000_000.0, finished_at=1_760_000_041.5, result="switched-back",
    reason='green answered 5xx: "boom" ünïcode\nsecond line',
)  # fmt: skip


class Loki:
    """Takes what is pushed, and answers as told."""

    def __init__(self) -> None:
        self.pushed: list[tuple[dict[str, str], Any]] = []
        self.status = 204
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.pushed.append(({"path": self.path, **dict(self.headers.items())}, body))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def loki() -> Iterator[Loki]:
    made = Loki()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def grafana() -> Iterator[GrafanaServer]:
    server = GrafanaServer()
    yield server
    server.close()


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_a_deploy_is_told_without_a_problem(kind: str, loki: Loki, grafana: GrafanaServer) -> None:
    real = HttpAnnotations("shop", "vps1", loki=LokiOptions(loki.url), grafana=(grafana.url, TOKEN))
    annotations: Annotations = FakeAnnotations() if kind == "fake" else real
    assert annotations.announce(RECORD) == []


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_a_problem_is_returned_and_not_raised(kind: str) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    real = HttpAnnotations("shop", "vps1", loki=LokiOptions(dead), grafana=(dead, TOKEN))
    annotations: Annotations = FakeAnnotations("x was not told of the deploy") if kind == "fake" else real
    problems = annotations.announce(RECORD)
    assert problems
    assert all("was not told of the deploy" in problem for problem in problems)
    assert TOKEN not in "".join(problems)


def test_loki_gets_a_line_with_the_labels_that_boards_ask_for(loki: Loki) -> None:
    HttpAnnotations("shop", "vps1", loki=LokiOptions(loki.url, tenant="t1")).announce(RECORD)
    ((headers, body),) = loki.pushed
    assert headers["path"] == "/loki/api/v1/push"
    assert headers["X-Scope-OrgID"] == "t1"
    (stream,) = body["streams"]
    assert set(stream["stream"]) == set(LOKI_LABELS)
    assert stream["stream"] == {
        "project": "shop",
        "host": "vps1",
        "service": "bgmon",
        "kind": "app",
        "stream": "stdout",
    }
    ((at, line),) = stream["values"]
    assert at == "1760000041500000000"
    fields = json.loads(line)
    assert fields["event"] == "deployed"
    assert (fields["service"], fields["version"], fields["result"], fields["who"]) == (
        "core",
        "v2",
        "switched-back",
        "ci",
    )
    assert fields["seconds"] == 41.5
    assert fields["reason"] == 'green answered 5xx: "boom" ünïcode'


def test_grafana_gets_a_region_with_tags(grafana: GrafanaServer) -> None:
    HttpAnnotations("shop", "vps1", grafana=(grafana.url, TOKEN)).announce(RECORD)
    (note,) = grafana.annotations
    assert (note["time"], note["timeEnd"]) == (1_760_000_000_000, 1_760_000_041_500)
    assert {"bgmon", "deploy", "project:shop", "service:core", "result:switched-back"} <= set(note["tags"])
    assert note["text"].startswith("core v2: switched-back by ci: green answered 5xx")


def test_a_refusal_is_told_and_the_other_one_is_told_all_the_same(loki: Loki, grafana: GrafanaServer) -> None:
    loki.status = 500
    problems = HttpAnnotations("shop", "h", loki=LokiOptions(loki.url), grafana=(grafana.url, TOKEN)).announce(RECORD)
    assert problems == [f"Loki at {loki.url} refused the mark of the deploy: HTTP 500"]
    assert len(grafana.annotations) == 1


def test_a_password_in_the_address_is_not_shown() -> None:
    url = f"http://me:hunter2secret@127.0.0.1:{free_port()}"
    (problem,) = HttpAnnotations("shop", "h", loki=LokiOptions(url)).announce(RECORD)
    assert "hunter2secret" not in problem


def test_the_line_stays_short_and_on_one_line() -> None:
    long = DeployRecord("d", "core", "deploy", "i", "v", "ci", 1.0, reason="x" * 5000)
    assert len(deploy_line(long)) < 500
    assert "\n" not in deploy_line(RECORD)
