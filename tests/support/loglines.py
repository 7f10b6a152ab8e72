"""Lines of logs for tests: usual ones, odd ones, and hostile ones, as hypothesis strategies."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

from monitor.domain.logs.formats import FORMATS, Unit
from monitor.domain.logs.lines import split_lines
from monitor.domain.logs.match import Match
from monitor.domain.logs.rules import LogRule, default_fields, format_of

RULES: dict[str, LogRule] = {
    "access": LogRule(ignore=("/health",)),
    "json": LogRule("json", "status", "duration", "s", "path", ("/health", "/live")),
    "json-ms": LogRule("json", "code", "took_ms", "ms", None),
    "json-ns": LogRule("json", '["http.status"]', "event.duration", "ns", "event.url", ("/h`x",)),
    "json-go": LogRule("json", "status", "took", "duration", "path", ("/health",)),
    "json-plain": LogRule("json", "status", None, "s", None),
    "caddy": LogRule("caddy", "status", "duration", "s", "request.uri", ("/health",), only=FORMATS["caddy"].only),
    "logfmt": LogRule("logfmt", "status", "duration", "s", "path", ("/health",)),
    "logfmt-go": LogRule("logfmt", "http.status", "took", "duration", None),
    "nginx": LogRule("nginx", "status", "duration", "s", "path", ("/health",)),
    "json-only": LogRule(
        "json",
        "status",
        "duration",
        "s",
        "path",
        ("/health",),
        only=(Match(field="kind", values=("access*", "7", "true", "")), Match(field="a.b", values=("*", ""))),
    ),
    "json-contains": LogRule(
        "json", "status", "took", "ms", None, only=(Match(contains="status"), Match(pattern="[0-9]{2}"))
    ),
    "logfmt-only": LogRule(
        "logfmt", "status", "duration", "s", "path", only=(Match(field="kind", values=("access", "b c")),)
    ),
    "regex-only": LogRule(
        "regex",
        "code",
        "ms",
        "ms",
        None,
        (),
        r"^(?P<verb>\w+) \S+ (?P<code>[^ ]*) in (?P<ms>.+)$",
        only=(Match(field="verb", values=("GE*", "")),),
    ),
    "regex": LogRule(
        "regex",
        "code",
        "ms",
        "ms",
        "uri",
        ("/health",),
        r"^(?P<verb>\w+) (?P<uri>\S+) (?P<code>[^ ]*) in (?P<ms>[^ ]+)ms$",
    ),
}

DATA = Path(__file__).parents[1] / "data" / "loglines"
COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
# The file of real lines, the format that reads it.
REAL: dict[str, str] = {
    "nginx": "nginx",
    "nginx-keyed": "nginx",
    "nginx-xff": "nginx",
    "haproxy-clf": "nginx",
    "apache-combinedio": "nginx",
    "nginx-own": COMBINED + " $request_time",
    "nginx-times": '$remote_addr [$time_local] "$request" $status $upstream_response_time',
    "nginx-json": '{"time":"$time_iso8601","status":$status,"uri":"$request_uri","method":"$request_method",'
    '"rt":$request_time,"ua":"$http_user_agent"}',
    "apache-own": r"%h %l %u %t \"%r\" %>s %b %D",
    "apache-own2": r"%{X-Forwarded-For}i %t \"%m %U%q\" %s %{ms}T \"%{User-Agent}i\"",
    "gunicorn-own": '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s',
    **{name: name for name in FORMATS if name not in {"access", "json", "logfmt", "regex", "nginx"}},
}


def real_lines(name: str) -> list[bytes]:
    """What a real server wrote."""
    return split_lines((DATA / f"{'nginx' if name == 'nginx-own' else name}.log").read_bytes())


def rule_of(format_: str, unit: Unit | None = None) -> LogRule:
    """The rule that bgmon.yml's defaults give."""
    status, duration, own, path = default_fields(format_)
    return LogRule(format_, status, duration, unit or own, path, ("/health",), only=format_of(format_).only)


_ODD_NUMBERS = [
    "0",
    "-0",
    "0.0",
    "1",
    "200",
    "-1",
    "1e-3",
    "1E3",
    "1e+2",
    "0.005",
    "0.0050000000000000001",
    "0.004999999999999999",
    "5000",
    "5001",
    "5000.0",
    "5000.0000001",
    "10",
    "10.0",
    "10.000000000000002",
    "1e400",
    "1e-400",
    "1e100",
    "31622400",
    "31622401",
    "31622400000000",
    "9007199254740993",
    "123456789012345678901234567890",
    "2.5",
    "0.25",
    ".5",
    "5.",
    "1.2.3",
    "+1",
    "0x10",
    "1_000",
    "inf",
    "NaN",
]
_GO_DURATIONS = [
    "0",
    "12ms",
    "1.5s",
    "5ms",
    "5.000001ms",
    "10ms",
    "250us",
    "250µs",
    "250μs",
    "1h",
    "1m2.3s",
    "99999h",
    "9999999999h",
    "1d",
    "-5ms",
    "5",
    "5mss",
    "ms",
    "1.1s",
    "12 ms",
    "0,004",
    "1,5",
    "00:00:00.01",
    "100:00:01",
    "PT0.012S",
    "PT1H2M3.5S",
    "0.1, 0.2",
    "0.001, - : 0.5",
    "-, -",
    "0.1 : 0.2, 0.3",
    "00.1, 1",
    "12MS",
    "PT0",
]
_STATUSES = [
    "200",
    "201",
    "204",
    "301",
    "404",
    "499",
    "500",
    "503",
    "599",
    "100",
    "99",
    "600",
    "999",
    "0",
    "-1",
    "20",
    "2000",
    "2e2",
    "200.0",
    "200.5",
    "abc",
    "2OO",
]
_PATHS = ["/", "/health", "/health?x=1", "/health/", "/healthy", "/live", "/items/1?q=/health", "/h`x", "*", "/é", ""]

