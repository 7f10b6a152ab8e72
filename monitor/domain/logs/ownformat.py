"""A format written as the server's own: nginx's log_format, Apache's LogFormat, gunicorn's access_log_format.

Two patterns come out of it: RE2 for both forms of a rule, and one for Python's `re` that takes the usual lines many
times as fast. The second never goes back (all its parts are possessive), and holds no value to what the first would
not: a part ends before the character that the text behind it begins with. Lines with anything unusual go to RE2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from monitor.domain.logs.formats import Unit
from monitor.domain.logs.patterns import ESCAPED, TIMES, request

Role = Literal["text", "status", "request", "path", "method", "duration", "times", "time"]

_NGINX: Final[dict[str, tuple[Role, Unit]]] = {
    "status": ("status", "s"),
    "request": ("request", "s"),
    "request_uri": ("path", "s"),
    "uri": ("path", "s"),
    "document_uri": ("path", "s"),
    "request_method": ("method", "s"),
    "request_time": ("duration", "s"),
    "upstream_response_time": ("times", "s"),
}
_APACHE: Final[dict[str, tuple[Role, Unit]]] = {
    "s": ("status", "s"),
    "r": ("request", "s"),
    "U": ("path", "s"),
    "m": ("method", "s"),
    "D": ("duration", "us"),
    "T": ("duration", "s"),
    "{s}T": ("duration", "s"),
    "{ms}T": ("duration", "ms"),
    "{us}T": ("duration", "us"),
    "t": ("time", "s"),
}
_GUNICORN: Final[dict[str, tuple[Role, Unit]]] = {
    **{name: _APACHE[name] for name in ("s", "r", "U", "m", "D", "T", "t")},
    "M": ("duration", "ms"),
    "L": ("duration", "s"),
}
# The preferred one first, where a format has several of a kind.
_BEST: Final = ("request_uri", "request", "uri", "document_uri", "request_time", ">s")
_TOKEN: Final = {
    "nginx": re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<name>\w+))"),
    "gunicorn": re.compile(r"%\((?P<name>[^)]+)\)s"),
    "apache": re.compile(r"%!?[0-9,]*(?P<which>[<>]?)(?P<argument>\{[^}]*\})?(?P<name>\^t[io]|[A-Za-z%])"),
}
_ROLE_GROUPS: Final[dict[Role, str]] = {
    "status": "status",
    "request": "path",
    "path": "path",
    "method": "method",
    "duration": "duration",
    "times": "duration",
}
_SPACE: Final = r" \t\r\n\f"


@dataclass(frozen=True, slots=True)
class OwnFormat:
    """`pattern` is RE2; `usual` is for Python's `re`, on bytes without backslashes; `groups` are those it has."""

    pattern: str
    usual: str
    groups: frozenset[str]
    unit: Unit
    problem: str = ""


@dataclass(slots=True)
class _Part:
    """A variable, or a literal."""

    literal: str = ""
    name: str = ""
    role: Role = "text"
    unit: Unit = "s"


def dialect(text: str) -> str:
    """Whose format string it is; empty when it is none.

    >>> dialect("$remote_addr $status"), dialect("%h %>s"), dialect("%(h)s %(s)s"), dialect("nginx")
    ('nginx', 'apache', 'gunicorn', '')
    """
    if re.search(r"\$\{?[a-z]", text):
        return "nginx"
    if "%(" in text:
        return "gunicorn"
    return "apache" if "%" in text else ""


@cache
def own_format(text: str) -> OwnFormat:
    """Read a format string; `problem` says what is wrong with it."""
    parts = _parts(text, dialect(text))
    _keep_best(parts)
    roles = {part.role for part in parts}
    groups = frozenset(_ROLE_GROUPS[role] for role in roles if role in _ROLE_GROUPS)
    if "request" in roles:
        groups |= {"method"}
    unit: Unit = next((part.unit for part in parts if part.role in {"duration", "times"}), "s")
    if "status" not in roles:
        wanted = {"nginx": "$status", "gunicorn": "%(s)s"}.get(dialect(text), "%>s")
        return OwnFormat("", "", groups, unit, f"the format has no status: it needs {wanted}")
    pattern, usual = ["^"], []
    own_method = any(part.role == "method" for part in parts)
    for index, part in enumerate(parts):
        slow, fast = _both(parts, index)
        if own_method and part.role == "request":
            slow = slow.replace("(?P<method>", "(?:")
        pattern.append(slow)
        usual.append(fast)
    return OwnFormat("".join([*pattern, "$"]), "".join([*usual, r"\Z"]), groups, unit)


def _parts(text: str, kind: str) -> list[_Part]:
    text = text.replace('\\"', '"').replace("\\t", "\t").removesuffix("\\n")
    parts: list[_Part] = []
    at = 0
    for token in _TOKEN[kind].finditer(text):
        if token.start() > at:
            parts.append(_Part(text[at : token.start()]))
        at = token.end()
        parts.append(_variable(token, kind))
    if at < len(text):
        parts.append(_Part(text[at:]))
    return _joined(parts)


