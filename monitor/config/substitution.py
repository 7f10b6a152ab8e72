"""`${VAR}` in bgmon.yml: puts the variables' values in, and keeps them out of messages and records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from monitor.config.yamlfile import Document, Path, dotted
from monitor.domain.mask import Filter
from monitor.domain.sealing import VARIABLE
from monitor.domain.secretnames import looks_secret
from monitor.errors import Problem

_TELLING: Final = 6  # so many characters of a value in a row are more of it than a message may hold
_CREDENTIALS: Final = ("authorization", "proxy-authorization", "cookie")  # headers
_LONGEST: Final = 400  # of a message; whoever wrote a value of a page knows it


class Substitution:
    """Puts variables in.

    `problems` are the variables that are not set; `secrets` the values that count as secret, by variable; `sealed` the
    texts that hold such a value, as they stand in the file, of settings that are recorded in this form; `exposed` the
    variables of such values in other settings of a service, which are recorded with the value.
    """

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.secrets: dict[str, str] = {}
        self.sealed: dict[Path, str] = {}
        self.exposed: dict[Path, tuple[str, ...]] = {}
        self._document = document
        self._environ = environ
        self._used: dict[Path, dict[str, str]] = {}

    def apply(self, value: Any, path: Path = ()) -> Any:
        if isinstance(value, dict):
            return {key: self.apply(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [self.apply(item, (*path, index)) for index, item in enumerate(value)]
        return self._text(value, path) if isinstance(value, str) else value

    def _text(self, text: str, path: Path) -> str:
        made = VARIABLE.sub(lambda match: self._value(match, path), text)
        used = self._used.get(path, {})
        secret = {name: value for name, value in used.items() if looks_secret(name, value)}
        match path:
            case "services" | "accessories", _, "env", name:
                secret = used if looks_secret(str(name), made) else secret
                self._seal(path, text, secret)
            case "services", _, "health", "headers", name:
                credentials = str(name).lower() in _CREDENTIALS or looks_secret(str(name), made)
                secret = used if credentials else secret
                self._seal(path, text, secret)
            case "services", _, "health", "path":
                self._seal(path, text, secret)
            case "services", _, "build", "args", name:  # `bgmon build` says what is wrong with those
                secret = used if looks_secret(str(name), made) else secret
            case "services" | "accessories", *_ if secret:
                self.exposed[path] = tuple(secret)
        self.secrets |= secret
        return made

    def _seal(self, path: Path, text: str, secret: Mapping[str, str]) -> None:
        if secret:
            self.sealed[path] = text

    def _value(self, match: re.Match[str], path: Path) -> str:
        name = match[1]
        if name is None:
            return "${"
        value = self._environ.get(name)
        if value is None:
            document = self._document
            message = f"${{{name}}} is not set in the environment"
            self.problems.append(Problem(document.file, document.line(path), dotted(path), message))
            return ""
        self._used.setdefault(path, {})[name] = value
        return value

    def mask(self, problem: Problem, path: Path) -> Problem:
        """The problem found at `path`, with variables' names instead of their values in whatever form."""
        everywhere = {name: value for used in self._used.values() for name, value in used.items()}
        message = problem.message
        # Longest first, since one value may be part of another.
        for name, value in sorted(everywhere.items(), key=lambda item: -len(item[1])):
            message = _without(message, name, value)
        here = {
            name: value for at, used in self._used.items() if at[: len(path)] == path for name, value in used.items()
        }
        telling = [name for name, value in here.items() if _holds_part(message, value)]
        if telling:  # cut, or written in another way
            message = f"is not valid; the value comes from {', '.join(f'${{{name}}}' for name in telling)}"
        return Problem(problem.file, problem.line, problem.key, _short(message))


def _short(message: str) -> str:
    if len(message) <= _LONGEST:
        return message
    return f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"


def _without(message: str, name: str, value: str) -> str:
    shown = f"${{{name}}}"
    message = Filter([value], shown).text(message)
    for form in dict.fromkeys((value, repr(value)[1:-1])):
        if form:
            message = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", shown.replace("\\", r"\\"), message)
    return message


def _holds_part(message: str, value: str) -> bool:
    where, what = message.casefold(), value.casefold()
    return any(what[at : at + _TELLING] in where for at in range(len(what) - _TELLING + 1))
