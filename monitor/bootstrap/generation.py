"""Generated files, boards, and the servers they are for."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.adapters.grafana.client import GrafanaApi
    from monitor.adapters.host.outfolder import DiskFolder
    from monitor.config.schema import Config
    from monitor.domain.boards.board import Catalogue as BoardCatalogue
    from monitor.errors import Problem
    from monitor.ports.series import SeriesSource
    from monitor.render.render_all import GeneratedFiles, Sources
    from monitor.render.site import Site


class Generation:
    """What `bgmon generate`, `bgmon grafana` and `bgmon dashboard` work with.

    Args:
        config: what bgmon.yml says.
        config_file: where it is; catalogues and templates are relative to its folder.
    """

    def __init__(self, config: Config, config_file: Path) -> None:
        self._config = config
        self._config_file = config_file

    @cached_property
    def _channel_texts(self) -> list[str]:
        """`notify.urls` as they stand in bgmon.yml, with variables for what is secret."""
        from monitor.config.contacts import channel_texts

        return channel_texts(self._config_file)

    @cached_property
    def site(self) -> Site:
        """What generated files are about."""
        from monitor.config.site import site_of

        return site_of(self._config, self._channel_texts)

    def sources(self) -> Sources:
        """The catalogues and templates that files are generated from. Raises ConfigError for a wrong one."""
        from monitor.config.catalogue import raise_for
        from monitor.config.findings import refused
        from monitor.config.sources import load_sources

        sources = load_sources(self._config.generate, self._config_file.parent)
        raise_for(refused(self._config, sources.rules, self._config_file))
        return sources

    def notes(self) -> list[Problem]:
        """What the generated files cannot do as bgmon.yml has it, such as a channel that others do not know."""
        from monitor.config.findings import noted

        return noted(self._config, self.site, self._config_file)

    def inputs(self, sources: Sources) -> str:
        """A hash of everything that generated files depend on, bgmon's own code included."""
        from monitor.config.sources import inputs_digest

        return inputs_digest(self.site, sources)

    def rendered(self, sources: Sources | None = None) -> GeneratedFiles:
        """All generated files. Raises ConfigError for a wrong catalogue, GenerateError for a wrong template."""
        from monitor.adapters.templates.limited import render_limited
        from monitor.render.render_all import render_all

        return render_all(self.site, sources or self.sources(), render_limited)

    def environment(self) -> dict[str, str]:
        """The secrets behind the variables that generated files refer to."""
        from monitor.config.contacts import environment

        return environment(self._config.notify, self._channel_texts)

    def output_folder(self, root: Path) -> DiskFolder:
        """Where files are written."""
        from monitor.adapters.host.outfolder import DiskFolder

        return DiskFolder(root)

    @cached_property
    def boards(self) -> BoardCatalogue:
        """The shipped boards and the user's. Raises ConfigError for a wrong catalogue."""
        return self.sources().boards

    def boards_json(self) -> dict[str, str]:
        """Grafana's JSON of every board, by the name of its file."""
        from monitor.render.boards import FOLDER as BOARDS

        files = self.rendered().files
        return {Path(path).stem: text for path, text in files.items() if path.startswith(f"{BOARDS}/")}

    @property
    def prometheus_url(self) -> str | None:
        """Where Prometheus is, when bgmon.yml says so."""
        section = self._config.generate
        return section.prometheus.url if "prometheus" in section.model_fields_set else None

    @contextmanager
    def series_sources(
        self, prometheus: str | None, *, scrape: float = 15.0
    ) -> Iterator[Callable[[str], SeriesSource | None]]:
        """Who answers a board's queries outside of Grafana: that Prometheus, and samples for everything else.

        `scrape` is Prometheus' interval in seconds.
        """
        from monitor.adapters.prometheus.api import PrometheusApi
        from monitor.adapters.prometheus.sample_series import SampleSeries

        sample = SampleSeries(sorted(self._config.all_services), self.site.host.name)
        real = PrometheusApi(prometheus, scrape=scrape) if prometheus else None
        try:
            yield lambda source: real if real is not None and source == "prometheus" else sample
        finally:
            if real is not None:
                real.close()

    @property
    def grafana_token(self) -> str | None:
        """What Grafana's API wants, when bgmon.yml has it."""
        token = self._config.generate.grafana.token
        return token.get_secret_value() if token else None

    def grafana(self, url: str | None, token: str) -> GrafanaApi:
        """Grafana at `url`, else where bgmon.yml says."""
        from monitor.adapters.grafana.client import GrafanaApi

        return GrafanaApi(url or self._config.generate.grafana.url, token)
