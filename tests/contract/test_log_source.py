"""What every log source promises: the fake, Loki (a stand-in with Go's own templates) and Docker (a real engine)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.docker.log_source.source import DockerLogSource
from monitor.adapters.docker.log_source.transport import EngineHttp
from monitor.adapters.host.clock import SystemClock
from monitor.adapters.loki.client import LokiClient, LokiOptions
from monitor.adapters.loki.source import LokiPolicy, LokiSource
from monitor.adapters.state.db import Database
from monitor.adapters.state.logs import SqliteLogStore
from monitor.domain.logs.counts import Counts
from monitor.domain.logs.events import Event, EventRule
from monitor.domain.logs.match import Match
from monitor.domain.logs.rules import LogRule
from monitor.domain.names import LABEL_PROJECT, LABEL_SERVICE
from monitor.errors import SourceUnreachable
from monitor.ports.logs import LogSource
from monitor.services.logmetrics.poller import LogPoller
from monitor.testing.logs import FakeLogSource
from tests.support import miniloki
from tests.support.labelled import whose_by_label
from tests.support.ports import free_port
from tests.support.wait import wait_until

RULES = {
    "core": LogRule("json", "status", "duration", "s", "path", ("/health",)),
    "web": LogRule("nginx", "status", "duration", "s", "path", ("/health",)),
}
LINES = {
    "core": [
        '{"status":200,"duration":0.005,"path":"/"}',
        '{"status":"503","duration":"0.0051","path":"/"}',
        '{"status":200,"duration":0.1,"path":"/health?from=lb"}',
        '{"status":200,"duration":-1}',
        '{"status":200,"duration":0.1',
        '{"status":999,"duration":0.1}',
        "Traceback (most recent call last):",
    ],
    "web": [
        '10.0.0.1 - - [24/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 404 12 "-" "curl" 2.500',
        '10.0.0.1 - - [24/Nov/2026:12:00:00 +0000] "GET /health HTTP/1.1" 200 12 "-" "curl" 0.001',
        '10.0.0.1 - - [24/Nov/2026:12:00:00 +0000] "\\x16\\x03" 400 12 "-" "-" -',
    ],
}
EXPECTED = {
    "core": Counts({"200": 2, "503": 1}, {"0.005": 1, "0.01": 1}, 10_100_000, 7, 3, 1),
    "web": Counts({"404": 1, "400": 1}, {"2.5": 1}, 2_500_000_000, 3, 0, 1),
}

# Counted whatever else the lines are; `jobs` is a worker, whose requests nobody counts.
EVENTS = {
    "core": EventRule((Event("timeouts", (Match(field="path", values=("/",)), Match(field="status", values=("503",)))),
                       Event("tracebacks", (Match(contains="Traceback"),)))),
    "jobs": EventRule((Event("failed", (Match(field="level", values=("err*",)),)), Event("late", (Match(pattern="late [0-9]+"),))), "logfmt"),
}  # fmt: skip
LINES["jobs"] = ["level=info job=1 late 5", "level=error job=2", "level=err late 6", "level=warn"]
EXPECTED["core"].events = {"timeouts": 1, "tracebacks": 1}
EXPECTED["jobs"] = Counts(events={"failed": 2, "late": 2})
COUNTED = [*RULES, "jobs"]


@dataclass
class World:
    """`write` is durable when it returns; `later` is a time when a poll sees all of it; `away` makes a dead source."""

    source: LogSource
    write: Callable[[str, Sequence[str]], None]
    later: Callable[[], float]
    away: Callable[[], LogSource]


def fake_world(request: pytest.FixtureRequest) -> Iterator[World]:
    source, dead = FakeLogSource(RULES, EVENTS), FakeLogSource(RULES)
    dead.away = True

    def write(service: str, lines: Sequence[str]) -> None:
        source.lines += [(service, time.time(), line.encode()) for line in lines]

    yield World(source, write, time.time, lambda: dead)


def loki_world(request: pytest.FixtureRequest) -> Iterator[World]:
    folder: Path = request.getfixturevalue("tmp_path")
    server = miniloki.MiniLoki(miniloki.build(folder))

    def make(url: str) -> LokiSource:
        return LokiSource(LokiClient(LokiOptions(url), SystemClock()), RULES, LokiPolicy("p"), EVENTS)

    def write(service: str, lines: Sequence[str]) -> None:
        labels = {"project": "p", "kind": "app", "service": service}
        server.push([(labels, time.time_ns() + n, line.encode()) for n, line in enumerate(lines)])

    source = make(server.url)
    yield World(source, write, lambda: time.time() + 180, lambda: make(f"http://127.0.0.1:{free_port()}"))
    source.close()
    server.close()


def docker_world(request: pytest.FixtureRequest) -> Iterator[World]:
    host: str = request.getfixturevalue("docker_host")
    client: Any = request.getfixturevalue("docker_client")
    image: str = request.getfixturevalue("busybox_image")
    project: str = request.getfixturevalue("project")

    def write(service: str, lines: Sequence[str]) -> None:
        text = "\n".join(lines)
        container = client.containers.run(
            image, ["/bin/sh", "-c", f"cat <<'END'\n{text}\nEND"], detach=True, network_mode="none",
            labels={LABEL_PROJECT: project, LABEL_SERVICE: service},
        )  # fmt: skip
        container.wait(timeout=20)
        wait_until(lambda: len(container.logs().splitlines()) >= len(lines), what="the engine wrote the log")

    source = DockerLogSource(EngineHttp(host), project, RULES, whose_by_label(host), events=EVENTS)
    yield World(
        source,
        write,
        time.time,
        lambda: DockerLogSource(EngineHttp("tcp://127.0.0.1:1"), project, RULES, lambda _: None, follow=False),
    )
    source.close()


WORLDS = {"fake": fake_world, "loki": loki_world, "docker": docker_world}


@pytest.fixture(
    params=[
        "fake",
        pytest.param("loki", marks=pytest.mark.tools),
        pytest.param("docker", marks=pytest.mark.engine),
    ]
)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    yield from WORLDS[request.param](request)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLogStore]:
    database = Database(tmp_path / "state.db")
    yield SqliteLogStore(database)
    database.close()


def test_a_window_holds_what_was_written_in_it(world: World) -> None:
    before = time.time() - 1
    for service, lines in LINES.items():
        world.write(service, lines)
    assert world.source.window(COUNTED, before, time.time() + 1) == EXPECTED
    assert world.source.window(["web"], before, time.time() + 1) == {"web": EXPECTED["web"]}
    assert world.source.window(COUNTED, before - 60, before) == {name: Counts() for name in COUNTED}


def test_polls_count_every_line_once(world: World, store: SqliteLogStore) -> None:
    poller = LogPoller(world.source, store, RULES, EVENTS)
    whole = {name: Counts() for name in COUNTED}
    for _ in range(2):
        for service, lines in LINES.items():
            world.write(service, lines)
            whole[service].add(EXPECTED[service])
        later = world.later()
        for _ in range(3):
            assert not poller.poll(later).error
        assert store.totals() == whole
    state = poller.state()
    assert state.up
    assert state.until is not None
    windows = poller.window(COUNTED, state.until - 600, later)
    assert windows.pop("jobs").events == {"failed": 4, "late": 4}
    assert {name: window.requests for name, window in windows.items()} == {"core": 6, "web": 4}


def test_a_source_that_is_away_is_unreachable_and_moves_nothing(world: World, store: SqliteLogStore) -> None:
    source = world.away()
    with pytest.raises(SourceUnreachable):
        source.window(["core"], 0, 1)
    poller = LogPoller(source, store, RULES)
    report = poller.poll(time.time())
    assert report.error
    assert report.behind
    assert not poller.state().up
    assert store.progress(source.name).until is None
    source.close()


def test_it_can_say_what_it_asks_for(world: World) -> None:
    for service in COUNTED:
        told = world.source.explain(service)
        assert told
        assert all(name and text for name, text in told)
