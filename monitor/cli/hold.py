"""`bgmon hold`: the part of a host before a rollout begins; it ends with its caller."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import wait_option
from monitor.cli.output import emit_event
from monitor.errors import LockedError

if TYPE_CHECKING:
    from monitor.bootstrap import App


@click.command("hold", hidden=True)
@click.argument("items", nargs=-1, required=True, metavar="SERVICE=IMAGE...")
@click.option("--pull", type=click.Choice(["auto", "always", "never"]), default="auto")
@click.option("--rollout", default="", help="Its id, for whoever finds the service locked.")
@wait_option
@json_option
@pass_settings
def command(settings: Settings, items: tuple[str, ...], *, pull: str, rollout: str, wait: float, as_json: bool) -> None:
    """Keep other rollouts of services away and get their images, until the caller goes.

    \b
    Example:
      bgmon hold core=reg/core:abc
    """
    from monitor.cli.progress import as_document
    from monitor.services.deploy.images import fetch

    del as_json  # only ever read by bgmon
    app = settings.app()
    with contextlib.ExitStack() as stack:
        for name in sorted(item.partition("=")[0] for item in items):
            stack.enter_context(_locked(app, name, rollout, wait))
        emit_event({"event": "held"})
        deps = app.deps(lambda event: emit_event(as_document(event)))
        architecture = deps.engine.info().architecture
        for item in items:
            name, _, image = item.partition("=")
            found = fetch(deps, name, image, pull, architecture=architecture)  # type: ignore[arg-type]
            ready = {"event": "prepared", "service": name, "at": time.time(), "text": "ready to be deployed"}
            emit_event(ready | {"image": found.pinned})
        signal.pause()


@contextlib.contextmanager
def _locked(app: App, service: str, rollout: str, wait: float) -> Iterator[None]:
    try:
        with app.locks.acquire(f"{service}.rollout", wait=wait, purpose=f"rollout {rollout}".strip()):
            yield
    except LockedError as error:
        holder = str(error).partition(": ")[2]
        raise LockedError(f"{service} is being deployed to several hosts: {holder}", hint=error.hint) from None
