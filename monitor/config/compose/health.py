"""Health checks of Compose, and ports, as far as bgmon has their like."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from monitor.config.base import parse_duration
from monitor.config.compose.file import Context
from monitor.config.compose.ledger import Ledger, items, looks_secret, truth
from monitor.domain.digits import digits

_URL: Final = re.compile(r"https?://[^\s\"'|;)]+")
_PORT: Final = re.compile(r"[0-9]{1,5}|\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_MOST_PORT: Final = 65535
# What speaks no HTTP: databases, queues, mail, caches. A probe by HTTP would call them sick.
_NO_HTTP: Final = frozenset(
    {"22", "25", "53", "110", "143", "389", "465", "587", "636", "993", "1433", "1521", "1883", "2181", "3306", "4222",
     "5432", "5433", "5671", "5672", "6379", "6380", "7687", "9042", "9092", "9094", "11211", "26379", "27017", "33060"}
)  # fmt: skip


def ports(context: Context, source: Ledger, wished: str) -> dict[str, Any]:
    """The port that the proxy leads to; `wished` is one that a label names."""
    published = items(source.take("ports"))
    found = [port for item in [*published, *items(source.take("expose"))] if (port := _inside(item))]
    if published:
        shown = ", ".join(_shown(item) for item in published)
        context.say(
            f"ports: bgmon publishes none on the host ({shown}); `route` or `internal` leads to the service",
            "port",
        )
    spoken = [
        port for port in dict.fromkeys([wished, *found] if _PORT.fullmatch(wished) else found) if port not in _NO_HTTP
    ]
    silent = [port for port in dict.fromkeys(found) if port in _NO_HTTP]
    if silent:
        context.say(
            f"ports: {', '.join(silent)} speaks no HTTP; other services reach it as {context.name}:{silent[0]}", "port"
        )
    if len(spoken) > 1:
        context.say(
            f"ports: it has several; only {spoken[0]} is switched by the proxy, not {', '.join(spoken[1:])}",
            "port",
        )
    if not spoken:
        return {}
    return {"port": int(spoken[0]) if digits(spoken[0]) else spoken[0]}


def _inside(item: Any) -> str:
    """The TCP port inside the container, the first of a range; empty when there is none."""
    if isinstance(item, dict):
        text, protocol = str(item.get("target")), str(item.get("protocol") or "tcp")
    else:
        text, _, protocol = str(item).rpartition(":")[2].partition("/")
        if text.endswith("}") and "${" not in text:  # cut inside of ${...}
            text = str(item)
    first = text.partition("-")[0]
    fits = _PORT.fullmatch(first) and (not digits(first) or 1 <= int(first) <= _MOST_PORT)
    return first if fits and protocol in ("", "tcp") else ""


def _shown(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    known = [str(item[key]) for key in ("host_ip", "published", "target") if item.get(key)]
    return ":".join(known) + f"/{item.get('protocol') or 'tcp'}"


def health(context: Context, source: Ledger, section: dict[str, Any]) -> dict[str, Any]:
    """The `health` section, and a `port` when only the check names one."""
    check = source.section("healthcheck")
    test = check.take("test")
    words = [str(part) for part in test] if isinstance(test, list) else [str(test)] if test else []
    timing = {key: check.take(key) for key in ("interval", "timeout", "retries", "start_period", "start_interval")}
    if truth(check.take("disable")) or words[:1] == ["NONE"]:
        context.say(
            "healthcheck: it is switched off there; here the service counts as healthy while it stays up",
            "health",
        )
        return {"health": {"mode": "running"}}
    match = _URL.search(" ".join(words))
    made: dict[str, Any] = {}
    more: dict[str, Any] = {}
    if words and match is None:
        said = " ".join(words)
        what = "" if looks_secret("", said) else f" ({said})"
        context.say(
            f"healthcheck: its test is a command{what}; put it into the image as HEALTHCHECK, or set health.path",
            "health",
        )
    elif match is not None:
        parts = _address(match[0])
        port = re.search(r":([0-9]+)$", parts.netloc)
        made["path"] = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if parts.scheme == "https":
            made["scheme"] = "https"
        if port and "port" not in section:
            more["port"] = int(port[1])
        elif port and str(section["port"]) != port[1]:
            context.say(f"healthcheck: it asks port {port[1]}; here {section['port']} is asked", "health")
    made |= _timing(context, timing)
    if "{" in str(made.get("path")):
        context.say("healthcheck: its address holds a variable; see whether health.path is right", "health")
        made["path"] = re.sub(r"\{(\w+)\}", r"${\1}", made["path"])
    return more | ({"health": made} if made else {})


def _address(url: str) -> SplitResult:
    try:
        return urlsplit(url.replace("${", "{"))  # a brace is no part of an address
    except ValueError:  # such as http://[::1/
        return urlsplit("http:///")


def _timing(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for key, ours in (("interval", "interval"), ("timeout", "timeout"), ("start_period", "")):
        value = given[key]
        if value is None:
            continue
        try:
            seconds[key] = parse_duration(context.file.variables.now(str(value)))
        except ValueError:
            context.say(f"healthcheck: {key} is not taken over: {value}", "health")
            continue
        if ours:
            made[ours] = str(value)
    retries = str(given["retries"] or "")
    if digits(retries) and 1 <= int(retries) <= 100:  # noqa: PLR2004 - as health.failures
        made["failures"] = int(retries)
    elif retries:
        context.say(f"healthcheck: retries is not taken over: {retries}", "health")
    if "start_period" in seconds:
        whole = seconds["start_period"] + seconds.get("interval", 30.0) * made.get("failures", 3)
        made["start"] = f"{max(60, round(whole))}s"
    if given["start_interval"] is not None:
        context.say("healthcheck: start_interval: a new container is asked ten times a second here", "health")
    return made
