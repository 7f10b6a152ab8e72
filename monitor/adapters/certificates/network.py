"""HTTP to an ACME server: every answer bounded in size and time, its clock and its wishes to wait noted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from monitor.domain.digits import digits

_LARGEST: Final = 1 << 20
_LONGEST: Final = 60.0
_PIECE: Final = 16384


class BoundedAdapter(HTTPAdapter):
    """Reads an answer whole before it is given on.

    Attributes:
        retry_after: seconds to wait, as the last answer asked; None when it did not.
        skew: how many seconds the server's clock was ahead of ours at the last answer; None when it did not tell.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self.retry_after: float | None = None
        self.skew: float | None = None

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Raises requests.ConnectionError for an answer that is too long, or takes too long."""
        self.retry_after = None
        kwargs["stream"] = True
        response = super().send(request, *args, **kwargs)
        try:
            body = _whole(response.raw)
        except (OSError, HTTPError) as error:
            raise requests.ConnectionError(f"its answer broke off: {error}") from None
        finally:
            response.raw.close()
        if body is None:
            raise requests.ConnectionError("its answer has no end")
        response._content = body  # noqa: SLF001 - as requests itself keeps what it has read
        response._content_consumed = True  # noqa: SLF001
        self._note(response.headers)
        return response

    def _note(self, headers: Mapping[str, str]) -> None:
        at = _date(headers.get("Date", ""))
        self.skew = at - self._now() if at is not None else None
        asked = headers.get("Retry-After", "")
        if digits(asked):
            self.retry_after = float(asked[:10])
        elif (until := _date(asked)) is not None:
            self.retry_after = max(0.0, until - (at if at is not None else self._now()))


def _whole(raw: Any) -> bytes | None:
    """None for one that is too long, or takes too long."""
    until = time.monotonic() + _LONGEST
    body = bytearray()
    while piece := raw.read1(_PIECE, decode_content=True):
        body += piece
        if len(body) > _LARGEST or time.monotonic() > until:
            return None
    return bytes(body)


def _date(text: str) -> float | None:
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
