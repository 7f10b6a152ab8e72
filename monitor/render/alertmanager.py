"""Alertmanager's configuration: the channels of notify.urls by severity, grouped and repeated as the daemon does it.

Alertmanager reads no environment, so that every secret is a file: compose.yaml puts one in for each variable.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.domain.alerting.conditions import Severity
from monitor.render.grafana_alerts import (
    SEVERITIES,
    absent,
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
_SLACK_API: Final = "https://slack.com/api/chat.postMessage"
_LEAST: Final = 1.0  # seconds; Alertmanager takes no group_interval of 0
_UPSTREAM: Final = "DaemonDown|EngineDown|ProxyDown"


def alertmanager_files(site: Site) -> dict[str, str]:
    quiet = {
        severity: [mute_name(site, mute) for mute in site.mutes if severity in mute.severities]
        for severity in SEVERITIES
    }
    routes = [
        _route(site, severity, quiet[severity])
        for severity in SEVERITIES
        if told(site, severity, "alertmanager") or quiet[severity]
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
            *(_receiver(site, severity) for severity in SEVERITIES if told(site, severity, "alertmanager")),
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
    spoken = [contact for contact in site.contacts if "alertmanager" not in contact.lacks]
    passwords = {contact.mail.password for contact in spoken if contact.mail and contact.mail.password}
    return sorted({name for contact in spoken for name in contact.variables} | passwords)


def _route(site: Site, severity: Severity, quiet: list[str]) -> dict[str, Any]:
    route: dict[str, Any] = {
        "receiver": receiver_name(site, severity) if told(site, severity, "alertmanager") else NOBODY,
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
    for contact in told(site, severity, "alertmanager"):
        key, config = _config(site, contact)
        made.setdefault(key, []).append(config)
    return made


def _config(site: Site, contact: Contact) -> tuple[str, dict[str, Any]]:
    title, text = (f'{{{{ template "{template_name(site)}.{part}" . }}}}' for part in ("title", "text"))
    settings, texts = contact.settings, {"send_resolved": True, "title": title, "text": text}
    made: dict[str, Any]
    match contact.kind:
        case "slack":
            key, made = "slack_configs", {**_slack(contact), **texts}
        case "discord":
            key, made = "discord_configs", {"webhook_url_file": _file(contact, "url"), **_renamed(texts)}
        case "teams":
            key, made = "msteamsv2_configs", {"webhook_url_file": _file(contact, "url"), **texts}
        case "telegram":
            key, made = "telegram_configs", {**_telegram(contact), **_renamed(texts, title=None), "parse_mode": ""}
        case "email":
            headers = {"headers": {"Subject": title}}
            key, made = "email_configs", {**_email(contact), **_renamed(texts, title=None, text="text"), **headers}
        case "pushover":
            keys = {"token_file": _file(contact, "apiToken"), "user_key_file": _file(contact, "userKey")}
            device = {"device": settings["device"]} if "device" in settings else {}
            key, made = "pushover_configs", {**keys, **device, **_renamed(texts)}
        case "pagerduty":
            where = {"url": settings["url"]} if "url" in settings else {}
            keys = {"routing_key_file": _file(contact, "integrationKey")}
            key, made = "pagerduty_configs", {**keys, **where, **_renamed(texts, title="description", text=None)}
        case "webhook":
            key, made = "webhook_configs", {"url_file": _file(contact, "url"), "send_resolved": True}
    return key, made


def _renamed(texts: dict[str, Any], *, title: str | None = "title", text: str | None = "message") -> dict[str, Any]:
    """The texts under the names that a receiver has for them; None where it has none."""
    named = {"send_resolved": "send_resolved", "title": title, "text": text}
    return {name: texts[key] for key, name in named.items() if name}


def _telegram(contact: Contact) -> dict[str, Any]:
    topic = contact.settings.get("message_thread_id")
    chat = {"bot_token_file": _file(contact, "bottoken"), "chat_id": int(contact.settings["chatid"])}
    return {**chat, "message_thread_id": int(topic)} if topic else chat


def _slack(contact: Contact) -> dict[str, Any]:
    settings = contact.settings
    made: dict[str, Any]
    if "token" in settings:
        login = {"type": "Bearer", "credentials_file": _file(contact, "token")}
        made = {"api_url": _SLACK_API, "http_config": {"authorization": login}}
    else:
        made = {"api_url_file": _file(contact, "url")}
    named = {
        key: settings[name] for key, name in (("channel", "recipient"), ("username", "username")) if name in settings
    }
    return {**made, **named}


def _email(contact: Contact) -> dict[str, Any]:
    mail = contact.mail
    assert mail is not None
    login = {"auth_username": mail.user, "auth_password_file": _secret(mail.password)} if mail.password else {}
    return {
        "to": contact.settings["addresses"].replace(";", ", "),
        "from": mail.sender,
        "smarthost": mail.smarthost,
        **login,
        "require_tls": mail.starttls,
    }


def _file(contact: Contact, key: str) -> str:
    return _secret(contact.settings[key][2:-1])


def _secret(variable: str) -> str:
    return f"{SECRETS}/{variable.lower()}"


def _notes(site: Site) -> str:
    lines: list[str] = []
    if site.notify_by != "alertmanager":
        lines.append(f"Nothing is sent here while generate.notify_by is {site.notify_by}.")
    if secret_names(site):
        lines.append(f"Secrets are files in {SECRETS}, which compose.yaml fills from the environment.")
    if site.silent:
        lines += ["Channels that only bgmon's daemon can speak to:", *(f"  {channel}" for channel in site.silent)]
    lines += absent(site, "alertmanager")
    return "\n".join(lines)
