"""How often a request arrives in a service that breaks: once, and a read once more; never without end."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.domain.proxy.routes import Slot
from tests.support import breaking
from tests.support.proxies import ProxyWorld, route
from tests.support.wait import wait_until

pytestmark = pytest.mark.proxy

READS, WRITES = ("GET", "HEAD"), ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Service:
    """`breaking` as a process that is started again whenever it ended, as a restart policy does it."""

    def __init__(self, port: int, journal: Path) -> None:
        self.port, self._journal = port, journal
        self.starts = 0
        self._end = False
        self._process = self._start()
        self._thread = threading.Thread(target=self._supervise)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        return subprocess.Popen([sys.executable, breaking.__file__, str(self.port), str(self._journal)])

    def _supervise(self) -> None:
        while True:
            self._process.wait()
            if self._end:
                return
            self._process = self._start()

    def arrivals(self) -> Counter[str]:
        return Counter(self._journal.read_text().splitlines() if self._journal.exists() else [])

    def close(self) -> None:
        self._end = True
        self._process.kill()
        self._thread.join(10)


@pytest.fixture
def service(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Service]:
    started = Service(free_port(), tmp_path / "arrivals")
    yield started
    started.close()


@pytest.fixture
def behind(world: ProxyWorld, service: Service) -> ProxyWorld:
    world.driver.boot([route(blue=Slot(service.port, "v1", "ready"))])
    assert world.get("/ready")[0] == 200
    return world


@pytest.mark.parametrize("path", [path for path in breaking.BREAKS if path != "/half-a-body"])
def test_a_request_that_breaks_the_service_is_repeated_once_at_most(
    behind: ProxyWorld, service: Service, path: str
) -> None:
    """Also `/crash`: each arrival ends the process, and the wait for its next start is no reason to send it again."""
    for method in (*READS, *WRITES):
        assert behind.get(path, method=method)[0] == 502
        assert behind.get("/after")[0] == 200
    arrived = service.arrivals()
    assert {method: arrived[f"{method} {path}"] for method in READS} == dict.fromkeys(READS, 2)
    assert {method: arrived[f"{method} {path}"] for method in WRITES} == dict.fromkeys(WRITES, 1)
    assert arrived["GET /after"] == len(READS) + len(WRITES)
    assert service.starts == 1 + (2 * len(READS) + len(WRITES) if path == "/crash" else 0)


def test_an_answer_that_has_begun_is_not_repeated(behind: ProxyWorld, service: Service) -> None:
    with pytest.raises(Exception, match="IncompleteRead"):
        behind.get("/half-a-body")
    assert service.arrivals()["GET /half-a-body"] == 1


def test_a_long_wait_for_a_connection_is_no_reason_to_send_more(
    world: ProxyWorld, service: Service, free_port: Callable[[], int]
) -> None:
    """With ten thousand tries for a connection: still two arrivals, and the access log names the color and the error."""
    world.make(retries=10000)
    world.driver.boot([route(green=Slot(service.port, "v1", "ready"))])
    assert world.get("/ready")[0] == 200
    assert world.get("/dropped")[0] == 502
    assert service.arrivals()["GET /dropped"] == 2
    (last,) = wait_until(lambda: [line for line in world.log() if line["path"] == "/dropped"])
    assert (last["color"], last["version"], last["status"]) == ("green", "v1", 502)


def test_a_poisonous_request_in_a_canary_is_repeated_once(
    world: ProxyWorld, service: Service, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """Both colors take requests: the second try may meet either, and there is no third."""
    other = Service(free_port(), tmp_path / "others")
    try:
        world.driver.boot(
            [route(blue=Slot(service.port, "v1", "ready", 50), green=Slot(other.port, "v2", "ready", 50))]
        )
        assert {world.get("/ready")[0] for _ in range(20)} == {200}
        for _ in range(10):
            assert world.get("/dropped")[0] == 502
        assert (service.arrivals() + other.arrivals())["GET /dropped"] == 20
    finally:
        other.close()
