"""`bgmon run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitor import masking
from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import DurationType
from monitor.cli.output import emit_json
from monitor.cli.remote import documents, on_hosts
from monitor.cli.services import complete_service, interruptible, require
from monitor.cli.streams import without_dashes
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.domain.deploy.tasks import TaskRun
    from monitor.domain.jobs import Job
    from monitor.services.deploy.deps import DeployEvent

_CODES = {"done": 0, "timed out": 124, "cut off": 1}  # 124 as `timeout` of coreutils


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("service", required=False, shell_complete=complete_service)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND [ARGS]...")
@click.option("--job", "job", metavar="NAME", help="Run this job of bgmon.yml now instead.")
@click.option(
    "--timeout", type=DurationType(), default="1h", show_default=True, metavar="DURATION", help="Its longest."
)
@json_option
@pass_settings
@on_hosts(documents())
def command(  # noqa: PLR0917 - click passes them by name
    settings: Settings, service: str | None, argv: tuple[str, ...], job: str | None, timeout: float, as_json: bool
) -> int:
    """Run a command once, in a container of its own with the image that SERVICE runs; the exit code is its own.

    It has the service's environment, secrets, volumes, networks and limits, and is gone afterwards. Its output is shown
    as it comes, secrets masked; bgmon tasks keeps the end of it. bgmon exec runs one in the service's own container.

    \b
    Examples:
      bgmon run core -- python manage.py check
      bgmon run --timeout 10m core sh -c 'env | wc -l'
      bgmon run --job nightly
    """
    from monitor.services.jobs import run_by_hand, run_job

    app = settings.app()
    asked = _asked(app, service, without_dashes(argv), job)
    with interruptible() as cancelled:
        deps = app.deps(lambda event: _show(event, as_json=as_json), cancelled=cancelled, chat=False)
        if isinstance(asked, tuple):
            name, words = asked
            run = run_by_hand(deps, name, words, timeout=timeout)
        else:
            name, timeout = asked.like, asked.timeout
            run = run_job(deps, app.backups, asked)
    if as_json:
        emit_json({"service": name, "task": run.id, "result": run.result, "exit": run.exit_code, "output": run.output})
    else:
        _say(run, timeout)
    return run.exit_code if run.exit_code is not None else _CODES[str(run.result)]


def _asked(app: App, service: str | None, argv: tuple[str, ...], job: str | None) -> tuple[str, tuple[str, ...]] | Job:
    if job is None:
        if service is None or not argv:
            hint = "bgmon run SERVICE -- COMMAND, or bgmon run --job NAME"
            raise UsageError("what is to be run is missing", hint=hint)
        return require(app, service), argv
    if service is not None:
        raise UsageError("a job has a service and a command of its own", hint=f"bgmon run --job {job}")
    found = app.jobs.get(job)
    if found is None:
        known = ", ".join(app.jobs) or "there are none"
        raise UsageError(f"there is no job {job!r} in {app.config_file.name}", hint=f"known: {known}")
    return found


def _show(event: DeployEvent, *, as_json: bool) -> None:
    if event.event == "output" and not as_json:
        click.echo(event.text)


def _say(run: TaskRun, timeout: float) -> None:
    from monitor.domain.deploy.tasks import ending

    if run.result in {"timed out", "cut off"}:
        click.echo(masking.clean(f"{run.id} {ending(run, timeout)}"), err=True)
