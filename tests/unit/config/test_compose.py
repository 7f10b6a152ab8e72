"""Starting from a Compose file."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.compose import from_compose
from monitor.config.loader import load_text
from monitor.errors import ConfigError, UsageError

COMPOSE = """\
name: My Shop
services:
  Web_1:
    image: nginx:1.25
    ports: ["8080:80", {target: 443}]
    environment: {DB_PASSWORD: hunter2, LEVEL: "${LEVEL:-info}", DEBUG: true}
    healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:80/healthz"]}
    depends_on: {db: {condition: service_healthy}}
    deploy: {resources: {limits: {memory: 512m, cpus: "0.5"}}}
    secrets: [x]
  db:
    build: .
    environment: [POSTGRES_PASSWORD, LANG=C]
    volumes: ["pg:/var/lib/postgresql", {type: tmpfs, target: /tmp}]
"""


def test_what_can_be_carried_over_is_and_the_rest_is_said(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE)
    text, notes = from_compose(file)
    config = load_text(text, "bgmon.yml", {})
    web, db = config.services["web-1"], config.services["db"]
    assert config.project == "my-shop"
    assert (web.port, web.health.path, web.depends_on) == (80, "/healthz", ("db",))
    assert (web.limits.memory, web.limits.cpus) == (512 * 1024**2, 0.5)
    assert web.secrets == ("DB_PASSWORD",)
    assert web.env == {"LEVEL": "${LEVEL:-info}", "DEBUG": "true"}
    assert db.secrets == ("POSTGRES_PASSWORD",)
    assert db.volumes == ("pg:/var/lib/postgresql",)
    said = "\n".join(notes)
    for words in ("several ports", "became secrets", "built from source", "long form", "not carried over: secrets"):
        assert words in said
    assert "hunter2" not in text + said


def test_empty_sections_and_clashing_names_are_borne(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services:\n  my_app: {image: a, ports: , volumes: , environment: , depends_on: , deploy: {resources: {limits: }}}\n"
        "  my-app: {image: b, volumes: ['./x:/y', 'data:/d'], tmpfs: [/t]}\n  c: {image: c, volumes: ['./x:/y', 'data:/d'], tmpfs: [/t]}\n"
    )
    text, notes = from_compose(file)
    assert load_text(text, "bgmon.yml", {}).services["c"].volumes == ("data:/d",)
    said = "\n".join(notes)
    for words in ("my-app: left out", "relative host paths", "<project>_name", "not carried over: tmpfs"):
        assert words in said


def test_what_is_no_compose_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("a: 1\n")
    with pytest.raises(ConfigError, match="no Compose file"):
        from_compose(file)
    with pytest.raises(UsageError, match="No such file"):
        from_compose(tmp_path / "missing.yaml")
