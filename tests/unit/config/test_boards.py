"""A user's own boards: added, replaced, extended, and what is said of mistakes in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.config.boards import load_boards
from monitor.domain import names
from monitor.errors import ConfigError

PANEL = "{title: Orders, description: Orders a minute., unit: cpm, queries: [{expr: up}]}"
BOARD = f"title: Mine\nrows:\n  - title: Row\n    panels:\n      - {PANEL}\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str, name: str = "mine.yaml") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return make


def test_the_shipped_boards_are_there() -> None:
    assert set(load_boards().boards) == {"service", "overview", "hosts", "deploys", "jobs", "slo"}


def test_a_file_adds_a_board(write: Write) -> None:
    boards = load_boards(write(BOARD)).boards
    assert boards["mine"].rows[0].panels[0].title == "Orders"
    assert "service" in boards


def test_a_file_of_the_same_name_replaces_a_board(write: Write) -> None:
    assert load_boards(write(BOARD, "overview.yaml")).boards["overview"].title == "Mine"


def test_rows_are_added_to_a_board_and_stand_for_rows_of_the_same_title(write: Write) -> None:
    shipped = [row.title for row in load_boards().boards["service"].rows]
    text = f"extends: service\ntags: [orders]\nrows:\n  - {{title: Orders, panels: [{PANEL}]}}\n  - {{title: Logs, panels: [{PANEL}]}}\n"
    service = load_boards(write(text)).boards["service"]
    assert [row.title for row in service.rows] == [*shipped, "Orders"]
    assert [panel.title for row in service.rows if row.title == "Logs" for panel in row.panels] == ["Orders"]
    assert "orders" in service.tags
    assert "mine" not in load_boards(write(text)).boards


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOARD.replace("title: Mine", "titel: Mine"), "mine.yaml:1: titel: unknown key; did you mean 'title'?"),
        (BOARD.replace("unit:", "units:"), "mine.yaml:5: rows[0].panels[0].units: unknown key; did you mean 'unit'?"),
        (BOARD.replace("expr: up", "exp: up"), "mine.yaml:5: rows[0].panels[0].queries[0].exp: unknown key; did you mean 'expr'?"),
        (BOARD.replace("title: Mine\n", ""), "mine.yaml: title: is missing"),
        ("title: Mine\n", "mine.yaml: rows: is missing"),
        ("extends: servce\nrows: []\n", "mine.yaml:1: extends: is no board; there are: deploys, hosts, jobs, overview, service, slo"),
        (BOARD.replace("description: Orders a minute.", "description: ' '"), "mine.yaml:5: rows[0].panels[0]: needs a title and a description"),
        (BOARD.replace(", queries: [{expr: up}]", ""), "mine.yaml:5: rows[0].panels[0].queries: is missing"),
        (BOARD.replace("expr: up", 'expr: "up{%{servise}}"'), "rows[0].panels[0].queries[0].expr: %{servise} is unknown; known: "),
        (BOARD.replace("unit: cpm", "type: pie"), "mine.yaml:5: rows[0].panels[0].type: input should be 'timeseries', "),
        (BOARD.replace("unit: cpm", "width: 40"), "mine.yaml:5: rows[0].panels[0].width: "),
        (BOARD.replace("unit: cpm", "thresholds: [{color: red, value: high}]"), "mine.yaml:5: rows[0].panels[0].thresholds[0].value: is a number"),
        (BOARD.replace("unit: cpm", "paint: [{series: '(', color: red}]"), "rows[0].panels[0].paint[0].series: is no regular expression"),
        (BOARD + "title: again\n", "mine.yaml:6: title: stands here a second time"),
        ("a: [", "mine.yaml:2: is no YAML"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_file_line_and_key(write: Write, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_boards(write(text))
    assert message in str(caught.value)


def test_every_mistake_in_every_file_is_told_at_once(write: Write) -> None:
    write(BOARD.replace("title: Mine", "titel: Mine"))
    folder = write(BOARD.replace("unit:", "units:"), "other.yml")
    with pytest.raises(ConfigError) as caught:
        load_boards(folder)
    assert len(caught.value.problems) == 2


def test_a_name_that_no_file_of_a_board_may_have(write: Write) -> None:
    with pytest.raises(ConfigError, match="the name of the file"):
        load_boards(write(BOARD, "My Board.yaml"))


def test_shipped_queries_use_only_metrics_that_the_daemon_has() -> None:
    import re

    known = {value for name, value in vars(names).items() if name.startswith("METRIC_")}
    known |= {f"{names.METRIC_DURATION}_{part}" for part in ("bucket", "sum", "count")}
    for board in load_boards().boards.values():
        for row in board.rows:
            for panel in row.panels:
                for query in panel.queries:
                    used = set(re.findall(r"\bbgmon_\w+", query.expr))
                    assert used <= known, f"{panel.title}: {used - known}"


def test_the_example_in_the_documentation_is_a_board(write: Write) -> None:
    page = (Path(__file__).parents[3] / "docs/dashboards.md").read_text(encoding="utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    service = load_boards(write(example, "orders.yaml")).boards["service"]
    assert service.rows[-1].title == "Orders"
