"""A shop's daemons as Prometheus sees them: every metric of names.py, with a bad deploy, a leak and a night.

Everything is a function of the seed and of time, so that two runs give the same series.
"""

from __future__ import annotations

import http.server
import math
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from monitor.domain import names
from monitor.domain.health.watch import STATES
from monitor.domain.logs.requests import DEFAULT_BUCKETS

Key = tuple[str, tuple[tuple[str, str], ...]]
HOURS = 3600.0
TROUBLE = (2.6 * HOURS, 2.25 * HOURS)  # before the end: a bad release serves errors
OOM = 1.1 * HOURS


@dataclass
class Service:
    name: str
    rate: float
    median: float
    limit: float
    cores: float
    version: str = "v3"
    color: str = "green"


SERVICES = (
    Service("core", 42, 0.021, 128, 1.0),
    Service("search", 17, 0.012, 128, 0.5, version="v7", color="blue"),
    Service("worker", 0, 0, 64, 0.2, version="v2", color="blue"),
)


@dataclass
class SampleShop:
    """Counters of the time from `start` on; `end` is where the story's clock ends."""

    start: float
    end: float
    trouble: tuple[float, float] = TROUBLE
    oom: float = OOM
    counters: dict[Key, float] = field(default_factory=dict)
    gauges: dict[Key, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = self.start
        self.random = random.Random(7)
        self.step(1.0)

    def add(self, metric: str, value: float, **labels: str) -> None:
        key = (metric, tuple(sorted(labels.items())))
        self.counters[key] = self.counters.get(key, 0) + value

    def set(self, metric: str, value: float, **labels: str) -> None:
        self.gauges[metric, tuple(sorted(labels.items()))] = value

    def step(self, seconds: float) -> None:
        self.now += seconds
        before_end = self.end - self.now
        day = 0.75 + 0.35 * math.sin((self.now % (24 * HOURS)) / (24 * HOURS) * 2 * math.pi - 1.9)
        trouble = self.trouble[1] < before_end < self.trouble[0]
        for service in SERVICES:
            self._service(service, seconds, day, trouble and service.name == "core", before_end)
        self._host(seconds, day, before_end)

    def _service(self, service: Service, seconds: float, day: float, trouble: bool, before_end: float) -> None:
        name = service.name
        if service.rate:
            count = service.rate * day * seconds * self.random.uniform(0.85, 1.15)
            shares = {"200": 0.935, "304": 0.04, "404": 0.02, "499": 0.0045, "500": 0.0002, "503": 0.0001}
            if trouble:
                shares |= {"500": 0.028, "200": 0.907}
            for code, share in shares.items():
                self.add(names.METRIC_REQUESTS, count * share * self.random.uniform(0.8, 1.2), service=name, code=code)
            slow = 2.2 if trouble else 1 + 0.25 * math.sin(self.now / 1900)
            self._durations(name, count, service.median * slow)
            self.add(names.METRIC_LOG_LINES, count, service=name)
            self.add(names.METRIC_LOG_UNPARSED, count * 0.0004, service=name)
            self.add(names.METRIC_LOG_EVENTS, count * 0.001, service=name, event="errors")
            self.set(names.METRIC_PROBE_SUCCESS, float(not (trouble and self.random.random() < 0.3)), service=name)
            self.set(names.METRIC_PROBE_DURATION, 0.004 * slow * self.random.uniform(0.8, 1.4), service=name)
        state = "degraded" if trouble else "healthy"
        recent_oom = name == "worker" and self.oom - 90 < before_end < self.oom
        if recent_oom:
            state = "starting"
        if name == "core" and abs(before_end - self.trouble[0]) < 60:
            state = "deploying"
        for each in STATES:
            self.set(names.METRIC_SERVICE_STATE, float(each == state), service=name, state=each)
        self.set(names.METRIC_SERVICE_INFO, 1, service=name, color=service.color, version=service.version)
        self.set(names.METRIC_MAINTENANCE, 0, service=name)
        restarted = name == "worker" and self.oom - seconds <= before_end < self.oom
        for metric, labels in ((names.METRIC_RESTARTS, {"reason": "exited"}), (names.METRIC_EXITS, {"cause": "oom"})):
            self.add(metric, float(restarted), service=name, **labels)
        self.add(names.METRIC_OOM_KILLS, float(restarted), service=name)
        self.set(names.METRIC_RESTART_BUDGET, 4.0 if recent_oom else 5.0, service=name)
        megabyte = 1024**2
        leak = 0.9 - 0.55 * (before_end - self.oom) / (6 * HOURS) if before_end >= self.oom else 0.3
        share = min(0.99, leak) if name == "worker" else 0.42 + 0.08 * math.sin(self.now / 2500) + 0.1 * trouble
        self.set(names.METRIC_CONTAINER_MEMORY, service.limit * megabyte * max(0.1, share), service=name)
        self.set(names.METRIC_CONTAINER_MEMORY_LIMIT, service.limit * megabyte, service=name)
        busy = service.cores * (0.25 + 0.3 * day + 0.3 * trouble) * self.random.uniform(0.9, 1.1)
        self.add(names.METRIC_CONTAINER_CPU, busy * seconds, service=name)
        self.set(names.METRIC_CONTAINER_CPU_LIMIT, service.cores, service=name)
        deploy = name == "core" and self.trouble[1] - seconds <= before_end < self.trouble[1]
        first = name == "core" and self.trouble[0] - seconds <= before_end < self.trouble[0]
        self.add(names.METRIC_DEPLOYS, float(first), service=name, result="deployed")
        self.add(names.METRIC_DEPLOYS, float(deploy), service=name, result="switched-back")
        self.set(names.METRIC_DEPLOY_DURATION, 41.7, service=name)
        self.set(
            names.METRIC_LAST_DEPLOY, self.end - self.trouble[1 if before_end < self.trouble[1] else 0], service=name
        )

    def _durations(self, name: str, count: float, median: float) -> None:
        """Log-normal, sigma 0.9."""
        for bound in DEFAULT_BUCKETS:
            share = 0.5 * (1 + math.erf(math.log(bound / median) / (0.9 * math.sqrt(2))))
            self.add(f"{names.METRIC_DURATION}_bucket", count * share, service=name, le=repr(bound))
        self.add(f"{names.METRIC_DURATION}_bucket", count, service=name, le="+Inf")
        self.add(f"{names.METRIC_DURATION}_count", count, service=name)
        self.add(f"{names.METRIC_DURATION}_sum", count * median * 1.5, service=name)

    def _job(self, seconds: float, before_end: float) -> None:
        """A report every hour; one failed once, and its retry did not."""
        name = "report"
        run = int(before_end / HOURS) != int((before_end + seconds) / HOURS)
        failed = run and int(before_end / HOURS) == 1
        self.add(names.METRIC_JOB_RUNS, float(run), name=name, result="done")
        self.add(names.METRIC_JOB_RUNS, float(failed), name=name, result="failed")
        self.add(names.METRIC_JOB_MISSED, 0.0, name=name)
        self.set(names.METRIC_JOB_SUCCESS, 1.0, name=name)
        self.set(names.METRIC_JOB_RUNNING, float(before_end % HOURS > HOURS - 40), name=name)
        self.set(names.METRIC_JOB_DURATION, 38.0, name=name)
        self.set(names.METRIC_JOB_LAST_SUCCESS, self.now - (HOURS - before_end % HOURS), name=name)
        self.set(names.METRIC_JOB_NEXT, self.now + before_end % HOURS, name=name)

    def _host(self, seconds: float, day: float, before_end: float) -> None:
        gigabyte = 1024**3
        for metric, value in (
            (names.METRIC_ENGINE_UP, 1),
            (names.METRIC_PROXY_UP, 1),
            (names.METRIC_PROXY_LOG_LOST, 0),
            (names.METRIC_HOST_MEMORY_AVAILABLE, (4.4 - day) * gigabyte),
            (names.METRIC_HOST_MEMORY_SIZE, 8 * gigabyte),
            (names.METRIC_HOST_LOAD, 0.6 + day * self.random.uniform(0.8, 1.2)),
            ("process_resident_memory_bytes", 61e6 + 1e6 * self.random.random()),
        ):
            self.set(metric, value)
        self._job(seconds, before_end)
        self.set(names.METRIC_LOG_SOURCE_UP, 1, source="docker")
        self.set(names.METRIC_LOG_SOURCE_LAG, 3 + 2 * self.random.random(), source="docker")
        for host, days in (("shop.example.com", 41), ("api.example.com", 77)):
            labels = {"name": host, "service": "core", "source": "auto"}
            self.set(names.METRIC_CERTIFICATE_EXPIRY, self.end + days * 24 * HOURS, **labels)
            self.set(names.METRIC_CERTIFICATE_LIFETIME, 90 * 24 * HOURS, **labels)
        self.set(names.METRIC_PEER_UP, 1, peer="vps2")
        for severity in ("page", "ticket", "info"):
            self.set(names.METRIC_ALERTS_FIRING, 0, severity=severity)
        used = 38 + 6 * (1 - before_end / (24 * HOURS))
        self.set(names.METRIC_HOST_DISK_FREE, (80 - used) * gigabyte, mount="/var/lib/docker")
        self.set(names.METRIC_HOST_DISK_SIZE, 80 * gigabyte, mount="/var/lib/docker")
        self.add(names.METRIC_HOST_CPU, 2 * seconds * (0.2 + 0.25 * day), mode="busy")
        self.add(names.METRIC_HOST_CPU, 2 * seconds * (0.8 - 0.25 * day), mode="idle")
        self.add(
            names.METRIC_ALERTS_SENT,
            float(self.trouble[0] - seconds <= before_end < self.trouble[0]) * 2,
            result="delivered",
        )
        self.add(names.METRIC_LOG_SOURCE_WARNINGS, 0, source="docker")
        self.add("process_cpu_seconds_total", 0.012 * seconds)
        self.set(names.METRIC_BUILD_INFO, 1, version="0.1.0")

    def samples(self) -> Iterator[tuple[str, float]]:
        for (metric, labels), value in sorted({**self.counters, **self.gauges}.items()):
            inner = ",".join(f'{key}="{text}"' for key, text in labels)
            yield (f"{metric}{{{inner}}}" if inner else metric), value

    def text(self) -> str:
        """The text format that Prometheus scrapes."""
        return "".join(f"{name} {value!r}\n" for name, value in self.samples())


def backfill(file: Path, *, end: float, hours: float, step: float, instance: str = "vps1") -> None:
    """OpenMetrics for `promtool tsdb create-blocks-from openmetrics`: each series with all of its samples."""
    shop = SampleShop(end - hours * HOURS, end)
    lines: dict[str, list[str]] = {}
    while shop.now < end:
        shop.step(step)
        for name, value in (*shop.samples(), ("up", 1.0)):
            head = (
                name.rstrip("}") + ("," if "{" in name else "{") + f'job="{names.SCRAPE_JOB}",instance="{instance}"}}'
            )
            lines.setdefault(head, []).append(f"{head} {value!r} {shop.now:.0f}")
    with file.open("w") as out:
        for rows in lines.values():
            out.write("\n".join(rows) + "\n")
        out.write("# EOF\n")


class Exporter:
    """Serves the shop's metrics on loopback; its time runs at the pace of the wall clock."""

    def __init__(self, port: int) -> None:
        now = time.time()
        # The story's end lies ahead, so that its incidents happen while the test looks on.
        self.shop = SampleShop(now - 1, now + 20, trouble=(13, 11), oom=10)
        lock = threading.Lock()
        shop = self.shop

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with lock:
                    shop.step(max(0.0, time.time() - shop.now))
                    body = shop.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing: the test's output is enough."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
