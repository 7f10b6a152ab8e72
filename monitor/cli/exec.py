"""`bgmon exec`."""

from __future__ import annotations

import sys

import click

from monitor import masking
from monitor.cli.containers import active_container
from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json
from monitor.cli.remote import documents, on_hosts
from monitor.cli.services import service_argument
from monitor.cli.streams import without_dashes, write_unmasked


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@service_argument
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND [ARGS]...")
@click.option("-u", "--user", metavar="USER", help="Run as this user.")
@click.option("--raw", is_flag=True, help="Pass its output on as it is: secrets are not masked.")
@json_option
@pass_settings
@on_hosts(documents())
def command(  # noqa: PLR0917 - click passes them by name
    settings: Settings, service: str, argv: tuple[str, ...], user: str | None, raw: bool, as_json: bool
) -> int:
    """Run a command inside a service's running container; the exit code is the command's own.

    Options of bgmon go before SERVICE. Secrets in the output are masked; --raw leaves it as it is, as a dump needs it.

    \b
    Examples:
      bgmon exec core ls -l /data
      bgmon exec -u root core sh -c 'id; env | wc -l'
      bgmon exec --raw db pg_dump shop > shop.sql
    """
    app, argv = settings.app(), without_dashes(argv)
    code, output = app.engine.exec(active_container(app, service).id, argv, user=user)
    if raw and not as_json:
        write_unmasked(output)
        return code
    clean = masking.octets(output)
    if clean is not output:
        click.echo("secrets in the output are masked; --raw leaves it as it is", err=True)
    output = clean
    if as_json:
        emit_json({"service": service, "exit": code, "output": output.decode(errors="replace")})
    else:
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()
    return code
