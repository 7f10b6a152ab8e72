"""The scripts for a machine's shell, run by this machine's in a folder of the test's."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from monitor.domain.hostsetup import environment_lines, facts
from monitor.render import hostscripts

ME = pwd.getpwuid(os.geteuid()).pw_name


def sh(script: str, data: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script], input=data, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "script",
    [
        hostscripts.facts("bgmon"),
        hostscripts.install("docker.io", "ca-certificates", optional="docker-cli"),
        hostscripts.haproxy(),
        hostscripts.START_ENGINE,
        hostscripts.join_docker("deploy"),
        hostscripts.put_version("1.0", "bgmon==1.0"),
        hostscripts.put_version("1.0-abc", ""),
        hostscripts.put_link("/usr/local/bin/bgmon"),
        hostscripts.remove_program("/usr/local/bin/bgmon"),
        hostscripts.program_gone("/usr/local/bin/bgmon", "/var/lib/bgmon"),
    ],
)
def test_every_script_is_one_for_a_plain_shell(script: str) -> None:
    done = subprocess.run(["sh", "-n", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_this_machine_says_what_it_is() -> None:
    found = facts(sh(hostscripts.facts("no-such-program")).stdout)
    assert found.uid == os.geteuid()
    assert found.user == ME
    assert found.system
    assert found.bgmon == ""


def test_logins_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"auths": {"other": {"auth": "x"}}, "credsStore": "pass"}')
    wanted = json.dumps({"reg.example.com": "dXNlcjpwYXNz"})
    assert sh(hostscripts.logins("check"), wanted, DOCKER_CONFIG=str(tmp_path)).returncode == 1
    assert sh(hostscripts.logins("change"), wanted, DOCKER_CONFIG=str(tmp_path)).returncode == 0
    assert sh(hostscripts.logins("check"), wanted, DOCKER_CONFIG=str(tmp_path)).returncode == 0
    kept = json.loads((tmp_path / "config.json").read_text())
    assert kept == {
        "auths": {"other": {"auth": "x"}, "reg.example.com": {"auth": "dXNlcjpwYXNz"}},
        "credsStore": "pass",
    }
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600


def test_variables_are_kept_beside_those_of_a_person(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "shop.env"
    wanted = environment_lines({"SLACK_URL": 'https://x/"y"', "OTHER": "1"})
    assert sh(hostscripts.variables("check", str(path), ME), wanted).returncode == 1
    assert sh(hostscripts.variables("change", str(path), ME), wanted).returncode == 0
    path.write_text("# mine\nPROXY=http://p\n" + path.read_text())
    assert sh(hostscripts.variables("check", str(path), ME), wanted).returncode == 0
    newer = environment_lines({"SLACK_URL": "https://z", "OTHER": "1"})
    assert sh(hostscripts.variables("change", str(path), ME), newer).returncode == 0
    assert path.read_text() == '# mine\nPROXY=http://p\nSLACK_URL="https://z"\nOTHER="1"\n'
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_program_that_is_not_ours_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "bin" / "bgmon"
    assert sh(hostscripts.put_link(str(path))).returncode == 0
    assert sh(hostscripts.has_link(str(path))).returncode == 0
    path.unlink()
    path.write_text("another")
    done = sh(hostscripts.put_link(str(path)))
    assert done.returncode == 1
    assert "another program" in done.stderr
    assert path.read_text() == "another"


def test_the_locked_versions_of_the_product_are_those_of_the_tests() -> None:
    root = Path(__file__).parents[3]

    def pins(path: Path) -> set[str]:
        lines = path.read_text(encoding="utf-8").splitlines()
        return {line.split()[0] for line in lines if line[:1].isalnum()}

    product = pins(root / "monitor" / "requirements.lock")
    assert {pin.partition("==")[0] for pin in product} > {"click", "docker", "pydantic"}
    assert product <= pins(root / "requirements.lock")
    assert not {pin for pin in product if pin.startswith(("pytest", "mypy"))}
