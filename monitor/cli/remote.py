"""Commands on other hosts: on one (`-H`), or on all that they concern (`--hosts`), whose answers come together."""

from __future__ import annotations

import functools
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli import ARGV
from monitor.cli.context import Settings
from monitor.cli.output import emit_json
from monitor.domain.remotejob import LASTING, octets_of
from monitor.errors import BgmonError, UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.ports.hosts import OnPiece

_NAMING: Final = ("service", "services", "words", "pattern")  # parameters of commands that may name services
_MOST_AT_ONCE: Final = 32


def run_remote(app: App, host: str, argv: list[str]) -> int:
    """Run a command on one host; its exit code. Raises UsageError, UnreachableError."""
    section = app.config.hosts.get(host)
    if section is None or section.ssh is None:
        known = ", ".join(name for name, item in app.config.hosts.items() if item.ssh) or "none"
        raise UsageError(f"{host!r} is no host with an ssh address", hint=f"known: {known}")
    if argv[:1] == ["deploy"] and "--here" not in argv:
        argv = ["deploy", "--here", *argv[1:]]
    services = [item.partition("=")[0] for item in argv]
    return app.hosts().run(host, argv, _pass_on, services=services, job=job_name(argv))


def job_name(argv: Sequence[str]) -> str | None:
    """What makes a command that changes a host outlive its connection; None for all others."""
    if argv[0] not in LASTING:
        return None
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}.{argv[0]}"


def _pass_on(stream: str, piece: str) -> None:
    target = sys.stdout if stream == "out" else sys.stderr
    target.buffer.write(octets_of(piece))
    target.buffer.flush()


@dataclass
class Asked:
    """A command that goes to several hosts."""

    app: App
    settings: Settings
    hosts: list[str]
    argv: list[str]
    as_json: bool
    params: Mapping[str, Any]
    errors: dict[str, BgmonError] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def with_json(self) -> list[str]:
        """Before the command's own arguments, which may be another program's."""
        depth = len(click.get_current_context().command_path.split()) - 1
        return self.argv if self.as_json else [*self.argv[:depth], "--json", *self.argv[depth:]]

    def each(self, argv: list[str], on: Callable[[str], OnPiece], *, at_once: int = _MOST_AT_ONCE) -> dict[str, int]:
        """Run it on every host at the same time; exit codes. A host that does not answer is in `errors`."""
        hosts = self.app.hosts()
        services = [value for value in argv if value in self.app.specs]

        def one(host: str) -> int:
            try:
                return hosts.run(host, argv, on(host), services=services, job=job_name(argv))
            except BgmonError as error:
                with self._lock:
                    self.errors[host] = error
                return error.exit_code

        with ThreadPoolExecutor(max_workers=min(len(self.hosts), at_once)) as pool:
            return dict(zip(self.hosts, pool.map(one, self.hosts), strict=True))

    def end(self, codes: Mapping[str, int]) -> int:
        """Say which hosts did not answer; the exit code of all."""
        for host, error in self.errors.items():
            click.secho("no answer: ", fg="red", bold=True, nl=False, err=True)
            text = str(error)
            click.echo(text if text.startswith(host) else f"{host}: {text}", err=True)
            if error.hint:
                click.echo(f"  -> {error.hint}", err=True)
        return max(codes.values(), default=0)


Merge = Callable[[Asked], int]


def on_hosts(merge: Merge) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a command `--hosts`: it goes to every host it concerns, and `merge` brings their answers together."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        text = "Ask these hosts, or `all`; by default all hosts of the service, or this one when it is among them."

        @click.option("--hosts", metavar="all|NAME,...", help=text)
        @functools.wraps(function)
        def wrapped(settings: Settings, *args: Any, hosts: str | None, **params: Any) -> Any:
            app = settings.app()
            chosen = _chosen(app, hosts, params)
            if not chosen:
                return function(settings, *args, **params)
            argv = _without_hosts(click.get_current_context().meta[ARGV], given=hosts is not None)
            return merge(Asked(app, settings, chosen, argv, bool(params.get("as_json")), params))

        return wrapped

    return decorate


