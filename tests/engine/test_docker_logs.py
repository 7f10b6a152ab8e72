"""Docker's logs as a source, on a real engine: what was written is what is counted, whatever happens to containers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import docker
import pytest

from monitor.adapters.docker.log_source.source import DockerLogSource
from monitor.adapters.docker.log_source.transport import EngineHttp
from monitor.adapters.state.db import Database
from monitor.adapters.state.logs import SqliteLogStore
from monitor.domain.logs.counts import Counts
from monitor.domain.logs.rules import LogRule
from monitor.domain.names import KIND_ACCESS, LABEL_KIND, LABEL_PROJECT, LABEL_SERVICE
from monitor.errors import SourceUnreachable
from monitor.services.logmetrics.poller import LogPoller
from tests.support.labelled import whose_by_label
from tests.support.wait import has_passed, wait_until

pytestmark = pytest.mark.engine

RULES = {
    "core": LogRule("json", "status", "duration", "s", "path", ("/health",)),
    "web": LogRule("logfmt", "status", "duration", "s", "path"),
    "shop": LogRule(ignore=("/health",)),
}
# Writes lines $2 to $3 of service core; every tenth is an error, every hundredth no request; pauses now and then.
WRITER = r"""
i=$1; while [ $i -lt $2 ]; do
  case $i in
    *00) echo "Traceback $i";;
    *0) echo "{\"n\":$i,\"status\":500,\"duration\":0.2,\"path\":\"/x\"}" >&2;;
    *) echo "{\"n\":$i,\"status\":200,\"duration\":0.01,\"path\":\"/x\"}";;
  esac
  i=$((i+1)); [ $((i % 100)) = 0 ] && usleep ${3:-20000}
