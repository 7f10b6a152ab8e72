"""From the schema to plain policies and back."""

from __future__ import annotations

from dataclasses import fields

from monitor.config.compile import service_spec
from monitor.config.loader import load_text
from monitor.config.service import ServiceSection
from monitor.domain.deploy.spec import CanaryStep, ServiceSpec
from monitor.domain.deploy.spec_codec import spec_from_json, spec_to_json

TEXT = """\
project: shop
services:
  core:
    image: core
    port: 3000
    route: [{host: a.example.com, path: /x, tls: {cert: /c}}, {host: [b.example.com]}]
    health: {path: /health, status: [200, 300-399], headers: {Host: shop}}
    limits: {memory: 512m, cpus: 0.5, pids: 512}
    env: {A: b}
    secrets: [S]
    deploy: {canary: [{weight: 10, for: 1m}], bake: {for: 5s, max_error_rate: 1%}}
    heal: off
"""


def test_section_and_spec_have_the_same_fields() -> None:
    spec = {field.name for field in fields(ServiceSpec)} - {"name", "sealed", "keeps_data"}
    assert spec == set(ServiceSection.model_fields) - {"build", "group", "like", "logs", "slo"}


SEALED = """\
project: shop
services:
  core:
    image: core
    port: 3000
    health: {path: "/health?key=${API_KEY}", headers: {Authorization: "Bearer ${WORD}", Host: "$${x}", X-Level: "${LEVEL}"}}
    command: [serve, "--token=${TOKEN}", "--level=${LEVEL}"]
"""
VALUES = {"API_KEY": "k-12345678", "WORD": "w-12345678", "LEVEL": "low", "TOKEN": "t-12345678"}


def test_a_secret_of_a_health_check_is_recorded_by_its_name() -> None:
    config = load_text(SEALED, "f", VALUES)
    health = service_spec("core", config.services["core"], config.sealed("core")).health
    assert health.path == "/health?key=${API_KEY}"
    assert health.headers == {"Authorization": "Bearer ${WORD}", "Host": "$${x}", "X-Level": "low"}
    assert set(health.variables) == {"API_KEY", "WORD"}
    assert set(config.variables) == {"API_KEY", "WORD", "TOKEN"}
    assert config.exposed == {("services", "core", "command", 1): ("TOKEN",)}


def test_a_health_check_without_secrets_is_recorded_as_it_is() -> None:
    text = SEALED.replace("${API_KEY}", "1").replace("${WORD}", "1")
    config = load_text(text, "f", VALUES)
    health = service_spec("core", config.services["core"], config.sealed("core")).health
    assert (health.path, health.headers["Host"], health.variables) == ("/health?key=1", "${x}", ())


def test_a_spec_survives_being_recorded() -> None:
    spec = service_spec("core", load_text(TEXT, "f", {}).services["core"])
    assert spec.limits.memory == 512 * 1024**2
    assert spec.deploy.canary == (CanaryStep(10, 60.0),)
    assert spec.deploy.bake.max_error_rate == 0.01
    assert spec.heal.enabled is False
    assert spec_from_json(spec_to_json(spec)) == spec
