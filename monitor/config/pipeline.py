"""From bgmon.yml to what a pipeline is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from monitor.config.loader import load_text
from monitor.config.schema import Config
from monitor.domain.names import repository_of
from monitor.domain.sealing import variables
from monitor.errors import ConfigError, UsageError
from monitor.render.ci.pipeline import Pipeline, Registry

_AMAZON: Final = re.compile(r"[0-9]+\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_GOOGLE: Final = re.compile(r"(?:[a-z0-9-]+-docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io)")
_HUB: Final = "docker.io"
_CHANNELS: Final = {
    "SLACK": "https://hooks.slack.com/services/T00000000/B00000000/placeholder",
    "DISCORD": "https://discord.com/api/webhooks/100000000000000000/placeholder",
}


def pipeline_of(
    text: str, *, environ: Mapping[str, str], config: str, branch: str, requirement: str, generated: bool
) -> Pipeline:
    """What the pipeline needs to know.

    Args:
        text: bgmon.yml.
        environ: for its variables; those that are not set get a placeholder.
        config: where bgmon.yml is, seen from the root of the repository.
        branch: what is deployed when it is pushed.
        requirement: what pip installs.
        generated: whether the repository holds generated files.

    Raises:
        ConfigError: bgmon.yml is wrong.
        UsageError: a pipeline could not know where to deploy.
    """
    named = variables([text])
    placeholders = {name: _placeholder(name) for name in named}
    checkable: dict[str, str] | None = placeholders
    try:
        found = load_text(text, config, placeholders)
    except ConfigError:
        checkable = None
        found = load_text(text, config, {**placeholders, **environ})
    hosts = tuple(name for name, host in found.hosts.items() if host.ssh is not None)
    homeless = [name for name, service in found.services.items() if not set(service.hosts) & set(hosts)]
    if homeless:
        raise UsageError(
            f"a pipeline deploys over ssh, and {', '.join(homeless)} has no host with an ssh address",
            hint="add for instance: hosts: {vps1: {ssh: deploy@vps1.example.com}}, and hosts: [vps1] to the service",
        )
    secrets = [name for service in found.services.values() for name in service.secrets]
    return Pipeline(
        config=config,
        branch=branch,
        requirement=requirement,
        services=tuple(found.services),
        hosts=hosts,
        registries=_registries(found),
        variables=named,
        secrets=tuple(dict.fromkeys(secrets)),
        build_variables=_build_variables(text, found),
        placeholders=checkable,
        generated=generated,
    )


def _placeholder(name: str) -> str:
    """A value that a check takes, and of which the same files are generated, as far as the variable's name tells."""
    for word, url in _CHANNELS.items():
        if word in name:
            return url
    if re.search(r"URL|URI|WEBHOOK|DSN|ENDPOINT", name):
        return f"https://example.com/{name.lower()}"
    if re.search(r"PORT$|COUNT$|SIZE$", name):
        return "3000"
    return f"placeholder-{name.lower().replace('_', '-')}"


def _registries(config: Config) -> tuple[Registry, ...]:
    made: dict[str, Registry] = {}
    for service in config.services.values():
        if service.build is None:
            continue
        first, slash, _ = repository_of(service.image).partition("/")
        host = first if slash and ("." in first or ":" in first or first == "localhost") else _HUB
        amazon = _AMAZON.fullmatch(host)
        if host == "ghcr.io":
            made[host] = Registry(host, "github")
        elif host == "registry.gitlab.com":
            made[host] = Registry(host, "gitlab")
        elif amazon:
            made[host] = Registry(host, "amazon", amazon[1])
        elif _GOOGLE.fullmatch(host):
            made[host] = Registry(host, "google")
        else:
            made[host] = Registry(host, "other")
    return tuple(made.values())


def _build_variables(text: str, config: Config) -> tuple[str, ...]:
    """Variables in `image` and `build`, and the builds' secrets."""
    from monitor.config.yamlfile import parse

    data: Any = parse(text, "bgmon.yml").data
    texts: list[str] = [str(data.get("project"))]
    for section in data["services"].values():
        texts += [str(section.get("image")), str(section.get("build"))]
    secrets = [name for service in config.services.values() if service.build for name in service.build.secrets]
    return tuple(dict.fromkeys((*variables(texts), *secrets)))
