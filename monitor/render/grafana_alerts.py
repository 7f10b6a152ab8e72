"""Grafana-managed alerting as provisioning files: rules, contact points, templates, mute timings, deletions.

What Grafana does with a `$` in these files: titles, labels and contact point settings have environment variables put
in; query models are left alone; annotations only know the form with braces. So a `${` in an annotation is written as a
template that gives a dollar sign, and nothing else is touched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from monitor.domain.alerting.conditions import Severity
from monitor.render.links import Links
from monitor.render.rulefiles import labels_of
from monitor.render.rules import Rule, groups_of, uid
from monitor.render.site import Contact, Engine, MuteTiming, Site
from monitor.render.yamltext import duration, yaml_text

FOLDER: Final = "grafana/provisioning/alerting"
ORG: Final = 1
_LOOK_BACK: Final = 600
_VALUE: Final = re.compile(r"\{\{\s*\$value\b")
_GRAVITY: Final[dict[Severity, int]] = {"info": 0, "ticket": 1, "page": 2}
SEVERITIES: Final[tuple[Severity, ...]] = ("page", "ticket", "info")
# Without a dollar sign anywhere, so that nothing is taken for a variable.
_TEMPLATE: Final = """\
{{ define "NAME.title" }}{{ if eq .Status "firing" }}FIRING{{ else }}RESOLVED{{ end }} {{ .CommonLabels.severity }}: \
{{ .CommonLabels.alertname }}{{ if .CommonLabels.service }} ({{ .CommonLabels.service }}){{ end }}{{ end }}
{{ define "NAME.text" }}{{ range .Alerts }}{{ if eq .Status "firing" }}[firing]{{ else }}[resolved]{{ end }} \
{{ .Annotations.summary }}
{{ .Annotations.description }}
Runbook: {{ .Annotations.runbook_url }}
Board: {{ .Annotations.dashboard_url }}
{{ end }}{{ end }}
"""


def folder_title(site: Site) -> str:
    """Not the folder of the boards: two of one title are made twice."""
    return f"bgmon {site.project} alerts"


def grafana_alerting(site: Site, rules: Sequence[Rule], links: Links) -> dict[str, str]:
    files = {
        "rules.yaml": {
            "apiVersion": 1,
            "groups": [
                {
                    "orgId": ORG,
                    "name": f"{site.project}-{group}",
                    "folder": folder_title(site),
                    "interval": "1m",
                    "rules": [_rule(rule, site, links) for rule in members],
                }
                for group, members in groups_of(rules).items()
            ],
        },
        "contact-points.yaml": {"apiVersion": 1, "contactPoints": _contact_points(site)},
        "templates.yaml": {"apiVersion": 1, "templates": [_template(site)]},
        "mute-timings.yaml": {"apiVersion": 1, "muteTimes": [_mute(mute, site) for mute in site.mutes]},
    }
    notes = {"contact-points.yaml": _notes(site)}
    return {f"{FOLDER}/{name}": yaml_text(document, notes=notes.get(name, "")) for name, document in files.items()}


def grafana_uids(site: Site, rules: Sequence[Rule]) -> dict[str, list[str]]:
    """What Grafana will hold under names of ours, so that a later run can take away what is no more."""
    return {
        "rules": sorted(_rule_uid(site, rule) for rule in rules),
        "contact_points": sorted(
            _contact_uid(site, severity, contact) for severity in SEVERITIES for contact in told(site, severity)
        ),
        "templates": [template_name(site)],
        "mute_timings": sorted(mute_name(site, mute) for mute in site.mutes),
    }


def deletions(gone: Mapping[str, Sequence[str]]) -> str:
    """The file that takes away what earlier runs made; names that Grafana no longer has do no harm."""
    document: dict[str, Any] = {"apiVersion": 1}
    for kind, key, field in (
        ("rules", "deleteRules", "uid"),
        ("contact_points", "deleteContactPoints", "uid"),
        ("templates", "deleteTemplates", "name"),
        ("mute_timings", "deleteMuteTimes", "name"),
    ):
        if gone.get(kind):
            document[key] = [{"orgId": ORG, field: name} for name in sorted(gone[kind])]
    return yaml_text(document, notes="Rules stay in Grafana until a file names them here.")


def grafana_text(text: str) -> str:
    """An annotation for Grafana: its own name for the value, and no `${`."""
    return _VALUE.sub("{{ $values.A.Value", text).replace("${", '{{ "$" }}{')


def escaped(text: str) -> str:
    """A text in which Grafana puts variables in: its references stay, any other dollar sign is doubled."""
    return re.sub(r"\$(?!\{[A-Za-z_][A-Za-z0-9_]*\})", "$$", text)


def template_name(site: Site) -> str:
    return f"bgmon-{site.project}"


def message_template(site: Site) -> str:
    """Title and text of a message, for Grafana and Alertmanager alike."""
    return _TEMPLATE.replace("NAME", template_name(site))


def mute_name(site: Site, mute: MuteTiming) -> str:
    return f"bgmon-{site.project}-{mute.name}"


def receiver_name(site: Site, severity: Severity) -> str:
    return f"bgmon-{site.project}-{severity}"


def _rule_uid(site: Site, rule: Rule) -> str:
    return uid("bgmon", site.project, rule.name)


def _rule(rule: Rule, site: Site, links: Links) -> dict[str, Any]:
    made: dict[str, Any] = {
        "uid": _rule_uid(site, rule),
        "title": rule.name,
        "condition": "C",
        "for": duration(rule.for_),
        "noDataState": "Alerting" if rule.no_data == "alerting" else "OK",
        "execErrState": "Error",
        "isPaused": site.notify_by == "alertmanager",
        "labels": labels_of(rule, site),
        "annotations": {key: grafana_text(text) for key, text in links.annotations(rule).items()},
        "data": [_query(rule, site), _threshold(rule)],
    }
    settings = _notification(rule, site)
    if settings:
        made["notification_settings"] = settings
    return made


def _query(rule: Rule, site: Site) -> dict[str, Any]:
    prometheus = rule.promql is not None
    uid_ = site.source_uid("prometheus" if prometheus else "loki")
    model: dict[str, Any] = {
        "refId": "A",
        "datasource": {"type": "prometheus" if prometheus else "loki", "uid": uid_},
        "editorMode": "code",
        "expr": (rule.promql or rule.logql or "").strip(),
        "intervalMs": 1000,
        "maxDataPoints": 43200,
    }
    model |= {"instant": True, "range": False} if prometheus else {"queryType": "instant"}
    return {
        "refId": "A",
        "queryType": "" if prometheus else "instant",
        "relativeTimeRange": {"from": _LOOK_BACK, "to": 0},
        "datasourceUid": uid_,
        "model": model,
    }


def _threshold(rule: Rule) -> dict[str, Any]:
    evaluator = {"type": "gt" if rule.compare == ">" else "lt", "params": [rule.threshold]}
    return {
        "refId": "C",
        "relativeTimeRange": {"from": _LOOK_BACK, "to": 0},
        "datasourceUid": "__expr__",
        "model": {
            "refId": "C",
            "type": "threshold",
            "datasource": {"type": "__expr__", "uid": "__expr__"},
            "expression": "A",
            "conditions": [{"evaluator": evaluator}],
        },
    }


def _notification(rule: Rule, site: Site) -> dict[str, Any]:
    if site.notify_by != "grafana" or not told(site, rule.severity):
        return {}
    settings: dict[str, Any] = {
        "receiver": receiver_name(site, rule.severity),
        "group_by": ["grafana_folder", "alertname", "service"],
        "group_wait": duration(site.group),
        "group_interval": "5m",
        "repeat_interval": repeat(site),
    }
    quiet = [mute_name(site, mute) for mute in site.mutes if rule.severity in mute.severities]
    return {**settings, "mute_time_intervals": quiet} if quiet else settings


def repeat(site: Site) -> str:
    """`repeat: 0` never tells again; the engines know no never, so it is a year."""
    return duration(site.repeat) if site.repeat else "365d"


def told(site: Site, severity: Severity, by: Engine = "grafana") -> list[Contact]:
    """The channels that this engine tells of alerts this grave."""
    grave = [contact for contact in site.contacts if as_grave(severity, contact.min_severity)]
    return [contact for contact in grave if by not in contact.lacks]


def as_grave(severity: Severity, least: Severity) -> bool:
    """Whether an alert is for a channel with this `min_severity`."""
    return _GRAVITY[severity] >= _GRAVITY[least]


def _contact_points(site: Site) -> list[dict[str, Any]]:
    return [
        {
            "orgId": ORG,
            "name": receiver_name(site, severity),
            "receivers": [_receiver(contact, severity, site) for contact in told(site, severity)],
        }
        for severity in SEVERITIES
        if told(site, severity)
    ]


def _contact_uid(site: Site, severity: Severity, contact: Contact) -> str:
    return uid("bgmon", site.project, severity, contact.kind, contact.label)


def _receiver(contact: Contact, severity: Severity, site: Site) -> dict[str, Any]:
    title, text = (f'{{{{ template "{template_name(site)}.{part}" . }}}}' for part in ("title", "text"))
    settings: dict[str, Any] = {key: escaped(value) for key, value in contact.settings.items()}
    if contact.kind in ("slack", "teams", "webhook"):
        settings |= {"title": title} | ({"message": text} if contact.kind != "slack" else {"text": text})
    elif contact.kind == "discord":
        settings |= {"title": title, "message": text, "use_discord_username": True}
    elif contact.kind == "telegram":
        settings |= {"message": text}
    elif contact.kind == "pushover":
        settings |= {"title": title, "message": text}
    elif contact.kind == "pagerduty":
        settings |= {"summary": title}
    else:
        settings |= {"subject": title, "message": text, "singleEmail": True}
    return {
        "uid": _contact_uid(site, severity, contact),
        "type": contact.kind,
        "disableResolveMessage": False,
        "settings": dict(sorted(settings.items())),
    }


def _template(site: Site) -> dict[str, Any]:
    return {"orgId": ORG, "name": template_name(site), "template": message_template(site)}


def time_intervals(mute: MuteTiming) -> list[dict[str, Any]]:
    """Both Grafana and Alertmanager take this form."""
    interval: dict[str, Any] = {
        "times": [{"start_time": start, "end_time": end} for start, end in mute.times],
        "location": mute.location,
    }
    return [{**interval, "weekdays": list(mute.weekdays)} if mute.weekdays else interval]


def _mute(mute: MuteTiming, site: Site) -> dict[str, Any]:
    return {"orgId": ORG, "name": mute_name(site, mute), "time_intervals": time_intervals(mute)}


def _notes(site: Site) -> str:
    lines = ["Secrets are in no file: set these variables for Grafana, for instance with `bgmon generate --env`."]
    lines += [f"  {name}" for name in sorted({name for contact in site.contacts for name in contact.variables})]
    if site.silent:
        lines.append("Channels that only bgmon's daemon can speak to:")
        lines += [f"  {channel}" for channel in site.silent]
    lines += absent(site, "grafana")
    return "\n".join(lines) if site.contacts or site.silent else ""


def absent(site: Site, engine: Engine) -> list[str]:
    """Lines of a comment about the channels that this engine cannot speak to, and why."""
    lacking = [f"  {contact.label}: {contact.lacks[engine]}" for contact in site.contacts if engine in contact.lacks]
    return ["Channels that are not told from here:", *lacking] if lacking else []
