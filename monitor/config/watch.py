"""The `watch:` section: the daemon."""

from __future__ import annotations

from monitor.config.base import Duration, Model


class WatchSection(Model):
    listen: str = "127.0.0.1:9180"
    """Where /metrics and the status page are served."""
    reconcile: Duration = 30.0
    """How often everything is looked at again without any event."""
