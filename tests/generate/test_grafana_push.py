"""`bgmon grafana push`, against a server that answers as Grafana's documentation says; Grafana itself is not to be had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.adapters.grafana.client import GrafanaApi
from monitor.cli.main import cli
from monitor.errors import GrafanaError, GrafanaUnreachable
from monitor.render.grafana.uid import board_uid, folder_uid
from tests.support.boards import ROOT
from tests.support.grafana_server import TOKEN, GrafanaServer
from tests.support.ports import free_port

CORE = board_uid("shop", "core")
SHOP = str(ROOT / "examples/shop/bgmon.yml")


@pytest.fixture
def grafana() -> Iterator[GrafanaServer]:
    server = GrafanaServer()
    yield server
    server.close()


def push(server: GrafanaServer, *arguments: str, token: str = TOKEN) -> Result:
    command = ["-c", SHOP, "grafana", "push", "--url", server.url, *arguments]
    return CliRunner(env={"BGMON_GRAFANA_TOKEN": token}).invoke(cli, command)


def fates(result: Result) -> dict[str, str]:
    return {row["uid"]: row["fate"] for row in json.loads(result.stdout)["boards"]}


def saves(server: GrafanaServer) -> list[Any]:
    return [body for method, path, body in server.calls if (method, path) == ("POST", "/api/dashboards/db")]


def test_every_board_is_saved_once_and_then_left_alone(grafana: GrafanaServer) -> None:
    first = push(grafana)
    assert first.exit_code == 0, first.output
    assert CORE in grafana.boards
    assert grafana.folders == {"bgmon-shop": "bgmon shop"}
    before = len(saves(grafana))
    assert before == len(grafana.boards)
    again = push(grafana, "--json")
    assert again.exit_code == 0
    assert set(fates(again).values()) == {"same"}
    assert len(saves(grafana)) == before


def test_a_dry_run_and_a_diff_change_nothing(grafana: GrafanaServer) -> None:
    for flag in ("--dry-run", "--diff"):
        result = push(grafana, flag, "--only", "core")
        assert result.exit_code == 0
        assert "new: core" in result.output
    assert grafana.boards == {}
    assert grafana.folders == {}
    assert all(method == "GET" for method, _, _ in grafana.calls)
    assert '+  "uid": "bgmon-shop--core"' in push(grafana, "--diff", "--only", "core").output


@pytest.mark.parametrize("old", [False, True], ids=["versions as an object", "versions as a list"])
def test_a_board_that_bgmon_saved_last_is_brought_up_to_date(grafana: GrafanaServer, old: bool) -> None:
    grafana.old_versions_form = old
    push(grafana, "--only", "core")
    grafana.boards[CORE]["dashboard"]["refresh"] = "5s"  # an older bgmon made it so
    result = push(grafana, "--only", "core")
    assert result.exit_code == 0
    assert "changed: core" in result.output
    assert grafana.boards[CORE]["dashboard"]["refresh"] == "30s"
    assert saves(grafana)[-1]["overwrite"] is False


def test_what_a_person_changed_is_left_alone(grafana: GrafanaServer) -> None:
    push(grafana, "--only", "core,worker")
    grafana.edit(CORE, title="my core", message="better colors")
    result = push(grafana, "--only", "core,worker")
    assert result.exit_code == 1
    assert "better colors" in result.output
    assert grafana.boards[CORE]["dashboard"]["title"] == "my core"


def test_force_writes_over_it(grafana: GrafanaServer) -> None:
    push(grafana, "--only", "core")
    grafana.edit(CORE, title="my core")
    assert push(grafana, "--only", "core", "--force").exit_code == 0
    assert grafana.boards[CORE]["dashboard"]["title"] == "core"


def test_somebody_who_is_faster_wins(grafana: GrafanaServer) -> None:
    push(grafana, "--only", "core")
    grafana.boards[CORE]["dashboard"]["refresh"] = "5s"
    grafana.before_save = lambda: grafana.edit(CORE, title="mine")
    result = push(grafana, "--only", "core")
    assert result.exit_code == 1
    assert "changed by someone else" in result.output
    assert grafana.boards[CORE]["dashboard"]["title"] == "mine"


def test_a_hand_made_board_of_the_same_title_is_left_alone(grafana: GrafanaServer) -> None:
    uid = folder_uid("bgmon shop")
    grafana.folders[uid] = "bgmon shop"
    grafana.boards["mine"] = {"dashboard": {"uid": "mine", "title": "core", "version": 3}, "folder": uid, "message": ""}
    result = push(grafana, "--only", "core")
    assert result.exit_code == 1
    assert "same name" in result.output
    assert CORE not in grafana.boards


def test_a_board_from_files_is_a_conflict_even_with_force(grafana: GrafanaServer) -> None:
    push(grafana, "--only", "core")
    grafana.boards[CORE] |= {"provisioned": True, "dashboard": {**grafana.boards[CORE]["dashboard"], "refresh": "5s"}}
    result = push(grafana, "--only", "core", "--force")
    assert result.exit_code == 1
    assert "from a file" in result.output


def test_another_folder(grafana: GrafanaServer) -> None:
    assert push(grafana, "--only", "core", "--folder", "Team Ä/1").exit_code == 0
    assert list(grafana.folders.values()) == ["Team Ä/1"]


def test_a_wrong_token_is_not_shown(grafana: GrafanaServer) -> None:
    result = push(grafana, token="not-this-one-0815")
    assert isinstance(result.exception, GrafanaError)
    assert "does not know this token" in str(result.exception)
    assert "0815" not in result.output + str(result.exception) + repr(result.exception.__context__)


def test_without_a_token_it_says_where_to_put_one() -> None:
    result = CliRunner(env={"BGMON_GRAFANA_TOKEN": ""}).invoke(cli, ["-c", SHOP, "grafana", "push"])
    assert result.exit_code != 0
    assert "no token" in str(result.exception)


def test_an_unknown_board_is_named(grafana: GrafanaServer) -> None:
    result = push(grafana, "--only", "cor")
    assert "there is no board 'cor'" in str(result.exception)


def test_nobody_there() -> None:
    api = GrafanaApi(f"http://127.0.0.1:{free_port()}", TOKEN)
    with pytest.raises(GrafanaUnreachable, match="does not answer"):
        api.find(CORE)
    api.close()
