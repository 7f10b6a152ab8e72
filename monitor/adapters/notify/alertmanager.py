"""Pushes alerts to Prometheus' Alertmanager, through its v2 API.

What is open is pushed again and again, as Prometheus does it, each time with an end a few minutes ahead: so an
Alertmanager that restarted learns of it, and when the daemon dies its alerts end by themselves. Pushing is idempotent.
API: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from monitor import masking
from monitor.adapters.http.outgoing import headers, tls
from monitor.domain.alerting.open_alerts import Alert
from monitor.errors import NotifyError

PUSH_EVERY: Final = 30.0
LASTS: Final = 4 * PUSH_EVERY
_OK: Final = 200


class Alertmanager:
    """Fulfils ports.notify.AlertSink."""

    def __init__(self, url: str, *, project: str, host: str) -> None:
        self._url = url.rstrip("/") + "/api/v2/alerts"
        self._labels = {"project": project, "host": host}

    def push(
        self, alerts: Sequence[Alert], ended: Sequence[tuple[Alert, float]], *, now: float, deadline: float
    ) -> None:
        """Make it know these. Raises NotifyError."""
        import httpx

        documents = [self._document(alert, now + LASTS) for alert in alerts]
        documents += [self._document(alert, end) for alert, end in ended]
        documents = masking.document(documents)
        if not documents:
            return
        try:
            answer = httpx.post(self._url, json=documents, timeout=deadline, verify=tls(), headers=headers())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotifyError(f"Alertmanager: {str(error) or type(error).__name__}") from None
        if answer.status_code != _OK:
            raise NotifyError(f"Alertmanager answered {answer.status_code}: {masking.shown(answer.text, 200)}")

    def _document(self, alert: Alert, end: float) -> dict[str, Any]:
        condition = alert.condition
        name = "Bgmon" + "".join(part.capitalize() for part in condition.kind.split("-"))
        labels = {"alertname": name, "severity": condition.severity, **self._labels}
        if condition.service:
            labels["service"] = condition.service
        annotations = {"summary": condition.summary, "description": condition.detail}
        return {
            "labels": labels,
            "annotations": {key: text for key, text in annotations.items() if text},
            "startsAt": _rfc3339(alert.since),
            "endsAt": _rfc3339(max(end, alert.since)),
        }


def _rfc3339(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat()
