"""Takes secrets out of text before anybody reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from monitor.domain.spellings import expressions

MASK: Final = "[masked]"
_MASK_BYTES: Final = MASK.encode()
_ITSELF: Final = frozenset({MASK, MASK.strip("[]")})
_LARGEST: Final = 200_000  # bytes of one expression; RE2 bounds what it compiles
_MEMORY: Final = 256 * 1024 * 1024  # a bound that is never reached, not what is taken

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


class Filter:
    """Takes known values out of texts, in all spellings of domain/spellings.py, in one pass of RE2.

    Args:
        values: the secrets. Those shorter than SHORTEST are not looked for.
        mask: what is put in their place.
    """

    def __init__(self, values: Iterable[str], mask: str = MASK) -> None:
        self._mask = mask.encode()
        found: dict[bytes, None] = {}
        for value in sorted(set(values) - _ITSELF):
            found |= dict.fromkeys(expressions(value))
        self._expressions = [_compile(group) for group in _grouped(found)]

    def text(self, text: str) -> str:
        if not self._expressions:
            return text
        data = text.encode("utf-8", "surrogatepass")
        clean = self.data(data)
        return text if clean is data else clean.decode("utf-8", "surrogatepass")

    def data(self, data: bytes) -> bytes:
        """As `text`, for bytes of any encoding that writes ASCII as ASCII; the same object when nothing was found."""
        for expression in self._expressions:
            if expression.search(data) is not None:
                data = expression.sub(self._mask.replace(b"\\", rb"\\"), data)
        return data


def too_short(value: str) -> bool:
    """Whether a secret cannot be masked, because it would take innocent words apart."""
    return not any(True for _ in expressions(value))


def scrub(text: str) -> str:
    """`text` without anything that looks like a password, key or token, known or not.

    >>> scrub("DB_PASSWORD=hunter22 user=bob")
    'DB_PASSWORD=[masked] user=bob'
    """
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: match["keep"] + MASK, text)
    return text


def _grouped(expressions: Iterable[bytes]) -> Iterable[bytes]:
    group: list[bytes] = []
    size = 0
    for expression in expressions:
        if group and size + len(expression) > _LARGEST:
            yield b"|".join(group)
            group, size = [], 0
        group.append(expression)
        size += len(expression) + 1
    if group:
        yield b"|".join(group)


def _compile(expression: bytes) -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes; RE2 would refuse a text that is no UTF-8
    options.longest_match = True  # of a secret that holds another one nothing may be left
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY
    return re2.compile(expression, options)