number = st.one_of(
    st.sampled_from(_ODD_NUMBERS),
    st.floats(0, 20, allow_nan=False).map(repr),
    st.integers(0, 20_000_000).map(str),
    st.sampled_from(LogRule().buckets).map(repr),
)
duration_text = st.one_of(number, st.sampled_from(_GO_DURATIONS), st.just("-"), number.map(lambda text: f"{text}ms"))
status_text = st.one_of(st.sampled_from(["200", "404", "500"]), st.sampled_from(_STATUSES))
path_text = st.sampled_from(_PATHS)
junk_text = st.one_of(st.text(max_size=12), st.sampled_from(['a"b', "a\\", "\\u0000", "status=200", "{", "}"]))


def _json_string(value: str) -> str:
    return json.dumps(value)


json_value = st.one_of(
    number,
    junk_text.map(_json_string),
    st.sampled_from(
        ["null", "true", "false", "{}", "[]", '[1,{"a":2}]', '{"status":500}', '"\\ud800"', '"\\ud83d\\ude00"']
    ),
)
json_status = st.one_of(status_text, status_text, status_text.map(_json_string), json_value)
json_duration = st.one_of(number, duration_text.map(_json_string), json_value)
json_path = st.one_of(
    path_text.map(_json_string), path_text.map(lambda path: json.dumps(path).replace("/", "\\/")), json_value
)


@st.composite
def json_lines(draw: st.DrawFn, rule: LogRule) -> bytes:
    """An object with the rule's fields in any order, some missing, some twice."""
    pairs: list[tuple[str, str]] = []
    for field, value in ((rule.status, json_status), (rule.duration, json_duration), (rule.path, json_path)):
        times = draw(st.sampled_from([1, 1, 1, 1, 0, 2])) if field else 0
        pairs += [_nested(field or "", draw(value)) for _ in range(times)]
    if rule.only:
        kinds = st.sampled_from(
            ['"access"', '"access.log0"', '"x"', '""', "null", "7", "7.0", "8", "true", "false", "[]"]
        )
        pairs += [('"kind"', draw(kinds))][: draw(st.integers(0, 1))]
        pairs += [('"a"', draw(st.sampled_from(['{"b":1}', '{"b":""}', '{"b":null}', '{"b":{}}', "{}", "1"])))]
        pairs += [
            ('"logger"', draw(st.sampled_from(['"http.log.access"', '"http.log.error"', '"http.log.access.log0"'])))
        ]
    pairs += [(_json_string(draw(junk_text)), draw(json_value)) for _ in range(draw(st.integers(0, 2)))]
    separator = draw(st.sampled_from([",", ", ", " ,\t"]))
    body = separator.join(f"{name}:{value}" for name, value in draw(st.permutations(pairs)))
    text = draw(st.sampled_from(["{%s}", "{%s}", "{%s}", " {%s} ", "{%s}\r", "[{%s}]", "{%s}{%s}", "{%s},", "{%s"]))
    return text.replace("%s", body).encode("utf-8", "surrogatepass")


def _nested(field: str, value: str) -> tuple[str, str]:
    if field.startswith("["):
        return field[1:-1], value
    first, *rest = field.split(".")
    for name in reversed(rest):
        value = f'{{"{name}":{value}}}'
    return f'"{first}"', value


@st.composite
def logfmt_lines(draw: st.DrawFn, rule: LogRule) -> bytes:
    pairs = []
    for field, value in ((rule.status, status_text), (rule.duration, duration_text), (rule.path, path_text)):
        for _ in range(draw(st.sampled_from([1, 1, 1, 1, 0, 2]))):
            if field:
                text = draw(value)
                pairs.append(
                    draw(
                        st.sampled_from(
                            [
                                f"{field}={text}",
                                f"{field}={text},",
                                f'{field}="{text}"',
                                f'{field}="{text}",',
                                f"{field}={text}x",
                                f"x{field}={text}",
                            ]
                        )
                    )
                )
    if rule.only:
        pairs += draw(st.sampled_from([[], ["kind=access"], ['kind="b c"'], ["kind=other"], ["kind=access,"]]))
    for _ in range(draw(st.integers(0, 2))):
        text = draw(junk_text).replace("\n", " ")
        pairs.append(draw(st.sampled_from([f'msg="{text}"', f"msg={text}", text, f'msg="{rule.status}=500 \\" x"'])))
    return (
        draw(st.sampled_from([" ", " ", "\t", "  "]))
        .join(draw(st.permutations(pairs)))
        .encode("utf-8", "surrogatepass")
    )


