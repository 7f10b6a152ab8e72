"""Alerts: the outbox, the channels, an Alertmanager."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.bootstrap.resources import Resources
    from monitor.bootstrap.wiring import Wiring
    from monitor.services.alerting.runner import Alerting


def make_alerting(resources: Resources, wiring: Wiring) -> Alerting:
    """Start it, fire into `manager`, stop it. Raises UsageError when notify.templates is no folder."""
    from monitor.adapters.host.clock import SystemClock
    from monitor.adapters.state.resilient_alerts import ResilientAlertStore
    from monitor.services.alerting.runner import Alerting

    return Alerting(
        ResilientAlertStore(resources.alert_store),
        wiring.channels(),
        wiring.sink(),
        wiring.alert_policy(),
        SystemClock(),
        locks=resources.locks,
        deadline=wiring.config.notify.deadline,
    )


def reconfigure(alerting: Alerting, wiring: Wiring) -> None:
    """Take channels and policy out of another wiring. Raises UsageError when notify.templates is no folder."""
    alerting.reconfigure(
        wiring.channels(), wiring.sink(), wiring.alert_policy(), deadline=wiring.config.notify.deadline
    )
