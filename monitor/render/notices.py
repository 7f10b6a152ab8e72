"""What the channels of notify.urls cannot do for the engine that speaks: said by `check` and `generate`."""

from __future__ import annotations

from typing import Final

from monitor.render.grafana_alerts import SEVERITIES, as_grave, told
from monitor.render.site import Engine, Site

_NAMES: Final[dict[Engine, str]] = {"grafana": "Grafana", "alertmanager": "Alertmanager"}


def notices(site: Site) -> list[tuple[str, str]]:
    """(key in bgmon.yml, message); none while `notify_by: none` leaves everything to the daemon."""
    if site.notify_by == "none":
        return []
    engine: Engine = site.notify_by
    name = _NAMES[engine]
    found = [(channel.where, f"{channel.label} gets no alerts of {name}: {channel.why}") for channel in site.silent]
    for contact in site.contacts:
        if engine in contact.lacks:
            found.append((contact.where, f"{contact.label} gets no alerts of {name}: {contact.lacks[engine]}"))
        elif contact.loses:
            found.append((contact.where, f"{contact.label} is told by {name} without {', '.join(contact.loses)}"))
    lost = [channel.min_severity for channel in site.silent]
    lost += [contact.min_severity for contact in site.contacts if engine in contact.lacks]
    deaf = [
        each for each in SEVERITIES if any(as_grave(each, least) for least in lost) and not told(site, each, engine)
    ]
    if deaf:
        found.append(("notify.urls", f"{name} tells nobody of alerts with severity {' or '.join(deaf)}"))
    return found
