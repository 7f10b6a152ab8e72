"""What every command gets: the global options, and from them the application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import click

from monitor.bootstrap import App, build

_APP: Final = "bgmon.app"


@dataclass(frozen=True, slots=True)
class Settings:
    config_file: str | None
    verbose: int

    def app(self) -> App:
        """The application for bgmon.yml. Raises UsageError without one, ConfigError for a wrong one."""
        context = click.get_current_context(silent=True)
        if context is not None and _APP in context.meta:
            known: App = context.meta[_APP]
            return known
        app = build(self.config_file, verbose=self.verbose)
        if context is not None:
            context.meta[_APP] = app
            context.find_root().call_on_close(app.close)
        return app


pass_settings = click.make_pass_decorator(Settings)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON (see docs/json.md).")(function)
