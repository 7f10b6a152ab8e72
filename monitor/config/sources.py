"""Everything that files are generated from: the shipped folders, and what a user put beside bgmon.yml."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Final

from monitor import __version__
from monitor.assets import assets
from monitor.config.boards import load_boards
from monitor.config.generate import GenerateSection
from monitor.config.rules import load_rules
from monitor.config.yamlfile import read_text
from monitor.errors import ConfigError, Problem
from monitor.render.render_all import Sources
from monitor.render.shippers import TEMPLATES
from monitor.render.site import Site

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
        frozenset(name for name in TEMPLATES if _is_own(name, shippers)),
    )


def inputs_digest(site: Site, sources: Sources) -> str:
    """A hash of all that decides over the generated files: what they are about, what they are made from, and by."""
    known = hashlib.sha256(f"{__version__}\n{site!r}\n{sources!r}\n".encode())
    package = Path(str(files("monitor")))
    for floor in ("domain", "render", "services/generate"):
        for path in sorted((package / floor).rglob("*.py")):
            known.update(path.read_bytes())
    return known.hexdigest()


def _own(given: str | None, folder: Path, key: str) -> Path | None:
    if given is None:
        return None
    path = (folder / given).expanduser()
    if not path.is_dir():
        raise ConfigError([Problem(given, 0, key, "is no folder")])
    return path


def _template(name: str, own: Path | None) -> str:
    return read_text(own / name if own is not None and _is_own(name, own) else assets(SHIPPERS) / name)


def _is_own(name: str, own: Path | None) -> bool:
    return own is not None and (own / name).is_file()


def _pages(folder: Path) -> dict[str, str]:
    return {path.stem: read_text(path) for path in sorted(folder.glob("*.md")) if path.stem != "README"}
