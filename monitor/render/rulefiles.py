"""Rule files of Prometheus and of Loki's ruler, which share one format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from monitor.render.links import Links
from monitor.render.recording import recording_groups
from monitor.render.rules import Catalogue, Rule, condition, groups_of
from monitor.render.site import Site
from monitor.render.yamltext import duration, yaml_text

LOKI_TENANT: Final = "fake"  # Loki's own name for the one tenant there is without authentication


def prometheus_rules(site: Site, catalogue: Catalogue, rules: Sequence[Rule], links: Links) -> dict[str, str]:
    groups = [
        {"name": f"bgmon-{group}", "rules": [_alert(rule, rule.promql, site, links) for rule in members]}
        for group, members in groups_of([rule for rule in rules if rule.promql]).items()
    ]
    files = {"prometheus/rules/alerts.yml": yaml_text({"groups": groups})}
    recording = recording_groups(site, catalogue.burn_rates)
    if recording:
        files["prometheus/rules/recording.yml"] = yaml_text({"groups": recording})
    return files


def loki_rules(site: Site, rules: Sequence[Rule], links: Links) -> dict[str, str]:
    """Rules with a form for logs; a comment says of the others why they have none."""
    groups = [
        {
            "name": f"bgmon-{group}",
            "interval": "1m",
            "rules": [_alert(rule, rule.logql, site, links) for rule in members],
        }
        for group, members in groups_of([rule for rule in rules if rule.logql]).items()
    ]
    absent = [f"  {rule.name}: {rule.no_logql}" for rule in rules if not rule.logql]
    notes = "\n".join(["Rules that logs cannot tell, and why:", *absent]) if absent else ""
    return {f"loki/rules/{LOKI_TENANT}/bgmon.yaml": yaml_text({"groups": groups}, notes=notes)}


def _alert(rule: Rule, query: str | None, site: Site, links: Links) -> dict[str, Any]:
    assert query is not None
    return {
        "alert": rule.name,
        "expr": condition(query, rule),
        "for": duration(rule.for_),
        "labels": labels_of(rule, site),
        "annotations": links.annotations(rule),
    }


def labels_of(rule: Rule, site: Site) -> dict[str, str]:
    return {"project": site.project, "severity": rule.severity}
