"""`bgmon completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option("--json", "_as_json", is_flag=True, help="Accepted for symmetry: a script is printed either way.")
@click.pass_context
def command(ctx: click.Context, shell: str, _as_json: bool) -> None:
    """Print the shell's completion script.

    \b
    Examples:
      bgmon completion bash > /etc/bash_completion.d/bgmon
      bgmon completion zsh > "${fpath[1]}/_bgmon"
      bgmon completion fish > ~/.config/fish/completions/bgmon.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "the choices are click's own"
    click.echo(kind(ctx.find_root().command, {}, "bgmon", "_BGMON_COMPLETE").source())
