"""Grafana's HTTP API: https://grafana.com/docs/grafana/latest/developers/http_api/dashboard/."""

from __future__ import annotations

from typing import Any, Final

import httpx

from monitor import masking
from monitor.errors import BoardMoved, GrafanaError, GrafanaUnreachable
from monitor.ports.grafana import StoredBoard

TIMEOUT: Final = 20.0
_SHOWN: Final = 300


class GrafanaApi:
    """`token` is a service account's; it stands in a header and nowhere else."""

    def __init__(self, url: str, token: str, *, timeout: float = TIMEOUT) -> None:
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "bgmon"}
        # No redirects: they lead to a login page, or would carry the token elsewhere.
        self._http = httpx.Client(headers=headers, timeout=timeout, follow_redirects=False, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def find(self, uid: str) -> StoredBoard | None:
        status, body = self._call("GET", f"/api/dashboards/uid/{uid}", known=(404,))
        if status == httpx.codes.NOT_FOUND:
            return None
        try:
            board, meta = dict(body["dashboard"]), dict(body["meta"])
            version = int(board["version"])
        except (KeyError, TypeError, ValueError):
            raise GrafanaError(f"{self._url} answered, but not as Grafana does") from None
        return StoredBoard(
            board, version, self._message(uid), str(meta.get("folderUid") or ""), bool(meta.get("provisioned"))
        )

    def _message(self, uid: str) -> str:
        _, body = self._call("GET", f"/api/dashboards/uid/{uid}/versions?limit=1", known=(404,))
        versions = body.get("versions") if isinstance(body, dict) else body  # a bare list before Grafana 11
        newest = versions[0] if isinstance(versions, list) and versions else {}
        return str(newest.get("message") or "") if isinstance(newest, dict) else ""

    def save(self, board: dict[str, Any], *, folder: str, message: str, version: int | None, force: bool) -> None:
        sent = {key: value for key, value in board.items() if key not in ("id", "version")}
        sent |= {"id": None} if version is None else {"version": version}
        body = {"dashboard": sent, "folderUid": folder, "message": message, "overwrite": force}
        status, answer = self._call("POST", "/api/dashboards/db", body, known=(412,))
        if status == httpx.codes.PRECONDITION_FAILED:
            raise BoardMoved(_text(answer))

    def ensure_folder(self, uid: str, title: str) -> None:
        status, _ = self._call("GET", f"/api/folders/{uid}", known=(404,))
        if status == httpx.codes.NOT_FOUND:
            # 409 and 412: another run made it between the two calls, which is just as well.
            self._call("POST", "/api/folders", {"uid": uid, "title": title}, known=(409, 412))

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, known: tuple[int, ...] = ()
    ) -> tuple[int, Any]:
        try:
            response = self._http.request(method, f"{self._url}{path}", json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GrafanaUnreachable(
                f"Grafana at {self._url} does not answer: {error or type(error).__name__}",
                hint="set generate.grafana.url, or name it with --url",
            ) from None
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if response.status_code == httpx.codes.OK and answer is not None:
            return response.status_code, answer
        if response.status_code in known:
            return response.status_code, answer or {}
        raise self._refusal(response.status_code, answer)

    def _refusal(self, status: int, answer: Any) -> GrafanaError:
        if status == httpx.codes.UNAUTHORIZED:
            return GrafanaError(
                f"Grafana at {self._url} does not know this token", hint="make a new one under Service accounts"
            )
        if status == httpx.codes.FORBIDDEN:
            return GrafanaError(
                f"Grafana at {self._url} does not let this token save boards: {_text(answer)}",
                hint="give the service account the role Editor",
            )
        if httpx.codes.is_redirect(status):
            return GrafanaError(f"{self._url} leads elsewhere", hint="give Grafana's own address, with its sub-path")
        return GrafanaError(f"Grafana at {self._url} answered {status}: {_text(answer)}")


def _text(answer: Any) -> str:
    """What it says in words, cut short."""
    message = answer.get("message") if isinstance(answer, dict) else None
    return masking.shown(str(message or "no reason given"), _SHOWN)
