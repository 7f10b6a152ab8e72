"""Watchers of the watcher: hosts that look after each other, and the heartbeat."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from monitor.adapters.http.peers import Heartbeat, HttpPeers
from monitor.adapters.prometheus.exposition import Exposition
from monitor.adapters.web.server import AiohttpServer, WebSettings
from monitor.domain.alerting.open_alerts import AlertPolicy
from monitor.domain.alerting.peers import PeerView, Report, judge, look
from monitor.ports.peers import Peer
from monitor.services.alerting.manager import AlertManager
from monitor.services.peers import PeerWatch
from monitor.testing.notify import FakeChannel, MemoryAlertStore
from monitor.testing.status import FakePeers, FakeStatus

TOKEN = "correct-horse-battery"


class Net:
    """Hosts that answer or do not, and what each says of the others."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.says: dict[str, dict[str, bool]] = {}

    def look(self, peer: Peer) -> str:
        return "no route to host" if peer.name in self.down else ""

    def report(self, witness: Peer) -> Mapping[str, bool]:
        return {} if witness.name in self.down else self.says.get(witness.name, {})


class Clock:
    time = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class World:
    def __init__(self, *names: str) -> None:
        self.net, self.clock, self.store = Net(), Clock(), MemoryAlertStore()
        self.manager = AlertManager(self.store, [FakeChannel()], AlertPolicy(group=0))
        self.watch = PeerWatch([Peer(name, f"http://{name}") for name in names], self.net, self.manager, self.clock)

    def rounds(self, count: int) -> list[str]:
        """What fires after so many rounds."""
        for _ in range(count):
            self.watch.round()
            self.clock.sleep(10)
        return [condition.service for condition in self.manager.firing()]


def test_two_hosts_a_peer_is_gone_after_three_looks_and_back_after_one() -> None:
    world = World("vps2")
    world.net.down = {"vps2"}
    assert world.rounds(2) == []
    assert world.rounds(1) == ["vps2"]
    assert world.rounds(5) == ["vps2"]
    assert world.watch.views()[0].since == 1020.0
    world.net.down = set()
    assert world.rounds(1) == []


def test_one_look_that_failed_is_nothing() -> None:
    world = World("vps2")
    for _ in range(5):
        world.net.down = {"vps2"}
        assert world.rounds(2) == []
        world.net.down = set()
        assert world.rounds(1) == []


def test_three_hosts_another_one_has_to_agree() -> None:
    world = World("vps2", "vps3")
    world.net.down = {"vps2"}
    world.net.says = {"vps3": {"vps2": True}}
    assert world.rounds(20) == []
    world.net.says = {"vps3": {"vps2": False}}
    assert world.rounds(1) == ["vps2"]
    assert "vps3 says so too" in world.manager.firing()[0].detail


def test_a_rack_that_loses_two_of_three_is_said_by_the_third_later() -> None:
    world = World("vps2", "vps3")
    world.net.down = {"vps2", "vps3"}
    assert world.rounds(5) == []
    assert world.rounds(1) == ["vps2", "vps3"]
    assert "no other host could be asked" in world.manager.firing()[0].detail


def test_a_witness_that_does_not_know_the_peer_is_none() -> None:
    view, _ = look(PeerView("vps2", up=False, failures=2), ok=False, error="x", now=1.0)
    assert judge(view, [Report("vps3", None)])[1] == "none"
    assert judge(view, [Report("vps3", None), Report("vps4", up=False)])[1] == "gone"
    assert judge(view, [Report("vps3", up=True), Report("vps4", up=False)])[1] == "gone"


def test_over_real_http_with_a_token_and_to_a_host_that_is_not_there() -> None:
    client = HttpPeers(deadline=2.0)

    async def go() -> None:
        seen = FakePeers((PeerView("vps1", up=False), PeerView("vps3", up=True), PeerView("vps4")))
        settings = WebSettings("127.0.0.1", 0, token=TOKEN)
        server = AiohttpServer(settings, FakeStatus(), Exposition([]), peers=seen)
        await server.start()
        url = f"http://127.0.0.1:{server.port}"
        assert await asyncio.to_thread(client.look, Peer("vps2", url)) == ""
        assert await asyncio.to_thread(client.report, Peer("vps2", url, TOKEN)) == {"vps1": False, "vps3": True}
        assert await asyncio.to_thread(client.report, Peer("vps2", url, "wrong")) == {}
        assert await asyncio.to_thread(client.look, Peer("vps2", f"{url}/nowhere")) == "answered 401"
        await server.stop()
        assert await asyncio.to_thread(client.look, Peer("vps2", url)) != ""
        assert await asyncio.to_thread(client.report, Peer("vps2", url)) == {}

    asyncio.run(go())
    assert TOKEN not in repr(Peer("vps2", "http://x", TOKEN))


@pytest.fixture
def switch() -> Iterator[HTTPServer]:
    """A dead man's switch that says yes, then no."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pings.append(self.path)
            self.send_response(200 if len(pings) != 2 else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    pings: list[str] = []
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.pings = pings  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_heartbeat_pings_and_says_once_that_it_cannot(switch: HTTPServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    heartbeat = Heartbeat(f"http://127.0.0.1:{switch.server_address[1]}/ping/s3cr3t")
    for _ in range(3):
        heartbeat.beat()
    assert switch.pings == ["/ping/s3cr3t"] * 3  # type: ignore[attr-defined]
    gone = Heartbeat("http://127.0.0.1:9/ping/s3cr3t")
    gone.beat()
    gone.beat()
    ours = [record.getMessage() for record in caplog.records if record.name == "monitor.adapters.http.peers"]
    assert ours[0] == "watch.heartbeat: answered 404"
    assert len(ours) == 2
    assert "s3cr3t" not in caplog.text
