"""compose.yaml: the whole stack on one machine.

Everything uses the host's network and listens on its loopback alone. The daemon listens there too, and opens nothing
to container networks, so that Prometheus can scrape it with no token and no firewall rule; and nothing of the stack
can be reached from outside.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from monitor.render.alertmanager import secret_names
from monitor.render.servers import BOARDS_IN_GRAFANA
from monitor.render.site import Site
from monitor.render.yamltext import yaml_text

# Loki and Promtail: the versions that bgmon's queries and configuration were run against.
IMAGES: Final = {
    "alertmanager": "prom/alertmanager:v0.28.1",
    "alloy": "grafana/alloy:v1.10.1",
    "grafana": "grafana/grafana:12.1.1",
    "loki": "grafana/loki:3.4.6",
    "prometheus": "prom/prometheus:v3.5.0",
    "promtail": "grafana/promtail:3.4.6",
}
ADMIN_PASSWORD: Final = "GRAFANA_ADMIN_PASSWORD"  # noqa: S105 - a variable's name
SCRAPE_TOKEN: Final = "BGMON_WATCH_TOKEN"  # noqa: S105 - a variable's name
_ROOT: Final = "0:0"
_PROVISIONED: Final = tuple(f"provisioning/{kind}" for kind in ("alerting", "dashboards", "datasources"))


def compose_file(site: Site) -> dict[str, str]:
    services = {
        "prometheus": _prometheus(site),
        "loki": _loki(site),
        "grafana": _grafana(site),
        site.shipper: _alloy() if site.shipper == "alloy" else _promtail(),
    }
    if site.notify_by == "alertmanager":
        services["alertmanager"] = _alertmanager(site)
    document = {
        "name": f"bgmon-{site.project.replace('.', '-')}",
        "services": dict(sorted(services.items())),
        "volumes": {f"{name}-data": {} for name in sorted(services)},
        "secrets": {name.lower(): {"environment": name} for name in sorted(_secrets(site))},
    }
    notes = (
        f"Start it with: {ADMIN_PASSWORD}=... docker compose up -d\n"
        "Everything listens on 127.0.0.1; reach Grafana by ssh -L 3000:127.0.0.1:3000, or put TLS before it."
    )
    return {"compose.yaml": yaml_text(document, notes=notes)}


def _secrets(site: Site) -> list[str]:
    made = [ADMIN_PASSWORD]
    if site.scrape_token:
        made.append(SCRAPE_TOKEN)
    return made + (secret_names(site) if site.notify_by == "alertmanager" else [])


def _service(image: str, *, memory: str, cpus: str, health: list[str], **more: Any) -> dict[str, Any]:
    service: dict[str, Any] = {
        "image": IMAGES[image],
        "restart": "unless-stopped",
        "network_mode": "host",
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - inside the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "deploy": {"resources": {"limits": {"cpus": cpus, "memory": memory, "pids": 512}}},
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
        "healthcheck": {
            "test": ["CMD", *health],
            "interval": "30s",
            "timeout": "5s",
            "retries": 3,
            "start_period": "60s",
        },
    }
    if more.get("secrets"):
        # Compose copies secrets that come from the environment into the container, which a read-only root refuses.
        del service["read_only"]
    return {**service, **more}


def _prometheus(site: Site) -> dict[str, Any]:
    address = _address(site.prometheus_url, 9090)
    more: dict[str, Any] = {}
    if site.scrape_token:
        more = {"secrets": [{"source": SCRAPE_TOKEN.lower(), "target": "bgmon_token", "mode": 0o444}]}
    return _service(
        "prometheus",
        memory="1g",
        cpus="1.0",
        health=_wget(f"http://{address}/-/healthy"),
        user="65534:65534",
        command=[
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={round(site.metric_retention / 86400)}d",
            f"--web.listen-address={address}",
        ],
        volumes=["./prometheus:/etc/prometheus:ro", "prometheus-data:/prometheus"],
        stop_grace_period="1m",
        **more,
    )


def _loki(site: Site) -> dict[str, Any]:
    return _service(
        "loki",
        memory="1g",
        cpus="1.0",
        health=["/busybox/wget", "-q", "-O", "/dev/null", f"http://{_address(site.loki_url, 3100)}/ready"],
        user="10001:10001",
        command=["-config.file=/etc/loki/loki.yaml"],
        volumes=["./loki:/etc/loki:ro", "loki-data:/loki"],
        stop_grace_period="1m",
    )


def _grafana(site: Site) -> dict[str, Any]:
    address = _address(site.grafana_url, 3000)
    host, _, port = address.rpartition(":")
    environment: dict[str, str] = {
        "GF_SERVER_HTTP_ADDR": host,
        "GF_SERVER_HTTP_PORT": port,
        "GF_SERVER_ROOT_URL": site.grafana_url,
        "GF_SECURITY_ADMIN_PASSWORD__FILE": f"/run/secrets/{ADMIN_PASSWORD.lower()}",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_LOG_MODE": "console",
        "GF_USERS_ALLOW_SIGN_UP": "false",
    }
    if site.notify_by == "grafana":
        environment |= {
            name: f"${{{name}:?set it, for instance with: bgmon generate --env}}" for name in secret_names(site)
        }
    return _service(
        "grafana",
        memory="512m",
        cpus="1.0",
        health=_wget(f"http://{address}/api/health"),
        user="472:0",
        environment=environment,
        secrets=[ADMIN_PASSWORD.lower()],
        volumes=[
            # One by one: the image has more folders there.
            *(f"./grafana/{kind}:/etc/grafana/{kind}:ro" for kind in _PROVISIONED),
            f"./grafana/dashboards:{BOARDS_IN_GRAFANA}:ro",
            "grafana-data:/var/lib/grafana",
        ],
        depends_on={
            "prometheus": {"condition": "service_started"},
            "loki": {"condition": "service_started"},
        },
    )


def _alertmanager(site: Site) -> dict[str, Any]:
    address = _address(site.alertmanager_url, 9093)
    return _service(
        "alertmanager",
        memory="128m",
        cpus="0.5",
        health=_wget(f"http://{address}/-/healthy"),
        user="65534:65534",
        command=[
            "--config.file=/etc/alertmanager/alertmanager.yml",
            "--storage.path=/alertmanager",
            "--cluster.listen-address=",
            f"--web.listen-address={address}",
        ],
        secrets=[name.lower() for name in secret_names(site)],
        volumes=["./alertmanager:/etc/alertmanager:ro", "alertmanager-data:/alertmanager"],
    )


def _alloy() -> dict[str, Any]:
    return _service(
        "alloy",
        memory="512m",
        cpus="0.5",
        health=_bash(12345),
        user=_ROOT,  # Docker's socket belongs to root; with no capabilities that is all it can do
        command=[
            "run",
            "--server.http.listen-addr=127.0.0.1:12345",
            "--storage.path=/data",
            "--disable-reporting",
            "/etc/alloy/config.alloy",
        ],
        volumes=[
            "./alloy:/etc/alloy:ro",
            "alloy-data:/data",  # a path of its own: the image's belongs to another user
            "/var/run/docker.sock:/var/run/docker.sock:ro",
        ],
        depends_on={"loki": {"condition": "service_started"}},
    )


def _promtail() -> dict[str, Any]:
    return _service(
        "promtail",
        memory="256m",
        cpus="0.5",
        health=_bash(9080),
        user=_ROOT,  # as for Alloy
        command=["-config.file=/etc/promtail/promtail.yaml"],
        volumes=[
            "./promtail:/etc/promtail:ro",
            "promtail-data:/var/lib/promtail",
            "/var/run/docker.sock:/var/run/docker.sock:ro",
        ],
        depends_on={"loki": {"condition": "service_started"}},
    )


def _wget(url: str) -> list[str]:
    return ["wget", "-q", "-O", "/dev/null", url]


def _bash(port: int) -> list[str]:
    """For images without an HTTP client: whether the port is open."""
    return ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"]


def _address(url: str, default: int) -> str:
    """Where the stack's own server listens: always on loopback, on the port that its URL has there."""
    parts = urlsplit(url)
    local = parts.hostname in ("127.0.0.1", "localhost")
    return f"127.0.0.1:{(parts.port or default) if local else default}"
