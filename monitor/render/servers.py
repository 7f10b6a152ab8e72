"""The servers' own configuration: Grafana's data sources and board folder, Prometheus, Loki."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from monitor.domain import names
from monitor.render.grafana.uid import folder_title, folder_uid
from monitor.render.grafana_alerts import escaped
from monitor.render.rules import RECORD_EVERY
from monitor.render.site import Site, Source
from monitor.render.yamltext import duration, yaml_text

SCRAPE_EVERY: Final = "15s"
BOARDS_IN_GRAFANA: Final = "/etc/grafana/bgmon/dashboards"
TOKEN_FILE: Final = "/run/secrets/bgmon_token"  # noqa: S105 - where it is, not what it is
_LOKI_SINCE: Final = "2024-04-01"  # the first day of the index's schema; earlier lines are refused


def datasources(site: Site) -> dict[str, str]:
    made: dict[Source, dict[str, Any]] = {
        "prometheus": {
            "name": f"bgmon {site.project} Prometheus",
            "type": "prometheus",
            "uid": site.source_uid("prometheus"),
            "orgId": 1,
            "access": "proxy",
            "url": escaped(site.prometheus_url),
            "isDefault": site.default_source,
            "editable": False,
            "jsonData": {"httpMethod": "POST", "manageAlerts": True, "timeInterval": SCRAPE_EVERY},
        },
        "loki": {
            "name": f"bgmon {site.project} Loki",
            "type": "loki",
            "uid": site.source_uid("loki"),
            "orgId": 1,
            "access": "proxy",
            "url": escaped(site.loki_url),
            "editable": False,
            "jsonData": {"manageAlerts": True, "maxLines": 1000, "timeout": 60},
        },
    }
    if site.notify_by == "alertmanager":
        made["alertmanager"] = {
            "name": f"bgmon {site.project} Alertmanager",
            "type": "alertmanager",
            "uid": site.source_uid("alertmanager"),
            "orgId": 1,
            "access": "proxy",
            "url": escaped(site.alertmanager_url),
            "editable": False,
            "jsonData": {"implementation": "prometheus", "handleGrafanaManagedAlerts": False},
        }
    sources = [source for name, source in made.items() if name not in site.existing]
    document = {"apiVersion": 1, "prune": True, "datasources": sources}
    provider = {
        "apiVersion": 1,
        "providers": [
            {
                "name": f"bgmon-{site.project}",
                "orgId": 1,
                "folder": folder_title(site.project),
                "folderUid": folder_uid(folder_title(site.project)),
                "type": "file",
                "disableDeletion": False,
                "allowUiUpdates": False,
                "updateIntervalSeconds": 30,
                "options": {"path": BOARDS_IN_GRAFANA, "foldersFromFilesStructure": False},
            }
        ],
    }
    return {
        "grafana/provisioning/datasources/bgmon.yaml": yaml_text(document),
        "grafana/provisioning/dashboards/bgmon.yaml": yaml_text(provider),
    }


def prometheus_files(site: Site) -> dict[str, str]:
    job = _scrape_job(site, "targets/*.json")
    document: dict[str, Any] = {
        "global": {
            "scrape_interval": SCRAPE_EVERY,
            "scrape_timeout": "10s",
            "evaluation_interval": duration(RECORD_EVERY),
        },
        "rule_files": ["rules/*.yml"],
        "scrape_configs": [job],
    }
    if site.notify_by == "alertmanager":
        parts = urlsplit(site.alertmanager_url)
        document["alerting"] = {
            "alertmanagers": [{"scheme": parts.scheme, "static_configs": [{"targets": [parts.netloc]}]}]
        }
    snippet = {"scrape_configs": [_scrape_job(site, "/etc/prometheus/targets/*.json")]}
    targets = [
        {"targets": [host.target], "labels": {"host": host.name, "instance": host.name, "project": site.project}}
        for host in site.hosts
    ]
    return {
        "prometheus/prometheus.yml": yaml_text(document),
        "prometheus/scrape.yml": yaml_text(
            snippet,
            notes="For a Prometheus of your own: name this file under scrape_config_files, or copy the job,\n"
            "and put targets/ where file_sd_configs looks. The rules in rules/ go under rule_files.",
        ),
        f"prometheus/targets/{site.project}.json": json.dumps(targets, indent=2, ensure_ascii=False) + "\n",
    }


def _scrape_job(site: Site, targets: str) -> dict[str, Any]:
    job: dict[str, Any] = {"job_name": names.SCRAPE_JOB, "metrics_path": "/metrics", "scheme": site.scrape_scheme}
    if site.scrape_token:
        job["authorization"] = {"type": "Bearer", "credentials_file": TOKEN_FILE}
    return {**job, "file_sd_configs": [{"files": [targets], "refresh_interval": "1m"}]}


def loki_files(site: Site) -> dict[str, str]:
    """One process, files on disk, tenant `fake`; keys are those of Loki 3.4 and later."""
    port = urlsplit(site.loki_url).port or 3100
    ruler: dict[str, Any] = {
        "storage": {"type": "local", "local": {"directory": "/etc/loki/rules"}},
        "rule_path": "/loki/rules-temp",
        "ring": {"kvstore": {"store": "inmemory"}},
        "enable_api": True,
        "evaluation_interval": "1m",
    }
    if site.notify_by == "alertmanager":
        ruler |= {"alertmanager_url": site.alertmanager_url, "enable_alertmanager_v2": True}
    document = {
        "auth_enabled": False,
        "server": {
            "http_listen_address": "127.0.0.1",
            "http_listen_port": port,
            "grpc_listen_address": "127.0.0.1",
            "grpc_listen_port": 9095,
            "log_level": "warn",
        },
        "common": {
            "instance_addr": "127.0.0.1",
            "path_prefix": "/loki",
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}},
            "storage": {"filesystem": {"chunks_directory": "/loki/chunks", "rules_directory": "/loki/rules"}},
        },
        "schema_config": {
            "configs": [
                {
                    "from": _LOKI_SINCE,
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "limits_config": {
            "retention_period": _hours(site.log_retention),
            "reject_old_samples": True,
            "reject_old_samples_max_age": "168h",
            "max_line_size": "256KB",
            "max_line_size_truncate": True,
            "max_query_series": 5000,
            "max_query_length": "721h",
            "ingestion_rate_mb": 16,
            "ingestion_burst_size_mb": 32,
            "volume_enabled": True,
            "discover_service_name": [],
        },
        "compactor": {
            "working_directory": "/loki/compactor",
            "retention_enabled": True,
            "retention_delete_delay": "2h",
            "delete_request_store": "filesystem",
        },
        "ruler": ruler,
        "query_range": {"results_cache": {"cache": {"embedded_cache": {"enabled": True, "max_size_mb": 100}}}},
        "frontend": {"encoding": "protobuf"},
        "analytics": {"reporting_enabled": False},
    }
    return {"loki/loki.yaml": yaml_text(document)}


def _hours(seconds: float) -> str:
    """Loki's retention is counted in whole hours."""
    return f"{max(24, round(seconds / 3600))}h"


def families() -> Sequence[str]:
    """What `--only` can name: the first folder of a path, and `compose`."""
    return ("grafana", "prometheus", "loki", "promtail", "alloy", "alertmanager", "compose")
