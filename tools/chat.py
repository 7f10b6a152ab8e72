"""A chat room on loopback: whatever is posted to it as JSON, it remembers."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Message:
    at: float
    title: str
    text: str


class Chat:
    """Listens until closed. Its `url` is what `notify: {urls: [...]}` takes (apprise's json://)."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._arrived = threading.Condition()
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                chat._add(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="chat", daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self._server.server_address[1]}/"

    def _add(self, body: dict[str, Any]) -> None:
        with self._arrived:
            self.messages.append(Message(time.time(), str(body.get("title", "")), str(body.get("message", ""))))
            self._arrived.notify_all()

    def wait(self, *, since: int, words: tuple[str, ...] = (), timeout: float = 30.0) -> Message | None:
        """The first message after the `since`th that holds all `words`; None when none comes in time."""

        def found() -> Message | None:
            return next(
                (m for m in self.messages[since:] if all(w.lower() in f"{m.title} {m.text}".lower() for w in words)),
                None,
            )

        with self._arrived:
            self._arrived.wait_for(lambda: found() is not None, timeout=timeout)
            return found()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
