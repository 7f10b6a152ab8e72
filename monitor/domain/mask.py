"""Takes secrets out of text before anybody reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

MASK: Final = "[masked]"
SHORTEST: Final = 4  # a shorter value would take innocent words apart

# Each pattern keeps its group "keep" and masks the rest of the match.
_PATTERNS: Final = (
    re.compile(
        r"(?P<keep>(?i:(?:[A-Za-z0-9]+[_-])*(?:password|passwd|pwd|secret|token|api[_-]?key|apikey|access[_-]?key"
        r"|private[_-]?key|credential|auth)s?)[\"']?\s*[=:]\s*[\"']?)(?!\[masked\])[^\s\"',;&}]{3,}"
    ),
    re.compile(r"(?P<keep>(?i:authorization[\"']?\s*[:=]\s*[\"']?(?:basic|bearer|token|digest)\s+))[^\s\"',;]+"),
    re.compile(r"(?P<keep>(?i:\b(?:bearer|basic)\s+))[A-Za-z0-9._~+/-]{12,}=*"),
    re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)"),
    re.compile(r"(?P<keep>\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),  # a JSON web token
    re.compile(r"(?P<keep>\b)(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"(?P<keep>\b)gh[pousr]_[A-Za-z0-9]{20,}"),
    re.compile(r"(?P<keep>\b)xox[abprs]-[A-Za-z0-9-]{10,}"),
    re.compile(r"(?P<keep>\b)sk_(?:live|test)_[A-Za-z0-9]{10,}"),
    re.compile(r"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
)


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the values in `secrets`, nor anything that looks like a password, key or token.

    >>> mask("login as bob with s3cr3tvalue", ["s3cr3tvalue"])
    'login as bob with [masked]'
    >>> mask("DB_PASSWORD=hunter22 user=bob")
    'DB_PASSWORD=[masked] user=bob'
    """
    # Longest first: a secret that holds another one would otherwise leave its rest readable.
    for value in sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True):
        text = text.replace(value, MASK)
        for line in value.splitlines():
            if len(line) >= SHORTEST:
                text = text.replace(line, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: match["keep"] + MASK, text)
    return text
