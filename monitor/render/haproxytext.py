"""The one door through which values get into HAProxy's files: whatever a value holds, it stays one word of its line.

The template is rendered with autoescape, and its escaping is `quoted`: only text that this package itself composed
(Markup) goes in as it is. HAProxy Configuration Manual, section 2.2: within single quotes nothing is special.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from monitor.errors import ProxyError

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/@*=,+\[\]-]+")
# Whatever str.splitlines, a terminal or HAProxy may take for the end of a line, and all other control characters.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SPACE: Final = re.compile(r"\s")
_LONGEST: Final = 2000  # HAProxy's lines take 2048 bytes at first and grow; maps and words need no more than that


def quoted(value: object) -> str:
    """`value` as one word of haproxy.cfg.

    Raises:
        ProxyError: it holds a line end or another control character, which no quoting can carry, or is absurdly long.
    """
    text = _tame(str(value))
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"


def pair(key: str, value: str) -> str:
    """A line of a map: one word, then the rest of the line.

    Raises:
        ProxyError: the key is no word, or would be a comment, or either would end the line.
    """
    if not key or _SPACE.search(key) or key.startswith("#"):
        raise ProxyError(
            f"{key[:80]!r} cannot stand in a map of the proxy", hint="correct the name or path in bgmon.yml"
        )
    return f"{_tame(key)} {_tame(value)}"


def lines(made: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in made)


def version_word(version: str) -> str:
    """A version as one word, in a map and on the runtime API's command line alike."""
    return "".join(char if "!" <= char <= "~" and char not in ";\\\"'#" else "_" for char in version) or "-"


def config_template(name: str) -> Template:
    """A template of this package whose values all pass `quoted`."""
    return _environment().get_template(name)


def page_template(name: str) -> Template:
    """A template whose values are our own texts."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # a swap has it read beside it

    return Environment(
        loader=PackageLoader("monitor.render", "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=True,
    ).get_template(name)


def _tame(text: str) -> str:
    found = _CONTROL.search(text)
    if found is not None or len(text) > _LONGEST:
        what = f"is longer than {_LONGEST} characters" if found is None else f"holds the control character {found[0]!r}"
        raise ProxyError(
            f"{text[:80]!r} {what} and cannot stand in the proxy's configuration", hint="correct it in bgmon.yml"
        )
    return text


def _finalize(value: Any) -> Any:
    from markupsafe import Markup  # comes with jinja2

    return value if isinstance(value, Markup) else Markup(quoted(value))  # noqa: S704 - quoted is the escaping here


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("monitor.render", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=True,
        finalize=_finalize,
    )
    made.filters["words"] = words
    return made


def words(values: Iterable[object]) -> Any:
    """Several words of a line."""
    from markupsafe import Markup

    return Markup(" ").join(_finalize(value) for value in values)
