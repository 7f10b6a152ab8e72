"""What people are told of a deploy that ended."""

from __future__ import annotations

from monitor.domain.alerting.conditions import Condition
from monitor.domain.deploy.records import DeployRecord


def news(record: DeployRecord) -> Condition | None:
    """The message; None for what the daemon tells in its own words, and for what was only cleared away."""
    if record.kind == "recreate" or record.result in (None, "aborted"):
        return None
    what = f"the {record.kind} of {record.version} by {record.who}"
    if record.result == "deployed":
        verb = "rolled back to" if record.kind == "rollback" else "now runs"
        return Condition("deployed", record.service, "info", f"{record.service} {verb} {record.version} ({record.who})")
    text = "was switched back" if record.result == "switched-back" else "failed; what served before serves on"
    return Condition("deploy-failed", record.service, "ticket", f"{what} {text}", record.reason)
