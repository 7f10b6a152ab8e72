"""From `notify.urls` to contact points: which program speaks to a channel, and by which variables.

The generated files must hold the references that stand in bgmon.yml (`${SLACK_URL}`), never what they stand for. So
the file's own text is read beside the loaded configuration: the value says what kind of channel it is, the text says
what may be written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from monitor.config.channels import PASSWORD, Target, Unspoken, targets
from monitor.config.notify import ChannelSection, NotifySection
from monitor.config.yamlfile import parse, read_text
from monitor.errors import ConfigError
from monitor.render.site import Contact, SilentChannel

_SECTION: Final = re.compile(r"^notify:.*?(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)
_ONLY_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# What a channel's own variable is called after; a further secret of it has its name behind that.
_FIRST: Final = ("url", "bottoken", "token", "apiToken", "integrationKey")


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


def contacts(section: NotifySection, texts: Sequence[str]) -> tuple[tuple[Contact, ...], tuple[SilentChannel, ...]]:
    """The contact points, and the channels that only the daemon can speak to.

    A channel whose secret stands in the file itself becomes a reference to a variable of its own, BGMON_NOTIFY_1 and
    so on, counted from 1 in the order of notify.urls.
    """
    made: list[Contact] = []
    silent: list[SilentChannel] = []
    labels: set[str] = set()
    for number, channel, text, found in _read(section, texts):
        where = f"notify.urls[{number - 1}]"
        scheme = channel.url.get_secret_value().partition("://")[0].lower()
        if isinstance(found, Unspoken):
            label = f"{channel.name or where} ({scheme}://)"
            silent.append(SilentChannel(where, label, found.why, channel.min_severity))
            continue
        for place, target in enumerate(found, 1):
            label = channel.name or f"{target.kind} {number}"
            label = label if place == 1 else f"{label} #{place}"
            if label in labels:  # Grafana's uids are made of it
                label = f"{label} ({number})"
            labels.add(label)
            made.append(_contact(channel, target, label, where, _variables(channel, text, number, target)))
    return tuple(made), tuple(silent)


def environment(section: NotifySection, texts: Sequence[str]) -> dict[str, str]:
    """The values behind the variables of the generated files: secrets, for an env file that only its owner reads."""
    return {
        name: target.secrets[key]
        for number, channel, text, found in _read(section, texts)
        if not isinstance(found, Unspoken)
        for target in found
        for key, name in _variables(channel, text, number, target).items()
    }


def _read(
    section: NotifySection, texts: Sequence[str]
) -> Iterator[tuple[int, ChannelSection, str, tuple[Target, ...] | Unspoken]]:
    for number, (channel, text) in enumerate(zip(section.urls, texts, strict=True), 1):
        yield number, channel, text, targets(channel.url.get_secret_value())


def _contact(channel: ChannelSection, target: Target, label: str, where: str, variables: Mapping[str, str]) -> Contact:
    # Grafana sends mail by its own settings: the password is for Alertmanager alone.
    given = {key: f"${{{name}}}" for key, name in variables.items() if key != PASSWORD}
    mail = replace(target.mail, password=variables.get(PASSWORD, "")) if target.mail else None
    return Contact(
        target.kind,
        label,
        channel.min_severity,
        {**target.settings, **given},
        tuple(sorted(variables[key] for key in given)),
        where=where,
        mail=mail,
        lacks=target.lacks,
        loses=target.loses,
    )


def _variables(channel: ChannelSection, text: str, number: int, target: Target) -> dict[str, str]:
    """By a secret's name, the variable that holds it.

    Where bgmon.yml has nothing but a variable, its value is used when it is what others want, such as an https URL;
    what stands in apprise's own form, which is known to bgmon alone, goes to a variable beside it.
    """
    only = _ONLY_VARIABLE.fullmatch(text)
    made: dict[str, str] = {}
    for key, value in target.secrets.items():
        if only is None:
            made[key] = f"BGMON_NOTIFY_{number}" + ("" if key in _FIRST else f"_{key.upper()}")
        elif value == channel.url.get_secret_value():
            made[key] = only[1]
        else:
            made[key] = only[1] + ("_HTTPS" if key in _FIRST else f"_{key.upper()}")
    return made
