"""The deploy part of bootstrap: the parts of a swap, and who is told of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from monitor.adapters.host.clock import SystemClock
from monitor.adapters.host.facts import LocalHost
from monitor.adapters.host.hooks import HookFolder
from monitor.adapters.host.locks import who
from monitor.adapters.http.prober import BlockingProber
from monitor.domain.deploy.news import news
from monitor.domain.deploy.records import DeployRecord
from monitor.errors import BgmonError
from monitor.services.deploy.deps import DeployDeps, DeployEvent, Emit

if TYPE_CHECKING:
    from monitor.bootstrap import App

_CHAT_SECONDS = 5.0


def make_parts(app: App, emit: Emit, *, cancelled: Callable[[], bool], chat: bool) -> DeployDeps:
    """Everything that deploys are made of.

    Args:
        app: where the adapters come from.
        emit: is told what happens.
        cancelled: says whether somebody wants it to end.
        chat: whether people are told of each deploy; the daemon tells its own.
    """
    return DeployDeps(
        project=app.project,
        engine=app.engine,
        own=app.own,
        proxy=app.proxy,
        store=app.store,
        locks=app.locks,
        secrets=app.secrets,
        hooks=HookFolder(app.folder / ".bgmon" / "hooks", app.folder),
        host=LocalHost(),
        prober=BlockingProber(),
        clock=SystemClock(),
        port_range=app.config.proxy.ports,
        routes=app.routes,
        who=who(),
        emit=emit,
        cancelled=cancelled,
        stats=app.request_stats,
        announce=_announcer(app, emit, chat=chat),
    )


def _announcer(app: App, emit: Emit, *, chat: bool) -> Callable[[DeployRecord], None]:
    """Marks a deploy on the boards and tells people; what goes wrong is a warning, never a failed deploy."""
    notify, logs, grafana = app.config.notify, app.config.logs, app.config.generate.grafana

    def announce(record: DeployRecord) -> None:
        problems: list[str] = []
        if logs.source == "loki" or grafana.token:
            problems += app.annotations.announce(record)
        if chat and (notify.urls or notify.alertmanager):
            problems += _tell(app, record)
        for problem in problems:
            emit(DeployEvent("warning", record.service, time.time(), problem))

    return announce


def _tell(app: App, record: DeployRecord) -> list[str]:
    condition = news(record)
    if condition is None:
        return []
    try:
        app.alerting.manager.tell(condition, time.time())
        app.alerting.drain(_CHAT_SECONDS)  # a running daemon delivers it; without one, we do
    except BgmonError as error:
        return [f"chat could not be told: {error}"]
    return []
