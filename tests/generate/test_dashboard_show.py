"""`bgmon dashboard show`: live values from a real Prometheus, or from the log and the state where there is none."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli.main import cli
from monitor.domain.boards.board import Panel, Query, Threshold
from monitor.domain.boards.drawing import PanelData, TimeRange, tone_of
from monitor.domain.boards.series import Series, legend
from monitor.domain.health.status import HealthBucket, ServiceView
from monitor.domain.logs.requests import RequestWindow
from monitor.errors import SourceUnreachable
from monitor.render.terminal import Line, lines
from monitor.services.ownboard import SLICES, from_log, from_view
from tests.support.boards import ROOT
from tests.support.ports import free_port
from tests.support.prometheus import prometheus
from tests.support.sample_shop import backfill

SHOP = (ROOT / "examples/shop/bgmon.yml").read_text()
SPAN = TimeRange(1000.0, 1000.0 + 60 * SLICES)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    work = tmp_path_factory.mktemp("show")
    backfill(work / "shop.om", end=time.time(), hours=3, step=60)
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(work / "shop.om"), str(work / "tsdb")]
    subprocess.run(command, check=True, capture_output=True)
    with prometheus(work, data=work / "tsdb") as address:
        yield address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bgmon.yml").write_text(SHOP)
    return tmp_path


def show(folder: Path, *arguments: str) -> Result:
    env = {"COLUMNS": "130", "DOCKER_HOST": f"tcp://127.0.0.1:{free_port()}"}
    return CliRunner(env=env).invoke(cli, ["-c", str(folder / "bgmon.yml"), "dashboard", "show", *arguments])


def text(drawn: list[Line]) -> list[str]:
    return ["".join(part for part, _ in line) for line in drawn]


@pytest.mark.tools
@pytest.mark.parametrize("board", ["core", "worker", "overview", "hosts", "deploys", "slo"])
def test_a_board_is_drawn_from_prometheus(url: str, folder: Path, board: str) -> None:
    result = show(folder, board, "--prometheus", url, "--last", "2h", "--scrape", "1m")
    assert result.exit_code == 0, result.output
    assert max(len(line) for line in result.output.splitlines()) <= 130
    assert "Loki" not in result.output
    assert any("⠀" < sign <= "⣿" for sign in result.output), "no chart"
    expected = {
        "core": "healthy",
        "worker": "128 MiB",
        "overview": "core vps1",
        "hosts": "up",
        "deploys": "switched-back",
        "slo": "99.9",
    }
    assert ("64 MiB" if board == "worker" else expected[board]) in result.output


@pytest.mark.tools
def test_the_address_may_stand_in_the_configuration(url: str, folder: Path) -> None:
    (folder / "bgmon.yml").write_text(f"{SHOP}\ngenerate: {{prometheus: '{url}'}}\n")
    result = show(folder, "core", "--scrape", "1m")
    assert f"from Prometheus at {url}" in result.output


def test_without_prometheus_it_says_what_it_can_and_why_not_more(folder: Path) -> None:
    result = show(folder, "core")
    assert result.exit_code == 0, result.output
    assert "from the log and the daemon's state" in result.output


def test_an_unknown_board_and_one_that_needs_prometheus(folder: Path) -> None:
    unknown = show(folder, "cor")
    assert "there is no board 'cor'" in str(unknown.exception)
    needs = show(folder, "overview")
    assert "needs a Prometheus" in str(needs.exception)


class Stats:
    """So many requests in each window, a tenth of them failed."""

    def __init__(self, count: int) -> None:
        self.count = count

    def window(self, services: Sequence[str], *_: float) -> Mapping[str, RequestWindow]:
        buckets = {"0.1": self.count // 2, "1.0": self.count, "+Inf": self.count}
        codes = {"200": self.count * 9 // 10, "500": self.count // 10}
        return {service: RequestWindow(codes, buckets, 1.0) for service in services}


def test_rate_errors_and_durations_come_from_the_log() -> None:
    rate, share, duration = from_log("core", lambda: Stats(600), SPAN)
    assert [value for _, value in rate.series[0].points] == [10.0] * SLICES
    assert share.series[0].last == pytest.approx(0.1)
    assert [series.name for series in duration.series] == ["p50", "p95", "p99"]
    assert duration.series[0].last == pytest.approx(0.1)


def test_a_time_without_requests_has_no_errors_and_no_durations() -> None:
    rate, share, duration = from_log("core", lambda: Stats(0), SPAN)
    assert rate.series[0].last == 0
    assert share.series[0].points == []
    assert all(not series.points for series in duration.series)
    assert text(lines(duration, 60, 9, SPAN)) == ["no data"]


def test_a_log_that_cannot_be_read_is_said() -> None:
    def fail() -> Stats:
        raise SourceUnreachable("the engine does not answer")

    (panel,) = from_log("core", fail, SPAN)
    assert text(lines(panel, 60, 9, SPAN)) == ["the engine does not answer"]


def test_the_state_comes_from_the_daemon() -> None:
    history = (HealthBucket(1000.0, 10, 1, 0.004), HealthBucket(1060.0, 10, 0, 0.006))
    view = ServiceView("core", "degraded", 1.0, "green", "v3", "img", 1, 2, history=history)
    state, version, restarts, latency = from_view(view, 1100.0)
    assert text(lines(state, 40, 9, SPAN)) == ["degraded"]
    assert text(lines(version, 40, 9, SPAN)) == ["v3 (green)"]
    assert text(lines(restarts, 40, 9, SPAN)) == ["2"]
    assert latency.series[0].last == 0.006


def panel(kind: str, **settings: object) -> Panel:
    return Panel(title="T", description="d", type=kind, queries=(Query(expr="x"),), **settings)  # type: ignore[arg-type]


def test_a_line_rises_from_the_lower_left_to_the_upper_right() -> None:
    rising = Series({}, [(1000.0 + 60 * number, float(number)) for number in range(SLICES + 1)], "x")
    *chart, name = text(lines(PanelData(panel("timeseries", unit="none"), ((rising,),)), 53, 9, SPAN))
    assert chart[0].strip().startswith("20")
    assert "⠀" < chart[0][-1] <= "⣿"
    assert chart[-1][13:].strip() != ""
    assert chart[-1][-3:].strip() == ""
    assert name.strip().startswith("━ x  20")


def test_a_gauge_is_as_full_as_its_value() -> None:
    data = PanelData(panel("gauge", unit="percentunit"), ((Series({}, [(1.0, 0.5)], "x"),),))
    assert text(lines(data, 29, 9, SPAN)) == ["█" * 10 + "░" * 10 + " 50%"]


def test_the_heatmap_shows_differences_of_cumulative_buckets() -> None:
    series = tuple(
        Series({"le": le}, [(1001.0, value)]) for le, value in (("0.1", 0.0), ("0.5", 100.0), ("+Inf", 100.0))
    )
    drawn = text(lines(PanelData(panel("heatmap", unit="s"), (series,)), 53, 9, SPAN))
    assert [line.strip() for line in drawn] == ["500 ms █"]


def test_colors_follow_the_highest_step_that_is_reached() -> None:
    steps = (Threshold(color="green"), Threshold(color="yellow", value=1), Threshold(color="red", value=5))
    assert [tone_of(value, steps) for value in (0, 1, 4.9, 5)] == ["green", "yellow", "yellow", "red"]


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{code}}", "200"),
        ("{{ code }} on {{instance}}", "200 on h"),
        ("", "{code=200, instance=h}"),
        ("{{nope}}x", "x"),
    ],
)
def test_names_of_series(template: str, name: str) -> None:
    assert legend(template, {"__name__": "m", "code": "200", "instance": "h"}) == name
