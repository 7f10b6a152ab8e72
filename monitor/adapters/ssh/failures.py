"""Why ssh could not connect, in words that say what to do."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.domain.hosts import ssh_address


@dataclass(frozen=True, slots=True)
class Failure:
    """`final`: it would be the same at the next try. `never_began`: ssh got nowhere, so that no command runs there."""

    text: str
    hint: str
    final: bool
    never_began: bool = True


# What ssh(1) says, in lower case -> what it means, what to do, whether it is final.
_MEANINGS: tuple[tuple[str, str, str, bool], ...] = (
    (
        "remote host identification has changed",
        "its host key is another one than the one that is known: the machine was rebuilt, or somebody is in between",
        "compare its fingerprint (ssh-keygen -lf) on its console with what ssh shows, then: ssh-keygen -R {address}",
        True,
    ),
    (
        "host key verification failed",
        "its host key is not known here",
        "compare its fingerprint once, then: ssh-keyscan {port}{address} >> ~/.ssh/known_hosts",
        True,
    ),
    (
        "permission denied",
        "it does not accept the key, and bgmon never asks for a password",
        "put the public key into its ~/.ssh/authorized_keys; name the private one in hosts.NAME.options, or: ssh-add",
        True,
    ),
    (
        "too many authentication failures",
        "it refused all keys of the agent before the right one",
        "name the key with hosts.NAME.options: [-i, FILE, -o, IdentitiesOnly=yes]",
        True,
    ),
    (
        "could not resolve hostname",
        "its name cannot be resolved",
        "check hosts.NAME.ssh in bgmon.yml, and the name server",
        False,
    ),
    ("connection refused", "nothing listens on its ssh port", "is sshd running there, and the port right?", False),
    ("no route to host", "there is no way to it", "is the machine on, and the network up?", False),
    ("network is unreachable", "there is no way to it", "is this machine's network up?", False),
    ("timed out", "it does not answer", "is the machine on? does a firewall drop port {number}?", False),
)


def explain(said: str, target: str) -> Failure:
    """What the last words of ssh mean. `target` is as in bgmon.yml."""
    lower = said.lower()
    address, number = ssh_address(target)
    for words, meaning, hint, final in _MEANINGS:
        if words in lower:
            port = f"-p {number} " if number != "22" else ""
            # "timed out" after the connection stood is a cut, not a refusal.
            began = words == "timed out" and "connect to" not in lower and "banner exchange" not in lower
            return Failure(meaning, hint.format(address=address, port=port, number=number), final, not began)
    last = said.strip().splitlines()[-1] if said.strip() else "the connection ended"
    return Failure(
        f"the connection was lost ({last})", f"try by hand: ssh {target} true", final=False, never_began=False
    )
