"""What deploys are made of, and who is told of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from monitor.adapters.host.clock import SystemClock
from monitor.adapters.host.facts import LocalHost
from monitor.adapters.host.hooks import HookFolder
from monitor.adapters.host.locks import who
from monitor.adapters.http.prober import BlockingProber
from monitor.bootstrap.logs import request_stats
from monitor.bootstrap.proxy import live_proxy
from monitor.domain.deploy.news import news
from monitor.domain.deploy.records import DeployRecord
from monitor.errors import BgmonError
from monitor.services.deploy.deps import DeployDeps, DeployEvent, Emit

if TYPE_CHECKING:
    from monitor.bootstrap.resources import Resources
    from monitor.bootstrap.wiring import Wiring
    from monitor.services.alerting.runner import Alerting

_CHAT_SECONDS = 5.0


def make_deps(
    resources: Resources,
    current: Callable[[], Wiring],
    alerting: Callable[[], Alerting],
    emit: Emit,
    *,
    cancelled: Callable[[], bool],
    chat: bool,
) -> DeployDeps:
    """Everything that deploys are made of.

    Args:
        resources: the project on this host.
        current: bgmon.yml as it is now.
        alerting: who tells people.
        emit: is told what happens.
        cancelled: says whether somebody wants it to end.
        chat: whether people are told of each deploy; the daemon tells its own.
    """
    return DeployDeps(
        project=resources.project,
        engine=resources.engine,
        own=resources.own,
        proxy=live_proxy(current),
        store=resources.store,
        locks=resources.locks,
        tasks=resources.tasks,
        secrets=resources.secrets,
        hooks=HookFolder(resources.folder / ".bgmon" / "hooks", resources.folder),
        host=LocalHost(),
        prober=BlockingProber(resources.secrets.resolve),
        clock=SystemClock(),
        port_range=current().config.proxy.ports,
        reach=current().config.proxy.reach,
        subnet=current().config.proxy.subnet,
        routes=lambda: current().routes(),
        who=who(),
        emit=emit,
        cancelled=cancelled,
        stats=request_stats(current),
        announce=_announcer(current, alerting, emit, chat=chat),
    )


def _announcer(
    current: Callable[[], Wiring], alerting: Callable[[], Alerting], emit: Emit, *, chat: bool
) -> Callable[[DeployRecord], None]:
    """Marks a deploy on the boards and tells people; what goes wrong is a warning, never a failed deploy."""

    def announce(record: DeployRecord) -> None:
        wiring = current()
        notify, logs, grafana = wiring.config.notify, wiring.config.logs, wiring.config.generate.grafana
        problems: list[str] = []
        if logs.source == "loki" or grafana.token:
            problems += wiring.annotations.announce(record)
        if chat and (notify.urls or notify.alertmanager):
            problems += _tell(alerting, record)
        for problem in problems:
            emit(DeployEvent("warning", record.service, time.time(), problem))

    return announce


def _tell(alerting: Callable[[], Alerting], record: DeployRecord) -> list[str]:
    condition = news(record)
    if condition is None:
        return []
    try:
        alerting().manager.tell(condition, time.time())
        alerting().drain(_CHAT_SECONDS)  # a running daemon delivers it; without one, we do
    except BgmonError as error:
        return [f"chat could not be told: {error}"]
    return []
