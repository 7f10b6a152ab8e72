"""Channels out of the configuration."""

from __future__ import annotations

from pathlib import Path

from monitor.adapters.notify.alertmanager import Alertmanager
from monitor.adapters.notify.apprise_channel import AppriseChannel
from monitor.adapters.notify.messages import Messages
from monitor.adapters.notify.webhook import WebhookChannel, native
from monitor.config.notify import NotifySection
from monitor.errors import UsageError
from monitor.ports.notify import AlertSink, Channel


def make_messages(section: NotifySection, *, project: str, host: str, folder: Path) -> Messages:
    """The renderer; `folder` is what notify.templates is relative to. Raises UsageError when it is not there."""
    if section.templates is None:
        return Messages(project, host)
    templates = (folder / section.templates).expanduser()
    if not templates.is_dir():
        raise UsageError(f"notify.templates: {section.templates} is no folder")
    return Messages(project, host, templates)


def make_channels(section: NotifySection, messages: Messages, *, project: str, host: str) -> list[Channel]:
    """One for each URL; nothing is imported or connected yet."""
    channels: list[Channel] = []
    for entry in section.urls:
        url = entry.url.get_secret_value()
        spoken = native(url)
        if spoken is None:
            channels.append(AppriseChannel(url, messages, min_severity=entry.min_severity, name=entry.name))
        else:
            channels.append(
                WebhookChannel(
                    url,
                    *spoken,
                    messages,
                    min_severity=entry.min_severity,
                    name=entry.name,
                    project=project,
                    host=host,
                )
            )
    return channels


def make_sink(section: NotifySection, *, project: str, host: str) -> AlertSink | None:
    """The Alertmanager of the configuration, if any."""
    return None if section.alertmanager is None else Alertmanager(section.alertmanager, project=project, host=host)
