"""From the schema to the plain policies that services work with."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.config.schema import Config
from monitor.config.service import HealthSection, ServiceSection
from monitor.config.yamlfile import Path
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.deploy.spec_codec import spec_of
from monitor.domain.jobs import Job, backup_name
from monitor.domain.sealing import literal, variables

_NOT_IN_SPEC = {"build", "group", "like", "logs", "slo"}


def service_spec(name: str, section: ServiceSection, sealed: Mapping[Path, str] | None = None) -> ServiceSpec:
    """The plain policy of one service. Field names are the same on both sides; a test holds them to it.

    `sealed` are the settings that hold secrets, as texts that name them: see `Config.sealed`.
    """
    given = section.model_dump(exclude=_NOT_IN_SPEC)
    texts = sealed or {}
    hidden = {str(path[-1]): text for path, text in texts.items() if path[0] == "env"}
    given["env"] = {key: value for key, value in section.env.items() if key not in hidden}
    probe = {path: text for path, text in texts.items() if path[0] == "health"}
    if probe:
        given["health"] |= _sealed_probe(section.health, probe)
    return spec_of({"name": name, **given, "sealed": hidden, "keeps_data": section.is_accessory})


def _sealed_probe(health: HealthSection, texts: Mapping[Path, str]) -> dict[str, object]:
    """With one secret among them, all of what is sent is recorded as a template."""

    def template(value: str, *place: str) -> str:
        return texts.get(("health", *place), literal(value))

    return {
        "path": None if health.path is None else template(health.path, "path"),
        "headers": {name: template(value, "headers", name) for name, value in health.headers.items()},
        "variables": variables(texts.values()),
    }


def service_specs(config: Config) -> dict[str, ServiceSpec]:
    return {name: service_spec(name, section, config.sealed(name)) for name, section in config.all_services.items()}


def jobs(config: Config) -> dict[str, Job]:
    """Every job, with the one host that runs it."""
    made = {}
    for name, section in config.jobs.items():
        first = next(iter(config.all_services[section.like].hosts), None)
        given = section.model_dump()
        made[name] = Job(**{"name": name, **given, "host": section.host or first})
    for accessory, section_ in config.accessories.items():
        if section_.backup is not None:
            name, first = backup_name(accessory), next(iter(section_.hosts), None)
            made[name] = Job(name, accessory, **section_.backup.model_dump(), host=first)
    return made
