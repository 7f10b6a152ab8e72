"""The command line of ssh: never a prompt, only known hosts, one connection for many commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# A value that comes first is the one that holds, in ssh: the user's own options stand before these.
_DEFAULTS: Final = (
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "StrictHostKeyChecking=yes",
)


def ssh(
    target: str, command: Sequence[str], *, options: Sequence[str] = (), jump: str | None = None, shared: Path | None
) -> list[str]:
    """The command line.

    Args:
        target: `user@host` or `ssh://user@host:port`.
        command: what runs there; the other side's shell takes it apart.
        options: the user's own.
        jump: the host to go through, with the same options.
        shared: a folder, where commands are to share a connection.
    """
    words = ["ssh", "-T", "-o", "BatchMode=yes", *options]
    if jump is not None:
        through = ["ssh", "-o", "BatchMode=yes", *options, *_settings(_DEFAULTS), "-W", "%h:%p", "--"]
        quoted = " ".join(word if word == "%h:%p" else shlex.quote(word).replace("%", "%%") for word in through)
        words += ["-o", f"ProxyCommand={quoted} {shlex.quote(jump).replace('%', '%%')}"]
    words += _settings(_DEFAULTS)
    if shared is not None:
        words += _settings(("ControlMaster=auto", "ControlPersist=30", f"ControlPath={shared}/%C"))
    return [*words, "--", target, *command]


def _settings(values: Sequence[str]) -> list[str]:
    return [word for value in values for word in ("-o", value)]
