"""Alert rules as every engine gets them: one list, out of the catalogue and the site."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from monitor.domain import names
from monitor.domain.alerting.conditions import Severity
from monitor.render import logforms
from monitor.render.grafana.fill import number
from monitor.render.site import Site
from monitor.render.yamltext import duration

Compare = Literal[">", "<"]
RECORD_EVERY: Final = 30.0  # seconds between two evaluations; the guard of SLO rules counts on it
_PLACEHOLDER: Final = re.compile(r"%\{([^{}]*)\}")
PLACEHOLDERS: Final = (*logforms.PLACEHOLDERS, "metrics", "own", "project")
MAX_UID: Final = 40
_UID_HASH: Final = 8


@dataclass(frozen=True, slots=True)
class Rule:
    """It fires when `promql` (or `logql`, which means the same) `compare` `threshold` holds for `for_` seconds.

    `logql` is None where logs cannot tell; `no_logql` says why. `promql` is None for a rule on logs alone.
    """

    name: str
    group: str
    severity: Severity
    promql: str | None
    logql: str | None
    no_logql: str
    compare: Compare
    threshold: float
    for_: float
    summary: str
    description: str
    runbook: str
    no_data: Literal["ok", "alerting"] = "ok"


@dataclass(frozen=True, slots=True)
class BurnRate:
    """Fires while both windows spend the budget `factor` times too fast, with `min_requests` in the long one."""

    name: str
    severity: Severity
    factor: float
    long: float
    short: float
    min_requests: int
    for_: float
    summary: str
    description: str
    runbook: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    rules: tuple[Rule, ...]
    burn_rates: tuple[BurnRate, ...]


def rules_for(site: Site, catalogue: Catalogue) -> tuple[Rule, ...]:
    """All rules of this site, with its selectors put in, in the order of groups and names."""
    forms = logforms.log_forms(site)
    made = [_expanded(rule, site, forms) for rule in catalogue.rules]
    if any(service.objectives for service in site.services):
        made += [_burn_rule(burn, site) for burn in catalogue.burn_rates]
    return tuple(sorted(made, key=lambda rule: (rule.group, rule.name)))


def unknown_placeholders(query: str) -> list[str]:
    """Names in %{...} that stand for nothing."""
    return sorted({name for name in _PLACEHOLDER.findall(query) if name not in PLACEHOLDERS})


def groups_of(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    grouped: dict[str, list[Rule]] = {}
    for rule in rules:
        grouped.setdefault(rule.group, []).append(rule)
    return grouped


def condition(query: str, rule: Rule) -> str:
    """The query with its threshold, as Prometheus and Loki want it: what is left over fires."""
    lines = query.strip().splitlines()
    body = "\n".join(f"  {line}" for line in lines) if len(lines) > 1 else f"  {query.strip()}"
    return f"(\n{body}\n) {rule.compare} {number(rule.threshold)}"


def quoted(text: str) -> str:
    """A string literal of PromQL and LogQL."""
    return json.dumps(text, ensure_ascii=False)


def uid(*parts: str) -> str:
    """A Grafana uid for these parts: readable, the same in every run, at most 40 characters."""
    name = "/".join(parts)
    digest = hashlib.sha256(name.encode()).hexdigest()[:_UID_HASH]
    slug = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
    return f"{slug[: MAX_UID - _UID_HASH - 1].rstrip('-')}-{digest}"


def alternatives(values: Sequence[str]) -> str:
    """A matcher's regular expression for exactly these names, free of backslashes, which strings would need twice."""
    return "|".join(value.replace(".", "[.]") for value in sorted(values))


def _expanded(rule: Rule, site: Site, forms: Sequence[dict[str, str]]) -> Rule:
    promql = _filled(rule.promql, site) if rule.promql else None
    logql = logforms.united(_filled(rule.logql, site), forms) if rule.logql else None
    why = "" if logql else rule.no_logql or "No service's requests are counted from a log."
    return replace(rule, promql=promql, logql=logql, no_logql=why)


def matchers(project: str) -> dict[str, str]:
    """What the placeholders stand for that every query may hold."""
    named = quoted(project)
    return {
        "metrics": f'job="{names.SCRAPE_JOB}", project={named}',
        "own": f'project={named}, service="{names.SERVICE_BGMON}"',
        "project": f"project={named}",
    }


def _filled(query: str, site: Site) -> str:
    selectors = matchers(site.project)
    return _PLACEHOLDER.sub(lambda match: selectors.get(match[1], match[0]), query.strip())


def _burn_rule(burn: BurnRate, site: Site) -> Rule:
    selector = f"{{project={quoted(site.project)}}}"
    long, short, factor = duration(burn.long), duration(burn.short), number(burn.factor)
    requests = f"sum_over_time({names.RECORD_SLO_TOTAL}{selector}[{long}]) * {number(RECORD_EVERY)}"
    promql = (
        f"{names.RECORD_SLO_BURN}{long}{selector}\n"
        f"  and {names.RECORD_SLO_BURN}{short}{selector} > {factor}\n"
        f"  and {requests} > {burn.min_requests}"
    )
    return Rule(
        burn.name, "slo", burn.severity, promql, None, "Long windows are counted on metrics: logs are slow.",
        ">", burn.factor, burn.for_, burn.summary, burn.description, burn.runbook,
    )  # fmt: skip
