"""A service that locks its volume is deployed with `order: stop-first` on the real engine, behind a real HAProxy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor.errors import GateFailed
from tests.support.hammer import Hammer
from tests.support.stage import Stage

pytestmark = [pytest.mark.engine, pytest.mark.proxy]

LOCKED = """
import fcntl, runpy, sys
lock = open("/data/lock", "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit("database is locked")
runpy.run_path("/app/app.py", run_name="__main__")
"""


@pytest.fixture
def locking(stage: Stage, tmp_path: Path) -> Stage:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    stage.service(volumes=[f"{data}:/data"], docker={"entrypoint": ["python3", "-c", LOCKED]})
    return stage


def test_it_is_deployed_under_load_without_a_failed_request_and_the_wait_is_shown(locking: Stage) -> None:
    locking.deploy("v1")
    with pytest.raises(GateFailed, match="database is locked") as caught:
        locking.deploy("v2")
    assert "set deploy.order: stop-first" in caught.value.hint
    assert locking.version() == "v1"

    locking.service(deploy__order="stop-first")
    with Hammer(locking.port, methods=("GET", "POST"), path="/version") as hammer:
        done = locking.run("deploy", "core", "--tag", "v2", "--json")
        hammer.more(20)
    assert done.returncode == 0, done.stderr
    assert not hammer.failures
    assert locking.version() == "v2"
    assert len(locking.containers()) == 1
    events = [json.loads(line) for line in done.stdout.splitlines()]
    (deployed,) = [event for event in events if event["event"] == "deployed"]
    assert 0 < deployed["timings"]["wait"] <= deployed["timings"]["total"]
    assert [event["limit"] for event in events if event["event"] == "waiting"] == [20.0]


def test_a_candidate_that_fails_makes_way_for_the_old_one(locking: Stage) -> None:
    locking.service(deploy__order="stop-first", deploy__wait="4s")
    locking.deploy("v1")
    with Hammer(locking.port, methods=("GET", "POST"), path="/version") as hammer:
        for sick, said in (("never-healthy", "no 2 good answers in a row"), ("exits", "exited with code 3")):
            with pytest.raises(GateFailed, match=said) as caught:
                locking.deploy(sick)
            assert caught.value.timings["wait"] > 0
        hammer.more(20)
    assert not hammer.failures
    assert locking.version() == "v1"
    assert locking.containers() == {f"{locking.project}-core-blue": "v1"}
    state = locking.app().engine.inspect(f"{locking.project}-core-blue")
    assert state is not None
    assert state.restart_policy == "unless-stopped"