done
"""
Run = Callable[..., Any]


def expected(first: int, last: int) -> Counts:
    bad = sum(1 for n in range(first, last) if n and n % 100 == 0)
    errors = sum(1 for n in range(first, last) if n % 10 == 0) - bad
    good = last - first - bad - errors
    return Counts(
        codes={code: count for code, count in (("200", good), ("500", errors)) if count},
        buckets={le: count for le, count in (("0.01", good), ("0.25", errors)) if count},
        nanos=good * 10_000_000 + errors * 200_000_000,
        lines=last - first,
        unparsed=bad,
    )


def has_logged(container: Any, text: bytes) -> bool:
    return text in container.logs(tail=50)


@pytest.fixture
def run(docker_client: docker.DockerClient, busybox_image: str, project: str) -> Run:
    def start(
        script: str, *arguments: object, service: str = "core", labels: dict[str, str] | None = None, **options: Any
    ) -> Any:
        options.setdefault("log_config", {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}})
        return docker_client.containers.run(
            busybox_image,
            ["/bin/sh", "-c", script, "sh", *map(str, arguments)],
            name=f"{project}-{service}-{random.randrange(10**9)}",
            labels={LABEL_PROJECT: project, LABEL_SERVICE: service, **(labels or {})},
            detach=True,
            network_mode="none",
            stop_signal="SIGKILL",
            **options,
        )

    return start


@pytest.fixture
def source(docker_host: str, project: str) -> Iterator[DockerLogSource]:
    made = DockerLogSource(EngineHttp(docker_host), project, RULES, whose_by_label(docker_host))
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLogStore]:
    database = Database(tmp_path / "state.db")
    yield SqliteLogStore(database)
    database.close()


def polled(poller: LogPoller, store: SqliteLogStore, lines: int, service: str = "core") -> Counts:
    """Poll until so many lines are counted; then a few times more, to see that none counts twice."""

    def look() -> bool:
        report = poller.poll(time.time())
        assert not report.error
        return store.totals().get(service, Counts()).lines >= lines

    wait_until(look, timeout=60, every=0.2, what=f"{lines} lines of {service}")
    poller.poll(time.time())
    poller.poll(time.time())
    return store.totals()[service]


def test_every_line_counts_once(source: DockerLogSource, store: SqliteLogStore, run: Run) -> None:
    run(WRITER + "sleep 60", 0, 5000)
    assert polled(LogPoller(source, store), store, 5000) == expected(0, 5000)


def test_lines_of_replaced_and_killed_containers_count(
    source: DockerLogSource, store: SqliteLogStore, run: Run
) -> None:
    """Blue ends and is removed by force between two polls; one that lived for less than a poll is counted as well."""
    poller = LogPoller(source, store)
    poller.poll(time.time())
    total = 0
    for _ in range(3):
        blue = run(WRITER + "echo end; sleep 60", total, total + 700, 1000)
        # Not the very last line: the engine copies stdout and stderr side by side.
        wait_until(partial(has_logged, blue, b"end\n"), what="blue wrote its last line")
        total += 700
        blue.remove(force=True)
    counts = polled(poller, store, total + 3)
    counts.lines -= 3
    counts.unparsed -= 3
    assert counts == expected(0, total)


def test_rotation_loses_and_doubles_nothing(source: DockerLogSource, store: SqliteLogStore, run: Run) -> None:
    run(
        WRITER + "sleep 60", 0, 12000, log_config={"type": "json-file", "config": {"max-size": "200k", "max-file": "8"}}
    )
    assert polled(LogPoller(source, store), store, 12000) == expected(0, 12000)


def test_restarts_and_stops_are_no_gap(source: DockerLogSource, store: SqliteLogStore, run: Run) -> None:
    """A container that is killed and started again writes into the same log."""
    container = run(WRITER, 0, 500)
    poller = LogPoller(source, store)
    polled(poller, store, 500)
    for _ in range(2):
        container.wait(timeout=20)
        container.start()
    container.wait(timeout=20)
    counts = polled(poller, store, 1500)
    whole = Counts()
    for _ in range(3):
        whole.add(expected(0, 500))
    assert counts == whole


def test_a_last_line_without_its_end_counts_and_swallows_none(
    source: DockerLogSource, store: SqliteLogStore, run: Run
) -> None:
    """A process ends in the middle of its output; the next one begins with a line of its own."""
    script = """for n in 1 2 3 4 5; do echo '{"status":200}'; done; printf '{"status":500}'"""
    container = run(script)
    poller = LogPoller(source, store)
    assert polled(poller, store, 6).codes == {"200": 5, "500": 1}
    container.wait(timeout=20)
    container.start()
    counts = polled(poller, store, 12)
    assert (counts.codes, counts.lines, counts.unparsed) == ({"200": 10, "500": 2}, 12, 0)


def test_the_proxys_log_counts_for_the_service_it_names(
    source: DockerLogSource, store: SqliteLogStore, run: Run
) -> None:
    lines = [
        '{"service":"shop","color":"blue","version":"v1","method":"GET","path":"/","status":200,"duration_us":5000,"bytes":2,"client":"10.0.0.1"}',
        '{"service":"shop","color":"blue","version":"v1","method":"GET","path":"/","status":503,"duration_us":5001,"bytes":2,"client":"10.0.0.1"}',
        '{"service":"shop","color":"blue","version":"v1","method":"GET","path":"/health","status":200,"duration_us":100,"bytes":2,"client":"10.0.0.1"}',
        '{"service":"other","color":"blue","version":"v1","method":"GET","path":"/","status":200,"duration_us":100,"bytes":2,"client":"10.0.0.1"}',
    ]
    script = "cat <<'X'\n" + "\n".join(lines) + "\nX\necho '[NOTICE] haproxy' >&2; sleep 60"
    run(script, service="proxy", labels={LABEL_KIND: KIND_ACCESS})
    counts = polled(LogPoller(source, store), store, 3, "shop")
    assert counts == Counts({"200": 1, "503": 1}, {"0.005": 1, "0.01": 1}, 10_001_000, 3, 0, 1)
    assert set(store.totals()) == {"shop"}


def test_a_container_with_a_terminal_and_very_long_lines(
    source: DockerLogSource, store: SqliteLogStore, run: Run
) -> None:
    """Lines beyond 16 KiB come in pieces; beyond 256 KiB they are cut off, and are no JSON then."""
    script = r"""
