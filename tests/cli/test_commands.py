"""Every command: its help, its errors and exit codes, without any engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli.main import COMMANDS, cli, main

CONFIG = "project: shop\nservices:\n  core: {image: reg.example.com/shop/core, port: 3000}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "bgmon.yml").write_text(CONFIG)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Example" in result.output or "Commands:" in result.output
    if "Commands:" not in result.output:
        assert "--json" in result.output


def test_the_root_lists_every_command_and_the_exit_codes() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    for name in COMMANDS:
        assert f"  {name} " in result.output
    assert "3 locked" in result.output


def test_help_imports_nothing_slow() -> None:
    code = (
        "import sys\nfrom monitor.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "slow = {'docker', 'httpx', 'aiohttp', 'apprise', 'pydantic', 'rich', 'jinja2', 'prometheus_client'}\n"
        "print('SLOW', sorted(slow & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "SLOW []"


def test_no_configuration_is_a_usage_error_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "check")
    assert code == 2
    assert "bgmon init" in err


def test_a_wrong_configuration_names_every_problem_in_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bgmon.yml").write_text(CONFIG + "sevices: {}\n")
    code, out, err = run(capsys, "check", "--json")
    document = json.loads(out)
    assert code == document["exit"] == 2
    assert document["problems"][0] | {"file": ""} == {
        "file": "", "line": 4, "key": "sevices", "message": "unknown key; did you mean 'services'?"
    }  # fmt: skip
    assert "sevices" in err


def test_check_and_schema_and_version(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "check", "--json")[0] == 0
    code, out, _ = run(capsys, "schema")
    assert code == 0
    assert "services" in json.loads(out)["properties"]
    assert "version" in json.loads(run(capsys, "version", "--json")[1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["deploy"], "which service?"),
        (["deploy", "cor", "--image", "x"], "did you mean 'core'?"),
        (["deploy", "core", "core"], "named twice"),
        (["deploy", "core", "--image", "a b"], "no image reference"),
        (["deploy", "core", "--image", "a", "--tag", "b"], "exclude each other"),
        (["deploy", "core=a", "--image", "b"], "SERVICE=IMAGE"),
        (["rollback", "core"], "was never deployed here"),
        (["logs", "core"], "was never deployed here"),
        (["exec", "core", "ls"], "was never deployed here"),
        (["history", "nope"], "known: core"),
        (["remove", "core"], "--yes"),
        (["deploy", "core", "--wait", "soon"], "no duration"),
    ],
)
def test_wrong_usage_says_what_is_right(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert words in err
    assert "Traceback" not in out + err


def test_an_engine_that_is_not_there_is_exit_4(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/nobody.sock")
    code, _, err = run(capsys, "status")
    assert code == 4
    assert "->" in err


def test_dry_run_prints_the_plan_and_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "deploy", "core", "--tag", "abc", "--dry-run", "--json")
    steps = json.loads(out)["plan"]["core"]
    assert code == 0
    assert "pull reg.example.com/shop/core:abc" in steps
    code, out, _ = run(capsys, "history", "--json")
    assert json.loads(out) == {"deploys": []}


def test_init_never_overwrites_and_what_it_writes_is_valid(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "init")[0] == 2
    assert (folder / "bgmon.yml").read_text() == CONFIG
    assert run(capsys, "init", "-o", "other.yml")[0] == 0
    assert run(capsys, "-c", "other.yml", "check")[0] == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_bgmon(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "completion", shell)
    assert code == 0
    assert "_BGMON_COMPLETE" in out


def test_service_names_are_completed(folder: Path) -> None:
    environ = {"_BGMON_COMPLETE": "bash_complete", "COMP_WORDS": "bgmon logs c", "COMP_CWORD": "2"}
    output = subprocess.run(
        [sys.executable, "-m", "monitor"],
        env={"PATH": "/usr/bin:/bin", "BGMON_STATE_DIR": str(folder / "state"), **environ},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "plain,core" in output
