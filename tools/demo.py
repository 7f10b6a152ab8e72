"""The demo: a small shop behind a real HAProxy; it is deployed, broken and healed under steady load.

python -m tools.demo            about two minutes; takes everything it made away
python -m tools.demo --keep     leaves the shop running, and says how to look at it
python -m tools.demo --clean    takes a kept one away
"""

from __future__ import annotations

import os
import sys
import time

import docker
from docker.models.containers import Container
from rich.console import Console

from tools import engine, images
from tools.load import Load
from tools.stage import FOLDER, Outcome, Stage, sweep

SHOP = images.SHOP_REPOSITORY


def first_deploy(stage: Stage) -> Outcome:
    code = stage.bgmon("proxy", "boot") or stage.bgmon("deploy", "core", "search", "worker", "--tag", "v1")
    return code == 0, "three services run v1 behind the proxy"


def good_release(stage: Stage) -> Outcome:
    code = stage.bgmon("deploy", "core", "--image", f"{SHOP}:v2")
    return code == 0 and stage.version() == "v2", "v2 took over from v1"


def never_healthy(stage: Stage) -> Outcome:
    code = stage.bgmon("deploy", "core", "--image", f"{SHOP}:v3")
    return code == 1 and stage.version() == "v2", "v3 never got healthy and was refused; v2 serves on"


def turns_bad(stage: Stage) -> Outcome:
    code = stage.bgmon("deploy", "core", "--image", f"{SHOP}:v4")
    return code == 1 and stage.version() == "v2", "v4 turned bad after the switch and was switched back to v2"


def rollback(stage: Stage) -> Outcome:
    code = stage.bgmon("rollback", "core")
    return code == 0 and stage.version() == "v1", "back on v1"


def kill(stage: Stage) -> Outcome:
    crash(stage)
    return True, "its clients waited for the restart, and none saw an error"


def crash(stage: Stage) -> None:
    """From inside, as a crash is; `docker kill` would count as a person's stop."""
    container = stage.container()
    started = container.attrs["State"]["StartedAt"]
    stage.console.print(f"  [bold]$ docker exec {container.name} killall -KILL python3[/]")
    container.exec_run(["killall", "-KILL", "python3"])
    running_again(container, started)


def running_again(container: Container, started: str) -> None:
    """Raises RuntimeError when the container is not started anew in time."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        container.reload()
        state = container.attrs["State"]
        if state["Running"] and state["StartedAt"] != started:
            time.sleep(1.5)  # the load goes on against the new process
            return
        time.sleep(0.1)
    raise RuntimeError(f"{container.name} did not come back")


def healed(stage: Stage, kind: str, service: str, since: int) -> bool:
    """Whether chat was told of it and of its end."""
    return stage.told(f"{service} {kind}", "over after", since=since)


def killed_while_watched(stage: Stage) -> Outcome:
    since = len(stage.chat.messages)
    crash(stage)
    return healed(stage, "exited", "core", since), "Docker restarted it, the watchdog says what killed it"


def hung(stage: Stage) -> Outcome:
    since = len(stage.chat.messages)
    stage.post(stage.search_port, "/hang")
    return healed(stage, "unhealthy", "search", since), "found by its probes and restarted"


def out_of_memory(stage: Stage) -> Outcome:
    since = len(stage.chat.messages)
    stage.post(stage.port, "/oom?mb=1024")
    return healed(stage, "oom", "core", since), "killed at its memory limit and restarted; the watchdog says so"


def removed(stage: Stage) -> Outcome:
    since = len(stage.chat.messages)
    container = stage.container("worker")
    stage.console.print(f"  [bold]$ docker rm -f {container.name}[/]")
    container.remove(force=True)
    good = healed(stage, "missing", "worker", since)
    return good and stage.status("worker")["state"] == "running", "created again from the record"


def crash_loop(stage: Stage) -> Outcome:
    since = len(stage.chat.messages)
    before = stage.version()
    code = stage.bgmon("deploy", "core", "--image", f"{SHOP}:crash-loops")
    told = stage.told("rolled", "back", "core", since=since, timeout=90)
    good = code == 0 and told and stage.version() == before
    return good, f"passed the bake, then crashed again and again: rolled back to {before}"


def play(stage: Stage) -> None:
    stage.scene("First deploy", first_deploy)
    with Load(stage.port, paths=("/", "/search?q=shoes", "/slow?ms=30")) as stage.load:
        stage.scene("A good release under load", good_release)
        stage.scene("A release that never gets healthy", never_healthy)
        stage.scene("A release that turns bad after the switch", turns_bad, lossless=False)
        stage.scene("Rollback", rollback)
        stage.scene("The running container is killed", kill)
        with stage.watchdog():
            stage.scene("Killed, with the watchdog there", killed_while_watched)
            stage.scene("Out of memory", out_of_memory, lossless=False)
            stage.scene("Another one hangs", hung, lossless=False)
            stage.scene("A third is removed by hand", removed)
            stage.scene("A crash loop after a deploy", crash_loop, lossless=False)
    stage.load = None


def main(arguments: list[str]) -> int:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    if unknown := set(arguments) - {"--keep", "--clean"}:
        console.print(
            f"unknown: {' '.join(unknown)}; see python -m tools.demo --help" if "--help" not in unknown else __doc__
        )
        return 2
    url = engine.find()
    if url is None:
        console.print("no Docker engine answers: run `make demo`, which brings one")
        return 1
    os.environ["DOCKER_HOST"] = url
    os.environ.pop("BGMON_STATE_DIR", None)
    client = docker.DockerClient(base_url=url)
    if "--clean" in arguments:
        sweep(client)
        return 0
    stage = Stage(console, client)
    began = time.monotonic()
    try:
        console.print("Building the shop's images ...")
        stage.prepare()
        play(stage)
        stage.summary()
    finally:
        stage.chat.close()
        if "--keep" not in arguments:
            sweep(client)
    good = all(row.good for row in stage.rows)
    console.print(f"{'All as it should be' if good else 'NOT as it should be'}, in {time.monotonic() - began:.0f} s.")
    if "--keep" in arguments:
        console.print(f"The shop runs on http://127.0.0.1:{stage.port}. Look around in {FOLDER}:")
        console.print(f"  export DOCKER_HOST={url}; cd {FOLDER}; {sys.executable.replace('python', 'bgmon')} status")
        console.print("and take it away with: make demo ARGS=--clean")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
