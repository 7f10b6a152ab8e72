"""`bgmon ci`."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import click

from monitor import __version__
from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.render.ci.pipeline import Provider

_PROVIDERS: Final = ("github", "gitlab", "cloudbuild", "generic")
_BRANCH: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=<>~!:/@\[\]-]*")
_DRIFT: Final = (
    "bgmon generate --check is left out: with placeholders for the variables it finds differences. Run bgmon generate "
    "first, or write the step yourself, with values that make the same files"
)
_NEXT: Final = {
    "github": "read the head of the workflow for the secrets that it needs; zizmor and actionlint find nothing in it",
    "gitlab": "include it in .gitlab-ci.yml: include: [{local: .gitlab/bgmon.yml}]",
    "cloudbuild": "make a trigger that runs cloudbuild.yaml; its head names the secrets",
    "generic": "call it from your pipeline: sh ci/bgmon.sh check, deploy, rollback",
}


@click.group("ci")
def command() -> None:
    """Write a pipeline, and what it needs to know.

    \b
    Examples:
      bgmon ci init github
      bgmon ci changed --since deployed
    """


@command.command("init")
@click.argument("provider", type=click.Choice(_PROVIDERS))
@click.option("--branch", default="main", show_default=True, help="What is deployed when it is pushed.")
@click.option("--install", "requirement", metavar="REQ", default=f"bgmon=={__version__}", show_default=True)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--dry-run", is_flag=True, help="Print them instead of writing them.")
@json_option
@pass_settings
def init(  # noqa: PLR0917 - click passes them by name
    settings: Settings, provider: str, branch: str, requirement: str, force: bool, dry_run: bool, as_json: bool
) -> None:
    """Write the files of a pipeline: check, build what changed, deploy it, roll back by hand.

    Previews on pull requests are not part of it yet.

    \b
    Examples:
      bgmon ci init github
      bgmon ci init gitlab --branch production
      bgmon ci init generic --dry-run
    """
    from monitor.adapters.host.git import Git
    from monitor.config.loader import find_file
    from monitor.config.pipeline import pipeline_of
    from monitor.config.yamlfile import read_text
    from monitor.render.ci.pipeline import pipeline_files

    if not _BRANCH.fullmatch(branch) or not _REQUIREMENT.fullmatch(requirement):
        raise UsageError(f"{branch!r} or {requirement!r} has characters that a pipeline could misread")
    file = find_file(settings.config_file).resolve()
    prefix = Git(file.parent).prefix()
    root = file.parent.joinpath(*[".."] * len(Path(prefix).parts)).resolve()
    text = read_text(file)
    pipeline = pipeline_of(
        text,
        environ=os.environ,
        config=file.relative_to(root).as_posix(),
        branch=branch,
        requirement=requirement,
        generated=(file.parent / _out(text)).is_dir(),
    )
    notes = _notes(pipeline.placeholders is None, built=bool(pipeline.registries))
    if pipeline.generated and pipeline.placeholders is not None and not _up_to_date(file, pipeline.placeholders):
        pipeline = replace(pipeline, generated=False)
        notes.append(_DRIFT)
    files = pipeline_files(pipeline, cast("Provider", provider))
    if dry_run:
        for path, made in files.items():
            click.echo(f"# --- {path}\n{made}", nl=False)
        return
    _write(root, files, force=force)
    if as_json:
        emit_json({"files": sorted(files), "notes": [*notes, _NEXT[provider]]})
        return
    for path in files:
        click.echo(f"{path} is written")
    for note in notes:
        click.echo(f"note: {note}")
    click.echo(f"Next: {_NEXT[provider]}")


def _up_to_date(file: Path, placeholders: dict[str, str]) -> bool:
    """Whether the generated files pass their check with placeholders for all variables, as the pipeline would run it.

    In a process of its own: this one would take the placeholders for secrets and mask them.
    """
    words = [sys.executable, "-P", "-m", "monitor", "-c", str(file), "generate", "--check"]
    environ = {**os.environ, **placeholders}
    return subprocess.run(words, env=environ, capture_output=True, check=False).returncode == 0  # noqa: S603 - ourselves


def _out(text: str) -> str:
    from monitor.config.yamlfile import parse

    data = parse(text, "bgmon.yml").data
    section = data.get("generate") if isinstance(data, dict) else None
    out = section.get("out") if isinstance(section, dict) else None
    return out if isinstance(out, str) else "monitoring"


def _notes(uncheckable: bool, *, built: bool) -> list[str]:
    notes: list[str] = []
    if uncheckable:
        notes.append("bgmon.yml cannot be checked without its real variables: no check of pull requests is written")
    if not built:
        notes.append("no service has `build`: nothing is built, and images of bgmon.yml are deployed as they are")
    return notes


def _write(root: Path, files: dict[str, str], *, force: bool) -> None:
    there = [path for path in files if (root / path).exists()]
    if there and not force:
        raise UsageError(f"{', '.join(there)} is there already", hint="see what would come with --dry-run, or --force")
    for path, text in files.items():
        target = root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            if path.endswith(".sh"):
                target.chmod(0o755)
        except OSError as error:
            raise UsageError(f"{target}: {error.strerror}") from None


@command.command("changed")
@click.option(
    "--since", "revision", required=True, metavar="REV", help="A git revision, or `deployed`: what each runs."
)
@click.option("--tag", metavar="TAG", help="Deploy this tag of what is built; the commit by default.")
@click.option("--output", metavar="FILE", type=click.Path(dir_okay=False), help="Append `build=` and `deploy=` to it.")
@json_option
@pass_settings
def changed(settings: Settings, revision: str, tag: str | None, output: str | None, as_json: bool) -> None:
    """Say which services changed, and why: what to build, and what to deploy.

    With --output, `build` gets the services to build and `deploy` what `bgmon deploy` takes, separated by blanks: as
    GitHub wants its outputs when the file is $GITHUB_OUTPUT, else for a shell.

    \b
    Examples:
      bgmon ci changed --since origin/main
      bgmon ci changed --since deployed --tag "$GITHUB_SHA" --output "$GITHUB_OUTPUT"
    """
    from monitor.adapters.host.git import Git
    from monitor.cli.changes import changed_since
    from monitor.domain.names import repository_of

    app = settings.app()
    reasons = changed_since(app, revision)
    wanted = tag or Git(app.folder).commit()
    built = [name for name in reasons if app.config.services[name].build is not None]
    items = {
        name: f"{repository_of(app.config.services[name].image)}:{wanted}"
        if name in built
        else app.config.services[name].image
        for name in reasons
    }
    if output is not None:
        words = {"build": " ".join(built), "deploy": " ".join(f"{name}={image}" for name, image in items.items())}
        plain = os.environ.get("GITHUB_OUTPUT") == output
        lines = [f"{key}={value if plain else shlex.quote(value)}\n" for key, value in words.items()]
        try:
            with Path(output).open("a", encoding="utf-8") as target:
                target.writelines(lines)
        except OSError as error:
            raise UsageError(f"{output}: {error.strerror}") from None
    if as_json:
        emit_json({"since": revision, "changed": reasons, "build": built, "deploy": items})
        return
    for name, reason in reasons.items():
        click.echo(f"{name}: {reason}")
    if not reasons:
        click.echo(f"nothing changed since {revision}")


@command.command("report")
@click.option("--summary", metavar="FILE", type=click.Path(dir_okay=False), help="Append a summary in Markdown to it.")
@click.option("--annotations", type=click.Choice(["github"]), help="Print the results as this provider's annotations.")
@json_option
def report(summary: str | None, annotations: str | None, as_json: bool) -> int:
    """Read what `bgmon deploy --json` prints, and show it to whoever looks at a pipeline.

    The exit code is that of what is reported: 0 only when every deploy ended well.

    \b
    Example:
      bgmon deploy core --json | bgmon ci report --summary "$GITHUB_STEP_SUMMARY" --annotations github
    """
    from monitor.render.ci.report import Report

    made = Report()
    for line in sys.stdin:
        shown = made.feed(line.rstrip("\n"))
        if not as_json:
            click.echo(shown)
    code = made.finish()
    if as_json:
        emit_json(made.document())
    for line in made.github_annotations() if annotations else ():
        click.echo(line, err=as_json)
    if summary is not None:
        try:
            with Path(summary).open("a", encoding="utf-8") as target:
                target.write(made.markdown())
        except OSError as error:
            click.echo(f"note: {summary}: {error.strerror}", err=True)  # nothing that only reports may fail a deploy
    return code
