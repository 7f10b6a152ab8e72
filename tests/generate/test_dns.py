"""Private DNS records: HCL as a parser reads it, and names as a real dnsmasq answers them."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import hcl2
import pytest

from monitor.domain.internalnames import InternalName
from monitor.render.dns import PROVIDERS, dnsmasq, hosts_lines, terraform
from tests.support.ports import free_port
from tests.support.wait import wait_until

GOLDEN = Path(__file__).parents[1] / "golden" / "dns"
NAMES = [
    InternalName("core", "core.shop.internal", ("vps1", "vps-2.eu"), {"vps1": "10.0.0.1", "vps-2.eu": "10.0.0.2"}),
    InternalName("2nd", "search.shop.internal", ("vps1",), {"vps1": "10.0.0.1"}),
]
EXPRESSIONS = {"vps1": "google_compute_instance.vps1.network_interface[0].network_ip"}


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_the_hcl_is_what_a_parser_takes_and_what_it_was(provider: str) -> None:
    text = terraform(provider, NAMES, "shop.internal", 30, EXPRESSIONS)
    path = GOLDEN / f"{provider}.tf"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
    parsed = hcl2.loads(text)
    kinds = {kind.strip('"') for block in parsed["resource"] for kind in block}
    assert len(kinds) == 1
    labels = [label.strip('"') for block in parsed["resource"] for found in block.values() for label in found]
    assert labels == ["core", "_2nd"]
    variables = {name.strip('"') for block in parsed["variable"] for name in block}
    assert "bgmon_address_vps-2_eu" in variables, "a host without an expression is asked for"
    assert "bgmon_address_vps1" not in variables
    (local,) = parsed["locals"]
    addresses = {key.strip('"'): value for key, value in local["bgmon_addresses"].items()}
    assert "google_compute_instance.vps1" in addresses["vps1"], "a machine made anew changes its record"


def test_every_address_stands_in_the_hosts_file() -> None:
    lines = [line.split() for line in hosts_lines(NAMES).splitlines() if not line.startswith("#")]
    assert lines == [
        ["10.0.0.1", "core.shop.internal"],
        ["10.0.0.2", "core.shop.internal"],
        ["10.0.0.1", "search.shop.internal"],
    ]


@pytest.mark.tools
@pytest.mark.parametrize("as_hosts", [False, True])
def test_a_real_dnsmasq_answers_as_it_should(tmp_path: Path, as_hosts: bool) -> None:
    render: Callable[[list[InternalName]], str] = hosts_lines if as_hosts else dnsmasq
    file = tmp_path / "bgmon.conf"
    file.write_text(render(NAMES))
    port = free_port()
    given = [f"--addn-hosts={file}", "--local=/internal/"] if as_hosts else [f"--conf-file={file}"]
    command = ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--no-daemon", "--pid-file="]
    command += [f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", *given]
    if as_hosts:
        command.append("--conf-file=/dev/null")
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: _ask(port, "core.shop.internal"), what="dnsmasq answers")
        assert _ask(port, "core.shop.internal") == ["10.0.0.1", "10.0.0.2"]
        assert _ask(port, "search.shop.internal") == ["10.0.0.1"]
        assert _ask(port, "nobody.shop.internal") == []
    finally:
        process.terminate()
        process.wait()
        log.close()


def _ask(port: int, name: str) -> list[str]:
    """The A records of a name (RFC 1035), sorted; none when nothing answers."""
    question = (
        b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0" + struct.pack(">HH", 1, 1)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect(("127.0.0.1", port))
        try:
            client.send(struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question)
            answer = client.recv(4096)
        except OSError:
            return []
    count = struct.unpack(">H", answer[6:8])[0]
    place, found = 12 + len(question), []
    for _ in range(count):
        kind, _, _, size = struct.unpack(">HHIH", answer[place + 2 : place + 12])  # names are pointers here
        if kind == 1:
            found.append(socket.inet_ntoa(answer[place + 12 : place + 12 + size]))
        place += 12 + size
    return sorted(found)
