"""Loki as a source, end to end: our queries run over lines in a stand-in whose templates and JSON are Go's own."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.loki.client import LokiClient, LokiOptions
from monitor.adapters.loki.source import LokiPolicy, LokiSource
from monitor.adapters.state.db import Database
from monitor.adapters.state.logs import SqliteLogStore
from monitor.domain.logs.counts import Counts
from monitor.domain.logs.parse import AccessParser, LineParser
from monitor.domain.logs.rules import LogRule
from monitor.services.logmetrics.poller import LogPoller
from monitor.testing.clock import FakeClock
from tests.support.lokiserver import OK, Answer, LokiServer
from tests.support.miniloki import Entry, MiniLoki
from tests.support.wait import has_passed, wait_until

pytestmark = pytest.mark.tools

TRUTH: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "loki" / "truth.json").read_text())
END: int = TRUTH["window_end"]
RULE = LogRule("json", "status", "duration", "s", "path", ("/health",))
RULES = dict.fromkeys(TRUTH["truth"], RULE)
POLICY = LokiPolicy("p")
START = END - 3600


def entry(service: str, at: float, status: int = 200, duration: float = 0.01, **more: Any) -> Entry:
    labels = {"project": "p", "kind": "app", "service": service, "host": "h", "stream": "stdout"}
    return labels, round(at * 1e9), json.dumps({"status": status, "duration": duration, **more}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLogStore]:
    database = Database(tmp_path / "state.db")
    yield SqliteLogStore(database)
    database.close()


@pytest.fixture
def source(loki: MiniLoki) -> Iterator[LokiSource]:
    loki.push([], reset=True)
    made = LokiSource(LokiClient(LokiOptions(loki.url), FakeClock()), RULES, POLICY)
    yield made
    made.close()


def rebuilt(truth: dict[str, Any]) -> list[Entry]:
    """Lines that have the recorded truth: its statuses, its buckets, its sum."""
    entries: list[Entry] = []
    generator = random.Random(7)
    for service, told in truth.items():
        codes = [int(code) for code, count in told["status"].items() for _ in range(count)]
        bounds = [float(le) for le, count in told["le"].items() for _ in range(count)]
        generator.shuffle(codes)
        # Every duration a bit below its bound, and the last ones moved so that the sum is right to the microsecond.
        durations = [round(bound * 0.9999, 7) for bound in bounds]
        left = round(told["sum_seconds"] * 10**7) - round(sum(durations) * 10**7)
        floors = {
            0.005: 0.0,
            0.01: 0.005,
            0.025: 0.01,
            0.05: 0.025,
            0.1: 0.05,
            0.25: 0.1,
            0.5: 0.25,
            1.0: 0.5,
            2.5: 1.0,
        }
        for n, bound in enumerate(bounds):
            room = round((floors[bound] + 1e-6 - durations[n]) * 10**7)
            move = max(left, room)
            durations[n] = round(durations[n] + move / 10**7, 7)
            left -= move
        assert left == 0
        for code, duration in zip(codes, durations, strict=True):
            entries.append(entry(service, END - generator.uniform(0, 59.9), code, duration))
        for n in range(told["unparsable"]):
            labels, at, _ = entry(service, END - n)
            entries.append((labels, at, b"Traceback (most recent call last):"))
    return entries


def test_a_window_is_the_recorded_truth(loki: MiniLoki, source: LokiSource) -> None:
    loki.push(rebuilt(TRUTH["truth"]))
    found = source.window([*TRUTH["truth"], "unknown"], END - 60, END)
    for service, truth in TRUTH["truth"].items():
        counts = found[service]
        assert counts.codes == truth["status"]
        assert counts.buckets == truth["le"]
        assert counts.nanos == round(truth["sum_seconds"] * 1e9)
        assert (counts.lines - counts.unparsed, counts.unparsed) == (truth["lines"], truth["unparsable"])
    assert found["unknown"] == Counts()


def test_a_window_begins_after_its_begin_and_holds_its_end(loki: MiniLoki, source: LokiSource) -> None:
    loki.push([entry("core", at) for at in (END - 60, END - 59.999, END, END + 0.001)])
    assert source.window(["core"], END - 60, END)["core"].lines == 2


def test_a_window_longer_than_loki_allows_is_asked_for_in_parts(loki: MiniLoki) -> None:
    loki.push([entry("core", END - days * 86400) for days in range(40)], reset=True)
    source = LokiSource(LokiClient(LokiOptions(loki.url), FakeClock()), RULES, replace(POLICY, reach=7 * 86_400_000))
    assert source.window(["core"], END - 40 * 86400, END)["core"].lines == 40
    source.close()


def poll_through(poller: LogPoller, times: Sequence[float]) -> None:
    for now in times:
        report = poller.poll(now)
        assert not report.error


def test_polling_counts_each_line_once_and_late_lines_too(
    loki: MiniLoki, source: LokiSource, store: SqliteLogStore
) -> None:
    """Every line comes up to three windows late; some windows are polled several times, some only after a pause."""
    generator = random.Random(3)
    poller = LogPoller(source, store)
    poll_through(poller, [START])
    pending: list[tuple[float, Entry]] = []
    for n in range(1500):
        at = START + 60 + n * 0.7
        pending.append(
            (at + generator.choice([0, 0, 1, 30, 100, 170]), entry("core", at, generator.choice([200, 500])))
        )
    pending.sort(key=lambda item: item[0])
    now = START + 60.0
    while pending or now < START + 60 + 1500 * 0.7 + 400:
        arrived = [one for at, one in pending if at <= now]
        pending = [(at, one) for at, one in pending if at > now]
        loki.push(arrived)
        poll_through(poller, [now])
        now += generator.choice([5, 20, 20, 60, 130])
    counts = store.totals()["core"]
    assert counts.lines == 1500
    assert sum(counts.codes.values()) == sum(counts.buckets.values()) == 1500
    assert counts.nanos == 1500 * 10_000_000


def test_after_a_pause_it_catches_up_as_far_as_it_should(
    loki: MiniLoki, source: LokiSource, store: SqliteLogStore
) -> None:
    loki.push([entry("core", START + n) for n in range(60, 3000)])
    poller = LogPoller(source, store)
    poll_through(poller, [START, START + 3600 + 120])
    assert store.totals()["core"].lines == 2940
    assert store.progress("loki").until == START + 3600 + 60
    impatient = LokiSource(source._client, RULES, replace(POLICY, catch_up=600_000))
    report = LogPoller(impatient, store).poll(START + 7200)
    assert "2880 s of log" in report.warnings[0]
    assert poller.state().warnings == 1


def test_a_long_pause_is_caught_up_in_bounded_queries(store: SqliteLogStore) -> None:
    server = LokiServer()
    server.otherwise = lambda _: Answer(200, {"status": "success", "data": {"resultType": "matrix", "result": []}})
    source = LokiSource(
        LokiClient(LokiOptions(server.url), FakeClock()), {"core": RULE}, replace(POLICY, catch_up=30 * 86_400_000)
    )
    poller = LogPoller(source, store)
    now = float(START)
    poller.poll(now)
    now += 20 * 86400
    polls = 0
    while poller.poll(now).behind:
        polls += 1
    assert polls == 20 * 1440 // 117 // 50
    spans = [int(asked.params["end"]) - int(asked.params["start"]) for asked in server.asked]
    assert max(spans) <= 120 * 60
    assert store.progress("loki").until == (now - 60) // 60 * 60
    source.close()
    server.close()


def test_a_clock_that_was_ahead_does_not_stop_the_counting(
    loki: MiniLoki, source: LokiSource, store: SqliteLogStore
) -> None:
    poller = LogPoller(source, store)
    poll_through(poller, [START + 86400, START])
    loki.push([entry("core", START + n) for n in range(60)])
    poll_through(poller, [START + 60, START + 180, START + 240])
    assert store.totals()["core"].lines == 60


def test_a_clock_that_is_set_back_counts_nothing_twice(
    loki: MiniLoki, source: LokiSource, store: SqliteLogStore
) -> None:
    loki.push([entry("core", START + n) for n in range(1, 301)])
    poller = LogPoller(source, store)
    poll_through(poller, [START, START + 360, START + 200, START + 60, START + 300, START + 360, START + 420])
    assert store.totals()["core"].lines == 300


def test_what_loki_loses_again_is_not_taken_back(loki: MiniLoki, source: LokiSource, store: SqliteLogStore) -> None:
    """A partial answer makes no counter fall, nor count the rest twice when it is whole again."""
    lines = [entry("core", START + n) for n in range(1, 31)]
    loki.push(lines)
    poller = LogPoller(source, store)
    poll_through(poller, [START, START + 130])
    loki.push(lines[:10], reset=True)
    poll_through(poller, [START + 140])
    loki.push(lines, reset=True)
    poll_through(poller, [START + 150, START + 200])
    assert store.totals()["core"].lines == 30


def test_services_are_split_over_queries_by_the_series_limit(miniloki_binary: Path, store: SqliteLogStore) -> None:
    """Right from the start where the limit is known, and by halves where Loki's is lower than we were told."""
    services = [f"svc-{n}" for n in range(120)]
    for known in (500, 100_000):
        server = MiniLoki(miniloki_binary, max_series=500)
        server.push(
            [entry(name, END - 1, code, code / 1000) for name in services for code in (200, 301, 404, 500, 503)]
        )
        source = LokiSource(
            LokiClient(LokiOptions(server.url), FakeClock()),
            dict.fromkeys(services, RULE),
            replace(POLICY, series=known),
        )
        found = source.window(services, END - 60, END)
        assert all(counts.lines == 5 for counts in found.values())
        source.close()
        server.close()


