"""The few endpoints of Grafana that boards and marks are sent to, behaving as its documentation says.

Grafana itself cannot be had for the tests. Statuses and bodies follow
https://grafana.com/docs/grafana/latest/developers/http_api/dashboard/, .../folder/ and .../annotations/.
"""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any

TOKEN = "glsa_0123456789abcdef"


class GrafanaServer:
    """`boards` by uid: {dashboard, folder, message, provisioned}. `calls` are (method, path, body)."""

    def __init__(self) -> None:
        self.boards: dict[str, dict[str, Any]] = {}
        self.folders: dict[str, str] = {}
        self.annotations: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str, Any]] = []
        self.old_versions_form = False
        self.before_save: Any = None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                outer.calls.append((self.command, self.path, body))
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    status, answer = 401, {"message": "Invalid API key"}
                else:
                    status, answer = outer.handle(self.command, self.path.partition("?")[0], body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def handle(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        parts = path.strip("/").split("/")
        if path == "/api/dashboards/db":
            return self._save(body)
        if path == "/api/annotations":
            self.annotations.append(body)
            return 200, {"message": "Annotation added", "id": len(self.annotations)}
        if parts[:2] == ["api", "folders"]:
            return self._folders(method, parts, body)
        stored = self.boards.get(parts[3]) if parts[:3] == ["api", "dashboards", "uid"] else None
        if stored is None:
            return 404, {"message": "Dashboard not found"}
        if parts[4:] == ["versions"]:
            newest = [{"version": stored["dashboard"]["version"], "message": stored["message"]}]
            return 200, newest if self.old_versions_form else {"versions": newest}
        meta = {"folderUid": stored["folder"], "provisioned": stored.get("provisioned", False)}
        return 200, {"dashboard": stored["dashboard"], "meta": meta}

    def _folders(self, method: str, parts: list[str], body: Any) -> tuple[int, Any]:
        if method == "GET":
            title = self.folders.get(parts[2])
            return (200, {"uid": parts[2], "title": title}) if title else (404, {"message": "folder not found"})
        if body["uid"] in self.folders:
            return 409, {"message": "a folder with the same UID already exists"}
        self.folders[body["uid"]] = body["title"]
        return 200, {"uid": body["uid"], "title": body["title"]}

    def _save(self, body: Any) -> tuple[int, Any]:
        if self.before_save is not None:
            hook, self.before_save = self.before_save, None
            hook()
        board, folder = body["dashboard"], body["folderUid"]
        if folder not in self.folders:
            return 400, {"message": "folder not found"}
        stored = self.boards.get(board["uid"])
        if stored is not None:
            if stored.get("provisioned"):
                return 400, {"message": "Cannot save provisioned dashboard"}
            if not body["overwrite"] and board.get("version") != stored["dashboard"]["version"]:
                return 412, {"status": "version-mismatch", "message": "The dashboard has been changed by someone else"}
        for uid, other in self.boards.items():
            same = other["folder"] == folder and other["dashboard"]["title"] == board["title"]
            if uid != board["uid"] and same and not body["overwrite"]:
                return 412, {"status": "name-exists", "message": "A dashboard with the same name already exists"}
        version = stored["dashboard"]["version"] + 1 if stored else 1
        kept = {**board, "id": len(self.boards) + 1, "version": version}
        self.boards[board["uid"]] = {"dashboard": kept, "folder": folder, "message": body["message"]}
        return 200, {"uid": board["uid"], "status": "success", "version": version}

    def edit(self, uid: str, message: str = "", **changes: Any) -> None:
        """As a person does in the browser."""
        stored = self.boards[uid]
        stored["dashboard"] = {**stored["dashboard"], **changes, "version": stored["dashboard"]["version"] + 1}
        stored["message"] = message
