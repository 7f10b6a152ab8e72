"""Variants of the usual formats, servers' own format strings, and which lines are requests at all."""

from __future__ import annotations

import pytest

from monitor.domain.logs.counts import Counts
from monitor.domain.logs.formats import FORMATS
from monitor.domain.logs.lines import split_lines
from monitor.domain.logs.match import Match, holds
from monitor.domain.logs.ownformat import own_format
from monitor.domain.logs.parse import LineParser, Reading
from monitor.domain.logs.rules import LogRule, default_fields, format_of

HEAD = '127.0.0.1 - - [26/Nov/2026:12:00:00 +0000] "GET /items HTTP/1.1" 200 12'
FULL = f'{HEAD} "-" "curl/8"'
COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)


def read(format_: str, line: str | bytes, **other: object) -> Reading:
    status, duration, unit, path = default_fields(format_)
    fields = {"status": status, "duration": duration, "unit": unit, "path": path, "only": format_of(format_).only}
    parser = LineParser(LogRule(format_, **{**fields, **other}))  # type: ignore[arg-type]
    data = line if isinstance(line, bytes) else line.encode()
    reading = parser.read(data)
    counts = Counts()
    parser.count([data], counts)
    assert sum(counts.codes.values()) == (reading.kind == "request")
    assert sum(counts.buckets.values()) == (reading.seconds is not None)
    return reading


@pytest.mark.parametrize(
    ("tail", "seconds"),
    [
        ("", None),
        (" 0.024", 0.024),
        (' "0.024"', 0.024),
        (' "10.0.0.1" 0.024', 0.024),
        (' "10.0.0.1"', None),
        (" rt=0.024", 0.024),
        (' rt="0.024"', 0.024),
        (' rt=0.024 uct="0.000" urt="0.020"', 0.024),
        (' urt="0.020" rt=0.024', 0.024),
        (" 12ms", 0.012),
        (" 12 ms", 0.012),
        (" 0,004", 0.004),
        (" 00:00:00.01", 0.01),
        (" PT0.012S", 0.012),
        (" - 3.2 ms", 0.0032),
        (" 93 203", None),
        (' 162 "web@docker" "http://172.18.0.3:3000" 22ms', 0.022),
        (" 150 0.004 [web-80] [] 10.0.0.9:80 2 0.004 200 35ee95a47338c656b4ab9fd5add0c1ec", None),
        (' 45272 277 "clf" "live" "s1" 0 0 0 0 0 ---- 2 1 0 0 0 0 0 "" ""', None),
        (" bytes=512", None),
    ],
)  # fmt: skip
def test_a_number_behind_the_quoted_fields_is_a_duration_only_where_it_says_so(
    tail: str, seconds: float | None
) -> None:
    reading = read("nginx", FULL + tail)
    assert (reading.kind, reading.status) == ("request", "200")
    assert reading.seconds == pytest.approx(seconds)


def test_a_unit_of_its_own_wins_over_that_of_the_rule() -> None:
    assert read("nginx", f"{FULL} 12ms", unit="ms").seconds == pytest.approx(0.012)
    assert read("nginx", f"{FULL} 12", unit="ms").seconds == pytest.approx(0.012)
    assert read("json", '{"status":200,"duration":"1.5 s"}', unit="us").seconds == pytest.approx(1.5)


@pytest.mark.parametrize(
    "who",
    [
        "203.0.113.7, 10.0.0.1 - -",
        "example.com:443 203.0.113.7 - -",
        "10.0.0.1 - john doe",
        "::1 - -",
        "[::1] - -",
        "- - -",
    ],
)
def test_what_stands_before_the_time_may_be_anything(who: str) -> None:
    reading = read("nginx", FULL.replace("127.0.0.1 - -", who) + " 0.5")
    assert (reading.status, reading.path, reading.seconds) == ("200", "/items", 0.5)


@pytest.mark.parametrize("wrap", ["{}\r", "\ufeff{}", "\x1b[32m{}\x1b[0m", "\x1b[0m{}"])
def test_colors_marks_and_line_ends_are_no_part_of_a_line(wrap: str) -> None:
    assert read("nginx", wrap.format(FULL + " 0.5")).seconds == 0.5
    assert read("json", wrap.format("%s").replace("%s", '{"status":200,"duration":0.5}')).seconds == 0.5
    rule = {"regex": r"^(?P<status>[0-9]+) (?P<duration>[0-9.]+)$"}
    assert read("regex", wrap.format("200 0.5"), **rule).seconds == 0.5


def test_a_client_that_left_and_a_blank_line_are_left_out() -> None:
    assert read("nginx", FULL.replace(" 200 ", " 000 ")).kind == "health"
    assert read("json", "  ").kind == "health"
    assert read("json", '{"status":0}').kind == "unparsed"


