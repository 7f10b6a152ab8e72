"""What stands behind an apprise URL, in the words of Grafana and Alertmanager: read by apprise's own parser."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from monitor.domain.digits import digits
from monitor.render.site import Engine, Kind, Mail

_TEAMS_HOSTS: Final = (".webhook.office.com", ".logic.azure.com", ".powerplatform.com", ".api.powerplatform.com")
_SMTPS: Final = 465
PASSWORD: Final = "password"  # noqa: S105 - the name of the secret that is for a mail server
_NO_WORDS: Final = "neither Grafana nor Alertmanager is given a contact point for this kind of channel"


@dataclass(frozen=True, slots=True)
class Target:
    """One place where messages arrive.

    `settings` are plain, `secrets` are values that no file may hold; both under Grafana's names. `lacks` says why an
    engine cannot speak to it, `loses` what no engine but the daemon does there.
    """

    kind: Kind
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    mail: Mail | None = None
    lacks: Mapping[Engine, str] = field(default_factory=dict)
    loses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unspoken:
    """Why only the daemon can speak to a channel, or why nobody can."""

    why: str


def targets(url: str) -> tuple[Target, ...] | Unspoken:
    """Where the messages for a channel of notify.urls go: at least one place."""
    scheme = url.partition("://")[0].lower()
    if scheme in ("http", "https"):
        return (Target(_kind_of_host((urlsplit(url).hostname or "").lower()), secrets={"url": url}),)
    channel = _understood(url)
    if channel is None:
        return Unspoken("apprise does not understand this URL: nobody is told through it")
    read = _READERS.get(type(channel).__name__)
    if read is None:
        return Unspoken(_NO_WORDS)
    try:
        return tuple(read(channel)) or Unspoken(_why_not(channel))
    except AttributeError as error:  # what a plugin keeps where is apprise's own business, and may change
        return Unspoken(f"this release of apprise keeps it in a way that bgmon cannot read ({error.name})")


def _understood(url: str) -> Any:
    said = logging.getLogger("apprise")  # it logs what it reads, secrets too
    before, said.disabled = said.disabled, True
    try:
        with warnings.catch_warnings():  # it imports modules that Python is about to drop, when first asked
            warnings.simplefilter("ignore", DeprecationWarning)
            from apprise import Apprise  # half a second, which only this needs

            return Apprise.instantiate(url, suppress_exceptions=True)
    finally:
        said.disabled = before


def _kind_of_host(host: str) -> Kind:
    if host == "hooks.slack.com":
        return "slack"
    if host in ("discord.com", "discordapp.com"):
        return "discord"
    return "teams" if host.endswith(_TEAMS_HOSTS) else "webhook"


def _why_not(channel: Any) -> str:
    return {
        "NotifyTelegram": "it names no chat: apprise asks Telegram for the bot's owner, which nobody else does",
        "NotifySlack": "a Slack workflow takes other fields than Grafana and Alertmanager send",
        "NotifyEmail": "it encrypts its mail, which Grafana and Alertmanager do not",
    }.get(type(channel).__name__, _NO_WORDS)


def _telegram(channel: Any) -> Iterator[Target]:
    for chat, topic in channel.targets:
        settings = {"chatid": str(chat)} | ({"message_thread_id": str(topic)} if topic is not None else {})
        numeric = digits(str(chat).removeprefix("-"))
        lacks: dict[Engine, str] = {} if numeric else {"alertmanager": f"it takes a chat by its number, not {chat}"}
        yield Target("telegram", settings, {"bottoken": channel.bot_token}, lacks=lacks)


def _slack(channel: Any) -> Iterator[Target]:
    if channel.mode not in ("hook", "bot"):
        return
    if channel.mode == "bot":
        secrets = {"token": str(channel.access_token)}
    else:
        parts = (channel.token_a, channel.token_b, channel.token_c)
        secrets = {"url": "https://hooks.slack.com/services/" + "/".join(parts)}
    user = {"username": str(channel.user)} if channel.user else {}
    for name in channel.channels or [None]:
        to = name.removeprefix("+") if name else ("#general" if channel.mode == "bot" else "")
        yield Target("slack", ({"recipient": to} if to else {}) | user, secrets)


def _discord(channel: Any) -> Iterator[Target]:
    url = f"https://discord.com/api/webhooks/{channel.webhook_id}/{channel.webhook_token}"
    yield Target("discord", secrets={"url": url + (f"?thread_id={channel.thread_id}" if channel.thread_id else "")})


def _teams(channel: Any) -> Iterator[Target]:
    """The retired connector, which older releases of apprise still take."""
    team = getattr(channel, "team", None)
    host = f"https://{team}.webhook.office.com/webhookb2" if team else "https://outlook.office.com/webhook"
    parts = [channel.token_a, "IncomingWebhook", channel.token_b, channel.token_c, getattr(channel, "token_d", None)]
    yield Target("teams", secrets={"url": "/".join([host, *(part for part in parts if part)])})


def _workflows(channel: Any) -> Iterator[Target]:
    port = f":{channel.port}" if channel.port else ""
    path = "/powerautomate/automations/direct" if channel.power_automate else ""
    query = {"api-version": channel.api_version, "sp": "/triggers/manual/run", "sv": "1.0", "sig": channel.signature}
    yield Target(
        "teams",
        secrets={
            "url": f"https://{channel.host}{port}{path}/workflows/{channel.workflow}/triggers/manual/paths/invoke?"
            + urlencode(query)
        },
    )


def _json(channel: Any) -> Iterator[Target]:
    user = quote(channel.user, safe="") if channel.user else ""
    login = f"{user}:{quote(channel.password, safe='')}@" if channel.password else f"{user}@" if user else ""
    port = f":{channel.port}" if channel.port else ""
    url = f"http{'s' if channel.secure else ''}://{login}{channel.host}{port}{channel.fullpath or '/'}"
    loses = [
        *(["its headers"] if channel.headers else []),
        *(["its own fields"] if getattr(channel, "payload_extras", None) else []),
        *([f"its method {channel.method}"] if channel.method != "POST" else []),
    ]
    yield Target("webhook", secrets={"url": url + (f"?{urlencode(channel.params)}" if channel.params else "")},
                 loses=tuple(loses))  # fmt: skip


def _email(channel: Any) -> Iterator[Target]:
    if getattr(channel, "pgp_mode", "no") != "no" or getattr(channel, "use_pgp", False):
        return
    to = [address for _, address in channel.targets]
    everybody = dict.fromkeys([*to, *sorted(channel.cc), *sorted(channel.bcc)])
    name, sender = channel.from_addr
    mode = str(channel.secure_mode)
    lacks: dict[Engine, str] = {}
    if mode == "ssl" and channel.port != _SMTPS:
        lacks["alertmanager"] = f"it speaks TLS from the start on port {_SMTPS} alone, not on {channel.port}"
    mail = Mail(
        smarthost=f"{channel.smtp_host}:{channel.port or 25}",
        sender=f"{name} <{sender}>" if name and name != "Apprise" else str(sender),
        user=str(channel.user) if channel.user and channel.password else "",
        starttls=mode == "starttls",
    )
    secrets = {PASSWORD: str(channel.password)} if mail.user else {}
    yield Target("email", {"addresses": ";".join(everybody)}, secrets, mail, lacks)


def _pushover(channel: Any) -> Iterator[Target]:
    named = getattr(channel, "devices", None) or getattr(channel, "targets", None) or []
    devices = [name for name in named if name != "ALL_DEVICES"]
    loses = [
        *(["its priority"] if int(channel.priority or 0) else []),
        *(["its groups"] if getattr(channel, "groups", None) else []),
    ]
    settings = {"device": ",".join(devices)} if devices else {}
    yield Target("pushover", settings, {"apiToken": channel.token, "userKey": channel.user_key}, loses=tuple(loses))


def _pagerduty(channel: Any) -> Iterator[Target]:
    eu = str(getattr(channel, "region_name", "us")).lower() == "eu"
    settings = {"url": "https://events.eu.pagerduty.com/v2/enqueue"} if eu else {}
    yield Target("pagerduty", settings, {"integrationKey": channel.integration_key})


_READERS: Final[Mapping[str, Callable[[Any], Iterator[Target]]]] = {
    "NotifyDiscord": _discord,
    "NotifyEmail": _email,
    "NotifyJSON": _json,
    "NotifyMSTeams": _teams,
    "NotifyPagerDuty": _pagerduty,
    "NotifyPushover": _pushover,
    "NotifySlack": _slack,
    "NotifyTelegram": _telegram,
    "NotifyWorkflows": _workflows,
}
