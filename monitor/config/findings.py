"""What a configuration holds that is understood and still does no good: refused, or told as a note."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from monitor.config.schema import Config
from monitor.config.yamlfile import Path, dotted, parse, read_text
from monitor.errors import Problem
from monitor.render.notices import notices
from monitor.render.rules import Catalogue
from monitor.render.site import Site


def refused(config: Config, catalogue: Catalogue, file: FilePath) -> list[Problem]:
    """Objectives for which no rule can ever wake anybody."""
    found = list(_deaf_objectives(config, catalogue))
    return _placed(found, file) if found else []


def noted(config: Config, site: Site, file: FilePath) -> list[Problem]:
    """Channels that the engine which speaks cannot reach, or only in part; secrets that are recorded as they are."""
    found = [(_path(key), message) for key, message in notices(site)]
    found += list(_exposed(config))
    return _placed(found, file) if found else []


def _exposed(config: Config) -> Iterator[tuple[Path, str]]:
    for path, names in config.exposed.items():
        shown = ", ".join(f"${{{name}}}" for name in names)
        yield path, f"the secret {shown} is recorded with each release as it is; `secrets` and `env` keep it apart"


def _deaf_objectives(config: Config, catalogue: Catalogue) -> Iterator[tuple[Path, str]]:
    pages = sorted((burn.factor, burn.name) for burn in catalogue.burn_rates if burn.severity == "page")
    if not pages:
        return
    least, name = pages[0]
    for service, section in config.all_services.items():
        slo = section.slo
        targets: list[tuple[Path, float | None]] = [(("availability",), slo.availability)]
        targets.append((("latency", "target"), slo.latency.target if slo.latency else None))
        for path, percent in targets:
            if percent is None or 100 / (100 - percent) > least:
                continue
            lowest = 100 - 100 / least
            message = (
                f"{percent:g}% can never page: even when every request is bad, the budget is spent only "
                f"{100 / (100 - percent):.3g} times too fast, and {name} fires above {least:g}; promise more than "
                f"{lowest:.4g}, or change the burn rates with generate.rules"
            )
            yield ("services", service, "slo", *path), message


def _path(key: str) -> Path:
    """`notify.urls[2]` as a path."""
    name, _, index = key.partition("[")
    return (*name.split("."), int(index[:-1])) if index else tuple(name.split("."))


def _placed(found: list[tuple[Path, str]], file: FilePath) -> list[Problem]:
    document = parse(read_text(file), str(file))
    return [Problem(str(file), document.line(path), dotted(path), message) for path, message in found]
