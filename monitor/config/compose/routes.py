"""Routes out of the labels that Traefik reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.config.compose.file import Context
from monitor.config.compose.ledger import shown, truth

_ROUTER: Final = re.compile(r"traefik\.(http|tcp|udp)\.(routers|services|middlewares)\.([^.]+)\.(.+)", re.IGNORECASE)
_TOKEN: Final = re.compile(r"\s*(\|\||&&|[()!,]|[A-Za-z]+(?=\s*\()|`[^`]*`|\"[^\"]*\"|'[^']*')")
_OR, _AND, _OPEN, _CLOSE = "||", "&&", "(", ")"
_MOST_ROUTES: Final = 50


class _Foreign(Exception):
    """A rule that no route of ours can say."""


@dataclass(frozen=True, slots=True)
class _Match:
    """What one way through a rule asks for; no host takes every host."""

    hosts: tuple[str, ...] = ()
    path: str = "/"


@dataclass(slots=True)
class Traefik:
    """What the labels of one service say. `port` is as it is written, empty when no label names one."""

    routes: list[dict[str, Any]] = field(default_factory=list)
    port: str = ""
    rest: dict[str, str] = field(default_factory=dict)  # labels that are not Traefik's


def traefik(context: Context, labels: dict[str, str | None]) -> Traefik:
    """The routes; whatever of them cannot be said in bgmon.yml is noted."""
    found = Traefik()
    objects: dict[tuple[str, str], dict[str, str]] = {}
    unknown: list[str] = []
    on = True
    for key, value in labels.items():
        text = value or ""
        match = _ROUTER.fullmatch(key)
        if match is not None and match[1].lower() == "http":
            objects.setdefault((match[2].lower(), match[3]), {})[match[4].lower()] = text
        elif key.lower() == "traefik.enable":
            on = truth(text)
        elif key.lower().startswith("traefik."):
            unknown.append(key)
        else:
            found.rest[key] = text
    if not on:
        context.say("labels: traefik.enable is false, so that its Traefik labels make no route", "route")
        return found
    for (kind, _), values in objects.items():
        found.port = values.get("loadbalancer.server.port", found.port) if kind == "services" else found.port
    defined = {name for kind, name in objects if kind == "middlewares"}
    strips = {
        name: values["stripprefix.prefixes"]
        for (kind, name), values in objects.items()
        if kind == "middlewares" and "stripprefix.prefixes" in values
    }
    for (kind, name), values in objects.items():
        if kind == "routers":
            _router(context, name, values, strips, defined, found)
        elif kind == "middlewares":
            unknown += _middleware(context, name, values)
        elif kind == "services":
            unknown += [f"traefik.http.services.{name}.{part}" for part in values if part != "loadbalancer.server.port"]
    if unknown:
        context.say(f"labels: not taken over: {', '.join(unknown)}", "route")
    return found


def _middleware(context: Context, name: str, values: dict[str, str]) -> list[str]:
    """Labels of it that have no like here."""
    if any(part.startswith("redirectscheme.") for part in values):
        context.say(f"labels: {shown(f'middleware {name}', values)}: proxy.redirect_https does that", "route")
        return []
    if any(part.startswith("stripprefix.") for part in values):
        return []
    return [f"traefik.http.middlewares.{name}.{part}" for part in values]


def _router(  # noqa: PLR0917 - one call
    context: Context, name: str, values: dict[str, str], strips: dict[str, str], defined: set[str], found: Traefik
) -> None:
    named = [item.strip() for item in values.get("middlewares", "").split(",") if item.strip()]
    used = [item.partition("@")[0] for item in named]
    if foreign := [item for item in named if item.partition("@")[0] not in defined]:
        context.say(f"labels: middlewares of router {name} that stand elsewhere: {', '.join(foreign)}", "route")
    prefixes = {prefix.strip().rstrip("/") for item in used for prefix in strips.get(item, "").split(",") if prefix}
    rule = values.get("rule", "")
    try:
        ways = _ways(rule) if rule else []
    except _Foreign:
        context.say(f"labels: the rule of router {name} has no like here: {rule}", "route")
        ways = []
    for way in ways:
        route: dict[str, Any] = {"host": list(way.hosts)} if way.hosts else {}
        if way.path != "/":
            route["path"] = way.path
        if way.path.rstrip("/") in prefixes:
            route["strip"] = True
        if route not in found.routes:
            found.routes.append(route or {"path": "/"})
    paths = {way.path.rstrip("/") for way in ways}
    if lost := sorted(prefixes - paths - {""}):
        context.say(
            f"labels: router {name}: stripprefix {', '.join(lost)} is not taken over: it is not its path", "route"
        )
    tls = [key for key in values if key.startswith("tls")]
    if tls:
        context.say(f"labels: router {name} is served over TLS ({', '.join(tls)}): set proxy.tls or route.tls", "route")
    if "priority" in values:
        context.say(f"labels: router {name} has a priority; here the longest path wins", "route")
    if "entrypoints" in values:
        context.say(
            f"labels: router {name} is for {values['entrypoints']}; here every route is on all of proxy.listen",
            "route",
        )
    known = {"rule", "priority", "entrypoints", "service", "middlewares", *tls}
    if set(values) - known:
        context.say(f"labels: not taken over of router {name}: {', '.join(sorted(set(values) - known))}", "route")


def _ways(rule: str) -> list[_Match]:
    """The rule as alternatives. Raises _Foreign."""
    tokens: list[str] = []
    at = 0
    while at < len(rule.rstrip()):
        match = _TOKEN.match(rule, at)
        if match is None:
            raise _Foreign
        tokens.append(match[1])
        at = match.end()
    stream = iter([*tokens, ""])
    ways, last = _any(stream, next(stream))
    if last:
        raise _Foreign
    if all(len(way.hosts) and way.path == ways[0].path for way in ways):  # one route with several hosts
        return [_Match(tuple(dict.fromkeys(host for way in ways for host in way.hosts)), ways[0].path)]
    return ways


def _any(stream: Iterator[str], token: str) -> tuple[list[_Match], str]:
    ways, token = _all(stream, token)
    while token == _OR:
        more, token = _all(stream, next(stream))
        ways = [*ways, *more]
    return ways, token


def _all(stream: Iterator[str], token: str) -> tuple[list[_Match], str]:
    ways, token = _one(stream, token)
    while token == _AND:
        more, token = _one(stream, next(stream))
        ways = [_both(left, right) for left in ways for right in more]
        if len(ways) > _MOST_ROUTES:
            raise _Foreign
    return ways, token


def _both(left: _Match, right: _Match) -> _Match:
    if (left.hosts and right.hosts) or (left.path != "/" and right.path != "/"):
        raise _Foreign
    return _Match(left.hosts or right.hosts, left.path if left.path != "/" else right.path)


def _one(stream: Iterator[str], token: str) -> tuple[list[_Match], str]:
    if token == _OPEN:
        ways, token = _any(stream, next(stream))
        if token != _CLOSE:
            raise _Foreign
        return ways, next(stream)
    if token.lower() not in ("host", "pathprefix") or next(stream) != "(":
        raise _Foreign
    values: list[str] = []
    part = next(stream)
    while part != ")":
        if part[:1] not in ("`", '"', "'"):
            raise _Foreign
        values.append(part[1:-1])
        part = next(stream)
        part = next(stream) if part == "," else part
    if not values or any("{" in value.replace("${", "") for value in values):
        raise _Foreign
    if token.lower() == "host":
        return [_Match(hosts=tuple(values))], next(stream)
    return [_Match(path=value) for value in values], next(stream)
