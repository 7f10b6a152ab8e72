"""The command line of ssh, and its last words."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.adapters.ssh.command import ssh
from monitor.adapters.ssh.failures import explain
from monitor.domain.hosts import ssh_address


def test_never_a_prompt_and_the_users_options_come_first() -> None:
    words = ssh(
        "root@vps1", ["bgmon", "job"], options=["-o", "StrictHostKeyChecking=accept-new"], shared=Path("/tmp/x")
    )
    assert words[:4] == ["ssh", "-T", "-o", "BatchMode=yes"]
    assert words.index("StrictHostKeyChecking=accept-new") < words.index("StrictHostKeyChecking=yes")
    assert "ControlPath=/tmp/x/%C" in words
    assert words[-4:] == ["--", "root@vps1", "bgmon", "job"]
    assert not [word for word in ssh("x", [], shared=None) if word.startswith("Control")]


def test_the_way_through_a_jump_host_is_as_strict_as_the_rest() -> None:
    words = ssh("root@vps1", [], options=["-i", "/keys/my key%1"], jump="root@bastion", shared=None)
    command = next(word for word in words if word.startswith("ProxyCommand="))
    assert "BatchMode=yes" in command
    assert "StrictHostKeyChecking=yes" in command
    assert "-i '/keys/my key%%1'" in command
    assert command.endswith("-W %h:%p -- root@bastion")


@pytest.mark.parametrize(
    ("said", "text", "final", "never_began"),
    [
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "another one",
            True,
            True,
        ),
        ("No ED25519 host key is known for 10.0.0.1\nHost key verification failed.", "not known here", True, True),
        ("root@vps1: Permission denied (publickey).", "does not accept the key", True, True),
        ("ssh: connect to host vps1 port 22: Connection refused", "nothing listens", False, True),
        ("ssh: connect to host vps1 port 22: Connection timed out", "does not answer", False, True),
        ("Timeout, server vps1 not responding.", "connection was lost", False, False),
        ("client_loop: send disconnect: Broken pipe", "connection was lost", False, False),
        ("ssh: Could not resolve hostname vps1: Name or service not known", "cannot be resolved", False, True),
        ("", "connection was lost", False, False),
    ],
)
def test_what_ssh_said_becomes_what_to_do(said: str, text: str, final: bool, never_began: bool) -> None:
    failure = explain(said, "ssh://root@vps1:2222")
    assert text in failure.text
    assert (failure.final, failure.never_began) == (final, never_began)
    assert failure.hint
    assert "{" not in failure.hint


def test_an_unknown_port_is_part_of_the_advice() -> None:
    assert "ssh-keyscan -p 2222 vps1" in explain("Host key verification failed.", "ssh://root@vps1:2222").hint
    assert ssh_address("root@vps1") == ("vps1", "22")
    assert ssh_address("ssh://root@[fd00::1]:2200") == ("fd00::1", "2200")
    assert ssh_address("root@fd00::1") == ("fd00::1", "22")
