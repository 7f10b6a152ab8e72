"""Messages out of Jinja2 templates: the shipped ones, or a folder of the user's with files of the same names.

Templates run in Jinja2's sandbox, those of the user in a process with limits. What comes from outside (a log line may
hold anything) is escaped for the flavor of chat that it goes to, so that no log line can call a whole channel.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from jinja2 import ChoiceLoader, FileSystemLoader, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from monitor.adapters.templates.limited import render_limited
from monitor.domain.health.causes import span
from monitor.errors import NotifyError
from monitor.ports.notify import Outgoing
from monitor.render.sandbox import TemplateFault, render_here, sandbox

log = logging.getLogger(__name__)

# `chat` is `text` for a service of which it is not known what it makes of signs in it.
Flavor = Literal["text", "chat", "slack", "discord"]
TEMPLATES: Final = Path(__file__).parent / "templates"
LIMITS: Final[dict[Flavor, int]] = {"text": 3500, "chat": 3500, "slack": 3500, "discord": 1900}
SHOWN_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Text:
    title: str
    body: str


class Messages:
    """Renders messages of one host.

    Args:
        project: shown in every message.
        host: shown in every message.
        folder: the user's own templates; files missing there are taken from the shipped ones.
    """

    def __init__(self, project: str, host: str, folder: Path | None = None) -> None:
        self._names = {"project": project, "host": host}
        self._folder = folder
        self._exhausting: object = None  # the folder's fingerprint when a template in it took more than it gets

    def render(self, outgoing: Outgoing, flavor: Flavor) -> Text:
        """The message; a template of the user's that fails is replaced by the shipped one, and said so in the log."""
        fingerprint = _fingerprint(self._folder)
        if self._folder is None or (fingerprint is not None and fingerprint == self._exhausting):
            return self._render(outgoing, flavor, None)
        try:
            return self._render(outgoing, flavor, self._folder)
        except NotifyError as error:
            if isinstance(error.__cause__, TemplateFault) and error.__cause__.exhausted:
                # Tried again for every message, it would hold up each of them.
                self._exhausting = fingerprint
                log.warning("%s; the shipped templates are used until a file in the folder changes", error)
            else:
                log.warning("%s; the shipped template is used instead", error)
            return self._render(outgoing, flavor, None)

    def check(self, outgoing: Outgoing) -> None:
        """Raises NotifyError naming the template of the user's that does not work."""
        for flavor in LIMITS:
            self._render(outgoing, flavor, self._folder)

    def _render(self, outgoing: Outgoing, flavor: Flavor, folder: Path | None) -> Text:
        message = outgoing.message
        context = {
            **self._names,
            "at": message.at,
            "lines": message.lines[:SHOWN_LINES],
            "more": max(0, len(message.lines) - SHOWN_LINES),
            "severity": message.severity,
            "repeated": outgoing.repeated,
        }
        run = render_here if folder is None else render_limited
        form = "text" if flavor == "chat" else flavor
        jobs = [(f"{part}.{form}.j2", context) for part in ("title", "message")]
        try:
            title, body = run(message_templates, (flavor, folder), jobs)
        except TemplateFault as error:
            raise NotifyError(f"template {error}", permanent=True) from error
        return Text(" ".join(title.split())[:200], shorten(body.strip(), LIMITS[flavor]))


def _fingerprint(folder: Path | None) -> object:
    """Another value whenever a template in the folder was changed; None when there is nothing to look at."""
    if folder is None:
        return None
    try:
        return tuple((entry.name, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in sorted(folder.iterdir()))
    except OSError:
        return None


def message_templates(flavor: Flavor, folder: Path | None) -> ImmutableSandboxedEnvironment:
    """What the templates are rendered in: files of `folder` come before the shipped ones."""
    folders = [folder, TEMPLATES] if folder is not None else [TEMPLATES]
    environment = sandbox(
        ChoiceLoader([FileSystemLoader(str(path)) for path in folders]),
        undefined=Undefined,  # a message with a gap is better than none
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_ESCAPES[flavor],
    )
    environment.filters.update(duration=span, tail=tail, words=words)
    return environment


def _slack(value: Any) -> Any:
    # https://api.slack.com/reference/surfaces/formatting#escaping; `<!channel>` would call everybody.
    if not isinstance(value, str):
        return value
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("```", "'''")


# Where one of apprise's hundred services sees more than text: mentions (`@all`, `<@U1>`, `<!here>`, `<at>`), tags,
# links with another text (`[a](b)`, `[a][b]`, `<b|a>`), fences. No escape is known to all of them; but something
# invisible between the two signs that begin such a thing breaks it in each of their languages, and changes no word.
_NOTHING: Final = "\N{ZERO WIDTH SPACE}"
_TRIGGERS: Final = re.compile(r"@(?=\S)|<(?=\S)|\](?=[(\[:{])|(?<=\n)\[(?=\S)")
_FENCES: Final = re.compile(r"`{3,}|~{3,}")


def _inert(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _TRIGGERS.sub(lambda match: match[0] + _NOTHING, _FENCES.sub(lambda match: "'" * len(match[0]), value))


def _text(value: Any) -> Any:
    return value


_ESCAPES: Final[dict[Flavor, Callable[[Any], Any]]] = {
    "text": _text,
    "chat": _inert,
    "slack": _slack,
    "discord": _inert,
}


def tail(text: str, lines: int = 12, length: int = 900) -> str:
    """The end of a text: the last lines are the ones that say why."""
    kept = "\n".join(text.rstrip().splitlines()[-lines:])
    return kept if len(kept) <= length else f"...{kept[-length:]}"


def words(kind: str) -> str:
    return kind.replace("-", " ")


def shorten(text: str, length: int) -> str:
    """At most `length` characters; an open code block is closed."""
    if len(text) <= length:
        return text
    cut = text[: length - 40]
    closing = "\n```" if cut.count("```") % 2 else ""
    return f"{cut}{closing}\n... (shortened)"
