"""Which services changed: since a revision, or since what each of them runs."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.output import emit_event
from monitor.errors import BgmonError, UnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from monitor.adapters.host.git import Git
    from monitor.bootstrap import App
    from monitor.config.schema import Config

DEPLOYED: Final = "deployed"
SINCE_HELP: Final = f"What changed since this git revision; `{DEPLOYED}` stands for the commit that each service runs."


def changed_since(app: App, revision: str) -> dict[str, str]:
    """The services that changed, each with the reason in one line.

    Raises:
        UsageError: the revision is not in this clone, or there is no git repository.
        UnreachableError: a host cannot be asked what it runs.
    """
    if revision != DEPLOYED:
        return changed_in(app.config, app.config_file, revision)
    from monitor.adapters.host.git import Git

    git = Git(app.folder)
    git.commit()
    differences = cache(lambda commit: _differences(app.config_file, git, commit))  # services often run the same one
    found: dict[str, str] = {}
    for name, versions in _served(app).items():
        reason = _since_served(app, git, differences, name, versions)
        if reason:
            found[name] = reason
    return found


def changed_in(config: Config, file: Path, revision: str) -> dict[str, str]:
    """As `changed_since`, for a revision."""
    from monitor.adapters.host.git import Git

    git = Git(file.parent)
    commit = git.resolve(revision)
    if commit is None:
        git.commit()
        raise UsageError(
            f"{revision!r} is no commit of this clone", hint="fetch the whole history: git fetch --unshallow"
        )
    differences = _differences(file, git, commit)
    reasons = {name: _reason(config, differences, name) for name in config.services}
    return {name: reason for name, reason in reasons.items() if reason}


def say_changed(revision: str, reasons: dict[str, str], *, as_json: bool) -> None:
    """What is about to be deployed, and why."""
    if not reasons:
        text = f"nothing changed since {revision}"
        if as_json:
            emit_event({"event": "unchanged", "text": text})
        else:
            click.echo(text)
    for name, reason in reasons.items():
        if as_json:
            emit_event({"event": "changed", "service": name, "text": reason})
        else:
            click.echo(f"{name}: {reason}")


@dataclass(frozen=True, slots=True)
class _Differences:
    """Between a commit and what lies here: the files, and the services' sections of bgmon.yml as they are written.

    `folder` is where bgmon.yml is, and `files` are, seen from the root of the repository.
    """

    folder: str
    files: list[str]
    before: Mapping[str, Any]
    now: Mapping[str, Any]


def _differences(file: Path, git: Git, commit: str) -> _Differences:
    from monitor.config.yamlfile import read_text

    folder = git.prefix()
    before = git.text(commit, posixpath.join(folder, file.name))
    return _Differences(folder, git.changed(commit), _sections(before or ""), _sections(read_text(file)))


def _sections(text: str) -> Mapping[str, Any]:
    """None are found where the file could not be read."""
    from monitor.config.roles import expand
    from monitor.config.spelled import as_written
    from monitor.config.yamlfile import parse

    try:
        document = parse(text, "bgmon.yml")
        if expand(document):
            return {}
    except BgmonError:
        return {}
    data = document.data
    services = data.get("services") if isinstance(data, dict) else None
    return as_written(services) if isinstance(services, dict) else {}


def _reason(config: Config, differences: _Differences, name: str) -> str:
    from monitor.domain.ci.changes import Built, touched, why_changed

    section = config.services[name].build
    files: list[str] = []
    if section is not None:
        built = Built(section.context, section.paths, section.dockerfile)
        files = touched(differences.files, built.watched(), differences.folder)
    return why_changed(files, differences.before.get(name), differences.now.get(name))


def _since_served(
    app: App, git: Git, differences: Callable[[str], _Differences], name: str, versions: dict[str, str | None]
) -> str:
    from monitor.domain.names import version_of

    for host, version in versions.items():
        if version is None:
            return f"is not deployed on {host}"
        if app.config.services[name].build is None:
            wanted = version_of(app.specs[name].image)
            if version != wanted:
                return f"{host} runs {version}, bgmon.yml has {wanted}"
            continue
        commit = git.resolve(version)
        if commit is None:
            return f"{host} runs {version}, which is no commit here"
        reason = _reason(app.config, differences(commit), name)
        if reason:
            return f"{reason} since {version[:12]}, which {host} runs"
    return ""


def _served(app: App) -> dict[str, dict[str, str | None]]:
    """Of each service, the version that each of its hosts runs."""
    from monitor.bootstrap.hosts import names_of_this_host
    from monitor.domain.hosts import placement

    declared = {name: section.ssh for name, section in app.config.hosts.items()}
    answers: dict[str, dict[str, str | None]] = {}
    found: dict[str, dict[str, str | None]] = {}
    for name, section in app.config.services.items():
        is_local, others = placement(declared, section.hosts, names_of_this_host(app.project))
        active = app.store.active(name) if is_local else None
        found[name] = {"this machine": active.version if active else None} if is_local else {}
        for host in others:
            if host not in answers:
                answers[host] = _asked(app, host)
            found[name][host] = answers[host].get(name)
    return found


def _asked(app: App, host: str) -> dict[str, str | None]:
    from monitor.services.fleet.lines import Document

    document = Document()
    app.hosts().run(host, ["status", "--json"], document.piece)
    try:
        rows: Sequence[dict[str, Any]] = document.value()["services"]
        return {row["name"]: row["version"] for row in rows}
    except (ValueError, KeyError, TypeError):
        said = "".join(document.said).strip() or "nothing"
        raise UnreachableError(f"{host}: bgmon status answered {said[:200]!r}") from None