pad() { head -c $1 /dev/zero | tr '\0' x; }
echo "{\"pad\":\"$(pad 100000)\",\"status\":200,\"duration\":0.01,\"path\":\"/x\"}"
echo "{\"pad\":\"$(pad 1000000)\",\"status\":200,\"duration\":0.01,\"path\":\"/x\"}"
printf '\377\376\0garbage\n'
echo "{\"status\":200,\"duration\":0.01,\"path\":\"/x\"}"
printf '{"status":200,"dur'
sleep 60
"""
    run(script, tty=False)
    assert polled(LogPoller(source, store), store, 4) == Counts({"200": 2}, {"0.01": 2}, 20_000_000, 4, 2)
    run(WRITER + "sleep 60", 0, 50, tty=True)
    assert polled(LogPoller(source, store), store, 54).lines == 54


def test_a_window_takes_what_was_written_in_it(docker_host: str, project: str, run: Run) -> None:
    """Windows tile: cut anywhere, their counts add up to the whole."""
    began = time.time()
    container = run(WRITER, 0, 3000, 1000)
    container.wait(timeout=60)
    ended = time.time() + 1
    source = DockerLogSource(EngineHttp(docker_host), project, RULES, whose_by_label(docker_host), follow=False)
    assert source.window(["core", "web"], began - 1, ended) == {"core": expected(0, 3000), "web": Counts()}
    total = Counts()
    edges = [began - 1, *sorted(random.uniform(began, ended) for _ in range(6)), ended]
    for start, end in pairwise(edges):
        total.add(source.window(["core"], start, end)["core"])
    assert total == expected(0, 3000)


def test_a_copy_of_a_services_labels_counts_for_nothing(
    docker_host: str, project: str, run: Run, store: SqliteLogStore
) -> None:
    run(WRITER, 0, 50)
    forged = run(WRITER, 50, 90, service="core")
    forged.wait(timeout=60)
    by_label = whose_by_label(docker_host)
    source = DockerLogSource(
        EngineHttp(docker_host), project, RULES, lambda one: None if one == forged.id else by_label(one)
    )
    assert polled(LogPoller(source, store), store, 50) == expected(0, 50)
    assert source.window(["core"], 0, time.time() + 60)["core"].lines == 50
    source.close()


CHILD = """
import sys, time
from itertools import pairwise
from pathlib import Path
from monitor.adapters.docker.log_source.source import DockerLogSource
from monitor.adapters.docker.log_source.transport import EngineHttp
from monitor.adapters.state.db import Database
from monitor.adapters.state.logs import SqliteLogStore
from monitor.services.logmetrics.poller import LogPoller
from tests.engine.test_docker_logs import RULES
from tests.support.labelled import whose_by_label
poller = LogPoller(DockerLogSource(EngineHttp(sys.argv[1]), sys.argv[2], RULES, whose_by_label(sys.argv[1])), SqliteLogStore(Database(Path(sys.argv[3]))))
while True:
    poller.poll(time.time())
    print("polled", flush=True)
"""


def test_sigkill_at_any_moment_loses_and_doubles_nothing(
    docker_host: str, project: str, run: Run, store: SqliteLogStore, tmp_path: Path
) -> None:
    source = DockerLogSource(EngineHttp(docker_host), project, RULES, whose_by_label(docker_host))
    run(WRITER + "sleep 60", 0, 8000, 40000)
    generator = random.Random(4)
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, docker_host, project, str(tmp_path / "state.db")],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert child.stdout is not None
        child.stdout.readline()
        deadline = time.monotonic() + generator.uniform(0.01, 0.3)
        wait_until(partial(has_passed, deadline), every=0.005)
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=10)
        child.stdout.close()
    assert polled(LogPoller(source, store), store, 8000) == expected(0, 8000)
    source.close()


def test_an_engine_that_is_away_is_reported_and_loses_nothing(
    store: SqliteLogStore, project: str, tmp_path: Path
) -> None:
    poller = LogPoller(
        DockerLogSource(EngineHttp(f"unix://{tmp_path}/none.sock"), project, RULES, lambda _: None, follow=False), store
    )
    report = poller.poll(time.time())
    assert "none.sock" in report.error
    assert not poller.state().up
    with pytest.raises(SourceUnreachable):
        DockerLogSource(EngineHttp("tcp://127.0.0.1:1"), project, RULES, lambda _: None, follow=False).window(
            ["core"], 0, 1
        )


def test_a_log_that_cannot_be_read_is_warned_of_once_and_holds_up_no_other(
    source: DockerLogSource, store: SqliteLogStore, run: Run
) -> None:
    run("sleep 60", service="web", log_config={"type": "none"})
    run(WRITER + "sleep 60", 0, 200)
    poller = LogPoller(source, store)
    assert polled(poller, store, 200) == expected(0, 200)
    assert poller.state().warnings == 1
    assert poller.state().up
