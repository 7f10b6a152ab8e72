"""What a running proxy takes over without a reload: certificates, and the maps about them.

Source: HAProxy Management Guide, section 9.3, "set ssl cert" and "commit ssl cert". A certificate is staged in a
transaction, of which there is one at a time, and serves new handshakes once it is committed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from monitor.adapters.haproxy.runtime import LONGEST_PAYLOAD, RuntimeSocket
from monitor.errors import ProxyError
from monitor.render.haproxy import SECURED_MAP

log = logging.getLogger(__name__)

_ROOM: Final = 200  # the command in front of a certificate


def changed(files: Mapping[str, bytes], before: Mapping[str, bytes]) -> dict[str, bytes]:
    """The certificates that a proxy with the files `before` has another version of, and what it says of their hosts."""
    fresh = {
        name: data for name, data in files.items() if name.endswith(".pem") and before.get(name) not in (None, data)
    }
    if SECURED_MAP in before:
        known, wanted = _pairs(before[SECURED_MAP]), _pairs(files[SECURED_MAP])
        now = {host: wanted.get(host, value) for host, value in known.items()}
        if now != known:
            fresh[SECURED_MAP] = "".join(f"{host} {value}\n" for host, value in now.items()).encode()
    return fresh


def load(admin: RuntimeSocket, files: Mapping[str, bytes]) -> bool:
    """Take them over; False when a reload is needed for it, since one is too long for a command.

    Raises:
        ProxyError: HAProxy refused one; what came before it is taken over.
        ProxyUnreachable: nobody answers.
    """
    if any(len(data) > LONGEST_PAYLOAD - _ROOM for data in files.values()):
        return False
    for name, data in files.items():
        if name.endswith(".pem"):
            _commit(admin, name, data.decode("ascii", errors="replace"))
    if SECURED_MAP in files:
        sync(admin, SECURED_MAP, files[SECURED_MAP].decode())
    return True


def sync(admin: RuntimeSocket, name: str, text: str) -> None:
    """Make a live map what `text` says.

    Raises:
        ProxyError: there is no such map.
        ProxyUnreachable: nobody answers.
    """
    said = admin.ask(f"show map {name}")
    # "0x55a6 key value"; anything else is words.
    rows = [line.split(" ", 2) for line in said.splitlines() if line]
    if any(not row[0].startswith("0x") for row in rows):
        raise ProxyError(f"the proxy has no map {name}: {' '.join(said.split())}", hint="run: bgmon proxy reload")
    live = {row[1]: row[2] if len(row) > 2 else "" for row in rows}  # noqa: PLR2004
    wanted = _pairs(text.encode())
    commands = [f"del map {name} {key}" for key in live.keys() - wanted.keys()]
    commands += [f"add map {name} {key} {wanted[key]}" for key in wanted.keys() - live.keys()]
    commands += [
        f"set map {name} {key} {wanted[key]}" for key in wanted.keys() & live.keys() if live[key] != wanted[key]
    ]
    for command in sorted(commands):
        admin.tell(command)


def _commit(admin: RuntimeSocket, name: str, pem: str) -> None:
    said = admin.load(f"set ssl cert {name}", pem)
    if f"created for certificate {name}!" not in said:
        # Somebody was killed between the two commands. 2.6 takes our text into a transaction about another file.
        for line in admin.ask("show ssl cert").splitlines():
            if line.startswith("*"):
                log.warning("a certificate that was staged and never committed is dropped: %s", line[1:])
                admin.ask(f"abort ssl cert {line[1:]}")
        said = admin.load(f"set ssl cert {name}", pem)
    if f"created for certificate {name}!" not in said:
        raise ProxyError(f"the proxy refused the certificate {name}: {' '.join(said.split())}")
    said = admin.ask(f"commit ssl cert {name}")
    if "Success" not in said:
        admin.ask(f"abort ssl cert {name}")
        raise ProxyError(f"the proxy refused the certificate {name}: {' '.join(said.split())}")


def _pairs(data: bytes) -> dict[str, str]:
    parted = (line.partition(" ") for line in data.decode(errors="replace").splitlines())
    return {key: value for key, _, value in parted if key}
