"""Alertmanager's configuration: the channels of notify.urls by severity, grouped and repeated as the daemon does it.

Alertmanager reads no environment, so that every secret is a file: compose.yaml puts one in for each variable.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.domain.alerting.conditions import Severity
from monitor.render.grafana_alerts import (
    SEVERITIES,
    message_template,
    mute_name,
    receiver_name,
    repeat,
    template_name,
    time_intervals,
    told,
)
from monitor.render.site import Contact, Site
from monitor.render.yamltext import HEAD, duration, yaml_text

SECRETS: Final = "/run/secrets"
NOBODY: Final = "nobody"
_LEAST: Final = 1.0  # seconds; Alertmanager takes no group_interval of 0
_UPSTREAM: Final = "DaemonDown|EngineDown|ProxyDown"


def alertmanager_files(site: Site) -> dict[str, str]:
    quiet = {
        severity: [mute_name(site, mute) for mute in site.mutes if severity in mute.severities]
        for severity in SEVERITIES
    }
    routes = [
        _route(site, severity, quiet[severity]) for severity in SEVERITIES if told(site, severity) or quiet[severity]
    ]
    document: dict[str, Any] = {
        "global": {"resolve_timeout": "5m"},
        "templates": ["templates/*.tmpl"],
        "route": {
            "receiver": NOBODY,
            "group_by": ["alertname", "project", "service"],
            "group_wait": duration(site.group),
            "group_interval": "5m",
            "repeat_interval": repeat(site),
            "routes": routes,
        },
        "inhibit_rules": _inhibitions(site),
        "receivers": [
            {"name": NOBODY},
            *(_receiver(site, severity) for severity in SEVERITIES if told(site, severity)),
        ],
    }
    if site.mutes:
        document["time_intervals"] = [
            {"name": mute_name(site, mute), "time_intervals": time_intervals(mute)} for mute in site.mutes
        ]
    return {
        "alertmanager/alertmanager.yml": yaml_text(document, notes=_notes(site)),
        "alertmanager/templates/bgmon.tmpl": f"{{{{/* {HEAD[2:].strip()} */}}}}\n{message_template(site)}",
    }


def secret_names(site: Site) -> list[str]:
    """The variables whose values Alertmanager reads from files."""
    return sorted({name for contact in site.contacts for name in contact.variables})


def _route(site: Site, severity: Severity, quiet: list[str]) -> dict[str, Any]:
    route: dict[str, Any] = {
        "receiver": receiver_name(site, severity) if told(site, severity) else NOBODY,
        "matchers": [f'project="{site.project}"', f'severity="{severity}"'],
    }
    return {**route, "mute_time_intervals": quiet} if quiet else route


def _inhibitions(site: Site) -> list[dict[str, Any]]:
    """What is upstream hides what it causes; a page hides the tickets about the same service."""
    project = f'project="{site.project}"'
    return [
        {
            "source_matchers": [project, f'alertname=~"{_UPSTREAM}"'],
            "target_matchers": [project, f'alertname!~"{_UPSTREAM}"', 'service!=""'],
            "equal": ["project", "host"],
        },
        {
            "source_matchers": [project, 'severity="page"', 'service!=""'],
            "target_matchers": [project, 'severity="ticket"', 'service!=""'],
            "equal": ["project", "service"],
        },
    ]


def _receiver(site: Site, severity: Severity) -> dict[str, Any]:
    made: dict[str, Any] = {"name": receiver_name(site, severity)}
    for contact in told(site, severity):
        key, config = _config(site, contact)
        made.setdefault(key, []).append(config)
    return made


def _config(site: Site, contact: Contact) -> tuple[str, dict[str, Any]]:
    title, text = (f'{{{{ template "{template_name(site)}.{part}" . }}}}' for part in ("title", "text"))
    common: dict[str, Any] = {"send_resolved": True}
    if contact.kind == "slack":
        return "slack_configs", {"api_url_file": _file(contact, "url"), **common, "title": title, "text": text}
    if contact.kind == "discord":
        return "discord_configs", {"webhook_url_file": _file(contact, "url"), **common, "title": title, "message": text}
    if contact.kind == "teams":
        return "msteamsv2_configs", {"webhook_url_file": _file(contact, "url"), **common, "title": title, "text": text}
    if contact.kind == "telegram":
        chat = contact.settings["chatid"]
        return "telegram_configs", {
            "bot_token_file": _file(contact, "bottoken"),
            "chat_id": int(chat) if chat.lstrip("-").isdigit() else 0,
            **common,
            "message": text,
            "parse_mode": "",
        }
    if contact.kind == "email":
        return "email_configs", {
            "to": contact.settings["addresses"].replace(";", ", "),
            "from": "bgmon@localhost",
            "smarthost": "127.0.0.1:25",
            "require_tls": False,
            **common,
            "headers": {"Subject": title},
            "text": text,
        }
    return "webhook_configs", {"url_file": _file(contact, "url"), **common}


def _file(contact: Contact, key: str) -> str:
    return f"{SECRETS}/{contact.settings[key][2:-1].lower()}"


def _notes(site: Site) -> str:
    lines: list[str] = []
    if site.notify_by != "alertmanager":
        lines.append(f"Nothing is sent here while generate.notify_by is {site.notify_by}.")
    if secret_names(site):
        lines.append(f"Secrets are files in {SECRETS}, which compose.yaml fills from the environment.")
    if any(contact.kind == "email" for contact in site.contacts):
        lines.append("Mail goes through the mail server of this machine.")
    if site.silent:
        lines += ["Channels that only bgmon's daemon can speak to:", *(f"  {channel}" for channel in site.silent)]
    return "\n".join(lines)
