"""The logs sections: from bgmon.yml to rules, and what is wrong with wrong ones."""

from __future__ import annotations

import pytest

from monitor.config.compile import service_spec
from monitor.config.loader import load_text
from monitor.config.logcompile import event_rules, log_rules
from monitor.domain.logs.events import Event, EventRule
from monitor.domain.logs.match import Match
from monitor.domain.logs.rules import LogRule
from monitor.errors import ConfigError


def rules(services: str, logs: str = "{}") -> dict[str, LogRule]:
    return log_rules(load_text(f"project: p\nservices: {services}\nlogs: {logs}\n", "bgmon.yml", {"TOKEN": "s3cr3t"}))


def test_the_proxys_log_is_the_default_with_the_slo_among_the_buckets() -> None:
    rule = rules("{a: {image: x, port: 1, health: {path: /up?x}, slo: {latency: {threshold: 300ms, target: 99}}}}")["a"]
    assert rule.format == "access"
    assert rule.ignore == ("/up",)
    assert 0.3 in rule.buckets
    assert list(rule.buckets) == sorted(rule.buckets)


def test_workers_and_services_that_are_off_have_no_rule() -> None:
    assert rules("{a: {image: x}, b: {image: x, port: 1, logs: {source: 'off'}}}") == {}


def test_a_services_own_log() -> None:
    made = rules(
        "{a: {image: x, logs: {source: app, format: json, status: code, duration: took, unit: ms, buckets: [0.1, 1]}},"
        " b: {image: x, logs: {source: app, format: caddy}},"
        " c: {image: x, logs: {source: app, format: regex, regex: '(?P<status>[0-9]+)'}}}"
    )
    assert (made["a"].status, made["a"].duration, made["a"].unit, made["a"].buckets) == (
        "code",
        "took",
        "ms",
        (0.1, 1.0),
    )
    assert (made["b"].duration, made["b"].path) == ("duration", "request.uri")
    assert (made["c"].duration, made["c"].path) == (None, None)


def test_which_lines_are_requests() -> None:
    made = rules(
        "{a: {image: x, logs: {source: app, only: {level: [info, 30], tls: true, matches: '^[{]'}}},"
        " b: {image: x, logs: {source: app, format: nginx, only: GET}},"
        " c: {image: x, logs: {source: app, format: traefik-json}},"
        " d: {image: x, logs: {source: app, format: '%h \"%r\" %>s %D'}}}"
    )
    assert made["a"].only == (
        Match(field="level", values=("info", "30")),
        Match(field="tls", values=("true",)),
        Match(pattern="^[{]"),
    )
    assert made["b"].only == (Match(contains="GET"),)
    assert (made["c"].status, made["c"].unit, made["c"].only) == (
        "DownstreamStatus",
        "ns",
        (Match(field="DownstreamStatus", values=("*",)),),
    )
    assert (made["d"].unit, made["d"].duration) == ("us", "duration")


def test_what_is_counted_besides_requests() -> None:
    config = load_text(
        "project: p\nservices:\n"
        "  a: {image: x, port: 1, logs: {count: {errors: {level: [error, 50]}, slow: {matches: 'took [0-9]{4}'}}},"
        " deploy: {bake: {max_events: {errors: 10}}}}\n"
        "  b: {image: x, logs: {format: logfmt, count: {failed: job failed}}}\n"
        "  c: {image: x}\n",
        "bgmon.yml",
        {},
    )
    rules_ = event_rules(config)
    assert rules_ == {
        "a": EventRule(
            (
                Event("errors", (Match(field="level", values=("error", "50")),)),
                Event("slow", (Match(pattern="took [0-9]{4}"),)),
            )
        ),
        "b": EventRule((Event("failed", (Match(contains="job failed"),)),), "logfmt"),
    }
    assert service_spec("a", config.services["a"]).deploy.bake.max_events == {"errors": 10}


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("logs: {count: {Errors: x}}", "Errors"),
        ("logs: {count: {errors: {}}}", "needs a field"),
        ("logs: {format: nginx, count: {errors: {level: x}}}", "count: a line of this format has no fields"),
        (f"logs: {{count: {dict.fromkeys((f'e{n}' for n in range(21)), 'x')}}}", "21 events, 20 are allowed"),
        ("logs: {source: app, format: regex, regex: '(?P<status>.)', count: {e: {x: y}}}", "no group (?P<x>...)"),
        ("deploy: {bake: {max_events: {errors: 1}}}", "errors is no event of logs.count, which has none"),
    ],
)
def test_wrong_events_are_told(service: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rules(f"{{a: {{image: x, port: 1, {service}}}}}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        ("{source: app, format: regex}", "go together"),
        ("{source: app, regex: 'x'}", "go together"),
        ("{source: app, format: regex, regex: '(?P<status>'}", "no RE2"),
        ("{source: app, format: regex, regex: '(?P<status>a)(?=b)'}", "no RE2"),
        ("{source: app, format: regex, regex: '(?P<code>a)'}", "no group (?P<status>...)"),
        ("{format: json}", "source: app"),
        ("{methods: true}", "give routes"),
        ("{routes: [users]}", "'users' is no route"),
        (f"{{routes: {[f'/{n}' for n in range(101)]}}}", "101 routes, 100 are allowed"),
        ("{only: GET}", "source: app"),
        ("{source: app, format: apache}", "'apache' is no format; there are json, logfmt"),
        ("{source: app, format: '$remote_addr'}", "it needs $status"),
        ("{source: app, only: {}}", "needs a field"),
        ("{source: app, only: {matches: '('}}", "no RE2"),
        ("{source: app, only: {contains: [a]}}", "give a text"),
        ("{source: app, format: nginx, only: {level: info}}", "use contains or matches"),
        ("{source: app, format: regex, regex: '(?P<status>.)', only: {x: y}}", "no group (?P<x>...)"),
        ("{source: app, buckets: [1, 0.5]}", "rise"),
        ("{source: app, unit: minutes}", "'s', 'ms'"),
        ("{source: application}", "'proxy'"),
    ],
)
def test_wrong_rules_are_told(logs: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rules(f"{{a: {{image: x, port: 1, logs: {logs}}}}}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        ("{source: loki}", "needs its url"),
        ("{source: loki, url: 'loki:3100'}", "http"),
        ("{source: loki, url: 'http://l', token: '${TOKEN}', user: u, password: p}", "either"),
        ("{source: loki, url: 'http://l', user: u}", "go together"),
        ("{window: 500ms}", "whole seconds"),
        ("{labels: {service: x}}", "cannot select"),
        ("{source: loki, url: 'http://l', tls: {cert: x}}", "go together"),
    ],
)
def test_wrong_sources_are_told_without_their_secrets(logs: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rules("{a: {image: x, port: 1}}", logs)
    assert message in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
