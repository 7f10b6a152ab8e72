"""The HTML preview: of itself alone, honest about samples, and drawn without a complaint by a real browser."""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.adapters.prometheus.sample_series import SampleSeries
from monitor.cli.main import cli
from monitor.domain.boards.board import Board, Catalogue, Panel, Query, Row
from monitor.domain.boards.drawing import PanelData, TimeRange
from monitor.domain.boards.series import Series
from monitor.render.grafana.board import ready_boards
from monitor.render.preview.axes import ticks, times
from monitor.render.preview.page import page
from monitor.render.preview.panels import body
from monitor.render.units import show
from monitor.services.boards import answers
from tests.support.boards import ROOT, shop_site
from tests.support.browser import chromium

SPAN = TimeRange(1_760_000_000.0, 1_760_021_600.0)
SHOP = str(ROOT / "examples/shop/bgmon.yml")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pages")
    result = CliRunner().invoke(cli, ["-c", SHOP, "dashboard", "preview", "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    return out


def test_a_page_for_each_board(pages: Path) -> None:
    names = {path.stem for path in pages.iterdir()}
    assert {"core", "search", "worker", "_overview", "_hosts", "_deploys", "_slo"} <= names


def test_pages_hold_no_address_and_no_script(pages: Path) -> None:
    for path in pages.iterdir():
        text = path.read_text()
        assert "http://" not in text
        assert "https://" not in text
        assert "<script" not in text


def test_made_up_values_are_marked(pages: Path) -> None:
    assert all("every value on this page is made up" in path.read_text() for path in pages.iterdir())


@pytest.mark.browser
def test_a_browser_draws_every_panel_inside_its_frame(pages: Path) -> None:
    paths = sorted(pages.iterdir())

    async def look() -> None:
        async with chromium() as tab:
            await tab.look(width=1440)
            for path in paths:
                await tab.open(path.as_uri())
                over = await tab.js(
                    "[...document.querySelectorAll('section')].filter(s => [...s.querySelectorAll('svg,b,.legend')].some("
                    "e => { const r = e.getBoundingClientRect(), o = s.getBoundingClientRect();"
                    "return r.right > o.right + 1 || r.bottom > o.bottom + 1 || r.left < o.left - 1 }))"
                    ".map(s => s.querySelector('h3').textContent)"
                )
                assert over == [], path.stem
                assert await tab.js("document.querySelectorAll('section svg').length") > 0 or path.stem == "_runbooks"
            assert tab.problems == []
            assert all(url.startswith("file:") for url in tab.requests)

    asyncio.run(look())


def test_texts_are_escaped() -> None:
    evil = '<img src=x onerror=alert(1)> & "q" \''
    panel = Panel(title=evil, description=evil, queries=(Query(expr="up", legend=evil),))
    catalogue = Catalogue({"x": Board(title=evil, rows=(Row(title=evil, panels=(panel,)),))})
    (ready,) = ready_boards(catalogue, shop_site())
    data = PanelData(panel, ((Series({}, [(SPAN.start, 1.0), (SPAN.end, 2.0)], evil),),))
    text = page(ready, [data], SPAN, source=evil, sample=False)
    assert "<img" not in text
    assert text.count("&lt;img") >= 5


def test_every_chart_is_well_formed() -> None:
    sources = {"prometheus": SampleSeries(["core"]), "loki": SampleSeries(["core"])}
    drawn = 0
    from monitor.config.boards import load_boards

    for ready in ready_boards(load_boards(), shop_site()):
        for data in answers(list(ready.panels), sources.get, SPAN, points=30):
            for svg in re.findall(r"<svg.*?</svg>", body(data, 400, 200, SPAN)):
                ET.fromstring(svg)
                drawn += 1
                assert "nan" not in svg
    assert drawn > 80


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", ["timeseries", "stat", "gauge", "bar", "table", "state-timeline", "heatmap"])
def test_what_is_no_number_is_left_out(kind: str, value: float) -> None:
    panel = Panel(title="T", description="d", type=kind, queries=(Query(expr="up"),))  # type: ignore[arg-type]
    series = Series({"le": "1"}, [(SPAN.start, value), (SPAN.end, 1.0)], "x")
    text = body(PanelData(panel, ((series,),)), 300, 200, SPAN)
    assert "nan" not in text
    assert "inf" not in text.lower().replace("info", "")


def test_nothing_to_show_is_said() -> None:
    panel = Panel(title="T", description="d", queries=(Query(expr="up"),))
    assert "No data" in body(PanelData(panel, ((),)), 300, 200, SPAN)
    assert "refused" in body(PanelData(panel, (), problem="refused"), 300, 200, SPAN)


def test_ticks_are_round_and_hold_the_values() -> None:
    assert ticks(0, 42.7) == [0, 20, 40, 60]
    assert ticks(0, 0.0007)[-1] >= 0.0007
    assert ticks(0, 0)[0] == 0
    assert ticks(0, 130 * 2**20, binary=True)[1] == 64 * 2**20


def test_time_labels_fit_the_span() -> None:
    assert [text for _, text in times(TimeRange(0, 21600), 6)] == [
        "00:00",
        "01:00",
        "02:00",
        "03:00",
        "04:00",
        "05:00",
        "06:00",
    ]
    assert [text for _, text in times(replace(SPAN, start=0, end=86400 * 3), 3)][1] == "01-02"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00326, "percentunit", "0.326%"), (1, "percentunit", "100%"), (0.0351, "s", "35.1 ms"), (90, "s", "1.5 min"),
        (0, "s", "0 s"), (7200, "s", "2 h"), (2**30 * 1.5, "bytes", "1.5 GiB"), (12, "bytes", "12 B"),
        (36.14, "reqps", "36.1 req/s"), (588_123, "short", "588K"), (3, "none", "3"), (float("nan"), "s", "-"),
        (None, "s", "-"), (1000.0 * 1000, "dateTimeFromNow", "2 h ago"),
    ],
)  # fmt: skip
def test_numbers_are_shown_with_their_unit(value: float | None, unit: str, text: str) -> None:
    assert show(value, unit, now=1000 + 7200) == text


def test_a_wrong_time_range_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["-c", SHOP, "dashboard", "preview", "--out", str(tmp_path), "--last", "6"])
    assert result.exit_code != 0
    assert "6 has no unit" in str(result.exception)
