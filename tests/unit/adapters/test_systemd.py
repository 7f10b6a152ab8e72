"""What systemd hears, on a real datagram socket."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from monitor.adapters.host.systemd import Systemd


def test_readiness_progress_and_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        manager = Systemd()
        manager.ready()
        manager.alive("3 of 3 services healthy")
        manager.stopping()
        heard = [listener.recv(4096) for _ in range(3)]
        assert manager._notifier is not None
        manager._notifier.socket.close()
    assert heard == [b"READY=1", b"WATCHDOG=1\nSTATUS=3 of 3 services healthy", b"STOPPING=1"]


def test_without_systemd_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    manager = Systemd()
    manager.ready()
    assert manager._notifier is None
