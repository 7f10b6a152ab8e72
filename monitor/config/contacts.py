"""From `notify.urls` to contact points: which program speaks to a channel, and by which variables.

The generated files must hold the references that stand in bgmon.yml (`${SLACK_URL}`), never what they stand for. So
the file's own text is read beside the loaded configuration: the value says what kind of channel it is, the text says
what may be written.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from monitor.config.notify import NotifySection
from monitor.config.yamlfile import parse, read_text
from monitor.errors import ConfigError
from monitor.render.site import Contact, Kind

_VARIABLE: Final = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECTION: Final = re.compile(r"^notify:.*?(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)
_ONLY_VARIABLE: Final = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$")
_SLACK: Final = "https://hooks.slack.com/services/"
_DISCORD: Final = "https://discord.com/api/webhooks/"
_TELEGRAM_PARTS: Final = 2
_TEAMS_HOSTS: Final = (".webhook.office.com", ".logic.azure.com", ".powerplatform.com")
_KINDS: Final[dict[str, Kind]] = {
    "json": "webhook",
    "jsons": "webhook",
    "slack": "slack",
    "discord": "discord",
    "msteams": "teams",
    "workflow": "teams",
    "workflows": "teams",
    "tgram": "telegram",
    "mailto": "email",
    "mailtos": "email",
}


def channel_texts(file: Path) -> list[str]:
    """`notify.urls` as they stand in the file, before variables are put in; empty texts for what has no URL."""
    text = read_text(file)
    # Of a large file only the section: the rest has been read before.
    section = _SECTION.search(text)
    try:
        data = parse(section[0] if section else text, str(file)).data
    except ConfigError:  # it leans on an anchor elsewhere
        data = parse(text, str(file)).data
    notify = data.get("notify") if isinstance(data, dict) else None
    urls = notify.get("urls") if isinstance(notify, dict) else None
    return [str(item.get("url", "")) if isinstance(item, dict) else str(item) for item in urls or ()]


def contacts(section: NotifySection, texts: list[str]) -> tuple[tuple[Contact, ...], tuple[str, ...]]:
    """The contact points, and the channels that only the daemon can speak to.

    A channel whose secret stands in the file itself becomes a reference to a variable of its own, BGMON_NOTIFY_1 and
    so on, counted from 1 in the order of notify.urls.
    """
    made: list[Contact] = []
    silent: list[str] = []
    for number, (channel, text) in enumerate(zip(section.urls, texts, strict=True), 1):
        value = channel.url.get_secret_value()
        kind, settings = _settings(value, text, number)
        scheme = value.partition("://")[0].lower()
        if not settings:
            silent.append(f"{channel.name or f'notify.urls[{number - 1}]'} ({scheme}://)")
            continue
        variables = sorted({name for item in settings.values() for name in _VARIABLE.findall(item)})
        label = channel.name or f"{kind} {number}"
        made.append(Contact(kind, label, channel.min_severity, settings, tuple(variables)))
    return tuple(made), tuple(silent)


def _settings(value: str, text: str, number: int) -> tuple[Kind, dict[str, str]]:
    """What kind of channel it is, and its settings; no settings when other programs can't speak to it."""
    parts = urlsplit(value)
    scheme = parts.scheme.lower()
    path = [part for part in (parts.netloc, *parts.path.split("/")) if part]
    own = f"BGMON_NOTIFY_{number}"
    if scheme in ("http", "https"):
        return _kind_of_host((parts.hostname or "").lower()), {
            "url": text if _ONLY_VARIABLE.match(text) else f"${{{own}}}"
        }
    kind = _KINDS.get(scheme, "webhook")
    usable = scheme in _KINDS and bool(path)
    if scheme == "slack":
        usable = usable and "@" not in parts.netloc and path[0].startswith("T")
    if kind == "telegram":
        usable = len(path) >= _TELEGRAM_PARTS
        return kind, {"bottoken": _derived(text, own), "chatid": path[1].lstrip("@")} if usable else {}
    if kind == "email":
        addresses = [address for item in parse_qs(parts.query).get("to", []) for address in item.split(",")]
        if not addresses and parts.username and parts.hostname:
            addresses = [f"{parts.username}@{parts.hostname}"]
        return kind, {"addresses": ";".join(addresses)} if addresses else {}
    return kind, {"url": _derived(text, own)} if usable else {}


def _kind_of_host(host: str) -> Kind:
    if host == "hooks.slack.com":
        return "slack"
    if host in ("discord.com", "discordapp.com"):
        return "discord"
    return "teams" if host.endswith(_TEAMS_HOSTS) else "webhook"


def _derived(text: str, own: str) -> str:
    """The variable that holds the form other programs want: apprise's own form is known to bgmon alone."""
    only = _ONLY_VARIABLE.match(text)
    return f"${{{only[1]}_HTTPS}}" if only else f"${{{own}}}"


def environment(section: NotifySection, texts: list[str]) -> dict[str, str]:
    """The values behind the variables of the generated files: secrets, for an env file that only its owner reads."""
    values: dict[str, str] = {}
    for number, (channel, text) in enumerate(zip(section.urls, texts, strict=True), 1):
        value = channel.url.get_secret_value()
        _, settings = _settings(value, text, number)
        for key in ("url", "bottoken"):
            if key in settings:
                values[settings[key][2:-1]] = _spoken(value)
    return values


def _spoken(value: str) -> str:
    """An apprise URL as the https URL (or token) that it stands for."""
    parts = urlsplit(value)
    scheme = parts.scheme.lower()
    path = [part for part in (parts.netloc, *parts.path.split("/")) if part]
    if scheme in ("json", "jsons"):
        return value.replace(scheme, "https" if scheme == "jsons" else "http", 1)
    if scheme == "slack":
        return _SLACK + "/".join(part for part in path if not part.startswith("#"))
    if scheme == "discord":
        return _DISCORD + "/".join(path)
    if scheme == "tgram":
        return path[0]
    if scheme in ("msteams", "workflow", "workflows"):
        return _teams(path, parts.query, scheme)
    return value


def _teams(path: list[str], query: str, scheme: str) -> str:
    if scheme == "msteams":  # team/A@B/C/D, the retired connector form that apprise still takes
        team, first, second, third = (*path, "", "", "", "")[:4]
        return f"https://{team}.webhook.office.com/webhookb2/{first}/IncomingWebhook/{second}/{third}"
    host, workflow, signature = (*path, "", "", "")[:3]
    return f"https://{host}/workflows/{workflow}/triggers/manual/paths/invoke?sig={signature}&{query}".rstrip("&")
