"""What one chooses at the top of a board: data sources, scrape job, hosts and services; links and annotations."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import quote

from monitor.domain.names import (
    KIND_APP,
    METRIC_BUILD_INFO,
    METRIC_LAST_DEPLOY,
    METRIC_SERVICE_STATE,
    SCRAPE_JOB,
    SERVICE_BGMON,
)
from monitor.render.grafana.fill import HOST_LABELS

PROMETHEUS: Final = {"type": "prometheus", "uid": "${prometheus_datasource}"}
LOKI: Final = {"type": "loki", "uid": "${loki_datasource}"}
ALL: Final = {"text": ["All"], "value": ["$__all"]}
_ON_TIME_CHANGE: Final = 2
_BY_NAME: Final = 1
_VARIABLE: Final = re.compile(r"(\$\{[^}]*\})")


def variables(service: str | None, *, prometheus: str, loki: str) -> list[dict[str, Any]]:
    """`prometheus` and `loki` are the uids of the data sources that a board begins with."""
    return [
        _datasource("prometheus", prometheus),
        _datasource("loki", loki),
        _query("job", f"label_values({METRIC_BUILD_INFO}, job)", {"text": [SCRAPE_JOB], "value": [SCRAPE_JOB]}),
        _query("instance", f'label_values({METRIC_BUILD_INFO}{{job=~"$job"}}, instance)', ALL),
        _service(service),
    ]


def _datasource(kind: str, uid: str) -> dict[str, Any]:
    return {
        "name": f"{kind}_datasource",
        "label": f"{kind.title()} data source",
        "type": "datasource",
        "query": kind,
        "current": {"text": uid, "value": uid},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }


def _query(name: str, query: str, current: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.title(),
        "type": "query",
        "datasource": PROMETHEUS,
        "definition": query,
        "query": {"query": query, "refId": f"variable-{name}"},
        "current": current,
        "allValue": ".+",
        "hide": 0,
        "includeAll": True,
        "multi": True,
        "options": [],
        "refresh": _ON_TIME_CHANGE,
        "regex": "",
        "skipUrlSync": False,
        "sort": _BY_NAME,
    }


def _service(service: str | None) -> dict[str, Any]:
    """The board of one service has it as its only choice, so that links carry it along."""
    if service is None:
        return _query("service", f"label_values({METRIC_SERVICE_STATE}{{{HOST_LABELS}}}, service)", ALL)
    option = {"text": service, "value": service, "selected": True}
    return {
        "name": "service",
        "label": "Service",
        "type": "custom",
        "query": service,
        "current": option,
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [option],
        "skipUrlSync": True,
    }


def marks(project: str, service: str | None) -> list[dict[str, Any]]:
    """Grafana's own, deploys out of the lines that bgmon sends to Loki, and deploys out of metrics for who has none."""
    which = 'deployed=~"$service"' if service is None else f'deployed="{service}"'
    lines = (
        f'{{project="{project}", service="{SERVICE_BGMON}", kind="{KIND_APP}"}} |= "deployed"'
        ' | json event="event", deployed="service", version="version", result="result", who="who"'
        f' | event="deployed" | {which}'
    )
    matcher = 'service=~"$service"' if service is None else f'service="{service}"'
    changes = f"changes({METRIC_LAST_DEPLOY}{{{HOST_LABELS}, {matcher}}}[2m]) > 0"
    return [
        {
            "builtIn": 1,
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
            "enable": True,
            "hide": True,
            "iconColor": "rgba(0, 211, 255, 1)",
            "name": "Annotations & Alerts",
            "type": "dashboard",
        },
        {
            "datasource": LOKI,
            "enable": True,
            "expr": lines,
            "iconColor": "purple",
            "name": "Deploys",
            "tagKeys": "result",
            "target": {"expr": lines, "queryType": "range", "refId": "Anno"},
            "textFormat": "{{result}} by {{who}}",
            "titleFormat": "{{deployed}} {{version}}",
        },
        {
            "datasource": PROMETHEUS,
            "enable": False,
            "expr": changes,
            "iconColor": "purple",
            "name": "Deploys, from metrics",
            "step": "60s",
            "tagKeys": "service",
            "target": {"expr": changes, "refId": "Anno"},
            "textFormat": "",
            "titleFormat": "deploy of {{service}}",
        },
    ]


def links(project: str) -> list[dict[str, Any]]:
    """To the project's boards, its services' boards, and the same services' logs, all with the same time range."""
    expr = f'{{project="{project}", service=~"${{service:pipe}}"}}'
    state = {
        "datasource": "${loki_datasource}",
        "queries": [{"refId": "A", "expr": expr}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    return [
        _dashboards("Boards", [f"bgmon-{project}"]),
        _dashboards("Services", [f"bgmon-{project}-service"]),
        {
            "title": "Logs",
            "type": "link",
            "icon": "doc",
            "tooltip": "The logs of these services, over the same time range",
            "url": f"/explore?orgId=1&left={_quoted(json.dumps(state))}",
            "targetBlank": True,
            "keepTime": False,  # the address holds it
            "includeVars": False,
            "asDropdown": False,
            "tags": [],
        },
    ]


def _quoted(text: str) -> str:
    """Percent-encoded, but for the variables that Grafana puts in."""
    return "".join(part if part.startswith("${") else quote(part, safe="") for part in _VARIABLE.split(text))


def _dashboards(title: str, tags: list[str]) -> dict[str, Any]:
    return {
        "title": title,
        "type": "dashboards",
        "icon": "external link",
        "tooltip": "",
        "url": "",
        "tags": tags,
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
    }
