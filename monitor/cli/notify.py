"""`bgmon notify`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json
from monitor.errors import NotifyError, UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.ports.notify import Outgoing


@click.group("notify")
def command() -> None:
    """Test the chat channels.

    \b
    Example:
      bgmon notify test
    """


@command.command("test")
@json_option
@pass_settings
def test(settings: Settings, as_json: bool) -> int:
    """Send one message to every channel of bgmon.yml, and say what each answered.

    Your own message templates are tried first. The exit code is 1 when any channel failed.

    \b
    Examples:
      bgmon notify test
      bgmon notify test --json
    """
    app = settings.app()
    if not app.alerting.channels and app.config.notify.alertmanager is None:
        raise UsageError("bgmon.yml names no channel", hint='add: notify: {urls: ["${SLACK_URL}"]}')
    outgoing = _message(app)
    app.wiring.messages.check(outgoing)
    results = []
    for channel in app.alerting.channels:
        results.append((channel.label, _try(partial(channel.send, outgoing, deadline=_deadline(app)))))
        if not as_json:
            _show(*results[-1])
    if app.config.notify.alertmanager is not None:
        results.append(("alertmanager", _try(lambda: _push(app, outgoing))))
        if not as_json:
            _show(*results[-1])
    if as_json:
        emit_json(
            {
                "channels": [
                    {
                        "channel": label,
                        "ok": error is None,
                        "error": str(error or ""),
                        "hint": error.hint if error else "",
                    }
                    for label, error in results
                ]
            }
        )
    return 1 if any(error is not None for _, error in results) else 0


def _deadline(app: App) -> float:
    return app.config.notify.deadline


def _message(app: App) -> Outgoing:
    from monitor.domain.alerting.conditions import Condition
    from monitor.domain.alerting.open_alerts import Message, MessageLine
    from monitor.ports.notify import Outgoing

    now = time.time()
    condition = Condition("test", "", "info", f"this is a test: alerts of {app.project} on {app.host} arrive here")
    return Outgoing(uuid.uuid4().hex, Message(now, (MessageLine("note", condition, now),)))


def _push(app: App, outgoing: Outgoing) -> None:
    from monitor.adapters.notify import make_sink
    from monitor.domain.alerting.open_alerts import Alert

    sink = make_sink(app.config.notify, project=app.project, host=app.host)
    assert sink is not None
    now = time.time()
    alert = Alert(outgoing.message.lines[0].condition, "firing", since=now, moved_at=now)
    sink.push([alert], [], now=now, deadline=_deadline(app))


def _try(send: Callable[[], None]) -> NotifyError | None:
    try:
        send()
    except NotifyError as error:
        return error
    return None


def _show(label: str, error: NotifyError | None) -> None:
    if error is None:
        click.secho("ok      ", fg="green", nl=False)
        click.echo(label)
        return
    click.secho("failed  ", fg="red", nl=False)
    click.echo(f"{label}: {error}")
    if error.hint:
        click.echo(f"  -> {error.hint}")
