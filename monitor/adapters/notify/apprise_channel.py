"""Every other service, through apprise: in a process of its own, which can be killed when it takes too long."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

from monitor.adapters.notify.mask import channel_id, masked, scheme_of
from monitor.adapters.notify.messages import Messages
from monitor.adapters.notify.webhook import refusal
from monitor.domain.alerting.conditions import Severity
from monitor.errors import NotifyError
from monitor.ports.notify import Outgoing

_CHILD: Final = "monitor.adapters.notify.apprise_child"
# They take text for text: programs, logs, and mail, which apprise sends as text/plain.
_LITERAL: Final = frozenset(
    {"json", "jsons", "xml", "xmls", "form", "forms", "amqp", "amqps", "mqtt", "mqtts", "syslog", "rsyslog", "mailto"}
    | {"mailtos"}
)


class AppriseChannel:
    """Fulfils ports.notify.Channel. The URL goes to the child through its stdin, never through its arguments."""

    def __init__(
        self, url: str, messages: Messages, *, min_severity: Severity = "info", name: str | None = None
    ) -> None:
        self.id = channel_id(url)
        self.label = name or masked(url)
        self.min_severity: Severity = min_severity
        self._url = url
        self._messages = messages

    def prepare(self) -> None:
        """Nothing: a process is started for each message, and none is kept."""

    def send(self, outgoing: Outgoing, *, deadline: float) -> None:
        text = self._messages.render(outgoing, "text" if scheme_of(self._url) in _LITERAL else "chat")
        answer = self._ask({"url": self._url, "title": text.title, "body": text.body}, deadline)
        if answer.get("unknown"):
            raise NotifyError(
                "apprise does not understand this URL", permanent=True, hint="see https://github.com/caronc/apprise"
            )
        if not answer.get("ok"):
            status = answer.get("status")
            if isinstance(status, int):
                raise refusal(status, {})
            raise NotifyError("apprise could not deliver it", unsure=True)

    def _ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        try:
            done = subprocess.run(  # noqa: S603 - our own module
                # -P: a folder `monitor` where bgmon was started is not ours.
                [sys.executable, "-P", "-m", _CHILD],
                input=json.dumps(request).encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=deadline,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotifyError(f"no answer within {deadline:.0f} s", unsure=True) from None
        except OSError as error:
            raise NotifyError(f"apprise could not be started: {error.strerror}") from None
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            raise NotifyError(f"apprise ended with exit code {done.returncode}", unsure=True) from None
        return answer if isinstance(answer, dict) else {}
