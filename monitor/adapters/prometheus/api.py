"""Prometheus' HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/), for boards outside of Grafana."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import httpx

from monitor import masking
from monitor.domain.boards.board import Panel, Query
from monitor.domain.boards.series import Series, legend
from monitor.errors import SourceError, SourceUnreachable
from monitor.render.grafana.expand import expand

TIMEOUT: Final = 15.0


class PrometheusApi:
    """`scrape` is Prometheus' scrape interval in seconds, which `rate` must span at least twice."""

    sample = False

    def __init__(self, url: str, *, scrape: float = 15.0, instance: str = ".+", timeout: float = TIMEOUT) -> None:
        self._url = url.rstrip("/")
        self._scrape = scrape
        self._instance = instance
        self._http = httpx.Client(timeout=timeout, trust_env=False, headers={"User-Agent": "bgmon"})

    def close(self) -> None:
        self._http.close()

    def ask(self, panel: Panel, query: Query, start: float, end: float, points: int) -> Sequence[Series]:
        if query.source != "prometheus":
            return []
        step = max((end - start) / points, self._scrape)
        expr = expand(query.expr, span=end - start, step=step, scrape=self._scrape, instance=self._instance)
        if query.instant or panel.type in ("table", "bar"):
            data = self._get("query", {"query": expr, "time": f"{end:.3f}"})
        else:
            # Whole steps, as Grafana asks, so that a reload does not shift every point.
            parameters = {"query": expr, "start": f"{start - start % step:.3f}", "end": f"{end:.3f}"}
            data = self._get("query_range", {**parameters, "step": f"{step:.3f}"})
        return [_series(item, query.legend) for item in data]

    def _get(self, call: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        try:
            response = self._http.post(f"{self._url}/api/v1/{call}", data=parameters)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceUnreachable(
                f"Prometheus at {self._url} does not answer: {error or type(error).__name__}",
                hint="name its address with --prometheus, or set generate.prometheus",
            ) from None
        try:
            body = response.json()
            if body["status"] != "success":
                raise SourceError(f"Prometheus refused a query: {masking.shown(str(body.get('error')), 300)}")
            result = body["data"]["result"]
            if body["data"]["resultType"] == "scalar":
                return [{"metric": {}, "value": result}]
        except (ValueError, KeyError, TypeError):
            raise SourceError(f"{self._url} answered {response.status_code}, but not as Prometheus does") from None
        return list(result)


def _series(item: dict[str, Any], template: str) -> Series:
    labels: dict[str, str] = item["metric"]
    pairs = item["values"] if "values" in item else [item["value"]]
    return Series(labels, [(float(at), float(value)) for at, value in pairs], legend(template, labels))
