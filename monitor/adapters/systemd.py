"""sd_notify(3): readiness, progress and one line of status."""

from __future__ import annotations

import sdnotify


class Systemd:
    """The ServiceManager port; without NOTIFY_SOCKET in the environment it does nothing."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()

    def ready(self) -> None:
        self._notifier.notify("READY=1")

    def alive(self, status: str) -> None:
        self._notifier.notify(f"WATCHDOG=1\nSTATUS={status}")

    def reloading(self) -> None:
        self._notifier.notify("STATUS=reading bgmon.yml again")

    def stopping(self) -> None:
        self._notifier.notify("STOPPING=1")
