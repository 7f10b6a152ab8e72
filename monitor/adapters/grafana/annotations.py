"""Tells Loki and Grafana of deploys, at most once and in a few seconds: a mark is never worth a deploy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from monitor import masking
from monitor.adapters.loki.client import LokiOptions, http_client
from monitor.domain.deploy.line import annotation, deploy_streams
from monitor.domain.deploy.records import DeployRecord
from monitor.errors import BgmonError

TIMEOUT: Final = 3.0
_OK: Final = range(200, 300)


class HttpAnnotations:
    """`loki` and `grafana` (its URL and a token) may each be None."""

    def __init__(
        self,
        project: str,
        host: str,
        *,
        loki: LokiOptions | None = None,
        grafana: tuple[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._project, self._host = project, host
        self._timeout = timeout
        self._loki = replace(loki, timeout=timeout) if loki else None
        self._grafana = grafana

    def announce(self, record: DeployRecord) -> list[str]:
        problems: list[str] = []
        if self._loki is not None:
            body = deploy_streams(record, project=self._project, host=self._host)
            where = f"Loki at {_shown(self._loki.url)}"
            problems += self._send(where, self._to_loki, "/loki/api/v1/push", body)
        if self._grafana is not None:
            body = annotation(record, project=self._project, host=self._host)
            where = f"Grafana at {_shown(self._grafana[0])}"
            problems += self._send(where, self._to_grafana, "/api/annotations", body)
        return problems

    def _to_loki(self) -> httpx.Client:
        assert self._loki is not None
        return http_client(self._loki)

    def _to_grafana(self) -> httpx.Client:
        assert self._grafana is not None
        url, token = self._grafana
        headers = {"Authorization": f"Bearer {token}", "User-Agent": "bgmon"}
        return httpx.Client(
            base_url=url.rstrip("/"), headers=headers, timeout=self._timeout, follow_redirects=False, trust_env=False
        )

    def _send(self, where: str, client: Callable[[], httpx.Client], path: str, body: Mapping[str, Any]) -> list[str]:
        try:
            with client() as http:
                status = http.post(path, json=masking.document(body)).status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return [f"{where} was not told of the deploy: {type(error).__name__}"]
        except BgmonError as error:
            return [f"{where} was not told of the deploy: {error}"]
        return [] if status in _OK else [f"{where} refused the mark of the deploy: HTTP {status}"]


def _shown(url: str) -> str:
    """Without a password that may stand in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
