"""sd_notify(3): readiness, progress and one line of status."""

from __future__ import annotations

import os

import sdnotify

from monitor import masking


class Systemd:
    """The ServiceManager port; without NOTIFY_SOCKET in the environment it does nothing."""

    def __init__(self) -> None:
        # The library opens a socket even where there is nobody to talk to.
        self._notifier = sdnotify.SystemdNotifier() if os.environ.get("NOTIFY_SOCKET") else None

    def ready(self) -> None:
        self._tell("READY=1")

    def alive(self, status: str) -> None:
        self._tell(f"WATCHDOG=1\nSTATUS={masking.known(status)}")

    def reloading(self) -> None:
        self._tell("STATUS=reading bgmon.yml again")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        if self._notifier is not None:
            self._notifier.notify(message)
