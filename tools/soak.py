"""A soak: `bgmon watch` over services that are killed one after another, its memory sampled every minute.

python -m tools.soak [--minutes 120] [--services 40] [--every 17] [--scrape 15] [--trace FILE]

Everything is real: the engine, the proxy, the state file, the log poller, a chat on loopback; /metrics and the status
page are asked for as a Prometheus and a browser would. Every tenth kill removes the container instead. Prints a line a
minute, writes bench/results/soak.json and ends with 1 when memory still rises at the end, or an incident stays open.

40 services times 17 s are more than the ten minutes over which deaths count towards a crash loop: each is back in
between. Kill faster, and the daemon slows them down and quarantines them, as it should.

--trace has the daemon note what its memory is made of every five minutes; it is slower and bigger by that.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import docker.errors
import yaml

from bench.common import write_result
from bench.project import BGMON, Project, project, shop
from tests.support.chat import Chat

SAMPLE_EVERY = 60.0
REMOVE_EACH = 10
QUIET_END = 60.0
MOST_GROWTH = 0.1  # MB a minute over the last half of the run
WARM_UP = 15.0  # minutes that say nothing: caches fill, allocator arenas grow to what a busy moment needs


@dataclass(frozen=True)
class Sample:
    minute: float
    rss_mb: float
    anonymous_mb: float
    threads: int
    descriptors: int
    kills: int
    restarts: int
    state_mb: float


def services(count: int) -> dict[str, dict[str, object]]:
    more = {
        "health": {"path": "/health", "interval": "5s"},
        "heal": {"budget": 100, "rollback_window": "0s"},
        "env": {"LOG_FORMAT": "json"},
    }
    return {f"s{n:02}": shop(route={"path": f"/s{n:02}"}, **more) for n in range(count)}


@contextlib.contextmanager
def daemon(made: Project, trace: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    module = ["monitor"] if trace is None else ["tools.soak_traced", str(trace)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with (made.folder / "daemon.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", *module, "watch"], cwd=made.folder, env=environ, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Scraper(threading.Thread):
    """Asks as a Prometheus and an open page would; `metrics` is the last answer."""

    def __init__(self, address: str, every: float) -> None:
        super().__init__(name="scraper", daemon=True)
        self._address = address
        self._every = every
        self._ended = threading.Event()
        self.metrics = ""

    def run(self) -> None:
        while not self._ended.wait(self._every):
            with contextlib.suppress(OSError):
                self.metrics = self._get("/metrics")
                self._get("/")
                self._get("/api/v1/status")

    def status(self) -> dict[str, str]:
        return {one["name"]: one["state"] for one in json.loads(self._get("/api/v1/status"))["services"]}

    def total(self, name: str) -> int:
        return round(sum(float(value) for value in re.findall(rf"^{name}{{.*}} (\S+)$", self.metrics, re.MULTILINE)))

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self._address}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def stop(self) -> None:
        self._ended.set()
        self.join(20)


def sample(pid: int, began: float, kills: int, scraper: Scraper, folder: Path) -> Sample:
    facts = dict(re.findall(r"^(\w+):\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
    return Sample(
        minute=round((time.monotonic() - began) / 60, 1),
        rss_mb=round(int(facts["VmRSS"]) / 1024, 1),
        anonymous_mb=round(int(facts["RssAnon"]) / 1024, 1),
        threads=int(facts["Threads"]),
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        kills=kills,
        restarts=scraper.total("bgmon_restarts_total"),
        state_mb=round(sum(file.stat().st_size for file in (folder / "state").rglob("state.db*")) / 1e6, 2),
    )


def kill(made: Project, service: str, *, remove: bool) -> bool:
    """End the service's first process as the kernel would, or take its container away. False when it does not run."""
    labels = [f"bgmon.project={made.name}", f"bgmon.service={service}"]
    for container in made.client.containers.list(filters={"label": labels}):
        if remove:
            container.remove(force=True)
            return True
        pid = container.attrs["State"].get("Pid") or made.client.api.inspect_container(container.id)["State"]["Pid"]
        if pid:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def growth(samples: Sequence[Sample]) -> float | None:
    """MB a minute over the last half, the warm-up left out; None while that says nothing."""
    last = samples[-1].minute
    points = [(one.minute, one.anonymous_mb) for one in samples if one.minute >= max(WARM_UP, last / 2)]
    if len(points) < 5:
        return None
    slope, _ = statistics.linear_regression(*zip(*points, strict=True))
    return round(slope, 3)


def soak(made: Project, given: argparse.Namespace) -> tuple[list[Sample], dict[str, str]]:
    names = list(yaml.safe_load((made.folder / "bgmon.yml").read_text())["services"])
    order = itertools.cycle(random.sample(names, len(names)))
    address = yaml.safe_load((made.folder / "bgmon.yml").read_text())["watch"]["listen"]
    with daemon(made, given.trace) as process:
        scraper = Scraper(address, given.scrape)
        scraper.start()
        began = time.monotonic()
        samples: list[Sample] = []
        kills, next_kill, next_sample = 0, began + 30, began + SAMPLE_EVERY
        end = began + 60 * given.minutes
        while (now := time.monotonic()) < end and process.poll() is None:
            if now >= next_kill and now < end - QUIET_END:
                next_kill = now + given.every
                with contextlib.suppress(OSError, docker.errors.APIError):
                    kills += kill(made, next(order), remove=kills % REMOVE_EACH == REMOVE_EACH - 1)
            if now >= next_sample:
                next_sample += SAMPLE_EVERY
                samples.append(sample(process.pid, began, kills, scraper, made.folder))
                print(json.dumps(asdict(samples[-1])), flush=True)
            time.sleep(0.2)
        ended = process.poll()
        if ended is not None:
            raise RuntimeError(f"the daemon ended with {ended}: {(made.folder / 'daemon.log').read_text()[-2000:]}")
        states = scraper.status()
        scraper.stop()
    return samples, states


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--services", type=int, default=40)
    parser.add_argument("--every", type=float, default=17.0, help="seconds between two kills")
    parser.add_argument("--scrape", type=float, default=15.0, help="seconds between two looks at metrics and page")
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--result", default="soak", help="name of the file in bench/results")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # everything made is taken away
    chat = Chat()
    with project(services(given.services)) as made:
        file = made.folder / "bgmon.yml"
        config = yaml.safe_load(file.read_text())
        config["notify"] = {"urls": [chat.url], "group": "0s"}
        config["watch"]["host_budget"] = 10_000
        file.write_text(yaml.safe_dump(config, sort_keys=False))
        made.bgmon("deploy", "--all", "--pull", "never")
        samples, states = soak(made, given)
        listed = subprocess.run(
            [BGMON, "incidents", "--json"], cwd=made.folder, capture_output=True, text=True, check=True
        )
        open_ones = [one for one in json.loads(listed.stdout)["incidents"] if not one["ended_at"]]
    chat.close()
    slope = growth(samples)
    bad = {name: state for name, state in states.items() if state != "healthy"}
    result = {
        "minutes": given.minutes, "services": given.services, "kill_every_s": given.every,
        "growth_mb_per_minute": slope, "not_healthy": bad, "open_incidents": len(open_ones),
        "messages": len(chat.received), "samples": [asdict(one) for one in samples],
    }  # fmt: skip
    print(f"growth over the last half: {slope} MB a minute; not healthy: {bad}; open incidents: {len(open_ones)}")
    print(write_result(given.result, result))
    return int(bool(bad or open_ones or (slope is not None and slope > MOST_GROWTH)))


if __name__ == "__main__":
    sys.exit(main())
