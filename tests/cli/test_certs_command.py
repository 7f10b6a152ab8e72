"""`bgmon certs` and the daemon's renewals, as people run them, with a real ACME server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.certificate import certificate
from tests.support.pebble import Pebble
from tests.support.wait import wait_until

pytestmark = [pytest.mark.proxy, pytest.mark.tools]

ENVIRON = {name: value for name, value in os.environ.items() if name != "BGMON_STATE_DIR"}


class Site:
    def __init__(self, folder: Path, pebble: Pebble, port: int, tls_port: int, watch_port: int) -> None:
        self.folder, self.pebble = folder, pebble
        certificate(folder, "own.test")
        config: dict[str, Any] = {
            "project": "p",
            "state": {"dir": "state"},
            "proxy": {
                "run": "process",
                "listen": [f"127.0.0.1:{port}"],
                "tls_listen": [f"127.0.0.1:{tls_port}"],
                "acme": {
                    "directory": pebble.directory,
                    "staging": pebble.directory,
                    "ca": str(pebble.ca),
                    "precheck": False,
                },
            },
            "services": {
                "core": {"image": "x", "port": 3000, "route": {"host": ["a.test", "b.test"], "tls": "auto"}},
                "own": {
                    "image": "x",
                    "port": 3000,
                    "route": {"host": "own.test", "tls": {"cert": "own.test.crt", "key": "own.test.key"}},
                },
            },
            "watch": {"listen": f"127.0.0.1:{watch_port}"},
        }
        (folder / "bgmon.yml").write_text(yaml.safe_dump(config))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "monitor", *arguments],
            cwd=self.folder, env=ENVIRON, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def listed(self) -> dict[str, Any]:
        document = json.loads(self.run("certs", "list", "--json").stdout)
        return {found["name"]: found for found in document["certificates"]}


@pytest.fixture
def site(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Site]:
    port = free_port()
    pebble = Pebble(tmp_path / "pebble", free_port, http_port=port)
    made = Site(tmp_path, pebble, port, free_port(), free_port())
    yield made
    made.run("proxy", "remove", "--yes")
    pebble.close()


def test_list_test_and_renew(site: Site) -> None:
    assert site.run("proxy", "boot").returncode == 0
    empty = site.run("certs")
    assert empty.returncode == 1, "a site without its certificates is not in order"
    assert "not got yet" in empty.stdout

    tested = site.run("certs", "test", "a.test")
    assert (tested.returncode, tested.stdout) == (0, "a.test: the staging server gave a certificate\n"), tested.stderr
    assert site.listed()["a.test"]["facts"] is None, "it is thrown away"

    renewed = site.run("certs", "renew", "--json")
    assert renewed.returncode == 0, renewed.stderr
    assert [found["name"] for found in json.loads(renewed.stdout)["certificates"]] == ["a.test", "b.test"]
    after = site.run("certs")
    assert after.returncode == 0
    assert {line.split()[0]: line.split()[-1] for line in after.stdout.splitlines()[1:]} == {
        "a.test": "good",
        "b.test": "good",
        "own.test.crt": "good",
    }
    found = site.listed()
    assert found["a.test"]["facts"]["names"] == ["a.test"]
    assert (found["own.test.crt"]["source"], found["own.test.crt"]["service"]) == ("file", "own")

    unknown = site.run("certs", "renew", "c.test")
    assert unknown.returncode == 1
    assert "c.test gets no certificate by ACME" in unknown.stderr
    site.pebble.stop()
    down = site.run("certs", "renew", "a.test", "--json")
    assert down.returncode == 4
    assert "does not answer" in json.loads(down.stdout)["error"]
    assert site.listed()["a.test"]["facts"] is not None


def test_the_daemon_gets_them_by_itself(site: Site) -> None:
    assert site.run("proxy", "boot").returncode == 0
    with (site.folder / "watch.log").open("w") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "monitor", "watch"], cwd=site.folder, env=ENVIRON, stdout=log, stderr=log
        )
    try:
        wait_until(
            lambda: all(found["facts"] is not None for found in site.listed().values()),
            timeout=90,
            what="the daemon to get certificates",
        )
    finally:
        daemon.terminate()
        daemon.wait(30)


def test_names_that_no_authority_knows_are_refused_in_the_file(site: Site) -> None:
    text = (site.folder / "bgmon.yml").read_text()
    for bad in ("localhost", "10.0.0.1", "a_b.test", "x..test"):
        (site.folder / "bgmon.yml").write_text(text.replace("a.test", bad))
        done = site.run("check")
        assert done.returncode == 2
        assert "no public name that a certificate can be got for" in done.stderr