def test_a_thousand_services_need_three_queries(store: SqliteLogStore) -> None:
    """Their SLOs may differ: a query has the buckets of all, and each service gets its own."""
    server = LokiServer()
    rules = {f"svc-{n}": LogRule(ignore=("/health",), buckets=(0.1, 0.2 + n % 5 / 100, 1.0)) for n in range(1000)}
    source = LokiSource(LokiClient(LokiOptions(server.url), FakeClock()), rules, replace(POLICY, series=100_000))
    server.otherwise = lambda _: Answer(200, OK)
    assert not LogPoller(source, store).poll(float(END)).error
    assert len(server.asked) == 3
    source.close()
    server.close()


def test_services_with_different_rules_and_hostile_values(loki: MiniLoki) -> None:
    """What both forms count of one mixed log is the same, label values with quotes and all."""
    rules = {
        "web": LogRule(ignore=("/health",), buckets=(0.1, 0.3)),
        "shop": LogRule(ignore=("/up",)),
        "api.internal": RULE,
        "plain": LogRule("logfmt", "status", "duration", "s", "path", ("/health",)),
    }
    generator = random.Random(5)
    lines: dict[str, list[bytes]] = {name: [] for name in rules}
    entries: list[Entry] = []
    for n in range(400):
        name = generator.choice(list(rules))
        path = generator.choice(["/", "/health", "/up", '/"quoted"', "/new\\line", "/é\u2028", '/x{y="z"}'])
        status = generator.choice([200, 404, 500, 999])
        micros = generator.choice([0, 100_000, 100_001, 300_000, 5_000_000])
        if name == "plain":
            line = f'status={status} duration={micros / 1e6} path={path} msg="a \\" b"'.encode()
        elif name == "api.internal":
            line = json.dumps({"path": path, "status": status, "duration": micros / 1e6}).encode()
        else:
            line = json.dumps({"service": name, "path": path, "status": status, "duration_us": micros}).encode()
        lines[name].append(line)
        kind = rules[name].kind
        entries.append(({"project": 'p"`\\', "kind": kind, "service": name, "host": "h"}, (END - 50) * 10**9 + n, line))
    loki.push(entries, reset=True)
    source = LokiSource(LokiClient(LokiOptions(loki.url), FakeClock()), rules, LokiPolicy('p"`\\'))
    found = source.window(list(rules), END - 60, END)
    expected: dict[str, Counts] = {}
    AccessParser({"web": rules["web"], "shop": rules["shop"]}).count(lines["web"] + lines["shop"], expected)
    for name in ("api.internal", "plain"):
        LineParser(rules[name]).count(lines[name], expected.setdefault(name, Counts()))
    for name, rule in rules.items():
        assert found[name].cumulative(rule.buckets) == expected[name].cumulative(rule.buckets)
        found[name].buckets = expected[name].buckets
        assert found[name] == expected[name]
    source.close()


