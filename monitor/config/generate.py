"""The `generate:` section: folders that replace the shipped catalogues."""

from __future__ import annotations

from monitor.config.base import Model


class GenerateSection(Model):
    dashboards: str | None = None
    rules: str | None = None
    promtail: str | None = None
