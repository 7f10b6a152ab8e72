"""Lines of real servers, read by both forms: what they say is known."""

from __future__ import annotations

import pytest

from monitor.domain.logs.counts import Counts
from monitor.domain.logs.formats import FORMATS
from monitor.domain.logs.parse import LineParser
from tests.logs.test_same_meaning import compare
from tests.support.loglines import REAL, real_lines, rule_of
from tests.support.miniloki import MiniLoki

# Requests by code; lines left out; lines of which no request can be told; durations; their sum in nanoseconds.
TRUTH: dict[str, tuple[dict[str, int], int, int, int, int]] = {
    "nginx": ({"200": 3, "404": 2, "503": 2}, 2, 0, 7, 0),
    "nginx-keyed": ({"200": 3, "404": 2, "503": 2}, 2, 0, 7, 0),
    "nginx-xff": ({"200": 3, "404": 2, "503": 2}, 2, 0, 7, 0),
    "haproxy-clf": ({"200": 1}, 0, 0, 0, 0),
    "apache-combinedio": ({"200": 1, "400": 1, "404": 2}, 1, 0, 0, 0),
    "nginx-own": ({"200": 3, "404": 2, "503": 2}, 2, 0, 7, 0),
    "nginx-times": ({"200": 3, "404": 2, "503": 2}, 2, 0, 5, 0),
    "nginx-json": ({"200": 3, "404": 2, "503": 2}, 2, 0, 7, 0),
    "apache-own": ({"200": 1, "400": 1, "404": 2}, 1, 0, 4, 1_127_000),
    "apache-own2": ({"200": 1, "400": 1, "404": 2}, 1, 0, 4, 0),
    "gunicorn-own": ({"200": 2, "500": 1}, 1, 0, 3, 3_746_000),
    "ingress-nginx": ({"200": 3, "404": 2, "503": 2}, 2, 0, 7, 0),
    "apache-vhost": ({"200": 1, "400": 1, "404": 2}, 1, 0, 0, 0),
    "caddy": ({"200": 3, "502": 2}, 1, 0, 5, 876_070),
    "traefik": ({"200": 1, "404": 1, "502": 1}, 1, 0, 3, 1_226_000_000),
    "traefik-json": ({"200": 1, "502": 1}, 1, 0, 2, 1_226_000_000),
    "haproxy-http": ({"200": 2, "403": 1, "503": 1}, 0, 0, 4, 3_006_000_000),
    "envoy": ({"200": 1, "418": 1, "503": 1}, 2, 0, 3, 1_230_000_000),
    "gunicorn": ({"200": 2, "500": 1}, 1, 0, 0, 0),
    "uvicorn": ({"200": 2, "500": 1}, 1, 0, 0, 0),
    "morgan": ({"200": 13, "500": 5}, 6, 0, 12, 2_883_000),
    "rails": ({"200": 1, "302": 1, "500": 1}, 1, 0, 3, 1_266_330_000),
}


@pytest.mark.parametrize("name", REAL)
def test_what_a_real_server_wrote_is_counted(name: str) -> None:
    counts = Counts()
    LineParser(rule_of(REAL[name])).count(real_lines(name), counts)
    assert (counts.codes, counts.ignored, counts.unparsed, sum(counts.buckets.values()), counts.nanos) == TRUTH[name]


@pytest.mark.tools
@pytest.mark.parametrize("name", REAL)
def test_loki_reads_them_alike(loki: MiniLoki, name: str) -> None:
    compare(loki, rule_of(REAL[name]), real_lines(name))


def test_every_format_has_real_lines() -> None:
    assert set(FORMATS) - set(REAL.values()) == {"access", "json", "logfmt", "regex"}
