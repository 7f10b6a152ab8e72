"""What a log rule's placeholders stand for, for the services that are counted in the same way.

JSON and logfmt get LogQL's own parsers, so that people can read the rule and the ruler can afford it. Everything else
gets the pipeline by which the daemon counts it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from monitor.domain import names
from monitor.domain.logs.gotemplate import quote
from monitor.domain.logs.logql import Selector, coded, line_filters, re2_literal, timed
from monitor.domain.logs.match import fields_of, like_pattern
from monitor.domain.logs.rules import PER_SECOND, LogRule, json_path
from monitor.render.site import Site

# `requests` gives each line a `code`; `unparsed` keeps lines that are no request; `durations` unwraps; `per_second`
# is what a duration is divided by.
PLACEHOLDERS: Final = ("durations", "lines", "per_second", "requests", "unparsed")
_USED: Final = re.compile(r"%\{(" + "|".join(PLACEHOLDERS) + r")\}")
_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CLEAN: Final = " | drop __error__, __error_details__"


def log_forms(site: Site) -> list[dict[str, str]]:
    """A mapping for each way of counting, the access log first; services that nobody counts are in none."""
    forms: list[dict[str, str]] = []
    by_access = {service.name for service in site.services if service.log and service.log.format == "access"}
    if by_access:
        others = [service.name for service in site.services if service.name not in by_access]
        rest = "|".join(re2_literal(name) for name in ("proxy", *others))
        without = f"service!~{quote(rest)}" if others else 'service!="proxy"'
        streams = f'{{project={quote(site.project)}, kind="{names.KIND_ACCESS}", service=~".+", {without}}}'
        forms.append(_form(streams, LogRule()))
    groups: dict[LogRule, list[str]] = {}
    for service in site.services:
        if service.log and service.log.format != "access":
            # Buckets are no matter here: services that differ in nothing else share a query.
            groups.setdefault(replace(service.log, buckets=()), []).append(service.name)
    for rule, services in groups.items():
        forms.append(_form(Selector(site.project, rule.kind, tuple(services)).text(), rule))
    return forms


def united(query: str, forms: Sequence[dict[str, str]]) -> str | None:
    """The query for all ways of counting, one `or` the other; None when it asks for requests and nobody counts any."""
    if not _USED.search(query):
        return query
    made = [_put_in(query.strip(), form) for form in forms]
    if not made:
        return None
    return made[0] if len(made) == 1 else "\nor\n".join(f"(\n{_indented(each)}\n)" for each in made)


def _put_in(query: str, form: dict[str, str]) -> str:
    return _USED.sub(lambda match: form[match[1]], query)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _form(streams: str, rule: LogRule) -> dict[str, str]:
    code, took = _plain(rule) or (coded(rule), timed(rule))
    return {
        "lines": streams,
        "requests": f'{streams}{code} | code=~"[1-5].."',
        "unparsed": f'{streams}{code} | code!~"[1-5]..|health"',
        "durations": f"{streams}{took}" if rule.duration else f'{streams} | took!="" | unwrap took',
        "per_second": "1" if rule.unit == "duration" else f"{PER_SECOND[rule.unit]}",
    }


def _plain(rule: LogRule) -> tuple[str, str] | None:
    """Pipelines by LogQL's own parser, for codes and for durations; None when there is none that fits."""
    parser = {"json": "json", "logfmt": "logfmt"}.get(rule.reader)
    fields = {"code": rule.status, "took": rule.duration or "", "asked": (rule.path or "") if rule.ignore else ""}
    asked = fields_of(rule.only)
    fields |= {f"only{number}": part.field for number, part in enumerate(asked)}
    fields = {label: field for label, field in fields.items() if field}
    if parser == "json":
        paths = {label: _json_expression(field) for label, field in fields.items()}
        if not all(paths.values()):
            return None
        fields = {label: path for label, path in paths.items() if path}
    if parser is None or (parser == "logfmt" and not all(_KEY.fullmatch(field) for field in fields.values())):
        return None

    def parsed(*labels: str) -> str:
        wanted = ", ".join(f"{label}={quote(fields[label])}" for label in labels if label in fields)
        return f"{line_filters(rule.only)} | {parser} {wanted}{_CLEAN}"

    conditions = tuple(f"only{number}" for number in range(len(asked)))
    kept = "".join(
        f" | {label}=~{quote(like_pattern(part.values))}" for label, part in zip(conditions, asked, strict=True)
    )
    if "asked" in fields:  # a path with its query is the same path
        kept += "".join(f" | asked!~{quote(re2_literal(path) + '([?].*)?')}" for path in rule.ignore)
    left = "".join(f" | code!={quote(status)}" for status in rule.left)
    unwrap = "duration_seconds(took)" if rule.unit == "duration" else "took"
    code = f"{parsed('code', 'asked', *conditions)}{kept}{left}"
    return code, f'{parsed("took", "asked", *conditions)}{kept} | took!="" | unwrap {unwrap} | __error__=""'


def _json_expression(field: str) -> str | None:
    """A field as Loki's `json` takes it: names with other characters in brackets; None where even those do not help.

    >>> _json_expression("response.status"), _json_expression("status-code"), _json_expression("http.@duration")
    ('response.status', '["status-code"]', 'http["@duration"]')
    """
    text = ""
    for name in json_path(field):
        if _KEY.fullmatch(name):
            text += f".{name}" if text else name
        elif name.isprintable() and not {'"', "\\", "`"} & set(name):
            text += f'["{name}"]'
        else:
            return None
    return text
