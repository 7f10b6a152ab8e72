"""From the schema to plain policies and back."""

from __future__ import annotations

from dataclasses import fields

from monitor.config.compile import service_spec, spec_from_json, spec_to_json
from monitor.config.loader import load_text
from monitor.config.service import ServiceSection
from monitor.domain.deploy.spec import CanaryStep, ServiceSpec

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
    spec = {field.name for field in fields(ServiceSpec)} - {"name", "sealed"}
    assert spec == set(ServiceSection.model_fields) - {"build", "logs", "slo"}


def test_a_spec_survives_being_recorded() -> None:
    spec = service_spec("core", load_text(TEXT, "f", {}).services["core"])
    assert spec.limits.memory == 512 * 1024**2
    assert spec.deploy.canary == (CanaryStep(10, 60.0),)
    assert spec.deploy.bake.max_error_rate == 0.01
    assert spec.heal.enabled is False
    assert spec_from_json(spec_to_json(spec)) == spec
