"""A made bgmon.yml that passes the check: what the check refuses is taken away, and said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from monitor.config.compose.ledger import Notes
from monitor.config.compose.text import bgmon_text
from monitor.config.loader import load_text
from monitor.errors import ConfigError, Problem

_MOST_REPAIRS: Final = 200


class _AnyVariable(dict[str, str]):
    """An environment in which every variable is set, at least to a number of its own: real values are for later."""

    def get(self, key: str, default: Any = None) -> Any:
        del default
        return self.setdefault(key, str(len(self) + 1))


def settled(  # noqa: PLR0917 - the parts of a file, in their order
    file: str,
    head: Sequence[str],
    project: str,
    services: dict[str, dict[str, Any]],
    idle: dict[str, dict[str, Any]],
    notes: Notes,
    known: Mapping[str, str],
    more: Mapping[str, Any] | None = None,
) -> tuple[str, list[str]]:
    """The text, and all notes.

    Args:
        file: where it comes from, for messages.
        head: the first comment.
        project: its name.
        services: sections by name.
        idle: sections that stand there as comments.
        notes: what is said so far.
        known: variables whose values are known now.
        more: further sections of the file, in front of the services.

    Raises:
        ConfigError: what is left passes no check.
    """
    for _ in range(_MOST_REPAIRS):
        text = bgmon_text(head, project, services, idle, notes.made, more)
        if not services:
            return text, [str(note) for note in notes.made]
        try:
            load_text(text, "bgmon.yml", _AnyVariable(known))
        except ConfigError as error:
            if not _without(services, error.problems[0], notes):
                raise
        else:
            return text, [str(note) for note in notes.made]
    raise ConfigError([Problem(file, 0, "services", "holds too much that cannot be taken over")])


def _without(services: dict[str, dict[str, Any]], problem: Problem, notes: Notes) -> bool:
    """Take away what the check refuses, and say so; False when it is nothing that can be taken away."""
    known = sorted((name for name in services if f"services.{name}." in f"{problem.key}.{problem.message}"), key=len)
    if not known:
        return False
    name = known[-1]
    place = f"{problem.key}: {problem.message}".partition(f"services.{name}.")[2]
    key = place.replace("[", ".").replace(":", ".").partition(".")[0]
    if key not in services[name]:
        # A rule about the whole section: what the message speaks of, or else what it cannot do without.
        key = next((item for item in ("route", "health", "internal", "port") if item in services[name]), "")
    if not key or key == "image":
        return False
    del services[name][key]
    notes.add(name, f"{key}: not taken over: {problem.message}")
    return True