def _chosen(app: App, given: str | None, params: Mapping[str, Any]) -> list[str]:
    from monitor.bootstrap.hosts import names_of_this_host
    from monitor.domain.hosts import asked

    if given is None and not app.config.hosts:
        return []
    hosts = {name: section.ssh for name, section in app.config.hosts.items()}
    placed = {name: spec.hosts for name, spec in app.specs.items()}
    named: list[str] = []
    for name in _NAMING:
        value = params.get(name) or ()
        named += [one for one in ((value,) if isinstance(value, str) else value) if one in placed]
    try:
        return asked(hosts, placed, named, names_of_this_host(app.project), given)
    except ValueError as error:
        known = ", ".join(hosts) or "none are declared"
        raise UsageError(f"{error} is no host of {app.config_file.name}", hint=f"known: {known}") from None


def _without_hosts(argv: Sequence[str], *, given: bool) -> list[str]:
    if not given:
        return list(argv)
    place = next(number for number, word in enumerate(argv) if word == "--hosts" or word.startswith("--hosts="))
    return [*argv[:place], *argv[place + (2 if argv[place] == "--hosts" else 1) :]]


def documents(show: Callable[[dict[str, Any], Mapping[str, Any]], None] | None = None) -> Merge:
    """For commands that print one document: lists come together with the host in each item.

    `show` prints the whole for people, given the parameters; without it, each host's own text stands under its name.
    """

    def merge(asked: Asked) -> int:
        from monitor.services.fleet.lines import Document

        if not asked.as_json and show is None:
            return _texts(asked)
        found: dict[str, Document] = {host: Document() for host in asked.hosts}
        codes = asked.each(asked.with_json(), lambda host: found[host].piece)
        document = together({host: found[host].value() for host in asked.hosts}, codes, asked.errors)
        if asked.as_json:
            emit_json(document)
        elif show is not None:
            show(document, asked.params)
            for host, one in found.items():
                if codes[host] and host not in asked.errors and one.value() is None:
                    click.echo("".join(f"{host}: {line}" for line in one.said), err=True, nl=False)
        return asked.end(codes)

    return merge


def together(found: Mapping[str, Any], codes: Mapping[str, int], errors: Mapping[str, BgmonError]) -> dict[str, Any]:
    """One document out of those of several hosts: `hosts` has what is no list of objects, and who did not answer."""
    merged: dict[str, Any] = {}
    hosts: dict[str, Any] = {}
    for host, document in found.items():
        hosts[host] = {"exit": codes[host]}
        if host in errors:
            hosts[host] |= {"error": str(errors[host]), "hint": errors[host].hint}
        if not isinstance(document, dict):
            continue
        for key, value in document.items():
            if isinstance(value, list) and all(isinstance(item, dict) for item in value):
                merged.setdefault(key, []).extend({"host": host, **item} for item in value)
            else:
                hosts[host][key] = value
    return {**merged, "hosts": hosts}


def _texts(asked: Asked) -> int:
    """Each host's text under its name; that of a single one as it is."""
    if len(asked.hosts) == 1:
        return asked.end(asked.each(asked.argv, lambda _host: _pass_on))
    pieces: dict[str, list[tuple[str, str]]] = {host: [] for host in asked.hosts}
    codes = asked.each(asked.argv, lambda host: lambda stream, piece: pieces[host].append((stream, piece)))
    for host in asked.hosts:
        if host not in asked.errors:
            click.secho(f"{host}:", bold=True)
            sys.stdout.flush()
            for stream, piece in pieces[host]:
                _pass_on(stream, piece)
    return asked.end(codes)


def events(*, at_once: int = _MOST_AT_ONCE) -> Merge:
    """For commands that change services: each host's events as they come."""

    def merge(asked: Asked) -> int:
        from monitor.cli.fleetview import host_reporter
        from monitor.services.fleet.lines import Events

        with host_reporter(asked.hosts, as_json=asked.as_json, verbose=asked.settings.verbose) as tell:
            readers = {host: Events(functools.partial(tell, host)) for host in asked.hosts}
            codes = asked.each(asked.with_json(), lambda host: readers[host].piece, at_once=at_once)
            for host, code in codes.items():
                error = asked.errors.get(host) or (readers[host].error(host, code) if code else None)
                if error is not None:
                    tell(host, {"event": "host", "state": "failed", "text": str(error)})
        return asked.end(codes)

    return merge
