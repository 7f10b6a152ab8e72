"""What HAProxy's sockets say, read."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from monitor.adapters.haproxy.driver import _counters, _state
from monitor.adapters.haproxy.runner import words
from monitor.adapters.haproxy.runtime import RuntimeSocket, columns, failures, pairs, table, workers
from monitor.errors import ProxyError, ProxyUnreachable
from monitor.render.haproxytext import version_word

_PROC = """#<PID>          <type>          <reloads>       <uptime>        <version>
16904           master          1 [failed: 2]   0d00h00m01s     2.6.12-1
# workers
16912           worker          0               0d00h00m00s     2.6.12-1
# old workers
16906           worker          1               0d00h00m01s     2.6.12-1
# programs

"""


def test_processes() -> None:
    assert workers(_PROC) == ([16912], [16906])
    assert failures(_PROC) == 2
    assert workers("") == ([], [])


def test_states() -> None:
    text = (
        "1\n# be_id be_name srv_id srv_name srv_admin_state srv_uweight\n4 core 1 blue 4 100\n4 core 2 green 13 50\n\n"
    )
    blue, green = columns(text)
    assert (blue["srv_name"], _state(blue)) == ("blue", "ready")
    assert (green["srv_uweight"], _state(green)) == ("50", "maint")
    assert _state({"srv_admin_state": "8"}) == "drain"


def test_tables() -> None:
    assert table("# pxname,svname,scur,\ncore,blue,3,\n\n")[0]["scur"] == "3"
    assert pairs("Name: HAProxy\nUptime: 0d 0h01m\n\n") == {"Name": "HAProxy", "Uptime": "0d 0h01m"}


def test_failed_connections_are_requests_that_failed() -> None:
    row = {"hrsp_2xx": "7", "hrsp_5xx": "2", "hrsp_4xx": "1", "econ": "3", "eresp": "4", "stot": "99"}
    found = _counters(row)
    assert (found.requests, found.errors, found.connect_errors) == (17, 9, 3)


def test_a_version_is_oneversion_word() -> None:
    assert version_word("v1.2-rc+b") == "v1.2-rc+b"
    assert version_word('a b;"c\n') == "a_b__c_"
    assert version_word("") == "-"


def test_complaints_are_what_matters() -> None:
    output = (
        '{"service":"x"}\n[NOTICE]   (1) : hello\n[ALERT]    (1) : cannot bind socket\n[ALERT] (1) : FD limit (2)\n'
    )
    assert words(output) == "cannot bind socket"


@pytest.fixture
def server(tmp_path: Path) -> socket.socket:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    listener = socket.socket(socket.AF_UNIX)
    descriptor = os.open(folder, os.O_PATH)
    listener.bind(f"/proc/self/fd/{descriptor}/s")
    os.close(descriptor)
    listener.listen()
    return listener


def test_a_command_that_is_answered_with_words_failed(server: socket.socket, tmp_path: Path) -> None:
    """Over a path that is longer than a Unix socket's may be."""

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"\nNo such server.\n\n")

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(ProxyError, match="refused: No such server"):
        RuntimeSocket(tmp_path / ("long" * 40), "s").tell("set server a/b state ready", "set server a/c state ready")
    thread.join()
    server.close()


def test_no_answer_in_time(server: socket.socket, tmp_path: Path) -> None:
    with pytest.raises(ProxyUnreachable, match="did not answer within 0.05 s"):
        RuntimeSocket(tmp_path / ("long" * 40), "s", timeout=0.05).ask("show info")
    server.close()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ProxyUnreachable, match="No such file") as caught:
        RuntimeSocket(tmp_path, "s").ask("show info")
    assert caught.value.hint == "start it with: bgmon proxy boot"
    with pytest.raises(ProxyUnreachable):
        RuntimeSocket(tmp_path / "gone", "s").ask("show info")
