"""`bgmon deploy`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.changes import SINCE_HELP, changed_since, say_changed
from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import carry_out, wait_option
from monitor.cli.fleet import attach, deploy_on_hosts, split_by_host
from monitor.cli.services import complete_service, spec_of
from monitor.errors import BgmonError, UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.services.deploy.deps import DeployRequest


@dataclass(frozen=True, slots=True)
class _Asked:
    service: str
    image: str | None


@click.command("deploy")
@click.argument("services", nargs=-1, metavar="SERVICE[=IMAGE]...", shell_complete=complete_service)
@click.option("--image", metavar="REF", help="The image to deploy; with several services where all run the same one.")
@click.option("--tag", metavar="TAG", help="This tag of the image that bgmon.yml names, for every service given.")
@click.option("--all", "everything", is_flag=True, help="Every service of bgmon.yml.")
@click.option("--group", metavar="NAME", help="Every service of this group of bgmon.yml.")
@click.option("--each", is_flag=True, help="Each by itself: one that fails does not hold back the others.")
@click.option("--missing", is_flag=True, hidden=True, help="Only what was never deployed.")
@click.option("--changed-since", "revision", metavar="REV", help=SINCE_HELP)
@click.option("--pull", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option("--no-bake", is_flag=True, help="Do not watch green before blue goes.")
@click.option("--no-release", is_flag=True, help="Do not run the service's release command.")
@click.option("--here", is_flag=True, help="Only on this machine, whatever hosts the service has.")
@click.option("--hosts", metavar="NAME,...", help="Only on these of the service's hosts.")
@click.option("--undo", is_flag=True, help="When one host fails, roll back those that were done before.")
@click.option("--attach", "rollout", metavar="ID", help="Show how a rollout went on whose caller was lost.")
@click.option("--resume", is_flag=True, help="Only finish or undo what a killed deploy left.")
@click.option("--dry-run", is_flag=True, help="Print the plan, change nothing.")
@wait_option
@json_option
@pass_settings
def command(  # noqa: PLR0917 - click passes them by name
    settings: Settings,
    services: tuple[str, ...],
    image: str | None,
    tag: str | None,
    everything: bool,
    group: str | None,
    each: bool,
    missing: bool,
    revision: str | None,
    pull: str,
    no_bake: bool,
    no_release: bool,
    here: bool,
    hosts: str | None,
    undo: bool,
    rollout: str | None,
    resume: bool,
    dry_run: bool,
    wait: float,
    as_json: bool,
) -> int:
    """Replace services by new versions, without losing a request.

    The new container starts beside the old one, must get healthy, takes the traffic, is watched for a while, and only
    then the old one finishes its requests and goes. Whatever goes wrong before that, the old one keeps serving.

    Several services that are named, or a group, are deployed together: none takes traffic before all are healthy, and
    no old version goes before all are proven. With --all, --changed-since or --each, each is deployed by itself.

    \b
    Examples:
      bgmon deploy core --image reg.example.com/shop/core:abc
      bgmon deploy core search --tag abc            two services together: both get new versions, or none
      bgmon deploy --group shop --tag abc           all of a group, in the same way
      bgmon deploy core=reg/core:abc search=reg/search:def
      bgmon deploy core --dry-run                   print the plan
      bgmon deploy core --tag abc --hosts vps1      on one of its hosts alone
      bgmon deploy --changed-since deployed --tag $(git rev-parse HEAD)
      bgmon deploy --resume                         settle what a killed deploy left
    """
    app = settings.app()
    if rollout is not None:
        return attach(app, rollout, as_json=as_json, verbose=settings.verbose)
    if resume:
        return _resume(app, services, wait=wait, as_json=as_json)
    asked = [_Asked(name, given or None) for name, _, given in (item.partition("=") for item in services)]
    more = _members(app, group) if group is not None else app.config.services if everything else ()
    asked += [_Asked(name, None) for name in more if name not in {item.service for item in asked}]
    together = len(asked) > 1 and not (each or everything or revision is not None)
    reasons: dict[str, str] | None = None
    if revision is not None:
        found = changed_since(app, revision)
        asked = [item for item in asked or [_Asked(name, None) for name in found] if item.service in found]
        reasons = {item.service: found[item.service] for item in asked}
        if not (dry_run and as_json):
            say_changed(revision, reasons, as_json=as_json)
        if not asked:
            return _show_plan(app, [], reasons, as_json=as_json) if dry_run else 0
    _check_usage(app, asked, image, tag)
    _refuse_accessories(app, [] if here else asked)
    orders = [
        _order(app, item, image=image, tag=_tag(app, item, tag, reasons), pull=pull, no_bake=no_bake, wait=wait)
        for item in asked
    ]
    orders = [
        replace(order, release=not no_release)
        for order in orders
        if not missing or app.store.active(order.spec.name) is None
    ]
    if dry_run:
        return _show_plan(app, orders, reasons, as_json=as_json)
    local, spread = (orders, {}) if here else split_by_host(app, orders, hosts)
    jobs: dict[str, Callable[[Any], Any]] = {}
    if local:
        app.engine.ask_ahead()
    for order in local:
        jobs[order.spec.name] = deploy_job(order)
    code = carry_out(settings, app, jobs, as_json=as_json, together=together) if jobs else 0
    if code or not spread:
        return code
    options = ["--no-release", *(["--no-bake"] if no_bake else []), *([] if together else ["--each"])]
    code = deploy_on_hosts(settings, app, spread, options, undo=undo, as_json=as_json)
    if code and undo and jobs:
        back: dict[str, Callable[[Any], Any]] = {name: _back(name) for name in jobs}
        carry_out(settings, app, back, as_json=as_json)
    return code


def _tag(app: App, item: _Asked, tag: str | None, reasons: dict[str, str] | None) -> str | None:
    """Of what changed, only images that are built here have the tag."""
    section = app.config.services.get(item.service)
    return tag if reasons is None or section is None or section.build is not None else None


def deploy_job(order: DeployRequest) -> Callable[[Any], Any]:
    """What `carry_out` runs for a service."""
    from monitor.services.deploy.deployer import deploy

    return lambda deps: deploy(deps, order)


def _back(service: str) -> Callable[[Any], Any]:
    from monitor.services.deploy.deployer import roll_back

    return lambda deps: roll_back(deps, service, previous=True)


def _refuse_accessories(app: App, asked: list[_Asked]) -> None:
    for item in asked:
        if item.service in app.config.accessories:
            hint = f"bgmon accessory upgrade {item.service}"
            raise UsageError(f"{item.service} is an accessory, which is never swapped", hint=hint)


def _members(app: App, group: str) -> list[str]:
    found = [name for name, section in app.config.services.items() if section.group == group]
    if not found:
        known = ", ".join(sorted({one.group for one in app.config.services.values() if one.group})) or "there is none"
        raise UsageError(f"no service is in the group {group!r}", hint=f"known: {known}")
    return found


def _check_usage(app: App, asked: list[_Asked], image: str | None, tag: str | None) -> None:
    if not asked:
        raise UsageError("which service?", hint="bgmon deploy core --image reg/core:abc, or --all")
    if image is not None and (any(item.image for item in asked) or not _share_image(app, asked)):
        raise UsageError("--image goes with services that run the same image", hint="use SERVICE=IMAGE for several")
    if image is not None and tag is not None:
        raise UsageError("--image and --tag exclude each other")
    names = [item.service for item in asked]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UsageError(f"{', '.join(doubled)} is named twice")


def _share_image(app: App, asked: list[_Asked]) -> bool:
    from monitor.domain.names import repository_of

    return len(asked) == 1 or len({repository_of(spec_of(app, item.service).image) for item in asked}) == 1


def order_of(app: App, service: str, *, image: str | None = None, wait: float = 0.0) -> DeployRequest:
    """A deploy of one service as bgmon.yml has it, with another image if one is given."""
    return _order(app, _Asked(service, image), image=None, tag=None, pull="auto", no_bake=False, wait=wait)


def _order(
    app: App, item: _Asked, *, image: str | None, tag: str | None, pull: str, no_bake: bool, wait: float
) -> DeployRequest:
    from typing import cast

    from monitor.domain.names import repository_of, version_of
    from monitor.services.deploy.deps import DeployRequest, PullPolicy

    spec = spec_of(app, item.service)
    reference = item.image or image or spec.image
    if tag is not None and not item.image:
        reference = f"{repository_of(spec.image)}:{tag}"
    if not reference or any(character.isspace() for character in reference):
        raise UsageError(f"{reference!r} is no image reference")
    if no_bake:
        spec = replace(spec, deploy=replace(spec.deploy, bake=replace(spec.deploy.bake, for_=0.0), canary=()))
    version = version_of(reference)
    return DeployRequest(spec=spec, image=reference, version=version, pull=cast("PullPolicy", pull), wait=wait)


def _show_plan(app: App, orders: list[DeployRequest], reasons: dict[str, str] | None, *, as_json: bool) -> int:
    from monitor.cli.output import emit_json
    from monitor.services.deploy.dry_run import dry_run

    plans = {order.spec.name: dry_run(app.store, order) for order in orders}
    if as_json:
        emit_json({"plan": plans, **({} if reasons is None else {"changed": reasons})})
    else:
        for name, steps in plans.items():
            click.secho(name, bold=True)
            for number, step in enumerate(steps, start=1):
                click.echo(f"  {number}. {step}")
    return 0


def _resume(app: App, services: tuple[str, ...], *, wait: float, as_json: bool) -> int:
    """Settle cut-off deploys, of these services or of all; 3 when somebody holds a lock."""
    from monitor.cli.output import emit_json, report_error
    from monitor.services.deploy.locked import changing

    deps = app.deps(lambda _event: None)
    lines: list[str] = []
    worst = 0
    for service in dict.fromkeys(record.service for record in app.store.unfinished()):
        if services and service not in services:
            continue
        try:
            with changing(deps, service, "recovery", wait=wait) as settled:
                lines += [f"{service}: {line}" for line in settled]
        except BgmonError as error:
            report_error(error, as_json=False)
            worst = max(worst, error.exit_code)
    if as_json:
        emit_json({"recovered": lines})
    else:
        for line in lines or ([] if worst else ["nothing to settle"]):
            click.echo(line)
    return worst
