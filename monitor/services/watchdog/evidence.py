"""What can still be told about a container: its last log lines, its processes, and what was deployed before it."""

from __future__ import annotations

from monitor import masking
from monitor.domain.deploy.records import DeployRecord, Release
from monitor.domain.health.causes import span
from monitor.errors import BgmonError
from monitor.ports.deploys import DeployStore, Secrets
from monitor.ports.engine import Engine
from monitor.services.deploy import evidence


def log_tail(engine: Engine, secrets: Secrets, release: Release, container: str, lines: int) -> str:
    """The last log lines of a release's container, secrets masked; empty when they cannot be had."""
    try:
        masking.learn(secrets.kept(release.deploy) or {})
    except BgmonError:
        return ""  # nothing is shown that could not be masked
    return "\n".join(evidence.log_tail(engine, container, lines=lines))


def processes(engine: Engine, container: str) -> str:
    """`docker top`, secrets masked; empty when it cannot be had."""
    try:
        text = masking.clean("\n".join(engine.top(container)))
        return "\n".join(line[: evidence.LONGEST_LINE] for line in text.split("\n"))
    except BgmonError:
        return ""


def origin(store: DeployStore, release: Release, now: float) -> str:
    """Which version runs, since when, by whom, and what was there before."""
    deploys = store.deploys(release.service, limit=20)
    mine = next((record for record in deploys if record.id == release.deploy), None)
    by = f" by {mine.who}" if mine is not None and mine.who else ""
    before = _before(deploys, release)
    then = f"; before it: {before}" if before else ""
    return f"version {release.version} ({release.image}), deployed {span(max(0.0, now - release.at))} ago{by}{then}"


def _before(deploys: list[DeployRecord], release: Release) -> str:
    for record in deploys:
        if record.result == "deployed" and record.started_at < release.at and record.version != release.version:
            return record.version
    return ""
