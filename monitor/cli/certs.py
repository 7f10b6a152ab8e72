"""`bgmon certs`."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json, table

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.domain.certificates import CertificateState

_names = click.argument("names", metavar="[NAME]...", nargs=-1)


@click.group("certs", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Show certificates and when they end, renew them, or try the way to them without using it up.

    \b
    Examples:
      bgmon certs                       every certificate, and when it ends
      bgmon certs renew shop.example.com
      bgmon certs test                  against the staging server, whose certificates are thrown away
    """
    if context.invoked_subcommand is None:
        context.invoke(show)


@command.command("list")
@json_option
@pass_settings
def show(settings: Settings, as_json: bool) -> None:
    """Show every certificate of bgmon.yml. Exit code 1 when one has ended or cannot be used.

    \b
    Example:
      bgmon certs list --json
    """
    app = settings.app()
    states = app.certificates_keeper().states()
    now = time.time()
    if as_json:
        emit_json({"certificates": [asdict(state) for state in states]})
    elif not states:
        click.echo("no certificate is declared: `tls: auto` on a route gets one")
    else:
        rows = [[state.name, state.service, state.source, *_words(state, now)] for state in states]
        click.echo(table(["NAME", "SERVICE", "FROM", "ENDS", "RENEWED", "STATE"], rows))
    if any(state.facts is None or state.facts.not_after <= now for state in states):
        click.get_current_context().exit(1)


@command.command("renew")
@_names
@json_option
@pass_settings
def renew(settings: Settings, names: tuple[str, ...], as_json: bool) -> None:
    """Get certificates now, whether or not they are due; without a name, all that come by ACME.

    \b
    Examples:
      bgmon certs renew shop.example.com
      bgmon certs renew --json
    """
    _each(settings.app(), names, as_json, test=False)


@command.command("test")
@_names
@json_option
@pass_settings
def test(settings: Settings, names: tuple[str, ...], as_json: bool) -> None:
    """Go the whole way against proxy.acme.staging, and throw the certificate away: no limit of the real one is used up.

    \b
    Example:
      bgmon certs test shop.example.com
    """
    _each(settings.app(), names, as_json, test=True)


def _each(app: App, names: tuple[str, ...], as_json: bool, *, test: bool) -> None:
    """One after another; the first error, in the end."""
    from monitor.errors import BgmonError, UsageError

    keeper = app.certificates_keeper(staging=test)
    wanted = names or tuple(state.name for state in keeper.states() if state.source == "auto")
    if not wanted:
        raise UsageError("no certificate comes by ACME", hint="`tls: auto` on a route of bgmon.yml does that")
    failed: list[BgmonError] = []
    done: list[dict[str, Any]] = []
    for name in wanted:
        broken = False
        try:
            if test:
                keeper.test(name)
                done.append({"name": name})
                told = f"{name}: the staging server gave a certificate"
            else:
                state = keeper.renew(name)
                done.append(asdict(state))
                told = f"{name}: a new certificate, which ends {_words(state, time.time())[0]}"
        except BgmonError as error:
            broken = True
            failed.append(error)
            told = f"{name}: {error}"
        if not as_json:
            click.echo(told, err=broken)
    if failed:
        raise failed[0]
    if as_json:
        emit_json({"certificates": done})


def _words(state: CertificateState, now: float) -> tuple[str, str, str]:
    if state.facts is None:
        return "", "", f"none: {state.error or 'not got yet'}"
    end = _date(state.facts.not_after)
    renewed = _date(state.renew_at) if state.renew_at is not None else "by hand"
    if state.facts.not_after <= now:
        return end, renewed, "HAS ENDED" + (f": {state.error}" if state.error else "")
    return end, renewed, state.error or "good"


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M")
