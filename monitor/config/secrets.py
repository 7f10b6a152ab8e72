"""The secrets that a configuration holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from monitor.config.schema import Config
from monitor.masking import url_secrets

_WEB: Final = ("http", "https")


def declared(config: Config) -> dict[str, str]:
    """By the key or the variable that they stand under."""
    return {**dict(_written(config, "")), **config.variables}


def _written(value: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        yield key, text
        # In `scheme://token_a/token_b` the token is where other URLs have their host.
        where = urlsplit(text)
        if where.scheme not in _WEB and "@" not in where.netloc:
            yield from ((f"{key} ({number})", part) for number, part in enumerate(url_secrets(f"x:///{where.netloc}")))
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _written(getattr(value, name), f"{key}.{name}" if key else name)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _written(item, f"{key}.{name}")
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _written(item, f"{key}[{number}]")
