"""Whether Prometheus would take a query: asked of a port of its own parser, which is the same on every machine."""

from __future__ import annotations

import re
from typing import Final

from monitor.domain.boards.board import Query
from monitor.render.grafana.expand import expand
from monitor.render.grafana.fill import fill, objective_values, values_for
from monitor.render.rules import matchers
from monitor.render.site import Objective

_PLACEHOLDER: Final = re.compile(r"%\{(\w+)\}")
_OBJECTIVE: Final = Objective("latency", 0.99, 0.25)
_DAY: Final = 86400.0


def problem_of_rule(promql: str) -> str:
    """Why Prometheus would refuse the query of a rule; empty when it would not."""
    values = matchers("project")
    return _problem(_PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), promql))


def problem_of_panel(query: Query) -> str:
    """The same of a panel's query, with Grafana's variables put in."""
    values = values_for("project", "service") | objective_values(_OBJECTIVE, ["service"])
    return _problem(expand(fill(query.expr, values), span=_DAY, step=60.0, scrape=15.0))


def _problem(query: str) -> str:
    import promql_parser  # a library of native code, which only generated files need

    try:
        promql_parser.parse(query)
    except ValueError as error:
        return f"Prometheus would refuse it: {error}"
    return ""
