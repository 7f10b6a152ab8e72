"""silence, notify test and install, from the command line to what they leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.adapters.state.alerts import SqliteAlertStore
from monitor.adapters.state.db import Database
from monitor.cli.main import main
from monitor.render.systemd import UnitFacts, render_unit
from tests.support.chat import Answer, Chat

SERVICES = "services:\n  core: {image: reg.example.com/shop/core, port: 3000}\n  web: {image: w, port: 80}\n"


@pytest.fixture
def chat() -> Iterator[Chat]:
    server = Chat()
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BGMON_WHO", "kim")
    (tmp_path / "bgmon.yml").write_text(f"project: shop\n{SERVICES}")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


# ---- silence ------------------------------------------------------------------------------------------------------


def test_a_silence_is_kept_listed_and_lifted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "silence", "core", "--for", "2h", "--reason", "moving house", "--json")
    silence = json.loads(out)["silence"]
    assert code == 0
    assert (silence["pattern"], silence["by"], silence["reason"]) == ("core", "kim", "moving house")
    assert silence["until"] - silence["created_at"] == 7200
    database = Database(folder / "state/shop/state.db")
    assert [found.id for found in SqliteAlertStore(database).silences(0.0)] == [silence["id"]]
    database.close()
    assert "moving house" in run(capsys, "silence")[1]
    assert run(capsys, "silence", "--lift", str(silence["id"]))[0] == 0
    assert run(capsys, "silence", "--json")[1] == '{\n  "silences": []\n}\n'


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["silence", "core"], "how long?"),
        (["silence", "--for", "2h"], "what is to be silenced?"),
        (["silence", "cor", "--for", "2h"], "did you mean 'core'?"),
        (["silence", "nope-*", "--for", "2h"], "known: core, web"),
        (["silence", "core", "--for", "2"], "has no unit"),
        (["silence", "core", "--for", "0s"], "more than 0"),
        (["silence", "core", "--for", "721h"], "at most 30 days"),
        (["silence", "--lift", "9"], "there is no silence 9"),
        (["silence", "core", "--lift", "9"], "stands alone"),
        (["notify", "test"], "names no channel"),
        (["install", "--write", "--directory", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_wrong_usage_says_what_is_right(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == (1 if "install" in arguments else 2)
    assert words in err
    assert "Traceback" not in out + err


@pytest.mark.parametrize("pattern", ["*", "co*", "engine-down", "web"])
def test_globs_and_kinds_can_be_silenced(folder: Path, capsys: pytest.CaptureFixture[str], pattern: str) -> None:
    assert run(capsys, "silence", pattern, "--for", "30m")[0] == 0


# ---- notify test --------------------------------------------------------------------------------------------------


def test_every_channel_is_tried_and_its_answer_said_without_its_url(
    folder: Path, capsys: pytest.CaptureFixture[str], chat: Chat
) -> None:
    url = chat.url
    urls = f'["{url}", {{url: "json://127.0.0.1:{chat.port}/s3cr3t-token", name: ops}}]'
    (folder / "bgmon.yml").write_text(f"project: shop\n{SERVICES}notify: {{urls: {urls}}}\n")
    code, out, err = run(capsys, "notify", "test")
    assert code == 0
    assert out == "ok      http://***\nok      ops\n"
    assert "alerts of shop on" in chat.received[0].body["text"]
    urls = f'["{url}", {{url: "{url}/2", name: ops}}]'
    (folder / "bgmon.yml").write_text(f"project: shop\n{SERVICES}notify: {{urls: {urls}}}\n")
    chat.answers = [Answer(403), Answer(200)]
    code, out, err = run(capsys, "notify", "test", "--json")
    document = json.loads(out)["channels"]
    assert code == 1
    assert [channel["ok"] for channel in document] == [False, True]
    assert document[0]["error"] == "answered 403"
    assert "s3cr3t" not in out + err


def test_a_template_that_does_not_work_is_said_before_anything_is_sent(
    folder: Path, capsys: pytest.CaptureFixture[str], chat: Chat
) -> None:
    (folder / "texts").mkdir()
    (folder / "texts/title.slack.j2").write_text("{% if %}")
    (folder / "bgmon.yml").write_text(f'project: shop\n{SERVICES}notify: {{urls: ["{chat.url}"], templates: texts}}\n')
    code, _, err = run(capsys, "notify", "test")
    assert code == 1
    assert "title.slack.j2" in err
    assert chat.received == []


# ---- install ------------------------------------------------------------------------------------------------------


def test_the_unit_is_printed_or_written_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "install")[1]
    units = folder / "units"
    units.mkdir()
    assert "written" in run(capsys, "install", "--write", "--directory", str(units))[1]
    assert (units / "bgmon-shop.service").read_text() == text
    assert "unchanged" in run(capsys, "install", "--write", "--directory", str(units))[1]
    assert [path.name for path in units.iterdir()] == ["bgmon-shop.service"]
    assert f"--config {folder}/bgmon.yml watch" in text
    assert f"ReadWritePaths={folder}/state" in text
    for line in ("Type=notify", "WatchdogSec=120", "Restart=always", "ProtectSystem=strict", "NoNewPrivileges=yes"):
        assert line in text.splitlines()


FACTS = UnitFacts(
    project="shop",
    command=(sys.executable, "-m", "monitor"),
    config_file="/etc/bgmon files/50%/$shop.yml",
    folder="/etc",
    state_dir="/var/lib/bgmon",
    user="root",
    docker_host="unix:///run/docker.sock",
    environment_file="/etc/bgmon/shop.env",
)


@pytest.mark.tools
def test_systemd_finds_no_fault_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "bgmon-shop.service"
    unit.write_text(render_unit(FACTS))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    unit.write_text(render_unit(FACTS).replace("WatchdogSec=120", "WatchdogSec=often"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert "often" in done.stderr  # else the check above could not fail


def test_paths_are_written_so_that_systemd_reads_them_back() -> None:
    text = render_unit(FACTS)
    assert f'ExecStart={sys.executable} -m monitor --config "/etc/bgmon files/50%%/$$shop.yml" watch' in text
    assert "KillMode=mixed" in text


def test_a_proxy_that_the_daemon_started_outlives_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bgmon.yml").write_text(f"project: shop\n{SERVICES}proxy: {{run: process}}\n")
    assert "KillMode=process" in run(capsys, "install")[1]
