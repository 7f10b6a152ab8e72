"""Templates that may be a stranger's: Jinja2's sandbox, from which no attribute leads to Python itself.

The sandbox bounds neither time nor memory (`{{ 'x' * 10**12 }}`, nested loops). So a user's template is rendered by
adapters.templates, which runs `render_here` in a process with limits; here alone it is for the shipped ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from jinja2 import BaseLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from monitor.domain.printable import printable

MOST_CHARACTERS: Final = 1024 * 1024  # of one rendered text

Job = tuple[str, Mapping[str, Any]]
"""The name of a template, and what it may show."""
Build = Callable[..., ImmutableSandboxedEnvironment]
"""A function at the top of a module, so that another process can find it by its name."""
Runner = Callable[[Build, Sequence[Any], Sequence[Job]], list[str]]


class TemplateFault(Exception):
    """What is wrong with a template, in one line. `exhausted`: it wanted more time or room than it gets."""

    def __init__(self, message: str, *, exhausted: bool = False) -> None:
        super().__init__(printable(message))
        self.exhausted = exhausted


def sandbox(loader: BaseLoader, **options: Any) -> ImmutableSandboxedEnvironment:
    """An environment for texts that are no HTML; names that stand for nothing are errors.

    Args:
        loader: where templates are found.
        options: of jinja2.Environment.
    """
    return ImmutableSandboxedEnvironment(
        loader=loader, autoescape=False, **({"undefined": StrictUndefined, "cache_size": 0} | options)
    )


def render_here(build: Build, arguments: Sequence[Any], jobs: Sequence[Job]) -> list[str]:
    """The text of each job, rendered in the environment that `build(*arguments)` makes.

    Raises:
        TemplateFault: for anything at all that goes wrong.
    """
    environment = build(*arguments)
    return [_render(environment, name, values) for name, values in jobs]


def _render(environment: ImmutableSandboxedEnvironment, name: str, values: Mapping[str, Any]) -> str:
    parts: list[str] = []
    size = 0
    try:
        for part in environment.get_template(name).generate(values):
            size += len(part)
            if size > MOST_CHARACTERS:
                raise TemplateFault(f"{name}: gives more than {MOST_CHARACTERS} characters", exhausted=True)
            parts.append(part)
    except TemplateFault:
        raise
    except (MemoryError, RecursionError) as error:
        raise TemplateFault(f"{name}: needs too much memory ({type(error).__name__})", exhausted=True) from None
    except TemplateError as error:
        number = getattr(error, "lineno", None)
        line = f" (line {number})" if number else ""
        raise TemplateFault(f"{name}: {error.message or type(error).__name__}{line}") from None
    except Exception as error:  # noqa: BLE001 - a template can call methods of any value, which raise what they like
        raise TemplateFault(f"{name}: {type(error).__name__}: {error}") from None
    return "".join(parts)
