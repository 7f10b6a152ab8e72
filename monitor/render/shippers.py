"""Configuration of the log shippers, out of the templates in promtail/."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Final

from jinja2 import DictLoader
from jinja2.sandbox import ImmutableSandboxedEnvironment

from monitor.domain import names
from monitor.errors import GenerateError
from monitor.render.sandbox import Runner, TemplateFault, render_here, sandbox
from monitor.render.site import Site, SiteHost
from monitor.render.yamltext import HEAD

TEMPLATES: Final = ("promtail.yaml.j2", "config.alloy.j2")
_PLACES: Final = {
    "promtail.yaml.j2": ("promtail/promtail.yaml", "promtail/{host}.yaml"),
    "config.alloy.j2": ("alloy/config.alloy", "alloy/hosts/{host}.alloy"),
}


def shipper_files(
    site: Site, templates: Mapping[str, str], own: Collection[str] = (), run: Runner = render_here
) -> dict[str, str]:
    """A file for each host: the usual name on the machine that runs the stack, the host's name for all others.

    Args:
        site: whose logs.
        templates: text by name; see TEMPLATES.
        own: names of those that are the user's.
        run: renders the user's, within limits.

    Raises:
        GenerateError: a template of the user's is wrong.
    """
    files: dict[str, str] = {}
    for name in sorted(templates):
        runner = run if name in own else render_here
        try:
            texts = runner(shipper_templates, [dict(templates)], [(name, _values(site, host)) for host in site.hosts])
        except TemplateFault as error:
            raise GenerateError(str(error), hint="see the shipped template in promtail/") from None
        first, other = _PLACES[name]
        for host, text in zip(site.hosts, texts, strict=True):
            files[first if host is site.host else other.format(host=host.name)] = text
    return files


def shipper_templates(templates: Mapping[str, str]) -> ImmutableSandboxedEnvironment:
    """What the templates are rendered in."""
    environment = sandbox(DictLoader(templates), keep_trailing_newline=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.globals["meta"] = _meta
    return environment


def _values(site: Site, host: SiteHost) -> dict[str, object]:
    return {
        "head": HEAD[2:].strip(),
        "project": site.project,
        "host": host.name,
        "push_url": f"{site.loki_url}/loki/api/v1/push",
        "socket": site.engine_socket,
        "label_project": names.LABEL_PROJECT,
        "label_service": names.LABEL_SERVICE,
        "label_kind": names.LABEL_KIND,
        "kind_access": names.KIND_ACCESS,
        "kind_app": names.KIND_APP,
        "proxy_names": _proxy_names(site.project),
    }


def _proxy_names(project: str) -> str:
    """A regular expression for the names of the proxy and the one before it, as service discovery brings them."""
    name = names.proxy_container_name(project).replace(".", "[.]")
    return f"/{name}(-previous)?"


def _meta(label: str) -> str:
    """The name under which service discovery brings a container's label."""
    return "__meta_docker_container_label_" + re.sub(r"[^a-zA-Z0-9_]", "_", label)
