"""From bgmon.yml to the rules by which each service's log is read."""

from __future__ import annotations

from monitor.config.schema import Config
from monitor.config.service import ServiceSection
from monitor.domain.logs.events import EventRule
from monitor.domain.logs.rules import LogRule


def log_rule(section: ServiceSection) -> LogRule | None:
    """The rule of one service; None when it has no request metrics: turned off, or a worker the proxy does not know."""
    if section.logs.source == "off" or (section.logs.source == "proxy" and section.port is None):
        return None
    threshold = section.slo.latency.threshold if section.slo.latency else None
    return section.logs.rule(health_path=section.health.path, slo_threshold=threshold)


def event_rules(config: Config) -> dict[str, EventRule]:
    """What is counted in each service's own output, besides requests."""
    rules = {name: section.logs.events() for name, section in config.all_services.items()}
    return {name: rule for name, rule in rules.items() if rule is not None}


def log_rules(config: Config) -> dict[str, LogRule]:
    rules = {name: log_rule(section) for name, section in config.all_services.items()}
    return {name: rule for name, rule in rules.items() if rule is not None}
