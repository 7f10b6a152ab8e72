"""What bgmon adds: a whole deploy minus the container's own start to its first 200; and `bgmon --help`."""

from __future__ import annotations

import http.client
import subprocess
import time

from bench.common import percentile, table, write_result
from bench.project import BGMON, Project, project, shop
from tools import images

ROUNDS = 12
HELPS = 20


def own_start(made: Project) -> float:
    """Seconds from creating a container by the engine's API to its first 200."""
    began = time.perf_counter()
    container, port = made.container(images.shop(made.client, "v1"), environment={"LOG_FORMAT": "none"})
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                break
        except (OSError, http.client.HTTPException):
            time.sleep(0.002)
        finally:
            connection.close()
        if time.perf_counter() - began > 30:
            raise RuntimeError("the container did not get healthy")
    taken = time.perf_counter() - began
    container.remove(force=True)
    return taken


def main() -> list[str]:
    with project({"web": shop()}) as made:
        made.bgmon("deploy", "web")
        deploys, starts = [], []
        for number in range(ROUNDS):
            starts.append(own_start(made))
            deploys.append(made.timed("deploy", "web", "--image", f"{images.SHOP_REPOSITORY}:v{2 - number % 2}"))
    helps = []
    for _ in range(HELPS):
        began = time.perf_counter()
        subprocess.run([BGMON, "--help"], check=True, capture_output=True)
        helps.append(time.perf_counter() - began)
    deploy, start, shown = (percentile(values, 0.5) for values in (deploys, starts, helps))
    figures = {
        "deploy_s": round(deploy, 3),
        "container_s": round(start, 3),
        "overhead_s": round(deploy - start, 3),
        "help_s": round(shown, 3),
        "rounds": ROUNDS,
    }
    write_result("overhead", figures)
    table(
        "What bgmon adds, medians in seconds",
        ("whole deploy", "container's own start", "overhead", "bgmon --help"),
        [[deploy, start, deploy - start, shown]],
    )
    broken = []
    if deploy - start >= 0.6:
        broken.append(f"a deploy takes {deploy - start:.2f} s beside the container's start, not under 0.6")
    if shown >= 0.25:
        broken.append(f"bgmon --help takes {shown:.2f} s, not under 0.25")
    return broken
