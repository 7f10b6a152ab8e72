"""Configuration of the log shippers, out of the templates in promtail/."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from jinja2 import Environment, StrictUndefined, TemplateError

from monitor.domain import names
from monitor.errors import GenerateError
from monitor.render.site import Site, SiteHost
from monitor.render.yamltext import HEAD

TEMPLATES: Final = ("promtail.yaml.j2", "config.alloy.j2")
_PLACES: Final = {
    "promtail.yaml.j2": ("promtail/promtail.yaml", "promtail/{host}.yaml"),
    "config.alloy.j2": ("alloy/config.alloy", "alloy/hosts/{host}.alloy"),
}


def shipper_files(site: Site, templates: Mapping[str, str]) -> dict[str, str]:
    """A file for each host: the usual name on the machine that runs the stack, the host's name for all others.

    Args:
        site: whose logs.
        templates: text by name; see TEMPLATES.

    Raises:
        GenerateError: a template of the user's is wrong.
    """
    # Not HTML: these files have no markup to protect from.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    files: dict[str, str] = {}
    for name, text in sorted(templates.items()):
        first, other = _PLACES[name]
        try:
            template = environment.from_string(text)
            for host in site.hosts:
                path = first if host is site.host else other.format(host=host.name)
                files[path] = template.render(_values(site, host))
        except TemplateError as error:
            raise GenerateError(f"{name}: {error}", hint="see the shipped template in promtail/") from None
    return files


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
        "meta": _meta,
    }


def _meta(label: str) -> str:
    """The name under which service discovery brings a container's label."""
    return "__meta_docker_container_label_" + re.sub(r"[^a-zA-Z0-9_]", "_", label)
