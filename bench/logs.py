"""Lines a second and core beside mtail on the same files, through the engine's API, and 1,000 services at once."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric

from bench.common import percentile, table, write_result
from monitor.config.logs import ServiceLogs
from monitor.domain.logs.counts import Counts
from monitor.domain.logs.parse import AccessParser, LineParser
from monitor.domain.logs.rules import LogRule
from monitor.domain.own import Made

LINES = 300_000
ROUNDS = 3
SERVICES = 1000
BOUNDS = {"json": 5.0, "app-json": 4.0, "logfmt": 4.0, "nginx": 4.0, "own-nginx": 3.0}  # times mtail
NAMES = ("core", "web", "api", "search", "billing")
# json is the proxy's access log, of which each line names its service; app-json a service's own.
RULES = {
    "json": LogRule(ignore=("/health",)),
    "app-json": LogRule("json", "status", "duration", "s", "path", ("/health",)),
    "logfmt": LogRule("logfmt", "status", "duration", "s", "path", ("/health",)),
    "nginx": LogRule("nginx", "status", "duration", "s", "path", ("/health",)),
}
# The nginx preset's lines by a format that is written as nginx's own, with the request's time last.
OWN = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
    " $request_time"
)
RULES["own-nginx"] = ServiceLogs.model_validate({"source": "app", "format": OWN}).rule(
    health_path="/health", slo_threshold=None
)
BUCKETS = ", ".join(map(str, RULES["json"].buckets))
# Fields may stand in any order in JSON and logfmt, so that each is looked for on its own, as mtail's examples do. The
# proxy always writes them in the same order, which one expression takes faster.
PROGRAMS = {
    "json": r"""counter requests_total by service, code
counter unparsed_total
histogram duration_seconds by service buckets BUCKETS

/"service":"(?P<service>[^"]*)","color":"[^"]*","version":"[^"]*","method":"[^"]*","path":"(?P<path>[^"]*)","status":(?P<status>[1-5]\d\d),"duration_us":(?P<us>\d+),/ {
  $path !~ /^\/health(\?|$)/ {
    requests_total[$service][$status]++
    duration_seconds[$service] = $us / 1000000.0
  }
} else {
  unparsed_total++
}
""",  # noqa: E501 - one expression
    "app-json": r"""counter requests_total by code
counter unparsed_total
histogram duration_seconds buckets BUCKETS

/"status":(?P<status>[1-5]\d\d)[,}]/ {
  /"path":"\/health[?"]/ {
  } else {
    requests_total[$status]++
    /"duration":(?P<duration>[\d.]+)/ {
      duration_seconds = float($duration)
    }
  }
} else {
  unparsed_total++
}
""",
    "logfmt": r"""counter requests_total by code
counter unparsed_total
histogram duration_seconds buckets BUCKETS

/(^| )status=(?P<status>[1-5]\d\d)( |$)/ {
  /(^| )path=\/health([? ]|$)/ {
  } else {
    requests_total[$status]++
    /(^| )duration=(?P<duration>[\d.]+)( |$)/ {
      duration_seconds = float($duration)
    }
  }
} else {
  unparsed_total++
}
""",
    "nginx": r"""counter requests_total by code
counter unparsed_total
histogram duration_seconds buckets BUCKETS

