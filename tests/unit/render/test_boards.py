"""What rendering boards promises: uids, ids and the grid, and that texts arrive as they were written."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from monitor.config.boards import load_boards
from monitor.domain.boards.board import COLUMNS, Board, Catalogue, Panel, Query, Row, Threshold
from monitor.domain.health.watch import STATES
from monitor.render.boards import render_boards
from monitor.render.grafana.fill import bound, number
from monitor.render.grafana.panels import STATE_TONES
from monitor.render.grafana.uid import LONGEST, board_uid
from monitor.render.site import Site, SiteHost, SiteService
from tests.support.boards import LONG_NAME, STRANGE_NAMES, boards_of, panels_of, shop_site, strange_site

NASTY = "costs $5, \"quoted\" 'too', {{braces}}, ${job}, back\\slash, <b>tags</b>, naïve 日本語 🚀"


def site(*names: str, project: str = "shop") -> Site:
    return Site(project, tuple(SiteService(name) for name in names), (SiteHost("h", "127.0.0.1:9180"),))


def one(panel: Panel) -> dict[str, object]:
    catalogue = Catalogue({"x": Board(title="X", rows=(Row(title="R", panels=(panel,)),))})
    (text,) = render_boards(catalogue, site("core")).values()
    return next(panels_of(json.loads(text)))


def test_rendering_twice_gives_the_same_bytes() -> None:
    assert render_boards(load_boards(), shop_site()) == render_boards(load_boards(), shop_site())


def test_a_board_about_what_a_project_does_not_have_is_left_out() -> None:
    assert "_jobs" not in boards_of(replace(shop_site(), jobs=False))


def test_a_board_for_each_service_and_one_of_each_kind_for_the_project() -> None:
    assert set(boards_of(shop_site())) == {
        "core",
        "search",
        "worker",
        "_overview",
        "_hosts",
        "_deploys",
        "_jobs",
        "_slo",
    }


@pytest.mark.parametrize("name", [*STRANGE_NAMES, LONG_NAME])
@pytest.mark.parametrize("project", ["shop", "a-b", "a.b", "p" * 63])
def test_uids_are_legal(project: str, name: str) -> None:
    assert re.fullmatch(rf"[a-zA-Z0-9_-]{{1,{LONGEST}}}", board_uid(project, name))


def test_uids_are_unique_whatever_the_names() -> None:
    parts = ["a", "b", "a-b", "b-c", "a--b", "a.b", "a_b", "a-.b", "_overview", "x" * 63, "x" * 62 + "y", "x" * 40]
    pairs = [(project, name) for project in parts for name in parts]
    assert len({board_uid(*pair) for pair in pairs}) == len(pairs)


def test_readable_uids_stay_readable() -> None:
    assert board_uid("shop", "core") == "bgmon-shop--core"


def test_panel_ids_are_unique_and_panels_do_not_overlap() -> None:
    for board in boards_of(strange_site()).values():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        cells: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            grid = panel["gridPos"]
            assert grid["x"] + grid["w"] <= COLUMNS
            own = {
                (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
            }
            assert not own & cells, panel["title"]
            cells |= own


def test_texts_arrive_as_they_were_written() -> None:
    panel = one(Panel(title=NASTY, description=NASTY, queries=(Query(expr="up", legend=NASTY),)))
    assert panel["title"] == NASTY
    assert panel["description"] == NASTY
    assert panel["targets"][0]["legendFormat"] == NASTY  # type: ignore[index]


def test_every_placeholder_is_filled_in() -> None:
    for made in (shop_site(), strange_site()):
        for path, text in render_boards(load_boards(), made).items():
            assert "%{" not in text, path


def test_a_worker_has_no_request_panels_and_a_service_without_objectives_no_objective_row() -> None:
    boards = boards_of(shop_site())
    rows = {
        name: [panel["title"] for panel in board["panels"] if panel["type"] == "row"] for name, board in boards.items()
    }
    assert "Requests" in rows["core"]
    assert "Objective" in rows["core"]
    assert "Objective" not in rows["search"]
    assert "Requests" not in rows["worker"]
    assert "http_requests" not in json.dumps(boards["worker"])


def test_services_with_the_same_objective_share_a_query() -> None:
    text = json.dumps(boards_of(strange_site())["_slo"])
    assert text.count("a[.]b|") > 0
    assert "a.b|" not in text


@pytest.mark.parametrize(
    ("seconds", "matcher"), [(0.25, 'le="0.25"'), (1.0, 'le=~"1([.]0)?"'), (10.0, 'le=~"10([.]0)?"')]
)
def test_a_bound_matches_however_it_was_written(seconds: float, matcher: str) -> None:
    assert bound(seconds) == matcher


def test_numbers_have_no_binary_noise() -> None:
    assert number(1 - 0.999) == "0.001"
    assert number(0.00001) == "0.00001"
    assert number(1.0) == "1"


def test_every_state_has_a_color() -> None:
    assert set(STATE_TONES) == set(STATES)


def test_thresholds_get_a_base() -> None:
    panel = one(
        Panel(title="T", description="d", queries=(Query(expr="up"),), thresholds=(Threshold(color="red", value=1),))
    )
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]  # type: ignore[index]
    assert steps == [{"color": "text", "value": None}, {"color": "red", "value": 1}]


def test_links_lead_by_name_or_over_the_overview_when_names_do_not_fit_a_uid() -> None:
    assert "/d/bgmon-shop--${__value.text}?" in json.dumps(boards_of(site("core"))["_overview"])
    long = json.dumps(boards_of(site("core", "c.d"))["_overview"])
    assert "/d/bgmon-shop--_overview?var-service=${__value.text}&" in long


def test_links_keep_the_time_range_and_the_choices() -> None:
    for board in boards_of(shop_site()).values():
        boards, services, logs = board["links"]
        for link in (boards, services):
            assert link["keepTime"] is True
            assert link["includeVars"] is True
        assert "${__from}" in logs["url"]
        assert "${__to}" in logs["url"]
        assert "${service:pipe}" in logs["url"]
        assert not re.search(r'[\s"<>\\]', logs["url"])


def test_deploys_are_marked_on_every_board() -> None:
    for name, board in boards_of(shop_site()).items():
        notes = {note["name"]: note for note in board["annotations"]["list"]}
        expr = notes["Deploys"]["expr"]
        assert expr.startswith('{project="shop", service="bgmon", kind="app"}')
        assert ('deployed=~"$service"' if name.startswith("_") else f'deployed="{name}"') in expr


def test_a_collapsed_row_holds_its_panels() -> None:
    panel = Panel(title="T", description="d", queries=(Query(expr="up"),))
    row = Row(title="R", panels=(panel,), collapsed=True)
    catalogue = Catalogue({"x": Board(title="X", rows=(row, replace(row, title="S", collapsed=False)))})
    (text,) = render_boards(catalogue, site("core")).values()
    first, second, third = json.loads(text)["panels"]
    assert [inner["title"] for inner in first["panels"]] == ["T"]
    assert second["gridPos"]["y"] == first["gridPos"]["y"] + 1
    assert third["title"] == "T"
