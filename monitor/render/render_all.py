"""All generated files of a site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.domain.boards.board import Catalogue as BoardCatalogue
from monitor.render.alertmanager import alertmanager_files
from monitor.render.boards import render_boards
from monitor.render.compose import compose_file
from monitor.render.grafana_alerts import grafana_alerting, grafana_uids
from monitor.render.links import Links
from monitor.render.rulefiles import loki_rules, prometheus_rules
from monitor.render.rules import Catalogue, rules_for
from monitor.render.runbooks import runbook_board
from monitor.render.sandbox import Runner, render_here
from monitor.render.servers import datasources, loki_files, prometheus_files
from monitor.render.shippers import shipper_files
from monitor.render.site import Site


@dataclass(frozen=True, slots=True)
class Sources:
    """What is rendered: catalogues, and texts by name."""

    boards: BoardCatalogue
    rules: Catalogue
    shippers: Mapping[str, str]
    runbooks: Mapping[str, str]
    own_shippers: frozenset[str] = frozenset()
    """Names of templates among `shippers` that are the user's."""


@dataclass(frozen=True, slots=True)
class GeneratedFiles:
    """Texts by path, and what Grafana will hold under names of ours, by kind."""

    files: Mapping[str, str]
    names: Mapping[str, list[str]]


def render_all(site: Site, sources: Sources, run: Runner = render_here) -> GeneratedFiles:
    """Every file, always the same for the same input; `run` renders the user's own templates, within limits.

    Raises:
        GenerateError: a shipper's template is wrong.
    """
    rules = rules_for(site, sources.rules)
    links = Links(site, rules)
    files = {
        **render_boards(sources.boards, site),
        **runbook_board(site, rules, sources.runbooks),
        **datasources(site),
        **grafana_alerting(site, rules, links),
        **prometheus_files(site),
        **prometheus_rules(site, sources.rules, rules, links),
        **loki_files(site),
        **loki_rules(site, rules, links),
        **shipper_files(site, sources.shippers, sources.own_shippers, run),
        **alertmanager_files(site),
        **compose_file(site),
    }
    return GeneratedFiles(files, grafana_uids(site, rules))
