"""The process that runs apprise for one message: a request as JSON on stdin, an answer as JSON on stdout."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import logging
import re
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_STATUS: Final = re.compile(r"error=(\d{3})\b")


class _Statuses(logging.Handler):
    """Apprise says the HTTP status nowhere but in its log."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.status: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        match = _STATUS.search(record.getMessage())
        if match:
            self.status = int(match[1])


def main() -> None:
    with contextlib.suppress(OSError, AttributeError):
        # A daemon that is killed takes this along: what an orphan delivered would be told again.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.redirect_stdout(io.StringIO()):
        answer = deliver(json.load(sys.stdin))
    json.dump(answer, sys.stdout)


def deliver(request: dict[str, str]) -> dict[str, object]:
    """Send `body` under `title` to `url`; what became of it."""
    import apprise  # a third of a second, and 40 MB

    statuses = _Statuses()
    logger = logging.getLogger("apprise")
    logger.handlers = [statuses]
    logger.setLevel(logging.WARNING)
    service = apprise.Apprise()
    if not service.add(request["url"]):
        return {"unknown": True}
    ok = service.notify(title=request["title"], body=request["body"], body_format=apprise.NotifyFormat.TEXT)
    return {"ok": bool(ok), "status": statuses.status}


if __name__ == "__main__":
    main()
