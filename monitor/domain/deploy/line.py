"""A deploy as one line of a log and as a mark on a board."""

from __future__ import annotations

import json
from typing import Any, Final

from monitor.domain.deploy.records import DeployRecord
from monitor.domain.names import KIND_APP, SERVICE_BGMON

EVENT: Final = "deployed"  # the boards' queries look for it
_LONGEST: Final = 200


def deploy_streams(record: DeployRecord, *, project: str, host: str) -> dict[str, Any]:
    """The body of Loki's push API (https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs)."""
    labels = {"project": project, "host": host, "service": SERVICE_BGMON, "kind": KIND_APP, "stream": "stdout"}
    return {"streams": [{"stream": labels, "values": [[str(int(ended(record) * 1e9)), deploy_line(record)]]}]}


def deploy_line(record: DeployRecord) -> str:
    """JSON; `seconds` is how long it took, `reason` the first line of why it ended as it did."""
    fields = {
        "event": EVENT,
        "service": record.service,
        "version": record.version,
        "result": record.result or "unknown",
        "kind": record.kind,
        "who": record.who,
        "seconds": round(ended(record) - record.started_at, 1),
        "deploy": record.id,
        "reason": _first_line(record.reason),
    }
    return json.dumps({key: value for key, value in fields.items() if value != ""}, ensure_ascii=False)


def annotation(record: DeployRecord, *, project: str, host: str) -> dict[str, Any]:
    """The body of Grafana's annotation API; times are milliseconds."""
    tags = ["bgmon", "deploy", f"project:{project}", f"service:{record.service}", f"host:{host}"]
    text = f"{record.service} {record.version}: {record.result or 'unknown'} by {record.who}"
    reason = _first_line(record.reason)
    return {
        "time": int(record.started_at * 1000),
        "timeEnd": int(ended(record) * 1000),
        "tags": [*tags, f"result:{record.result or 'unknown'}"],
        "text": f"{text}: {reason}" if reason else text,
    }


def ended(record: DeployRecord) -> float:
    return record.finished_at if record.finished_at is not None else record.started_at


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:_LONGEST]
