"""Settings that hold a secret: recorded as the text that names its variable, never with its value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from monitor.domain.deploy.spec import ServiceSpec

VARIABLE: Final = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with the variables' values put in. Raises KeyError for one that is missing.

    >>> fill("postgres://app:${PW}@db/$${x}", {"PW": "secret"})
    'postgres://app:secret@db/${x}'
    """
    return VARIABLE.sub(lambda match: "${" if match[1] is None else values[match[1]], template)


def literal(text: str) -> str:
    """The template that stands for this very text."""
    return text.replace("${", "$${")


def variables(templates: Iterable[str]) -> tuple[str, ...]:
    """The names of the variables in them, each once."""
    return tuple(dict.fromkeys(match[1] for text in templates for match in VARIABLE.finditer(text) if match[1]))


def needed(spec: ServiceSpec) -> tuple[str, ...]:
    """The names of all secret values that a container of this spec is made with."""
    return tuple(dict.fromkeys((*spec.secrets, *variables(spec.sealed.values()))))


def environment(spec: ServiceSpec, values: Mapping[str, str]) -> dict[str, str]:
    """A container's environment; `values` are the secret values by name, as many as `needed` says."""
    sealed = {name: fill(template, values) for name, template in spec.sealed.items()}
    given = {name: values[name] for name in spec.secrets if name in values}
    return {**spec.env, **sealed, **given}
