"""Routes: which of a service's few patterns a path has, so that a label can tell them apart without growing."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final

OTHER: Final = "other"
MOST: Final = 100
"""Routes a service: each is a dozen series for good."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_REMEMBERED: Final = 20_000  # paths
_LONGEST: Final = 200
_PART: Final = re.compile(r":[A-Za-z_][A-Za-z0-9_]*|\{[^{}/]+\}|\*$")


def route_problem(routes: tuple[str, ...]) -> str:
    """Why the routes cannot be told apart; empty when they can."""
    if len(routes) > MOST:
        return f"{len(routes)} routes, {MOST} are allowed"
    for route in routes:
        if not route.startswith("/") or "?" in route or len(route) > _LONGEST or not route.isprintable():
            return f"{route[:60]!r} is no route: write /api/users/:id, or /static/* for all below"
    return f"{_twice(routes)!r} stands there twice" if len(set(routes)) < len(routes) else ""


def _twice(routes: tuple[str, ...]) -> str:
    return next(route for route in routes if routes.count(route) > 1)


def routes_pattern(routes: tuple[str, ...]) -> str:
    """RE2, and a pattern of Python's: a group r0, r1... for each route. The first that fits counts.

    >>> routes_pattern(("/users/:id", "/static/*"))
    '^(?:(?P<r0>/users/[^/]+/?)|(?P<r1>/static/.*))$'
    """
    return "^(?:" + "|".join(f"(?P<r{number}>{_one(route)})" for number, route in enumerate(routes)) + ")$"


def _one(route: str) -> str:
    text, at = "", 0
    for part in _PART.finditer(route):
        text += _literal(route[at : part.start()])
        text += ".*" if part[0] == "*" else "[^/]+"
        at = part.end()
    text += _literal(route[at:])
    return text if text.endswith(("/", ".*")) else f"{text}/?"


def _literal(text: str) -> str:
    return re.sub(r"([^A-Za-z0-9_/\-])", r"\\\1", text)


def route_key(route: str, method: str) -> str:
    """Route and method as one text, to count by; a method has no space, and a route begins with / or is `other`."""
    return f"{method} {route}" if method else route


def split_key(key: str) -> tuple[str, str]:
    """Route and method.

    >>> split_key("GET /users/:id"), split_key("other")
    (('/users/:id', 'GET'), ('other', ''))
    """
    method, space, route = key.partition(" ")
    return (route, method) if space and not key.startswith("/") else (key, "")


@cache
def route_of(routes: tuple[str, ...]) -> Callable[[str], str]:
    """Finds the route of a path without its query; `other` when it has none of these."""
    match = re.compile(routes_pattern(routes).removesuffix("$") + r"\Z").match
    known: dict[str, str] = {}

    def find(path: str) -> str:
        route = known.get(path)
        if route is None:
            found = match(path)
            route = routes[int(found.lastgroup[1:])] if found is not None and found.lastgroup else OTHER
            if len(known) > _REMEMBERED:
                known.clear()
            known[path] = route
        return route

    return find


def method_of(value: object) -> str:
    """One of the usual methods, else `other`."""
    return value if isinstance(value, str) and value in METHODS else OTHER
