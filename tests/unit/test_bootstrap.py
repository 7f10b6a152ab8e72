"""The application as it is put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.bootstrap import build
from monitor.config.loader import load_file
from monitor.domain.deploy.records import DeployRecord
from monitor.services.deploy.deps import DeployEvent
from tests.support.ports import free_port


def test_a_deploy_is_announced_and_what_goes_wrong_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    file = tmp_path / "bgmon.yml"
    loki = f"http://127.0.0.1:{free_port()}"
    file.write_text(f"project: shop\nservices: {{core: {{image: x}}}}\nlogs: {{source: loki, url: '{loki}'}}\n")
    told: list[DeployEvent] = []
    announce = build(str(file)).deps(told.append).announce
    assert announce is not None
    announce(DeployRecord("d1", "core", "deploy", "x", "v1", "me", 1.0, 2.0, "deployed"))
    assert [(event.event, event.service) for event in told] == [("warning", "core")]
    assert f"Loki at {loki} was not told of the deploy" in told[0].text


def test_without_loki_and_grafana_nobody_is_told(tmp_path: Path) -> None:
    file = tmp_path / "bgmon.yml"
    file.write_text("project: shop\nservices: {core: {image: x}}\n")
    assert (
        build(str(file)).wiring.annotations.announce(DeployRecord("d1", "core", "deploy", "x", "v1", "me", 1.0)) == []
    )


def test_a_changed_proxy_section_reaches_those_who_hold_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    file = tmp_path / "bgmon.yml"
    text = "project: shop\nproxy: {{run: process, listen: ['127.0.0.1:{port}']}}\nservices: {{core: {{image: x}}}}\n"
    file.write_text(text.format(port=8001))
    app = build(str(file))
    proxy = app.proxy
    before = proxy.status
    file.write_text(text.format(port=8002))
    app.take_config(load_file(file))
    assert before.__self__ is not proxy.status.__self__  # type: ignore[attr-defined]
    assert "127.0.0.1:8002" in app.wiring.proxy_config()