def test_only_streams_of_the_host_or_with_the_labels_given_count(loki: MiniLoki) -> None:
    loki.push(
        [
            (
                {"project": "p", "kind": "app", "service": "core", "host": host, "job": "j"},
                END * 10**9,
                b'{"status":200}',
            )
            for host in ("vps1", "vps2")
        ],
        reset=True,
    )
    for policy, lines in (
        (replace(POLICY, host="vps1"), 1),
        (replace(POLICY, labels={"job": "j"}), 2),
        (replace(POLICY, labels={"job": "k"}), 0),
    ):
        source = LokiSource(LokiClient(LokiOptions(loki.url), FakeClock()), RULES, policy)
        assert source.window(["core"], END - 60, END)["core"].lines == lines
        source.close()


def test_another_label_may_tell_services_apart(loki: MiniLoki) -> None:
    """A field of the line that is called like the label changes nothing."""
    line = b'{"status":200,"duration":0.01,"app":"other","service":"other"}'
    loki.push([({"job": "j", "app": name}, END * 10**9, line) for name in ("core", "core", "web", "else")], reset=True)
    policy = replace(POLICY, labels={"job": "j"}, service_label="app")
    source = LokiSource(LokiClient(LokiOptions(loki.url), FakeClock()), RULES | {"web": RULES["core"]}, policy)
    found = source.window(["core", "web"], END - 60, END)
    assert {name: (counts.lines, counts.codes) for name, counts in found.items()} == {
        "core": (2, {"200": 2}),
        "web": (1, {"200": 1}),
    }
    source.close()


