"""Where an alert's links lead: its runbook, and the board of what it is about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from monitor.render.grafana.uid import board_uid, is_plain, uid_prefix
from monitor.render.rules import Rule
from monitor.render.site import Site

_BY_SERVICE: Final = re.compile(r"by \([^)]*\bservice\b")
OVERVIEW: Final = "_overview"
HOSTS: Final = "_hosts"
RUNBOOKS: Final = "_runbooks"


class Links:
    """Of one site; made once, because asking every name whether it is plain takes time."""

    def __init__(self, site: Site, rules: Sequence[Rule]) -> None:
        self._panels = panel_of(rules)
        base = f"{site.grafana_url}/d/"
        self._runbooks = site.runbook_base
        self._runbook_board = base + board_uid(site.project, RUNBOOKS)
        self._hosts = base + board_uid(site.project, HOSTS)
        plain = all(is_plain(site.project, service.name) for service in site.services)
        self._service = base + (
            f"{uid_prefix(site.project)}{{{{ $labels.service }}}}"
            if plain
            else f"{board_uid(site.project, OVERVIEW)}?var-service={{{{ $labels.service }}}}"
        )

    def annotations(self, rule: Rule) -> dict[str, str]:
        """Summary, description and links, in the template language that Prometheus and Loki share."""
        about_service = rule.group == "slo" or _BY_SERVICE.search(rule.promql or rule.logql or "")
        return {
            "dashboard_url": self._service if about_service else self._hosts,
            "description": rule.description,
            "runbook_url": self.runbook(rule),
            "summary": rule.summary,
        }

    def runbook(self, rule: Rule) -> str:
        if self._runbooks:
            return f"{self._runbooks}/{rule.runbook}.md"
        return f"{self._runbook_board}?viewPanel={self._panels[rule.runbook]}"


def panel_of(rules: Sequence[Rule]) -> dict[str, int]:
    """The number of each runbook page's panel."""
    return {name: number for number, name in enumerate(sorted({rule.runbook for rule in rules}), 1)}
