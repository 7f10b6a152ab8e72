"""A shell on another machine, by the system's own ssh: for machines that have no bgmon yet."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Final

from monitor.adapters.ssh.client import Address
from monitor.adapters.ssh.command import ssh
from monitor.adapters.ssh.failures import explain
from monitor.errors import UnreachableError, UsageError
from monitor.ports.shells import Answer

_SSH_FAILED: Final = 255
_PATH: Final = 'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; export PATH\n'


class RemoteShell:
    """The Shell port.

    Args:
        address: how the host is reached.
        shared: where its connection is shared with other commands.
        password: what sudo is told when it asks, on standard input. None: sudo must not ask.
    """

    def __init__(self, address: Address, *, shared: Path, password: str | None = None) -> None:
        self._address = address
        self._shared = shared
        self._password = password
        self._sudo: tuple[list[str], bytes] | None = None

    def run(self, script: str, data: bytes = b"", *, root: bool = False) -> Answer:
        words, first = self._become_root() if root else ([], b"")
        return self._ssh([*words, "sh", "-c", _PATH + script], first + data)

    def renew(self) -> None:
        self._close()

    def _become_root(self) -> tuple[list[str], bytes]:
        """The words before a command that make it root's, and what stands before its standard input."""
        if self._sudo is None:
            self._sudo = self._find_sudo()
        return self._sudo

    def _find_sudo(self) -> tuple[list[str], bytes]:
        name = self._address.name
        if self._ssh(["id", "-u"]).out.strip() == "0":
            return [], b""
        if self._ssh(["sh", "-c", _PATH + "command -v sudo"]).code:
            raise UsageError(f"{name}: this needs root, and there is no sudo", hint=f"set hosts.{name}.ssh to root@...")
        if self._ssh(["sudo", "-n", "true"]).code == 0:
            return ["sudo", "-n", "--"], b""
        if self._password is None:
            hint = "give it once with --ask-sudo, or allow NOPASSWD for that user in /etc/sudoers.d"
            raise UsageError(f"{name}: this needs root, and sudo wants a password there", hint=hint)
        # -k: it asks for sure, so that the password cannot become a command's input
        words, first = ["sudo", "-k", "-S", "-p", "", "--"], f"{self._password}\n".encode()
        if self._ssh([*words, "true"], first).code:
            raise UsageError(f"{name}: sudo does not accept the password", hint="is the user one of its sudoers?")
        return words, first

    def _ssh(self, words: list[str], data: bytes = b"") -> Answer:
        address = self._address
        argv = ssh(
            address.target,
            [shlex.join(words)],
            options=address.options,
            jump=address.jump,
            shared=self._shared,
        )
        try:
            done = subprocess.run(  # noqa: S603 - ssh, with what bgmon.yml says
                argv, input=data, capture_output=True, check=False, start_new_session=True
            )
        except OSError as error:
            raise UnreachableError(
                f"ssh cannot be started: {error.strerror}", hint="install the OpenSSH client"
            ) from None
        err = done.stderr.decode(errors="replace")
        if done.returncode == _SSH_FAILED:
            failure = explain(err, address.target)
            raise UnreachableError(f"{address.name}: {failure.text}", hint=failure.hint)
        return Answer(done.returncode, done.stdout.decode(errors="replace"), err)

    def _close(self) -> None:
        address = self._address
        argv = ssh(address.target, [], options=address.options, jump=address.jump, shared=self._shared)
        subprocess.run(  # noqa: S603 - as above
            [argv[0], "-O", "exit", *argv[1:]], capture_output=True, check=False, timeout=30
        )
