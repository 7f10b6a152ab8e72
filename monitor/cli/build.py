"""`bgmon build`."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_event, emit_json
from monitor.errors import BgmonError, UsageError

if TYPE_CHECKING:
    from monitor.config.schema import Config
    from monitor.domain.ci.build import Builder, ImageBuild

_TO_SET: Final = "build: {context: services/core}"


class BuildFailed(BgmonError):
    """Docker could not build or push an image."""


@click.command("build")
@click.argument("services", nargs=-1, metavar="SERVICE...")
@click.option("--all", "everything", is_flag=True, help="Every service that has `build`.")
@click.option("--changed-since", "revision", metavar="REV", help="Those that changed since this git revision.")
@click.option("--tag", metavar="TAG", help="The commit by default, with -dirty behind it when files differ from it.")
@click.option("--push", is_flag=True, help="Bring the images to their registry.")
@click.option("--cache/--no-cache", default=True, show_default=True, help="Keep the build cache in the registry, too.")
@click.option("--builder", type=click.Choice(["auto", "buildx", "plain"]), default="auto", show_default=True)
@click.option("--dry-run", is_flag=True, help="Print the commands, as a script for a shell.")
@json_option
@pass_settings
def command(  # noqa: PLR0917 - click passes them by name
    settings: Settings,
    services: tuple[str, ...],
    everything: bool,
    revision: str | None,
    tag: str | None,
    push: bool,
    cache: bool,
    builder: Literal["auto", "buildx", "plain"],
    dry_run: bool,
    as_json: bool,
) -> int:
    """Build the images of services, as `build` in bgmon.yml says.

    Only the variables that `image` and `build` name must be set.

    \b
    Examples:
      bgmon build core --push                       then: bgmon deploy core --tag $(git rev-parse HEAD)
      bgmon build --changed-since main --push
      bgmon build --all --tag abc --dry-run
    """
    from monitor.cli.changes import changed_in
    from monitor.config.loader import find_file, load_builds
    from monitor.domain.ci.build import commands

    file = find_file(settings.config_file).resolve()
    config = load_builds(file)
    wanted = _wanted(config, services, everything=everything or revision is not None)
    if revision is not None:
        changed = changed_in(config, file, revision)
        wanted = [name for name in wanted if name in changed]
    builds = [_build(config, name, file.parent, tag) for name in wanted]
    # A dry run asks no Docker: what it prints is run elsewhere.
    chosen: Builder = ("buildx" if dry_run or _has_buildx() else "plain") if builder == "auto" else builder
    work = {build.service: commands(build, builder=chosen, push=push, cache=cache) for build in builds}
    if dry_run:
        _print(work, builds, as_json=as_json)
        return 0
    done: list[list[list[str]]] = []
    for build in builds:
        if work[build.service] not in done:  # several services may be of one image
            for argv in work[build.service]:
                _run(argv, file.parent, build.service, as_json=as_json)
            done.append(work[build.service])
        if as_json:
            emit_event({"event": "built", "service": build.service, "image": build.image, "pushed": push})
        else:
            click.echo(f"{build.service}: {build.image} is built{' and pushed' if push else ''}")
    if not builds and not as_json:
        click.echo("nothing to build")
    return 0


def _wanted(config: Config, services: tuple[str, ...], *, everything: bool) -> list[str]:
    buildable = [name for name, section in config.services.items() if section.build is not None]
    for name in services:
        if name not in config.services:
            raise UsageError(f"there is no service {name!r}", hint=f"known: {', '.join(config.services)}")
        if name not in buildable:
            raise UsageError(f"{name} has no `build` in bgmon.yml", hint=f"add one, for instance {_TO_SET}")
    if not buildable:
        raise UsageError("no service has `build` in bgmon.yml", hint=f"add one, for instance {_TO_SET}")
    if services:
        return list(dict.fromkeys(services))
    if not everything:
        raise UsageError("which service?", hint="bgmon build core, --all, or --changed-since REV")
    return buildable


def _build(config: Config, name: str, folder: Path, tag: str | None) -> ImageBuild:
    from monitor.domain.ci.build import ImageBuild
    from monitor.domain.names import repository_of

    section = config.services[name].build
    assert section is not None
    revision, dirty = _commit(folder, needed=tag is None)
    return ImageBuild(
        service=name,
        repository=repository_of(config.services[name].image),
        tag=tag or f"{revision}{'-dirty' if dirty else ''}",
        context=section.context,
        dockerfile=section.dockerfile,
        target=section.target,
        args=section.args,
        platforms=section.platforms,
        secrets=section.secrets,
        cache=section.cache,
        revision=None if dirty else revision,
    )


def _commit(folder: Path, *, needed: bool) -> tuple[str | None, bool]:
    """The commit, and whether files differ from it; None where there is no git and none is needed."""
    from monitor.adapters.host.git import Git

    git = Git(folder)
    try:
        commit = git.commit()
        return commit, bool(git.changed(commit))
    except UsageError:
        if needed:
            raise
        return None, False


def _has_buildx() -> bool:
    try:
        done = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False)  # noqa: S607
    except OSError as error:
        raise UsageError(f"docker cannot be started: {error.strerror}", hint="install the Docker client") from None
    return done.returncode == 0


def _print(work: dict[str, list[list[str]]], builds: list[ImageBuild], *, as_json: bool) -> None:
    if as_json:
        emit_json({"builds": [{"service": b.service, "image": b.image, "commands": work[b.service]} for b in builds]})
        return
    click.echo("#!/bin/sh\nset -eu")
    printed: list[list[list[str]]] = []
    for build in builds:
        click.echo(f"# {build.service}: {build.image}")
        if work[build.service] not in printed:
            for argv in work[build.service]:
                click.echo(shlex.join(argv))
            printed.append(work[build.service])


def _run(argv: list[str], folder: Path, service: str, *, as_json: bool) -> None:
    """Run Docker, what it says line by line: the filter for secrets sees it. With --json it goes to stderr."""
    try:
        process = subprocess.Popen(  # noqa: S603 - docker, with what bgmon.yml says
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise UsageError(f"docker cannot be started: {error.strerror}", hint="install the Docker client") from None
    last = ""
    try:
        assert process.stdout is not None
        for line in process.stdout:
            last = line.strip() or last
            click.echo(line.rstrip("\n"), err=as_json)
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
    if code:
        what = "push" if argv[1] == "push" else "build"
        raise BuildFailed(f"{service}: docker {what} ended with exit code {code}: {last}")
