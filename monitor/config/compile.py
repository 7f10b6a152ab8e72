"""From the schema to the plain policies that services work with."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import TypeAdapter

from monitor.config.schema import Config
from monitor.config.service import ServiceSection
from monitor.domain.deploy.spec import ServiceSpec

_SPEC = TypeAdapter(ServiceSpec)
_NOT_IN_SPEC = {"build", "logs", "slo"}


def service_spec(name: str, section: ServiceSection, sealed: Mapping[str, str] | None = None) -> ServiceSpec:
    """The plain policy of one service. Field names are the same on both sides; a test holds them to it.

    `sealed` are the variables of `env` that hold secrets, as texts that name them.
    """
    given = section.model_dump(exclude=_NOT_IN_SPEC)
    env = {key: value for key, value in section.env.items() if key not in (sealed or {})}
    return _SPEC.validate_python({"name": name, **given, "env": env, "sealed": dict(sealed or {})})


def service_specs(config: Config) -> dict[str, ServiceSpec]:
    return {name: service_spec(name, section, config.sealed(name)) for name, section in config.services.items()}


def spec_to_json(spec: ServiceSpec) -> str:
    """The spec as it is recorded with a release; secrets are in it by name only."""
    return _SPEC.dump_json(spec).decode()


def spec_from_json(text: str) -> ServiceSpec:
    return _SPEC.validate_json(text)
