"""`bgmon`: the command's root. Subcommands are imported when they are called, so that --help stays fast."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from typing import Any, Final, NoReturn

import click

from monitor import __version__
from monitor.cli import ARGV
from monitor.cli.output import report_error
from monitor.errors import BgmonError

# name -> (module under monitor.cli, one line of help). The command object in the module is called `command`.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "accessory": ("accessory", "Boot, upgrade and look after databases, caches and the like."),
    "build": ("build", "Build the images of services."),
    "certs": ("certs", "Show certificates and when they end, or renew them."),
    "check": ("check", "Check bgmon.yml."),
    "ci": ("ci", "Write a pipeline, and what it needs to know."),
    "completion": ("completion", "Print the shell's completion script."),
    "dashboard": ("dashboard", "Draw a service's board in the terminal, or preview boards as HTML."),
    "deploy": ("deploy", "Replace services by new versions, without losing a request."),
    "dns": ("dns", "Check the services' private names, and write their records."),
    "doctor": ("doctor", "Examine this host and say what is wrong and how to mend it."),
    "exec": ("exec", "Run a command inside a service's container."),
    "generate": ("generate", "Write Grafana, Prometheus, Loki, Promtail and Alloy files."),
    "grafana": ("grafana", "Push boards to Grafana over its HTTP API."),
    "history": ("history", "Show past deploys."),
    "incidents": ("incidents", "Show what failed, why, and what was done."),
    "init": ("init", "Write a first bgmon.yml."),
    "install": ("install", "Print or install the daemon's systemd unit."),
    "jobs": ("jobs", "Show the jobs, when each runs next and how its last run ended."),
    "logs": ("logs", "Show a service's log, or test how a line is parsed."),
    "maintenance": ("maintenance", "Show a friendly 503 page instead of a service."),
    "metrics": ("metrics", "Requests, 5xx share and latency out of the logs."),
    "notify": ("notify", "Test the chat channels."),
    "proxy": ("proxy", "Start, look at, reload or remove the proxy."),
    "prune": ("prune", "Remove old images and orphaned containers of this project."),
    "remove": ("remove", "Take a service off this host."),
    "restart": ("restart", "Restart a service's container."),
    "rollback": ("rollback", "Go back to the last good version, or a given one."),
    "run": ("run", "Run a command once, in the image that a service runs."),
    "schema": ("schema", "Print the JSON Schema of bgmon.yml, for editors."),
    "server": ("server", "Make machines hosts of this project, upgrade them, or take bgmon off."),
    "silence": ("silence", "Keep alerts quiet for a while."),
    "start": ("start", "Start a service that was stopped."),
    "status": ("status", "Show what runs, in which color and version."),
    "stop": ("stop", "Stop a service, and keep it stopped."),
    "tasks": ("tasks", "Show the release commands and jobs that ran, and their output."),
    "top": ("top", "A live view of the services in the terminal."),
    "version": ("version", "Print the version."),
    "watch": ("watch", "Run the watchdog daemon."),
}

HIDDEN: Final = frozenset({"hold", "job", "release"})  # for bgmon itself, on other hosts


class LazyGroup(click.Group):
    """Knows its commands by name and help, and imports one when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN:
            return None
        module = importlib.import_module(f"monitor.cli.{COMMANDS[cmd_name][0] if cmd_name in COMMANDS else cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """With --host, everything after it is another host's to run."""
        host = ctx.params.get("host")
        # click 8.2 renamed it
        head = getattr(ctx, "_protected_args", None) or ctx.protected_args
        argv = [*head, *ctx.args]
        ctx.meta[ARGV] = argv
        if not host:
            return super().invoke(ctx)
        from monitor.bootstrap import build  # kept out of --help's imports
        from monitor.cli.remote import run_remote

        if not argv:
            raise click.UsageError("--host NAME goes before a command")
        return run_remote(build(ctx.params.get("config_file")), host, argv)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(COMMANDS.items())])


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 locked, 4 engine or proxy unreachable.",
)
@click.option("-c", "--config", "config_file", metavar="FILE", envvar="BGMON_CONFIG", help="bgmon.yml, if not found.")
@click.option("-H", "--host", metavar="NAME", help="Run the command on this host of bgmon.yml, over ssh.")
@click.option("-v", "--verbose", count=True, help="Say more; twice for every call to the engine and the proxy.")
@click.version_option(__version__, "--version", prog_name="bgmon")
@click.pass_context
def cli(ctx: click.Context, config_file: str | None, host: str | None, verbose: int) -> None:
    """Blue-green deploys, self-healing and metrics for teams on plain Docker hosts.

    \b
    Examples:
      bgmon init                                  write a first bgmon.yml
      bgmon deploy core --image reg/core:abc      replace core without losing a request
      bgmon status                                what runs, in which color and version
    """
    from monitor.cli.context import Settings  # kept out of --help's imports

    del host  # LazyGroup.invoke has dealt with it
    if verbose > 1:
        import logging  # kept out of --help's imports

        logging.basicConfig(format="%(message)s", stream=sys.stderr)
        logging.getLogger("monitor.adapters").setLevel(logging.DEBUG)
    ctx.obj = Settings(config_file=config_file, verbose=verbose)


def main(arguments: list[str] | None = None) -> Any:
    """Entry point: runs the command and turns errors into one message and an exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # Imports make many objects that all stay; looking through them again and again is a tenth of a command's time.
    gc.set_threshold(50_000, 20, 50)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for some reads every package's metadata
    try:
        code = cli.main(args=arguments, prog_name="bgmon", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BgmonError as error:
        report_error(error, as_json="--json" in arguments)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (head, less) went away: nothing is wrong, and there is nobody to tell.
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def run() -> NoReturn:
    """The program: as `main`, without taking the interpreter apart at its end, which takes as long as `--help`."""
    from monitor.cli import streams

    streams.install()
    code: int | str | None = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)
