"""Every `bgmon ...` in README.md and docs/ names a command that exists, with options that it has."""

from __future__ import annotations

import shlex

import click
import pytest

from monitor.cli.main import cli
from tests.support.manual import Command, mentions, pages, words

MENTIONS = [command for page in pages() for command in mentions(page)]


def parsed(arguments: list[str]) -> list[str]:
    """The names on the way to the command; refuses commands and options that do not exist."""
    path: list[str] = []
    command: click.Command = cli
    context = click.Context(cli, info_name="bgmon")
    while True:
        try:
            _, rest, _ = command.make_parser(context).parse_args(arguments)
        except click.BadOptionUsage:  # an option that is only named, without its value
            return path or ["bgmon"]
        if not isinstance(command, click.Group) or not rest:
            return path
        name, *arguments = rest
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"{' '.join(['bgmon', *path])} has no command {name!r}")
        path.append(name)
        command, context = found, click.Context(found, info_name=name, parent=context)


def test_there_are_mentions() -> None:
    assert len(MENTIONS) > 100


@pytest.mark.parametrize("command", MENTIONS, ids=str)
def test_a_mention_is_a_command(command: Command) -> None:
    assert parsed(words(command.text)[1:]) or command.text.startswith("bgmon -")


@pytest.mark.parametrize("text", ["bgmon deploi core", "bgmon deploy core --imagine x", "bgmon proxy boost"])
def test_what_does_not_exist_is_found(text: str) -> None:
    with pytest.raises(click.UsageError):
        parsed(shlex.split(text)[1:])
