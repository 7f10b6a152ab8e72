"""The `notify:` section: whom the daemon tells."""

from __future__ import annotations

from monitor.config.base import Duration, Model


class NotifySection(Model):
    urls: tuple[str, ...] = ()
    group: Duration = 10.0
    repeat: Duration = 14400.0