@st.composite
def nginx_lines(draw: st.DrawFn) -> bytes:
    request = draw(
        st.sampled_from(["GET {} HTTP/1.1", "POST {} HTTP/2.0", "{}", "-", "", "GET {}", '\\"{}', "\\x16\\x03 {}"])
    )
    request = request.replace("{}", draw(path_text))
    agent = draw(st.sampled_from(["-", "curl/8", "Mozilla/5.0 (X11) 500", 'a\\"b', 'a"b']))
    tail = draw(
        st.sampled_from(
            ["", " {}", ' "-" {}', " rt={}", " {} x", ' "-" "-"', "{}", " {} {}", ' "{}"', ' rt="{}"', " - {}",
             " x=1 request_time={} y", ' 162 "a" "b" {}', ' "10.0.0.1" {}', ' "10.0.0.1"', ' "{}" {}']
        )
    )  # fmt: skip
    tail = tail.replace("{}", draw(duration_text))
    size = draw(st.sampled_from(["0", "123", "-", "x"]))
    who = draw(st.sampled_from(["10.0.0.1 - -", "1.2.3.4, 10.0.0.1 - john doe", "example.com:80 [::1] - -", "- - -"]))
    text = f'{who} [24/Nov/2026:12:00:00 +0000] "{request}" {draw(status_text)} {size} "-" "{agent}"{tail}'
    return text.encode("utf-8", "surrogatepass")


@st.composite
def regex_lines(draw: st.DrawFn) -> bytes:
    text = f"GET {draw(path_text)} {draw(status_text)} in {draw(number)}ms{draw(st.sampled_from(['', '', ' ', 'x']))}"
    return text.encode("utf-8", "surrogatepass")


@st.composite
def real_variants(draw: st.DrawFn, lines: list[bytes]) -> bytes:
    """A real line, some words of it replaced by odd ones, with colors or marks around it."""
    text = draw(st.sampled_from(lines)).decode()
    for _ in range(draw(st.integers(0, 2))):
        words = [match.span() for match in re.finditer(r"[^\s\",=\[\]]+", text)] or [(0, 0)]
        start, end = draw(st.sampled_from(words))
        other = st.one_of(status_text, duration_text, path_text, junk_text)
        text = text[:start] + draw(other) + text[end:]
    wrapped = draw(st.sampled_from(["{}", "{}", "{}", "\ufeff{}", "{}\r", "\x1b[32m{}\x1b[0m", '"{}"', "  {}", "{} "]))
    return wrapped.replace("{}", text).encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw: st.DrawFn, lines: st.SearchStrategy[bytes]) -> bytes:
    """Some lines cut off, some with bytes that are no text."""
    line = draw(lines)
    kind = draw(st.sampled_from(["whole", "whole", "whole", "whole", "whole", "cut", "bytes", "twice"]))
    if kind == "cut":
        return line[: draw(st.integers(0, len(line)))]
    if kind == "bytes":
        at = draw(st.integers(0, len(line)))
        return line[:at] + draw(st.binary(max_size=3)) + line[at:]
    return line + line if kind == "twice" else line


def lines_for(rule: LogRule) -> st.SearchStrategy[bytes]:
    """Lines that have the rule's form, more or less, and some that have none."""
    own: st.SearchStrategy[bytes]
    names = [name for name, format_ in REAL.items() if format_ == rule.format]
    if names and rule.format != "caddy":
        own = real_variants([line for name in names for line in real_lines(name)])
        if rule.format == "nginx":
            own = st.one_of(own, nginx_lines())
    elif rule.format in {"access", "json", "caddy"}:
        own = json_lines(rule)
    elif rule.format == "logfmt":
        own = logfmt_lines(rule)
    else:
        own = nginx_lines() if rule.format == "nginx" else regex_lines()
    other = st.one_of(
        st.binary(max_size=30),
        st.sampled_from([b"", b"{}", b"[]", b"null", b"0", b'"x"', b"Traceback (most recent call last):"]),
    )
    return st.one_of(damaged(own), damaged(own), damaged(own), other).map(lambda line: line.replace(b"\n", b" "))


RULES |= {name: rule_of(format_) for name, format_ in REAL.items() if name not in RULES}
ROUTES = ("/items/:id", "/live", "/h*", "/{first}/x", "/")
ROUTED = {
    name: replace(RULES[name], routes=ROUTES, method=method)
    for name, method in (
        ("json", "method"),
        ("logfmt", None),
        ("nginx", "method"),
        ("caddy", "request.method"),
        ("apache-own2", "method"),
    )
}
