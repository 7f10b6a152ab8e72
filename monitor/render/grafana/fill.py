"""Fills the placeholders of a query in: %{service_labels} and the like."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from monitor.domain.health.watch import STATES
from monitor.domain.logs.counts import le_text
from monitor.domain.names import METRIC_SERVICE_STATE
from monitor.render.site import Objective

# What may stand in a query, and what it becomes.
PLACEHOLDERS: Final[dict[str, str]] = {
    "project": "the project's name",
    "service": "the service's name, on the board of one service",
    "host_labels": "PromQL matchers for the chosen hosts",
    "service_labels": "PromQL matchers for the chosen hosts, and for the board's service or the chosen ones",
    "streams": "LogQL matchers for the same services",
    "objective": "the share of good requests that was promised, such as 0.999",
    "budget": "what the objective leaves for bad ones, such as 0.001",
    "bound": "PromQL matcher for the histogram bound of a latency objective",
    "objective_labels": "as service_labels, for the services with this objective",
    "state_code": "a number for each state of a service, for panels with `states: true`",
}
_PLACEHOLDER: Final = re.compile(r"%\{([^{}]*)\}")


def unknown_placeholders(text: str) -> list[str]:
    return [name for name in _PLACEHOLDER.findall(text) if name not in PLACEHOLDERS]


def fill(text: str, values: dict[str, str]) -> str:
    """`text` with every placeholder replaced; one without a value stays as it is."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text.strip())


HOST_LABELS: Final = 'job=~"$job", instance=~"$instance"'


def values_for(project: str, service: str | None) -> dict[str, str]:
    """Placeholders of the board of one service, or of the project's boards."""
    matcher = 'service=~"$service"' if service is None else f'service="{service}"'
    labels = f"{HOST_LABELS}, {matcher}"
    return {
        "project": project,
        "service": service or "$service",
        "host_labels": HOST_LABELS,
        "service_labels": labels,
        "streams": f'project="{project}", {matcher}',
        "state_code": _state_code(labels),
    }


def objective_values(objective: Objective, services: Iterable[str]) -> dict[str, str]:
    """Placeholders for one objective, and the services that promise it."""
    names = sorted(services)
    matcher = f'service="{names[0]}"' if len(names) == 1 else f'service=~"{"|".join(_literal(name) for name in names)}"'
    return {
        "objective": number(objective.ratio),
        "budget": number(1 - objective.ratio),
        "bound": bound(objective.le) if objective.le is not None else "",
        "objective_labels": f"{HOST_LABELS}, {matcher}",
    }


def number(value: float) -> str:
    """Without an exponent and without the noise of binary fractions: 1 - 0.999 is 0.001."""
    return f"{round(value, 9):.9f}".rstrip("0").rstrip(".")


def bound(seconds: float) -> str:
    """The matcher for a bucket, however its bound was written: clients write 1.0 and 5e-05, others 1 and 0.00005."""
    text, plain = le_text(seconds), number(seconds)
    if "." not in plain:
        return f'le=~"{plain}([.]0)?"' if float(plain) == seconds else f'le="{text}"'
    return f'le="{text}"' if text == plain else f'le=~"{_literal(text)}|{_literal(plain)}"'


def _literal(name: str) -> str:
    """A name as a regular expression, free of backslashes, which PromQL's strings would need twice."""
    return name.replace(".", "[.]")


def _state_code(labels: str) -> str:
    parts = [
        f'{code} * max by (service, instance) ({METRIC_SERVICE_STATE}{{{labels}, state="{state}"}})'
        for code, state in enumerate(STATES)
    ]
    return " + ".join(parts)