/^\S+ \S+ \S+ \[[^\]]*\] "[A-Z]+ (?P<path>\S+) [^"]*" (?P<status>[1-5]\d\d) \d+ "[^"]*" "[^"]*" (?P<duration>[\d.]+)$/ {
  $path !~ /^\/health(\?|$)/ {
    requests_total[$status]++
    duration_seconds = float($duration)
  }
} else {
  unparsed_total++
}
""",
}


PROGRAMS["own-nginx"] = PROGRAMS["nginx"]


def line(form: str, rng: random.Random, number: int) -> str:
    path = "/health" if number % 20 == 0 else f"/items/{rng.randrange(5000)}?page={rng.randrange(9)}"
    status = rng.choice([200] * 17 + [404, 500, 503])
    duration = f"{rng.expovariate(8):.3f}"
    client = f"10.0.{rng.randrange(4)}.{rng.randrange(250)}"
    if number % 1000 == 0:
        return "Traceback (most recent call last):"
    if form == "json":
        return (
            f'{{"service":"{rng.choice(NAMES)}","color":"blue","version":"v1.4.2","method":"GET","path":"{path}",'
            f'"status":{status},"duration_us":{int(float(duration) * 1e6)},"bytes":{number % 9000},'
            f'"client":"{client}"}}'
        )
    if form == "app-json":
        return (
            f'{{"ts":"2026-11-24T12:00:00.000Z","level":"info","method":"GET","path":"{path}","status":{status},'
            f'"duration":{duration},"bytes":{number % 9000},"client":"{client}"}}'
        )
    if form == "logfmt":
        return (
            f"ts=2026-11-24T12:00:00.000Z level=info method=GET path={path} status={status} duration={duration} "
            f'client={client} msg="request done"'
        )
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0"
    return (
        f'{client} - - [24/Nov/2026:12:00:00 +0000] "GET {path} HTTP/1.1" {status} {number % 9000} "-" '
        f'"{agent}" {duration}'
    )


def bgmon_run(form: str, file: Path) -> tuple[float, Counts]:
    """CPU seconds of one pass over the file, read as it comes."""
    began = time.process_time()
    by_service: dict[str, Counts] = {"": Counts()}
    if form == "json":
        access = AccessParser(dict.fromkeys(NAMES, RULES[form]))
        feed = partial(access.count, into=by_service)
    else:
        feed = partial(LineParser(RULES[form]).count, into=by_service[""])
    rest = b""
    with file.open("rb", buffering=0) as log:
        while chunk := log.read(256 * 1024):
            *lines, rest = (rest + chunk).split(b"\n")
            feed(lines)
    if rest:
        feed([rest])
    spent = time.process_time() - began
    total = Counts()
    for counts in by_service.values():
        total.add(counts)
    return spent, total


def mtail_run(program: Path, file: Path) -> tuple[float, dict[str, int], int]:
    """CPU seconds, requests by code and unparsed lines of one pass."""
    before = os.times()
    done = subprocess.run(
        ["mtail", "-one_shot", "-one_shot_format=json", f"-progs={program}", f"-logs={file}", "-stderrthreshold=3"],
        check=True, capture_output=True, text=True, env={**os.environ, "GOMAXPROCS": "1"},
    )  # fmt: skip
    after = os.times()
    metrics, _ = json.JSONDecoder().raw_decode(done.stdout, done.stdout.index("{"))
    found = {name: versions[0].get("LabelValues") or [] for name, versions in metrics.items()}
    codes: Counter[str] = Counter()
    for one in found["requests_total"]:
        codes[one["Labels"][-1]] += int(one["Value"]["Value"])
    unparsed = int(found["unparsed_total"][0]["Value"]["Value"])
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, codes, unparsed


def beside_mtail(folder: Path) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    for form in RULES:
        rng = random.Random(form)
        file = folder / f"{form}.log"
        file.write_text("\n".join(line(form, rng, number) for number in range(LINES)) + "\n")
        program = folder / f"{form}.mtail"
        program.write_text(PROGRAMS[form].replace("BUCKETS", BUCKETS))
        ours, theirs = [], []
        for _ in range(ROUNDS):  # by turns, so that both see the same machine
            seconds, counts = bgmon_run(form, file)
            ours.append(seconds)
            seconds, codes, unparsed = mtail_run(program, file)
            theirs.append(seconds)
            if counts.codes != codes or (form != "json" and counts.unparsed != unparsed):
                raise RuntimeError(f"{form}: {counts.codes}, {counts.unparsed} differ from mtail's {codes}, {unparsed}")
        figures[form] = {
            "bgmon_lines_per_s": round(LINES / min(ours)),
            "mtail_lines_per_s": round(LINES / min(theirs)),
            "ratio": round(min(theirs) / min(ours), 2),
        }
    return figures


def through_the_engine(folder: Path) -> dict[str, float]:
    """Lines a second of wall time: a container's log through the engine's API, and the same lines from a file."""
    import docker

    from monitor.adapters.docker.log_source.source import DockerLogSource
    from monitor.adapters.docker.log_source.transport import EngineHttp
    from monitor.domain.names import LABEL_PROJECT, LABEL_SERVICE
    from tools import engine, images

    url = engine.find() or sys.exit("no Docker engine answers")
    client = docker.DockerClient(base_url=url, timeout=120)
    project = f"bench-logs-{os.getpid()}"
    rng = random.Random(1)
    sample = [line("app-json", rng, number) for number in range(1, 2001)]
    repeats = 50
    script = f"cat > /tmp/l; i=0; while [ $i -lt {repeats} ]; do cat /tmp/l; i=$((i+1)); done; sleep 600"
    container = client.containers.create(
        images.busybox(client), ["/bin/sh", "-c", script], name=project, network_mode="none", stdin_open=True,
        labels={LABEL_PROJECT: project, LABEL_SERVICE: "core"}, stop_signal="SIGKILL",
        log_config={"type": "json-file", "config": {"max-size": "200m"}},
    )  # fmt: skip
    try:
        attached = container.attach_socket(params={"stdin": 1, "stream": 1})
        container.start()
        attached._sock.sendall(("\n".join(sample) + "\n").encode())  # noqa: SLF001 - the SDK hides the way to send
        attached._sock.shutdown(1)  # noqa: SLF001
        source = DockerLogSource(
            EngineHttp(url),
            project,
            {"core": RULES["app-json"]},
            lambda one: Made(one, "app", "core", "", 0.0, one),
            follow=False,
        )
        total = len(sample) * repeats
        deadline = time.monotonic() + 60
        while source.window(["core"], 0, time.time() + 60)["core"].lines < total and time.monotonic() < deadline:
            time.sleep(0.2)
        began = time.perf_counter()
        batch = source.collect({}, time.time())
        engine_seconds = time.perf_counter() - began
        if batch.counts["core"].lines != total:
            raise RuntimeError(f"{batch.counts['core'].lines} lines instead of {total}")
    finally:
        container.remove(force=True)
        client.close()
    file = folder / "engine.log"
    file.write_text(("\n".join(sample) + "\n") * repeats)
    began = time.perf_counter()
    bgmon_run("app-json", file)
    return {
        "engine_api_lines_per_s": round(total / engine_seconds),
        "file_lines_per_s": round(total / (time.perf_counter() - began)),
    }


class _Plain:
    """As many counters as are told it, which cost nothing to know: what rendering takes at least."""

    def __init__(self, series: int) -> None:
        self._series = series

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("plain", "Of the same number.", labels=["service", "code"])
        for number in range(self._series):
            family.add_metric([f"service-{number}", "200"], number)
        yield family


def _by_turns(*registries: CollectorRegistry) -> list[list[float]]:
    """Seconds that rendering each of them takes, again and again; by turns, so that all see the same machine."""
    found: list[list[float]] = [[] for _ in registries]
    for _ in range(15):
        for registry, into in zip(registries, found, strict=True):
            began = time.perf_counter()
            generate_latest(registry)
            into.append(time.perf_counter() - began)
    return found


def thousand_services(folder: Path) -> dict[str, float]:
    from monitor.adapters.loki.client import LokiClient, LokiOptions
    from monitor.adapters.loki.source import LokiPolicy, LokiSource
    from monitor.adapters.prometheus.requests import RequestCollector
    from monitor.adapters.state.db import Database
    from monitor.adapters.state.logs import SqliteLogStore
    from monitor.services.logmetrics.poller import LogPoller
    from monitor.testing.clock import FakeClock
    from tests.support.lokiserver import Answer, Asked, LokiServer

    buckets = (*RULES["json"].buckets, 20.0, 30.0)  # 13 and +Inf
    rules = {f"service-{n}": LogRule(ignore=("/health",), buckets=buckets) for n in range(SERVICES)}

    def answer(asked: Asked) -> Answer:
        start, end = (int(asked.params[name]) for name in ("start", "end"))
        what = re.match(r"sum by \(service(?:, (\w+))?\)", asked.params["query"])
        assert what is not None
        values = {"code": ["200", "404", "500"], "le": [str(b) for b in buckets] + ["+Inf"], None: [""]}[what[1]]
        pairs = [[at, "3"] for at in range(start, end + 1, 60)]
        result = [
            {"metric": {"service": name, **({what[1]: value} if value else {})}, "values": pairs}
            for name in rules
            for value in values
        ]
        return Answer(200, {"status": "success", "data": {"resultType": "matrix", "result": result}})

    server = LokiServer()
    server.otherwise = answer
    database = Database(folder / "state.db")
    source = LokiSource(LokiClient(LokiOptions(server.url), FakeClock()), rules, LokiPolicy("p", series=100_000))
    poller = LogPoller(source, SqliteLogStore(database), rules)
    tracemalloc.start()
    now = 1_795_466_460.0
    poller.poll(now)
    queries = len(server.asked)
    began = time.perf_counter()
    report = poller.poll(now + 60)
    poll_seconds = time.perf_counter() - began
    if report.error or len(server.asked) != 2 * queries:
        raise RuntimeError(f"{report.error or len(server.asked)}")
    registry = CollectorRegistry()
    registry.register(RequestCollector(poller.state, lambda: now + 120))
    tracemalloc.stop()
    text = generate_latest(registry)
    series = sum(1 for one in text.decode().splitlines() if one and not one.startswith("#"))
    plain = CollectorRegistry()
    plain.register(_Plain(series))
    renders, plains = _by_turns(registry, plain)
    tracemalloc.start()
    generate_latest(registry)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    poller.close()
    server.close()
    database.close()
    return {
        "services": SERVICES,
        "queries_per_poll": queries,
        "poll_ms": round(poll_seconds * 1000, 1),
        "series": series,
        "scrape_ms": round(percentile(renders, 0.5) * 1000, 1),
        "times_as_many_plain_counters": round(percentile(renders, 0.5) / percentile(plains, 0.5), 2),
        "scrape_peak_mib": round(peak / 2**20, 1),
    }


def main() -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        forms = beside_mtail(folder)
        engine = through_the_engine(folder)
        many = thousand_services(folder)
    table(
        "Lines a second of one core, the same files and counters",
        ["format", "bgmon", "mtail", "times"],
        [[form, told["bgmon_lines_per_s"], told["mtail_lines_per_s"], told["ratio"]] for form, told in forms.items()],
    )
    table("JSON lines a second of wall time", ["read", "lines"], [[name, value] for name, value in engine.items()])
    table("1,000 services with 14 buckets each", ["what", "value"], [[name, value] for name, value in many.items()])
    write_result("logs", {**forms, "engine": engine, "thousand_services": many})
    broken = [
        f"{form}: {told['ratio']} times mtail instead of {BOUNDS[form]}"
        for form, told in forms.items()
        if told["ratio"] < BOUNDS.get(form, 1.0)
    ]
    if many["queries_per_poll"] > 3:
        broken.append(f"{many['queries_per_poll']} queries a poll instead of 3")
    if many["times_as_many_plain_counters"] > 2:
        broken.append(f"a scrape takes {many['times_as_many_plain_counters']} times as many plain counters', not 2")
    return broken


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
