"""Slack, Discord and plain webhooks, spoken natively: they are the common ones, and they say Retry-After."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from monitor import masking
from monitor.adapters.http.outgoing import headers, tls
from monitor.adapters.notify.mask import channel_id, masked, scheme_of
from monitor.adapters.notify.messages import Messages
from monitor.domain.alerting.conditions import Severity
from monitor.domain.alerting.open_alerts import MessageLine
from monitor.errors import NotifyError
from monitor.ports.notify import Outgoing

if TYPE_CHECKING:  # 0.1 s to import
    import httpx

Kind = Literal["slack", "discord", "webhook"]

_SLACK_HOOKS: Final = "https://hooks.slack.com/services/"
_DISCORD_HOOKS: Final = "https://discord.com/api/webhooks/"
_SLACK_PARTS: Final = 3
_DISCORD_PARTS: Final = 2
# Of these a second try with the same message changes nothing. A wrong token is not among them: it may be mended.
_PERMANENT: Final = frozenset({400, 413, 422})
_LONGEST_ANSWER: Final = 64 * 1024
_OK: Final = range(200, 300)
_REDIRECT: Final = range(300, 400)
_TOO_MANY: Final = 429


def native(url: str) -> tuple[Kind, str] | None:
    """How to speak to this URL natively, and the https URL behind it; None leaves it to apprise.

    `slack://a/b/c` and `discord://id/token` are apprise's forms of the two services' incoming webhooks.
    """
    parts = urlsplit(url)
    path = [part for part in (parts.netloc, *parts.path.split("/")) if part]
    plain = not parts.query and "@" not in parts.netloc
    if parts.scheme == "slack" and plain and len(path) == _SLACK_PARTS and path[0].startswith("T"):
        return "slack", _SLACK_HOOKS + "/".join(path)
    if parts.scheme == "discord" and plain and len(path) == _DISCORD_PARTS:
        return "discord", _DISCORD_HOOKS + "/".join(path)
    if parts.scheme in ("http", "https"):
        host = parts.hostname or ""
        if host == "hooks.slack.com":
            return "slack", url
        if host in ("discord.com", "discordapp.com") and parts.path.startswith("/api/webhooks/"):
            return "discord", url
        return "webhook", url
    return None


class WebhookChannel:
    """Fulfils ports.notify.Channel with one POST a message.

    Args:
        url: the secret, as configured.
        kind: whose form the message takes.
        target: the http URL to post to.
        messages: the renderer.
        min_severity: the least grave alerts it is told.
        name: shown instead of the masked URL.
        project: written into the JSON of plain webhooks.
        host: likewise.
    """

    def __init__(
        self,
        url: str,
        kind: Kind,
        target: str,
        messages: Messages,
        *,
        min_severity: Severity = "info",
        name: str | None = None,
        project: str = "",
        host: str = "",
    ) -> None:
        self.id = channel_id(url)
        self.label = name or masked(url)
        self.min_severity: Severity = min_severity
        self._kind = kind
        self._target = target
        self._messages = messages
        self._origin = {"project": project, "host": host}
        assert scheme_of(target) in ("http", "https")

    def prepare(self) -> None:
        """Load the HTTP library and the trusted certificates: a third of a second."""
        tls()

    def send(self, outgoing: Outgoing, *, deadline: float) -> None:
        """One POST, redirects not followed; `deadline` bounds it all, a trickled answer included."""
        asyncio.run(self._send(masking.document(self._payload(outgoing)), outgoing.key, deadline))

    async def _send(self, payload: dict[str, Any], key: str, deadline: float) -> None:
        import httpx

        sent = {**headers(), "Idempotency-Key": key}
        try:
            async with (
                asyncio.timeout(deadline),
                httpx.AsyncClient(timeout=deadline, verify=tls()) as client,
                client.stream("POST", self._target, json=payload, headers=sent) as response,
            ):
                await _check(response)
        except TimeoutError:
            raise NotifyError(f"no answer within {deadline:.0f} s", unsure=True) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotifyError(f"cannot connect: {_reason(error)}") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise NotifyError(f"no answer: {_reason(error)}", unsure=True) from None

    def _payload(self, outgoing: Outgoing) -> dict[str, Any]:
        if self._kind == "slack":
            text = self._messages.render(outgoing, "slack")
            return {"text": f"*{text.title}*\n{text.body}", "unfurl_links": False}
        if self._kind == "discord":
            text = self._messages.render(outgoing, "discord")
            return {"content": f"**{text.title}**\n{text.body}"[:2000], "allowed_mentions": {"parse": []}}
        text = self._messages.render(outgoing, "text")
        return {
            "version": 1,
            "key": outgoing.key,
            "repeated": outgoing.repeated,
            **self._origin,
            "severity": outgoing.message.severity,
            "title": text.title,
            "text": text.body,
            "alerts": [_alert(line) for line in outgoing.message.lines],
        }


def _alert(line: MessageLine) -> dict[str, Any]:
    condition = line.condition
    return {
        "status": line.said,
        "kind": condition.kind,
        "service": condition.service,
        "severity": condition.severity,
        "summary": condition.summary,
        "detail": condition.detail,
        "incident": condition.incident,
        "started_at": line.since,
        "duration_seconds": line.duration,
        "note": line.note,
        "hides": line.hides,
    }


async def _check(response: httpx.Response) -> None:
    status = response.status_code
    if status in _OK:
        return
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LONGEST_ANSWER:
            break
    raise refusal(status, response.headers, body)


def refusal(status: int, headers: Mapping[str, str], body: bytes = b"") -> NotifyError:
    """What an answer other than 2xx means."""
    if status in _REDIRECT:
        return NotifyError(f"answered {status}, a redirect, which is not followed", hint="give the final URL")
    hint = "is the URL, and the token in it, still right?" if status in (401, 403, 404, 410) else ""
    permanent = status in _PERMANENT
    return NotifyError(
        f"answered {status}", hint=hint, permanent=permanent, retry_after=_retry_after(status, headers, body)
    )


def _retry_after(status: int, headers: Mapping[str, str], body: bytes) -> float | None:
    """Seconds out of Retry-After (RFC 9110, 10.2.3: seconds or a date), or of Discord's JSON."""
    value = headers.get("retry-after", "").strip()
    if value:
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, TypeError):
            return None
    if status == _TOO_MANY:
        import json

        try:
            return max(0.0, float(json.loads(body)["retry_after"]))
        except (ValueError, KeyError, TypeError):
            return None
    return None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
