"""Everything that files are generated from: the shipped folders, and what a user put beside bgmon.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from monitor.assets import assets
from monitor.config.boards import load_boards
from monitor.config.catalogue import read_text
from monitor.config.generate import GenerateSection
from monitor.config.rules import load_rules
from monitor.errors import ConfigError, Problem
from monitor.render.everything import Sources
from monitor.render.shippers import TEMPLATES

RULES: Final = "alert-rules"
SHIPPERS: Final = "promtail"
RUNBOOKS: Final = "docs/runbooks"


def load_sources(section: GenerateSection, folder: Path) -> Sources:
    """The catalogues and templates; folders of `section` are relative to `folder`.

    Raises:
        ConfigError: with every problem found in a file.
    """
    boards = _own(section.dashboards, folder, "generate.dashboards")
    rules = _own(section.rules, folder, "generate.rules")
    shippers = _own(section.promtail, folder, "generate.promtail")
    return Sources(
        load_boards(boards),
        load_rules(assets(RULES), *([rules] if rules else [])),
        {name: _template(name, shippers) for name in TEMPLATES},
        _pages(assets(RUNBOOKS)) | (_pages(rules / "runbooks") if rules else {}),
    )


def _own(given: str | None, folder: Path, key: str) -> Path | None:
    if given is None:
        return None
    path = (folder / given).expanduser()
    if not path.is_dir():
        raise ConfigError([Problem(given, 0, key, "is no folder")])
    return path


def _template(name: str, own: Path | None) -> str:
    if own is not None and (own / name).is_file():
        return read_text(own / name)
    return read_text(assets(SHIPPERS) / name)


def _pages(folder: Path) -> dict[str, str]:
    return {path.stem: read_text(path) for path in sorted(folder.glob("*.md")) if path.stem != "README"}
