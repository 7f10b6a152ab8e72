"""`bgmon dns`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json, table
from monitor.cli.remote import documents, on_hosts
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.domain.internalnames import InternalName

_PROVIDERS: Final = ("google", "route53", "azure", "hetzner", "digitalocean")


@click.group("dns")
def command() -> None:
    """Private names of services: check them, and write their records.

    A service has one with `internal: core.shop.internal:3000`; it is to point at the services' hosts.
    """


def _show(document: dict[str, Any], _params: Mapping[str, Any]) -> None:
    _print(document.get("names", []))


@command.command("check")
@json_option
@pass_settings
@on_hosts(documents(_show))
def check(settings: Settings, as_json: bool) -> int:
    """Resolve every internal name, on every host, and hold the answers against the hosts of bgmon.yml.

    Exit code 1 when a name points nowhere, at a host that does not serve it, or at an address that is no host's.

    \b
    Example:
      bgmon dns check --hosts all
    """
    from monitor.bootstrap.dns import names_and_answers

    rows = names_and_answers(settings.app().config)
    if as_json:
        emit_json({"names": rows})
    else:
        _print(rows)
    return int(any(row["problem"] for row in rows))


def _print(rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo("no service has an internal name")
        return
    hosts = "host" in rows[0]
    lines = [
        [
            *([row["host"]] if hosts else []),
            row["name"],
            row["service"],
            " ".join(row["addresses"]) or "-",
            row["problem"] or "ok",
        ]
        for row in rows
    ]
    click.echo(table([*(["HOST"] if hosts else []), "NAME", "SERVICE", "ADDRESSES", "VERDICT"], lines))


@command.command("terraform")
@click.argument("provider", type=click.Choice(_PROVIDERS))
@click.option("--zone", metavar="NAME", help="The private zone; by default what all names have in common.")
@click.option("--ttl", type=click.IntRange(1, 86400), default=30, show_default=True, help="Seconds.")
@click.option(
    "--address", "addresses", multiple=True, metavar="HOST=EXPRESSION", help="Terraform's own word for its address."
)
@json_option
@pass_settings
def terraform(  # noqa: PLR0917 - click passes them by name
    settings: Settings, provider: str, zone: str | None, ttl: int, addresses: tuple[str, ...], as_json: bool
) -> None:
    """Print the private zone's records as HCL.

    Hosts given with --address follow that resource: when Terraform makes the machine anew, its record changes in the
    same run. All others get a variable.

    \b
    Examples:
      bgmon dns terraform google > dns.tf
      bgmon dns terraform route53 --address vps1=aws_instance.vps1.private_ip
    """
    from monitor.domain.internalnames import zone_of
    from monitor.render.dns import terraform as render

    app = settings.app()
    names = _names(app)
    expressions = dict(_pair(app, item) for item in addresses)
    zone = zone or zone_of([one.name for one in names])
    try:
        text = render(provider, names, zone.rstrip("."), ttl, expressions)
    except ValueError as error:
        raise UsageError(str(error), hint="name the zone with --zone") from None
    _say(as_json, text)


@command.command("hosts")
@click.option("--dnsmasq", is_flag=True, help="As a file for dnsmasq's conf-dir.")
@json_option
@pass_settings
def hosts(settings: Settings, dnsmasq: bool, as_json: bool) -> None:
    """Print lines for /etc/hosts, or a file for dnsmasq.

    \b
    Examples:
      bgmon dns hosts >> /etc/hosts
      bgmon dns hosts --dnsmasq > /etc/dnsmasq.d/shop.conf
    """
    from monitor.render.dns import dnsmasq as render_dnsmasq
    from monitor.render.dns import hosts_lines

    names = _names(settings.app())
    for one in names:
        unknown = [host for host in one.hosts if host not in one.addresses]
        if unknown:
            raise UsageError(
                f"the private address of {', '.join(unknown)} is not known", hint=f"set hosts.{unknown[0]}.address"
            )
    render: Callable[[list[InternalName]], str] = render_dnsmasq if dnsmasq else hosts_lines
    _say(as_json, render(names))


def _say(as_json: bool, text: str) -> None:
    if as_json:
        emit_json({"text": text})
    else:
        click.echo(text, nl=False)


def _names(app: App) -> list[InternalName]:
    from monitor.bootstrap.dns import names_of

    found = [one for one in names_of(app.config) if one.hosts]
    if not found:
        raise UsageError("no service with hosts has an internal name", hint="internal: core.shop.internal:3000")
    return found


def _pair(app: App, item: str) -> tuple[str, str]:
    host, _, expression = item.partition("=")
    if host not in app.config.hosts or not expression or "\n" in expression:
        raise UsageError(f"--address {item!r}: write HOST=EXPRESSION", hint=f"hosts: {', '.join(app.config.hosts)}")
    return host, expression
