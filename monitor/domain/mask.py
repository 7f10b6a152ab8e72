"""Takes secrets out of text before anybody reads it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from monitor.domain.spellings import expressions

MASK: Final = "[masked]"
_MASK_BYTES: Final = MASK.encode()
_ITSELF: Final = frozenset({MASK, MASK.strip("[]")})
_LARGEST: Final = 200_000  # bytes of one expression; RE2 bounds what it compiles
_MEMORY: Final = 256 * 1024 * 1024  # a bound that is never reached, not what is taken

# RE2 and no other engine: it takes time in proportion to the text, and others write the text. The first group of each
# pattern is kept, and so is the second; what is between them is masked.
_PATTERNS: Final = (
    (
        r"""((?i:password|passwd|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key|credential|auth)"""
        r"""(?i:s)?["']?\s*[=:]\s*["']?)[^\s"',;&}]{3,}()"""
    ),
    r"""((?i:authorization["']?\s*[:=]\s*["']?(?:basic|bearer|token|digest)\s+))[^\s"',;]+()""",
    r"((?i:\b(?:bearer|basic)\s+))[A-Za-z0-9._~+/-]{12,}=*()",
    r"([a-z0-9+.-]://[^\s/:@]*:)[^\s/@]+(@)",
    r"(\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*()",  # a JSON web token
    r"(\b)(?:AKIA|ASIA)[A-Z0-9]{16}\b()",
    r"(\b)gh[pousr]_[A-Za-z0-9]{20,}()",
    r"(\b)xox[abprs]-[A-Za-z0-9-]{10,}()",
    r"(\b)sk_(?:live|test)_[A-Za-z0-9]{10,}()",
    r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)()",
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
    data = text.encode("utf-8", "surrogatepass")
    anything, patterns = _guesses()
    if anything.search(data) is None:
        return text
    for pattern in patterns:
        data = pattern.sub(rb"\1" + _MASK_BYTES + rb"\2", data)
    return data.decode("utf-8", "surrogatepass")


@cache
def _guesses() -> tuple[Any, tuple[Any, ...]]:
    """All patterns as one, for the many texts in which none is found; and each of them."""
    encoded = [pattern.encode() for pattern in _PATTERNS]
    return _compile(b"|".join(encoded)), tuple(_compile(pattern, longest=False) for pattern in encoded)


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


def _compile(expression: bytes, *, longest: bool = True) -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes; RE2 would refuse a text that is no UTF-8
    options.longest_match = longest  # of a secret that holds another one nothing may be left
    options.never_capture = longest
    options.log_errors = False
    options.max_mem = _MEMORY
    return re2.compile(expression, options)