@pytest.mark.parametrize(
    "line",
    [
        "status=200, duration=0.012, path=/items",
        '"status=200, duration=0.012, path=/items"',
        'msg="k=v, k=v" status=200 duration="0.012" path="/items"',
        'a="b=c, d=e", status="200", duration="12 ms", path=/items,',
    ],
)
def test_pairs_may_be_parted_by_commas(line: str) -> None:
    reading = read("logfmt", line)
    assert (reading.status, reading.path, reading.seconds) == ("200", "/items", 0.012)


@pytest.mark.parametrize(
    ("text", "line", "seconds"),
    [
        (f"{COMBINED} $request_time", f"{FULL} 0.024", 0.024),
        (f'{COMBINED} "$request_time"', f'{FULL} "0.024"', 0.024),
        (f"{COMBINED} $request_length $request_time", f"{FULL} 512 0.024", 0.024),
        (f"{COMBINED} $upstream_response_time", f"{FULL} 0.024, - : 0.006", 0.03),
        (f"{COMBINED} $upstream_response_time", f"{FULL} -", None),
        (f"{COMBINED} $upstream_response_time $request_time", f"{FULL} 0.1, 0.2 0.024", 0.024),
        (
            "$http_x_forwarded_for $status $uri$is_args$args ${request_time}s",
            "1.1.1.1, 2.2.2.2 200 /items?a=b 0.024s",
            0.024,
        ),
        ("$time_iso8601\t$status\t$request_uri\t$request_time", "2026-11-26T12:00:00Z\t200\t/items?x\t0.024", 0.024),
        ('{"s":$status,"p":"$uri","t":$request_time}', '{"s":200,"p":"/items","t":0.024}', 0.024),
        ('%h %l %u %t "%r" %>s %b %D', f"{HEAD} 24000", 0.024),
        (r"%h %l %u %t \"%r\" %>s %b %{ms}T", f"{HEAD} 24", 0.024),
        ('%{X-Forwarded-For}i %l %u %t "%m %U%q %H" %>s %b %T', f"{HEAD} 2", 2.0),
        ('%v %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"', f"example.com {FULL}", None),
        ('%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(L)s', f"{FULL} 0.024", 0.024),
        ('%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(M)s', f"{FULL} 24", 0.024),
    ],
)
def test_a_servers_own_format_reads_its_lines(text: str, line: str, seconds: float | None) -> None:
    reading = read(text, line)
    assert (reading.kind, reading.status, reading.path) == ("request", "200", "/items")
    assert reading.seconds == pytest.approx(seconds)


def test_a_line_that_is_not_of_the_servers_format_is_unparsed() -> None:
    assert read(f"{COMBINED} $request_time", FULL).kind == "unparsed"
    assert read(f"{COMBINED} $request_time", f"{FULL} 0.1 more").kind == "unparsed"


def test_a_format_without_a_status_is_no_use() -> None:
    assert "$status" in own_format("$remote_addr $request_time").problem
    assert "%>s" in own_format("%h %D").problem


CADDY = '{"logger":"%s","request":{"uri":"/bad"},"duration":0.0002,"status":502}'


@pytest.mark.parametrize(
    ("logger", "kind"),
    [
        ("http.log.access", "request"),
        ("http.log.access.log0", "request"),
        ("http.log.error", "other"),
        ("http.log.error.log0", "other"),
        ("http.handlers.reverse_proxy", "other"),
        ("http.log.accessory", "other"),
    ],
)
def test_only_caddys_access_log_holds_requests(logger: str, kind: str) -> None:
    assert read("caddy", CADDY % logger).kind == kind


def test_what_is_no_request_is_in_no_count() -> None:
    parser = LineParser(LogRule("json", "status", None, "s", None, only=(Match(field="kind", values=("access",)),)))
    counts = Counts()
    parser.count([b'{"kind":"access","status":200}', b'{"kind":"app","status":500}', b"Traceback", b""], counts)
    assert counts == Counts({"200": 1}, lines=1)


@pytest.mark.parametrize(
    ("values", "found", "held"),
    [
        (("a", "b"), "b", True),
        (("a*",), "abc", True),
        (("a*",), "ba", False),
        (("*",), "x", True),
        (("*",), 0, True),
        (("*",), "", False),
        (("*",), None, False),
        (("",), None, True),
        (("",), "", True),
        (("50",), 50.0, True),
        (("50",), "50", True),
        (("50",), True, False),
        (("true",), True, True),
        (("1",), True, False),
        (("x",), {"a": 1}, False),
    ],
)
def test_values_of_a_condition(values: tuple[str, ...], found: object, held: bool) -> None:
    assert holds(values, found) is held


def test_only_lf_ends_a_line() -> None:
    assert split_lines("a\u2028b\x85c\rd\r\ne\n\n".encode()) == ["a\u2028b\x85c\rd\r".encode(), b"e", b""]
    assert split_lines(b"") == []
    assert split_lines(b"no end") == [b"no end"]


def test_every_format_says_how_it_is_read() -> None:
    for name, format_ in FORMATS.items():
        assert bool(format_.pattern) == (format_.reader == "text"), name
