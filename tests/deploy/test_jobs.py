"""Jobs on the real engine: a daemon runs what is due, is killed meanwhile, and the next one sees it through."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from tests.support.stage import Stage
from tests.support.wait import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.proxy]


@contextlib.contextmanager
def daemon(stage: Stage) -> Iterator[subprocess.Popen[bytes]]:
    log = stage.folder / "daemon.log"
    with log.open("ab") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "watch"], cwd=stage.folder, env=stage.environ, stderr=written
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_daemon_runs_what_is_due_and_the_next_one_sees_it_through(
    stage: Stage, free_port: Callable[[], int]
) -> None:
    port = free_port()
    stage.service(env={"GREETING": "hello"}, docker={"entrypoint": [""]}, command=["python3", "/app/app.py"])
    code = (
        "import os, time, pathlib; print(os.environ['GREETING'], flush=True)\n"
        "while not pathlib.Path('/go/on').exists(): time.sleep(0.05)\n"
        "print('done', flush=True)"
    )
    (stage.folder / "go").mkdir()
    stage.service(volumes=[f"{stage.folder}/go:/go"])
    stage.config["jobs"] = {"nightly": {"like": "core", "command": ["python3", "-c", code], "schedule": "@hourly"}}
    stage.config["watch"] = {"listen": f"127.0.0.1:{port}"}
    stage.config["logs"] = {"source": "docker"}
    stage.write()
    stage.deploy("v1")
    tasks = stage.app().tasks
    tasks.set_handled("nightly", time.time() - 4000)  # an hour ago, when no daemon was there
    with daemon(stage) as process:
        wait_until(lambda: tasks.unfinished("job"), timeout=60, what="the job begins")
        wait_until(lambda: "nightly" in stage.run("jobs").stdout and "under way" in stage.run("jobs").stdout)
        process.send_signal(signal.SIGKILL)
        process.wait()
    (run,) = tasks.unfinished("job")
    with daemon(stage):
        (stage.folder / "go" / "on").touch()
        wait_until(lambda: tasks.unfinished("job") == [], timeout=60, what="the job ends")

        def metrics() -> str:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                return str(answer.read().decode())
            return ""

        wait_until(lambda: 'bgmon_job_runs_total{name="nightly",result="done"} 1.0' in metrics(), timeout=20)
    (ended,) = tasks.runs(kind="job")
    assert (ended.id, ended.result, ended.output) == (run.id, "done", "hello\ndone")
    (row,) = json.loads(stage.run("jobs", "--json").stdout)["jobs"]
    assert (row["last"]["result"], row["running_since"]) == ("done", None)
    ours = stage.app().engine.containers({"bgmon.project": stage.project, "bgmon.kind": "task"})
    assert ours == []


def test_a_command_by_hand_has_what_the_service_has_and_its_own_exit_code(stage: Stage) -> None:
    (stage.folder / ".bgmon").mkdir()
    secrets = stage.folder / ".bgmon" / "secrets"
    secrets.write_text("API_KEY=kq7-Wn2vX9\n")
    secrets.chmod(0o600)
    stage.service(secrets=["API_KEY"], docker={"entrypoint": [""]}, command=["python3", "/app/app.py"])
    stage.config["jobs"] = {"nightly": {"like": "core", "command": "exit 3", "schedule": "0 3 * * *"}}
    stage.write()
    early = stage.run("run", "core", "--", "true")
    assert early.returncode == 1
    assert "core is not deployed here" in early.stderr
    stage.deploy("v1")
    code = "import os, sys; print(os.environ['API_KEY']); sys.exit(7)"
    done = stage.run("run", "core", "--", "python3", "-c", code)
    assert (done.returncode, done.stdout) == (7, "[masked]\n"), done.stderr
    document = json.loads(stage.run("run", "--json", "core", "sh", "-c", "echo out; echo err >&2").stdout)
    assert (document["result"], document["exit"], sorted(document["output"].split())) == ("done", 0, ["err", "out"])
    late = stage.run("run", "--timeout", "500ms", "core", "sleep", "60")
    assert late.returncode == 124
    assert "did not end within 0.5 s and was stopped" in late.stderr
    assert stage.run("run", "--job", "nightly").returncode == 3
    wrong = stage.run("run", "--job", "nightli")
    assert wrong.returncode == 2
    assert "known: nightly" in wrong.stderr
    rows = json.loads(stage.run("tasks", "core", "--json").stdout)["tasks"]
    assert [(row["kind"], row["result"], row["exit_code"]) for row in rows] == [
        ("job", "failed", 3), ("run", "timed out", None), ("run", "done", 0), ("run", "failed", 7)
    ]  # fmt: skip
    assert set(stage.containers().values()) == {"v1"}
    assert stage.run("exec", "core", "--", "sh", "-c", "exit 5").returncode == 5