def test_an_error_of_loki_moves_nothing(store: SqliteLogStore) -> None:
    server = LokiServer()
    source = LokiSource(LokiClient(LokiOptions(server.url), FakeClock()), RULES, POLICY)
    poller = LogPoller(source, store)
    server.answers += [Answer(200, OK), Answer(400, "parse error at line 1")]
    report = poller.poll(float(END))
    assert "parse error at line 1" in report.error
    assert not poller.state().up
    assert store.progress("loki").until is None
    server.otherwise = lambda _: Answer(200, OK | {"warnings": ["partial"]})
    assert poller.poll(float(END)).warnings == ("partial",) * 3
    assert poller.state().up
    assert poller.state().warnings == 3
    source.close()
    server.close()


def test_two_pollers_of_one_state_do_not_count_twice(loki: MiniLoki, source: LokiSource, store: SqliteLogStore) -> None:
    loki.push([entry("core", START + n) for n in range(1, 31)])
    cursor = store.progress("loki").cursor
    batch = source.collect(cursor, START + 130)
    assert store.commit("loki", cursor, batch)
    assert not store.commit("loki", cursor, batch)
    assert store.totals()["core"].lines == 30


CHILD = """
import sys
from pathlib import Path
from tests.logs.test_loki_source import *
source = LokiSource(LokiClient(LokiOptions(sys.argv[1]), FakeClock()), RULES, POLICY)
poller = LogPoller(source, SqliteLogStore(Database(Path(sys.argv[2]))))
now = float(sys.argv[3])
while True:
    poller.poll(now)
    now += 20
    print(now, flush=True)
"""


def test_sigkill_at_any_moment_loses_and_doubles_nothing(
    loki: MiniLoki, source: LokiSource, store: SqliteLogStore, tmp_path: Path
) -> None:
    loki.push([entry("core", START + 60 + n * 0.5, 200 + n % 3) for n in range(4000)])
    poll_through(LogPoller(source, store), [START])
    generator = random.Random(9)
    now = START + 60.0
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, loki.url, str(tmp_path / "state.db"), str(now)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert child.stdout is not None
        now = float(child.stdout.readline())
        deadline = time.monotonic() + generator.uniform(0, 0.15)
        wait_until(partial(has_passed, deadline), every=0.002)
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=10)
        rest = child.stdout.read().split()
        child.stdout.close()
        now = float(rest[-1]) if rest else now
    poll_through(LogPoller(source, store), [START + 60 + 2000 + 400])
    counts = store.totals()["core"]
    assert counts.lines == 4000
    assert counts.nanos == 4000 * 10_000_000