def _variable(token: re.Match[str], kind: str) -> _Part:
    if kind == "nginx":
        name = token["braced"] or token["name"]
        role, unit = _NGINX.get(name, ("text", "s"))
        return _Part(name=name, role=role, unit=unit)
    if kind == "gunicorn":
        role, unit = _GUNICORN.get(token["name"], ("text", "s"))
        return _Part(name=token["name"], role=role, unit=unit)
    name = token["name"]
    if name == "%":
        return _Part("%")
    known = f"{token['argument'] or ''}{name}"
    role, unit = _APACHE.get(known, ("text", "s"))
    return _Part(name=f"{token['which']}{known}", role=role, unit=unit)


def _joined(parts: list[_Part]) -> list[_Part]:
    """Literals side by side as one."""
    joined: list[_Part] = []
    for part in parts:
        if part.literal and joined and joined[-1].literal:
            joined[-1].literal += part.literal
        else:
            joined.append(part)
    return joined


def _keep_best(parts: list[_Part]) -> None:
    """One part alone fills a field: the preferred one, else the first; the others are text."""
    for field in ("status", "path", "duration", "method"):
        found = [part for part in parts if _ROLE_GROUPS.get(part.role) == field]
        found.sort(key=lambda part: _BEST.index(part.name) if part.name in _BEST else len(_BEST))
        for part in found[1:]:
            part.role = "text"


def _both(parts: list[_Part], index: int) -> tuple[str, str]:
    """The two patterns of one part."""
    part = parts[index]
    if part.literal:
        return re.sub(r"([^A-Za-z0-9_\-])", r"\\\1", part.literal), re.escape(part.literal)
    before = parts[index - 1].literal[-1:] if index else ""
    behind = parts[index + 1].literal[:1] if index + 1 < len(parts) else ""
    quoted = before == behind == '"'
    made = _typed(part.role, quoted=quoted)
    if made is not None:
        return made
    if (before, behind) == ("[", "]"):
        return r"[^\]]*", r"[^\]]*+"
    return _quoted(part.role) if quoted else _bare(part.role, behind, _next_literal(parts, index))


_TYPED: Final[dict[Role, tuple[str, str]]] = {
    "time": (r"\[[^\]]*\]", r"\[[^\]]*+\]"),
    "status": ("(?P<status>[0-9]{3}|-)", "(?P<status>[1-5][0-9][0-9])"),
    "method": ("(?P<method>[A-Z]+|-)", "(?:[A-Z]++|-)"),
}


def _typed(role: Role, *, quoted: bool) -> tuple[str, str] | None:
    """The patterns of what has a form of its own."""
    if role in _TYPED:
        return _TYPED[role]
    if role in {"duration", "times"}:
        return _duration(role, quoted=quoted)
    return _request(quoted=quoted) if role == "request" else None


def _quoted(role: Role) -> tuple[str, str]:
    if role == "path":
        return rf'(?P<path>[^{_SPACE}"\\]*){ESCAPED}', rf'(?P<path>[^{_SPACE}"]*+)[^"]*+'
    return f"(?:{ESCAPED})", '[^"]*+'


def _bare(role: Role, behind: str, later: str) -> tuple[str, str]:
    """A value without quotes, `behind` it a literal's first character, or another value with a literal `later` on."""
    if role != "path":
        stop = re.escape(behind or later)
        return "(?:.*?)", rf'[^{_SPACE}"{stop}]*+'
    if not behind and later:  # `$uri$is_args$args`: what follows begins with the query
        return rf'(?P<path>[^{_SPACE}"?]*)', rf'(?P<path>[^{_SPACE}"?]*+)'
    return rf'(?P<path>[^{_SPACE}"]*?)', rf'(?P<path>[^{_SPACE}"{re.escape(behind)}]*+)'


def _next_literal(parts: list[_Part], index: int) -> str:
    return next((part.literal[:1] for part in parts[index + 1 :] if part.literal), "")


def _duration(role: Role, *, quoted: bool) -> tuple[str, str]:
    number = r"[0-9]+(?:\.[0-9]+)?"
    if quoted:
        return f"(?P<duration>{ESCAPED})", r"(?P<duration>[0-9]++(?:\.[0-9]++)?+)"
    slow = rf"(?:{TIMES}|{number}|-)" if role == "times" else rf"(?:{number}|-)"
    return f"(?P<duration>{slow})", r"(?P<duration>[0-9]++(?:\.[0-9]++)?+)"


def _request(*, quoted: bool) -> tuple[str, str]:
    url = r"(?:https?+://[^/ \"]*+)?+"
    if quoted:
        fast = rf'(?:[A-Z]++ {url}(?P<path>[^{_SPACE}"]*+)[^"]*+|[^"]*+)'
        return request(), fast
    slow = r"(?:(?P<method>[A-Z]+) (?:https?://[^/\s\"]*)?(?P<path>[^\s\"]*)(?: HTTP/[0-9.]+)?|.*?)"
    return slow, rf'(?:[A-Z]++ {url}(?P<path>[^{_SPACE}"]*+) HTTP/[0-9.]++)'
