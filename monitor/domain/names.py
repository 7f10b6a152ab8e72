"""Names, labels and metric ids: the only place that spells them."""

from __future__ import annotations

import re
from typing import Final, Literal

Color = Literal["blue", "green"]
COLORS: Final[tuple[Color, Color]] = ("blue", "green")

# Labels on every container bgmon starts. They are for people, shippers and filters; whether a container is bgmon's own,
# its recorded id alone decides (domain/own.py).
LABEL_PROJECT: Final = "bgmon.project"
LABEL_SERVICE: Final = "bgmon.service"
LABEL_COLOR: Final = "bgmon.color"
LABEL_VERSION: Final = "bgmon.version"
LABEL_DEPLOY: Final = "bgmon.deploy"
LABEL_MADE: Final = "bgmon.made"  # a random word; says which container it is while its id is not on record yet
LABEL_POOL: Final = "bgmon.pool"  # on networks: the address pool that the subnet was cut out of
LABEL_TASK: Final = "bgmon.task"  # on containers of tasks: SERVICE/NAME; they do not carry the service's label
LABEL_KIND: Final = "bgmon.kind"  # "app" for services, "access" for the proxy, whose output is the access log

KIND_APP: Final = "app"
KIND_ACCESS: Final = "access"
KIND_TASK: Final = "task"

# A legal name is a DNS label's worth of what Docker, HAProxy and Prometheus all take without escaping.
MAX_NAME: Final = 63
NAME_PATTERN: Final = r"^[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?$"
_NAME = re.compile(NAME_PATTERN)
RESERVED_SERVICES: Final = frozenset({"proxy"})

# Metric ids of the daemon. Labels stand behind each; none of them grows without bound.
METRIC_REQUESTS: Final = "bgmon_http_requests_total"  # service, code
METRIC_DURATION: Final = "bgmon_http_request_duration_seconds"  # service; histogram
METRIC_LOG_LINES: Final = "bgmon_log_lines_total"  # service
METRIC_LOG_UNPARSED: Final = "bgmon_log_lines_unparsed_total"  # service
METRIC_LOG_EVENTS: Final = "bgmon_log_events_total"  # service, event
METRIC_LOG_SOURCE_UP: Final = "bgmon_log_source_up"
METRIC_LOG_SOURCE_LAG: Final = "bgmon_log_source_lag_seconds"
METRIC_LOG_SOURCE_WARNINGS: Final = "bgmon_log_source_warnings_total"
METRIC_PROBE_SUCCESS: Final = "bgmon_probe_success"  # service
METRIC_PROBE_DURATION: Final = "bgmon_probe_duration_seconds"  # service; the last probe's
METRIC_SERVICE_STATE: Final = "bgmon_service_state"  # service, state; 1 for the state it is in, 0 for the others
METRIC_SERVICE_INFO: Final = "bgmon_service_info"  # service, color, version; 1 for what runs now, the rest is removed
METRIC_MAINTENANCE: Final = "bgmon_service_maintenance"  # service
METRIC_RESTARTS: Final = "bgmon_restarts_total"  # service, reason
METRIC_OOM_KILLS: Final = "bgmon_container_oom_kills_total"  # service
METRIC_EXITS: Final = "bgmon_container_exits_total"  # service, cause
METRIC_RESTART_BUDGET: Final = "bgmon_restart_budget_remaining"  # service
METRIC_CONTAINER_MEMORY: Final = "bgmon_container_memory_bytes"  # service
METRIC_CONTAINER_MEMORY_LIMIT: Final = "bgmon_container_memory_limit_bytes"  # service
METRIC_CONTAINER_CPU: Final = "bgmon_container_cpu_seconds_total"  # service
METRIC_CONTAINER_CPU_LIMIT: Final = "bgmon_container_cpu_limit_cores"  # service
METRIC_DEPLOYS: Final = "bgmon_deploys_total"  # service, result
METRIC_DEPLOY_DURATION: Final = "bgmon_deploy_duration_seconds"  # service; the last deploy's
METRIC_LAST_DEPLOY: Final = "bgmon_last_deploy_timestamp_seconds"  # service
METRIC_ALERTS_SENT: Final = "bgmon_alerts_sent_total"  # result
METRIC_ALERTS_FIRING: Final = "bgmon_alerts_firing"  # severity
METRIC_ENGINE_UP: Final = "bgmon_engine_up"
METRIC_PROXY_UP: Final = "bgmon_proxy_up"
METRIC_PROXY_LOG_LOST: Final = "bgmon_proxy_log_lines_lost_total"
METRIC_CERTIFICATE_EXPIRY: Final = "bgmon_certificate_expiry_timestamp_seconds"  # name, service, source: auto, file
METRIC_CERTIFICATE_LIFETIME: Final = "bgmon_certificate_lifetime_seconds"  # name, service, source
METRIC_JOB_RUNS: Final = "bgmon_job_runs_total"  # name, result
METRIC_JOB_MISSED: Final = "bgmon_job_missed_total"  # name
METRIC_JOB_SUCCESS: Final = "bgmon_job_success"  # name; 1 when the last run ended well
METRIC_JOB_RUNNING: Final = "bgmon_job_running"  # name
METRIC_JOB_DURATION: Final = "bgmon_job_duration_seconds"  # name; the last run's
METRIC_JOB_LAST_SUCCESS: Final = "bgmon_job_last_success_timestamp_seconds"  # name
METRIC_JOB_NEXT: Final = "bgmon_job_next_timestamp_seconds"  # name
METRIC_PEER_UP: Final = "bgmon_peer_up"  # peer
METRIC_HOST_DISK_FREE: Final = "bgmon_host_disk_free_bytes"  # mount: where Docker's data is
METRIC_HOST_DISK_SIZE: Final = "bgmon_host_disk_size_bytes"  # mount
METRIC_HOST_MEMORY_AVAILABLE: Final = "bgmon_host_memory_available_bytes"
METRIC_HOST_MEMORY_SIZE: Final = "bgmon_host_memory_size_bytes"
METRIC_HOST_CPU: Final = "bgmon_host_cpu_seconds_total"  # mode: busy, idle
METRIC_HOST_LOAD: Final = "bgmon_host_load1"
METRIC_BUILD_INFO: Final = "bgmon_build_info"  # version

