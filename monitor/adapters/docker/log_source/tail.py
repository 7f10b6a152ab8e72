"""The last lines of containers that may be removed at any moment.

Reading a log in pieces is exact, but a removed container leaves nothing to read. So every log is followed as well, and
the lines since the last piece are held in memory, for the case that there is no next piece. Followed lines alone would
not do: engines up to 20.10 lose and repeat lines while a log is rotated.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from monitor.adapters.docker.log_source.lines import Line, framed, plain, unix_text
from monitor.adapters.docker.log_source.transport import EngineHttp, Stream
from monitor.errors import BgmonError, NotFound

MOST_LINES: Final = 200_000
_ALREADY_THERE: Final = "5000"  # lines; to ask for all would make the engine read the whole log at every attempt
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class Tail:
    """Follows one container until it is removed or `close` is called."""

    def __init__(self, engine: EngineHttp, container: str, *, tty: bool, stderr: bool, since: str) -> None:
        self._engine = engine
        self._container = container
        self._tty = tty
        self._stderr = stderr
        self._since = since
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._stream: Stream | None = None
        self.ended = threading.Event()
        threading.Thread(target=self._run, name=f"log of {container[:12]}", daemon=True).start()

    def lines(self, base: str) -> list[Line]:
        """What was seen since `base`, each line once."""
        start = base.encode()
        with self._lock:
            return list(dict.fromkeys(line for line in self._lines if line[0] >= start))

    def forget(self, base: str) -> None:
        """Let go of what is older than `base`."""
        start = base.encode()
        with self._lock:
            while self._lines and self._lines[0][0] < start:
                self._lines.popleft()
        self._since = max(self._since, base)

    def close(self) -> None:
        self._stop.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        try:
            while not self._stop.is_set():
                try:
                    if self._follow():
                        pause = _FIRST_PAUSE
                except NotFound:
                    return
                except BgmonError:
                    pass  # the engine restarts, or cannot follow this log: what is read in pieces tells
                self._stop.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            self.ended.set()

    def _follow(self) -> bool:
        parameters = {
            "follow": "1",
            "tail": _ALREADY_THERE,
            "timestamps": "1",
            "stdout": "1",
            "stderr": "1" if self._stderr else "0",
        }
        if self._since:
            parameters["since"] = unix_text(self._since.encode())
        came = False
        stream = self._engine.stream(f"/containers/{self._container}/logs", parameters)
        self._stream = stream
        with contextlib.closing(stream):
            if self._stop.is_set():
                return False
            for lines in (plain if self._tty else framed)(stream.chunks()):
                came = True
                with self._lock:
                    self._lines.extend(lines)
        return came


class Births:
    """Tells of every container that starts, at once, so that even one that lives for a second is followed."""

    def __init__(self, engine: EngineHttp, label: str, born: Callable[[str], None]) -> None:
        self._engine = engine
        self._label = label
        self._born = born
        self._stop = threading.Event()
        self._stream: Stream | None = None
        threading.Thread(target=self._run, name="starting containers", daemon=True).start()

    def close(self) -> None:
        self._stop.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def _run(self) -> None:
        filters = json.dumps({"type": ["container"], "event": ["start"], "label": [self._label]})
        since = time.time()
        while not self._stop.is_set():
            with contextlib.suppress(BgmonError):
                stream = self._engine.stream("/events", {"filters": filters, "since": f"{since:.6f}"})
                self._stream = stream
                with contextlib.closing(stream):
                    rest = b""
                    for chunk in stream.chunks():
                        *events, rest = (rest + chunk).split(b"\n")
                        for event in events:
                            if event.strip():
                                self._born(json.loads(event)["id"])
                        since = time.time() - 1
            self._stop.wait(1.0)
