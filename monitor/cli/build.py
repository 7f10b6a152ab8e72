"""`bgmon build`."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from monitor import masking
from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_event, emit_json
from monitor.errors import BgmonError, UsageError

if TYPE_CHECKING:
    from monitor.config.schema import Config
    from monitor.domain.ci.build import Builder, ImageBuild

    _Work = list[tuple[ImageBuild, list[list[str]]]]

_TO_SET: Final = "build: {context: services/core}"
_READABLE: Final = "build.args.{key} holds a secret and can be read in the image; `build.secrets` keeps it out"


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
    commit = _commit(file.parent, needed=tag is None and bool(wanted))
    builds = [_build(config, name, commit, tag) for name in wanted]
    for build in builds:
        masking.learn(build.environ)
        for key in build.environ:
            click.echo(f"{build.service}: {_READABLE.format(key=key)}", err=True)
    # A dry run asks no Docker: what it prints is run elsewhere.
    chosen: Builder = ("buildx" if dry_run or _has_buildx() else "plain") if builder == "auto" else builder
    work = [(build, commands(build, builder=chosen, push=push, cache=cache)) for build in builds]
    if dry_run:
        _print(work, as_json=as_json)
        return 0
    for build, new in _each_image_once(work):
        for argv in new:
            _run(argv, file.parent, build, as_json=as_json)
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


def _build(config: Config, name: str, commit: tuple[str | None, bool], tag: str | None) -> ImageBuild:
    from monitor.domain.ci.build import ImageBuild, hidden_args
    from monitor.domain.names import repository_of

    section = config.services[name].build
    assert section is not None
    revision, dirty = commit
    return ImageBuild(
        service=name,
        repository=repository_of(config.services[name].image),
        tag=tag or f"{revision}{'-dirty' if dirty else ''}",
        context=section.context,
        dockerfile=section.dockerfile,
        target=section.target,
        args=section.args,
        hidden=hidden_args(section.args, config.variables.values()),
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


def _each_image_once(work: _Work) -> Iterator[tuple[ImageBuild, list[list[str]]]]:
    """Each build with the commands that no build before it had: several services may be of one image."""
    seen: list[object] = []
    for build, commands in work:
        same = (commands, build.environ)
        yield build, [] if same in seen else commands
        seen.append(same)


def _print(work: _Work, *, as_json: bool) -> None:
    if as_json:
        emit_json(
            {
                "builds": [
                    {
                        "service": build.service,
                        "image": build.image,
                        "commands": commands,
                        "environment": [*build.environ],
                    }
                    for build, commands in work
                ]
            }
        )
        return
    click.echo("#!/bin/sh\nset -eu")
    for build, commands in _each_image_once(work):
        click.echo(f"# {build.service}: {build.image}")
        if commands and build.environ:
            click.echo(f"# from the environment: {', '.join(build.environ)}")
        for argv in commands:
            click.echo(shlex.join(argv))


def _run(argv: list[str], folder: Path, build: ImageBuild, *, as_json: bool) -> None:
    """Run Docker, what it says line by line: the filter for secrets sees it. With --json it goes to stderr."""
    try:
        process = subprocess.Popen(  # noqa: S603 - docker, with what bgmon.yml says
            argv,
            cwd=folder,
            env={**os.environ, **build.environ},
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
        raise BuildFailed(f"{build.service}: docker {what} ended with exit code {code}: {last}")
