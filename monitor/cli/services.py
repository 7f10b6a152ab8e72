"""What the commands that name services share: finding them, running them side by side, saying what happens."""

from __future__ import annotations

import difflib
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from monitor.cli.context import Settings
from monitor.errors import BgmonError, UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.domain.deploy.spec import ServiceSpec

T = TypeVar("T")
MOST_AT_ONCE = 8


def known_services(app: App) -> list[str]:
    """Configured or deployed."""
    return sorted({*app.specs, *app.store.services()})


def require(app: App, name: str) -> str:
    """The name of a configured or deployed service. Raises UsageError with the nearest one."""
    known = known_services(app)
    if name not in known:
        raise UsageError(f"there is no service {name!r}", hint=_nearest(name, known))
    return name


def spec_of(app: App, name: str) -> ServiceSpec:
    """The spec of a configured service. Raises UsageError with the nearest one."""
    spec = app.specs.get(name)
    if spec is None:
        raise UsageError(
            f"there is no service {name!r} in {app.config_file.name}", hint=_nearest(name, sorted(app.specs))
        )
    return spec


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within the block, the first Ctrl-C or SIGTERM asks for an orderly end; the second one is not held back."""
    asked = threading.Event()
    previous: dict[int, Any] = {}

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(number, previous[number])
        click.echo("interrupted: coming to an orderly end (again to stop at once)", err=True)

    for number in (int(signal.SIGINT), int(signal.SIGTERM)):
        previous[number] = signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def side_by_side(jobs: dict[str, Callable[[], T]], *, at_once: int = MOST_AT_ONCE) -> dict[str, T | BgmonError]:
    """Run a job for each service, at the same time; what each gave, or the error it ended with."""

    def guarded(job: Callable[[], T]) -> T | BgmonError:
        try:
            return job()
        except BgmonError as error:
            return error

    if len(jobs) == 1:
        return {name: guarded(job) for name, job in jobs.items()}
    with ThreadPoolExecutor(max_workers=min(len(jobs), at_once)) as pool:
        futures = {name: pool.submit(guarded, job) for name, job in jobs.items()}
        return {name: future.result() for name, future in futures.items()}


def worst_exit(results: dict[str, Any]) -> int:
    """The exit code for several services: the highest of their errors, 0 when all went well."""
    return max((result.exit_code for result in results.values() if isinstance(result, BgmonError)), default=0)


def complete_service(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion of service names; silent when bgmon.yml can't be read."""
    try:
        app = Settings(config_file=ctx.find_root().params.get("config_file"), verbose=0).app()
        return [name for name in known_services(app) if name.startswith(incomplete)]
    except BgmonError:
        return []


def service_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """One SERVICE, completed by the shell."""
    return click.argument("service", shell_complete=complete_service)(function)
