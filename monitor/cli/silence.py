"""`bgmon silence`."""

from __future__ import annotations

import difflib
import fnmatch
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, get_args

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json, table
from monitor.cli.remote import documents, on_hosts
from monitor.cli.services import complete_service
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.domain.alerting.open_alerts import Silence

LONGEST: Final = 30 * 86400.0


@click.command("silence")
@click.argument("pattern", required=False, shell_complete=complete_service)
@click.option("--for", "duration", metavar="DURATION", help="How long: 30m, 2h, 24h.")
@click.option("--reason", default="", help="Why; shown in the list.")
@click.option("--lift", type=click.IntRange(1, 2**53), metavar="ID", help="End a silence before its time.")
@json_option
@pass_settings
@on_hosts(documents())
def command(
    settings: Settings, *, pattern: str | None, duration: str | None, reason: str, lift: int | None, as_json: bool
) -> None:
    """Keep the alerts of PATTERN quiet for a while; without PATTERN, list what is silenced.

    PATTERN is a service, a glob ('web-*', '*'), or for the host's own alerts their kind (engine-down, peer-down).
    Healing goes on. What still fires when the silence ends is told then.

    \b
    Examples:
      bgmon silence core --for 2h --reason "database moves house"
      bgmon silence '*' --for 30m --reason "kernel update"
      bgmon silence
      bgmon silence --lift 3
    """
    app = settings.app()
    now = time.time()
    if lift is not None:
        if pattern is not None or duration is not None:
            raise UsageError("--lift stands alone", hint="bgmon silence --lift ID")
        if not app.alert_store.lift(lift, now):
            raise UsageError(f"there is no silence {lift}", hint="see: bgmon silence")
        _say(as_json, {"lifted": lift}, f"silence {lift} is lifted")
    elif pattern is None:
        if duration is not None:
            raise UsageError("what is to be silenced?", hint="bgmon silence SERVICE --for 2h")
        _list(app.alert_store.silences(now), as_json=as_json)
    else:
        silence = _silence(app, pattern, duration, reason, now)
        until = time.strftime("%Y-%m-%d %H:%M", time.localtime(silence.until))
        _say(as_json, {"silence": asdict(silence)}, f"silence {silence.id}: {pattern} until {until}")


def _silence(app: App, pattern: str, duration: str | None, reason: str, now: float) -> Silence:
    from monitor.adapters.host.locks import who
    from monitor.config.base import parse_duration

    if duration is None:
        raise UsageError("how long?", hint=f"bgmon silence {pattern} --for 2h")
    try:
        seconds = parse_duration(duration)
    except ValueError as error:
        raise UsageError(f"--for: {error}") from None
    if not 0 < seconds <= LONGEST:
        raise UsageError("--for: more than 0 and at most 30 days (720h): a silence must not be forgotten")
    _known(app, pattern)
    return app.alert_store.silence(pattern, until=now + seconds, reason=reason, by=who(), now=now)


def _known(app: App, pattern: str) -> None:
    """A silence that covers nothing is a typing error, and would let alerts through. Raises UsageError."""
    from monitor.domain.alerting.conditions import ConditionKind

    names = [*app.config.all_services, *(peer.name for peer in app.config.watch.peers), *app.store.services()]
    names += get_args(ConditionKind)
    if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
        close = difflib.get_close_matches(pattern, names, n=1)
        known = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(set(app.config.all_services)))}"
        raise UsageError(f"{pattern!r} matches no service, peer or kind of alert", hint=known)


def _list(silences: list[Silence], *, as_json: bool) -> None:
    if as_json:
        emit_json({"silences": [asdict(silence) for silence in silences]})
    elif not silences:
        click.echo("nothing is silenced")
    else:
        rows = [
            [
                str(silence.id),
                silence.pattern,
                time.strftime("%Y-%m-%d %H:%M", time.localtime(silence.until)),
                silence.by,
                silence.reason,
            ]
            for silence in silences
        ]
        click.echo(table(["ID", "PATTERN", "UNTIL", "BY", "REASON"], rows))


def _say(as_json: bool, document: dict[str, object], text: str) -> None:
    if as_json:
        emit_json(document)
    else:
        click.echo(text)