# The scrape job, recording rules and data sources of the generated files. Rules carry project, service and slo
# (availability or latency); a window (5m, 1h) follows the names that end in `rate`.
SCRAPE_JOB: Final = "bgmon"
RECORD_SLO_TOTAL: Final = "bgmon:slo_total:rate5m"  # requests a second
RECORD_SLO_BAD: Final = "bgmon:slo_bad:rate5m"  # of those, the ones that miss the objective
RECORD_SLO_OBJECTIVE: Final = "bgmon:slo_objective:ratio"
RECORD_SLO_ERRORS: Final = "bgmon:slo_errors:ratio_rate"  # share of bad requests
RECORD_SLO_BURN: Final = "bgmon:slo_burn:ratio_rate"  # how many times too fast the budget is spent
SLO_PERIOD: Final = "30d"
SERVICE_BGMON: Final = "bgmon"  # the service label of bgmon's own lines in Loki, such as one for each deploy

# Labels of log streams in Loki, set by the generated shippers and relied on by every query.
LOKI_LABELS: Final = ("project", "host", "service", "kind", "stream")


def name_problem(name: str) -> str:
    """Why `name` cannot name a project or a service; empty when it can."""
    if not name:
        return "is empty"
    if len(name) > MAX_NAME:
        return f"has {len(name)} characters, {MAX_NAME} are allowed"
    if not _NAME.fullmatch(name):
        return "may hold a-z, 0-9, '-', '_' and '.', and must begin and end with a letter or a digit"
    return ""


def container_name(project: str, service: str, color: Color) -> str:
    return f"{project}-{service}-{color}"


def proxy_container_name(project: str) -> str:
    return f"{project}-proxy"


def network_name(project: str) -> str:
    """The project's own network, which every container of it joins from its start."""
    return project


def slots_network_name(project: str) -> str:
    """The network of the slots' fixed addresses where the project's own was made without a subnet of bgmon's choice."""
    return f"{project}-slots"


def services_network_name(project: str) -> str:
    """The internal network on which `core` is the color of core that has passed its gate."""
    return f"{project}-services"


def other(color: Color) -> Color:
    return "green" if color == "blue" else "blue"


def version_of(reference: str) -> str:
    """The version shown for an image reference: its tag, else the head of its digest, else `latest`.

    >>> version_of("reg.example.com:5000/shop/core:abc")
    'abc'
    >>> version_of("core@sha256:0123456789abcdef")
    '0123456789ab'
    """
    name, _, digest = reference.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if tag:
        return tag
    return digest.partition(":")[2][:12] if digest else "latest"


def repository_of(reference: str) -> str:
    """The repository of an image reference, without tag and digest.

    >>> repository_of("reg.example.com:5000/shop/core:abc")
    'reg.example.com:5000/shop/core'
    """
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]
