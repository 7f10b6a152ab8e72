"""A service's spec as the text in which state file and journal keep it; secrets are in it by name only."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from monitor.domain.deploy.spec import ServiceSpec

_SPEC = TypeAdapter(ServiceSpec)


def spec_of(given: dict[str, Any]) -> ServiceSpec:
    """From plain values, by the names of the fields. Raises ValueError."""
    return _SPEC.validate_python(given)


def spec_to_json(spec: ServiceSpec) -> str:
    return _SPEC.dump_json(spec).decode()


@lru_cache(maxsize=2048)  # the daemon reads each service's release at every look
def spec_from_json(text: str) -> ServiceSpec:
    """What this or an earlier version wrote: a field it did not know yet has its default. Raises ValueError."""
    return _SPEC.validate_json(text)
