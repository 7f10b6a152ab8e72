"""Which variables hold secrets, as far as their names or values tell."""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET: Final = re.compile(
    r"(?:.*(?:KEY|TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL)S?|PASS|PWD|PW|AUTH|DSN|PRIVATE)"
)
# `API_KEY_FILE` says where a secret is, `TOKEN_TTL` how long one lasts.
_ABOUT_ONE: Final = frozenset(
    ("FILE", "PATH", "DIR", "ID", "NAME", "PREFIX", "TTL", "SIZE", "LENGTH", "LIMIT", "TIMEOUT", "COUNT", "EXPIRY")
)
_URL_WITH_PASSWORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@]*:[^\s/?#@]+@")


def looks_secret(name: str, value: str = "") -> bool:
    """Whether a variable of this name, or with this value, is to be treated as a secret.

    >>> looks_secret("STRIPE_API_KEY"), looks_secret("dbPassword"), looks_secret("TOKEN_TTL"), looks_secret("LEVEL")
    (True, True, False, False)
    >>> looks_secret("DATABASE_URL", "postgres://app:pw@db/shop"), looks_secret("HOME_URL", "http://shop/")
    (True, False)
    """
    words = [word.upper() for word in _WORD.findall(name)]
    named = any(map(_SECRET.fullmatch, words)) and words[-1] not in _ABOUT_ONE
    return named or _URL_WITH_PASSWORD.match(value) is not None
