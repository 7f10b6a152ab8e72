"""What the daemon serves over HTTP, to whom, and what Prometheus makes of it."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import subprocess
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from monitor.adapters.host.machine import HostCollector, host_facts
from monitor.adapters.prometheus.exposition import Exposition, HistoryCollector, PeersCollector, StatusCollector
from monitor.adapters.state.alerts import SqliteAlertStore
from monitor.adapters.state.db import Database
from monitor.adapters.state.deploys import SqliteDeployStore
from monitor.adapters.state.totals import SqliteTotals
from monitor.adapters.web.server import AiohttpServer, WebSettings
from monitor.domain.deploy.records import DeployRecord
from monitor.errors import StateError, UsageError
from monitor.testing.status import FakePeers, FakeStatus, sample, sample_peers

TOKEN = "correct-horse-battery"
Story = Callable[[aiohttp.ClientSession, str, FakeStatus], Coroutine[Any, Any, None]]


def exposition(source: FakeStatus, database: Database) -> Exposition:
    store = SqliteAlertStore(database)
    return Exposition(
        [
            StatusCollector(source),
            HistoryCollector(SqliteTotals(database), SqliteDeployStore(database), store),
            PeersCollector(FakePeers(sample_peers(time.time()))),
            HostCollector(("/",)),
        ]
    )


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., None]:
    """Run a story against a server whose clock stands still: each half-hour moves the bars of every service."""

    def run(story: Story, *, reason: str = "", **settings: Any) -> None:
        async def go() -> None:
            moment = time.time()
            source = FakeStatus(sample(moment))
            database = Database(tmp_path / "state.db")
            server = AiohttpServer(
                WebSettings("127.0.0.1", 0, **settings),
                source,
                exposition(source, database),
                peers=FakePeers(sample_peers(moment)),
                ready=lambda: reason,
                refresh=0.05,
                now=lambda: moment,
            )
            await server.start()
            scheme = "https" if settings.get("cert") else "http"
            try:
                async with aiohttp.ClientSession() as session:
                    await story(session, f"{scheme}://127.0.0.1:{server.port}", source)
            finally:
                await server.stop()
                database.close()

        asyncio.run(go())

    return run


def test_health_and_readiness(serve: Callable[..., None]) -> None:
    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        async with session.get(f"{url}/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        async with session.get(f"{url}/readyz") as answer:
            assert (answer.status, await answer.text()) == (503, "the engine does not answer\n")

    serve(story, reason="the engine does not answer")


def test_the_api_says_what_the_page_shows(serve: Callable[..., None]) -> None:
    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        async with session.get(f"{url}/api/v1/status") as answer:
            status = await answer.json()
        assert status["project"] == "shop"
        assert {service["name"]: service["state"] for service in status["services"]}["mailer"] == "crash-looping"
        assert status["firing"][0]["kind"] == "crash-loop"
        async with session.get(f"{url}/api/v1/incidents?service=core&limit=1") as answer:
            incidents = (await answer.json())["incidents"]
        assert [incident["service"] for incident in incidents] == ["core"]
        assert incidents[0]["acts"] == ["restarted", "healthy again after 4 s"]
        async with session.get(f"{url}/api/v1/peers") as answer:
            assert [peer["name"] for peer in (await answer.json())["peers"]] == ["vps2", "vps3"]

    serve(story)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        *((f"limit={value}", "limit") for value in (
            "0", "-1", "%2B5", "1e3", "501", "x", "", "9" * 5000, "0" * 5000, "05", "000000001999999", "%D9%A3", "%C2%B2",
            "5%0A", "%205", "5_0", "0x5", "5.0", "%00", "%FF", "5&limit=5",
        )),
        *((f"service={value}", "service") for value in (
            "%FF", "%00", "core%0A", "Core", "a%2Fb", "%27", "c" * 64, "%ED%B3%BF", "core&service=web",
        )),
    ],
    ids=lambda value: value[:24],
)  # fmt: skip
def test_a_wrong_parameter_is_refused_by_its_name(serve: Callable[..., None], query: str, named: str) -> None:
    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        async with session.get(URL(f"{url}/api/v1/incidents?{query}", encoded=True)) as answer:
            text = (await answer.json())["error"]
            assert answer.status == 400
            assert text.startswith(f"{named}: ")
            assert len(text) < 200

    serve(story)


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/peers"])
def test_parameters_that_nothing_takes_change_nothing(serve: Callable[..., None], path: str) -> None:
    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        async with session.get(URL(f"{url}{path}?limit={'9' * 5000}&%FF=%00&service=%27", encoded=True)) as answer:
            assert answer.status == 200

    serve(story)


@pytest.mark.parametrize("limit", ["1", "500", None])
@pytest.mark.parametrize("service", ["core", "none-of-that-name", "", None])
def test_right_parameters_are_taken(serve: Callable[..., None], limit: str | None, service: str | None) -> None:
    given = {key: value for key, value in {"limit": limit, "service": service}.items() if value is not None}

    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        async with session.get(f"{url}/api/v1/incidents", params=given) as answer:
            assert answer.status == 200
            found = (await answer.json())["incidents"]
            known = [item.service for item in source.current.incidents]
            wanted = [name for name in known if name == service] if service else known
            assert [item["service"] for item in found] == wanted[: int(limit or 50)]

    serve(story)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(serve: Callable[..., None], method: str) -> None:
    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        for path in ("/", "/api/v1/status", "/nowhere"):
            async with session.request(method, url + path, data=b"x" * 5000) as answer:
                assert answer.status == 405

    serve(story)


def test_every_answer_forbids_scripts_frames_and_sniffing(serve: Callable[..., None]) -> None:
    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        for path in ("/", "/metrics", "/healthz", "/nowhere", "/static/page.css", "/events"):
            async with session.get(url + path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert "aiohttp" not in answer.headers["Server"].lower()
        async with session.get(f"{url}/static/../server.py") as answer:
            assert answer.status == 404

    serve(story)


def test_without_a_token_only_this_machines_own_names_are_served(serve: Callable[..., None]) -> None:
    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        for host, status in (("localhost:9180", 200), ("[::1]:1", 200), ("evil.example.com", 421), ("", 421)):
            async with session.get(f"{url}/api/v1/status", headers={"Host": host}) as answer:
                assert answer.status == status

    serve(story)


def test_a_token_is_asked_for_everywhere_but_on_healthz(serve: Callable[..., None]) -> None:
    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        def basic(text: str) -> str:
            return "Basic " + base64.b64encode(text.encode()).decode()

        for given, status in (
            ("", 401),
            ("Bearer wrong", 401),
            (f"Bearer {TOKEN}x", 401),
            (f"Bearer {TOKEN}", 200),
            (f"bearer {TOKEN}", 200),
            (basic(f"anyone:{TOKEN}"), 200),
            (basic(f"{TOKEN}:"), 401),
            ("Basic %%%", 401),
            ("Bearer \udcff\udcfe", 401),
            ("Basic /w==", 401),
            (TOKEN, 401),
        ):
            for path in ("/", "/metrics", "/events", "/api/v1/peers", "/static/page.js"):
                async with session.get(url + path, headers={"Authorization": given} if given else {}) as answer:
                    assert answer.status == status, (given, path)
        async with session.get(url) as answer:
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
        async with session.get(f"{url}/healthz") as answer:
            assert answer.status == 200

    serve(story, token=TOKEN)


def test_it_serves_tls(serve: Callable[..., None], tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", *request, *names, "-out", cert, "-keyout", key], check=True, capture_output=True)

    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        trust = ssl.create_default_context(cafile=str(cert))
        async with session.get(f"{url}/healthz", ssl=trust) as answer:
            assert answer.status == 200

    serve(story, cert=cert, key=key)


def test_a_taken_address_and_a_wrong_certificate_are_said(tmp_path: Path) -> None:
    async def go() -> None:
        first = AiohttpServer(WebSettings("127.0.0.1", 0), FakeStatus(), Exposition([]))
        await first.start()
        with pytest.raises(UsageError, match=r"watch\.listen"):
            await AiohttpServer(WebSettings("127.0.0.1", first.port), FakeStatus(), Exposition([])).start()
        await first.stop()
        wrong = tmp_path / "wrong.pem"
        wrong.write_text("no certificate")
        with pytest.raises(UsageError, match=r"watch\.tls"):
            await AiohttpServer(WebSettings("127.0.0.1", 0, cert=wrong), FakeStatus(), Exposition([])).start()

    asyncio.run(go())


async def events(content: aiohttp.StreamReader, count: int) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    name = ""
    while len(found) < count:
        line = (await asyncio.wait_for(content.readline(), 10)).decode().rstrip()
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((name, json.loads(line.removeprefix("data: "))))
    return found


def test_readers_are_sent_what_changed_and_nothing_else(serve: Callable[..., None]) -> None:
    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        timeout = aiohttp.ClientTimeout(total=30)
        async with session.get(f"{url}/events", timeout=timeout, read_bufsize=2**20) as answer:
            assert answer.content_type == "text/event-stream"
            ((name, whole),) = await events(answer.content, 1)
            assert name == "status"
            assert "mailer" in whole["html"]

            core = next(service for service in source.current.services if service.name == "core")
            others = tuple(service for service in source.current.services if service is not core)
            source.current = replace(source.current, services=(*others, replace(core, version="2.15.0")))
            ((name, changed),) = await events(answer.content, 1)
            assert name == "parts"
            ((part, html),) = changed["parts"].items()
            assert part.startswith("card-")
            assert "2.15.0" in html

            source.current = replace(source.current, services=())
            ((name, whole),) = await events(answer.content, 1)
            assert name == "status"
            assert "mailer" not in whole["html"].partition("Incidents")[0].partition("Services")[2]

    serve(story)


def test_a_status_that_cannot_be_read_is_said_and_served_again_later(serve: Callable[..., None]) -> None:
    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        whole = source.snapshot

        def broken(now: float) -> Any:
            raise StateError("state file: disk I/O error")

        source.__class__ = type("Broken", (FakeStatus,), {"snapshot": staticmethod(broken), "__slots__": ()})
        for path in ("/", "/api/v1/status", "/metrics"):
            async with session.get(url + path) as answer:
                assert answer.status == 503
                assert "disk I/O error" in await answer.text()
        async with session.get(f"{url}/healthz") as answer:
            assert answer.status == 200
        source.__class__ = FakeStatus
        assert whole(0.0).project == "shop"
        async with session.get(f"{url}/api/v1/status") as answer:
            assert answer.status == 200

    serve(story)


# ---- metrics ------------------------------------------------------------------------------------------------------


@pytest.fixture
def history(tmp_path: Path) -> Database:
    database = Database(tmp_path / "state.db")
    store = SqliteDeployStore(database)
    for number, result in enumerate(("deployed", "failed", "deployed")):
        record = DeployRecord(f"d{number}", "core", "deploy", "core:1", "1", "ci", 100.0 * number)
        store.begin(record)
        store.finish(record.id, result, at=100.0 * number + 30)  # type: ignore[arg-type]
    with database.transaction() as db:
        db.execute("INSERT INTO restarts (service, reason, at) VALUES ('core', 'restart', 1), ('core', 'restart', 2)")
    return database


@pytest.mark.tools
def test_promtool_has_nothing_to_say(history: Database) -> None:
    text = exposition(FakeStatus(sample(time.time())), history).render()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    lines = text.decode().splitlines()
    for expected in (
        'bgmon_service_state{service="mailer",state="crash-looping"} 1.0',
        'bgmon_service_state{service="mailer",state="healthy"} 0.0',
        'bgmon_service_info{color="green",service="core",version="2.14.0"} 1.0',
        'bgmon_probe_duration_seconds{service="web"} 0.031',
        'bgmon_deploys_total{result="deployed",service="core"} 2.0',
        'bgmon_deploys_total{result="failed",service="core"} 1.0',
        'bgmon_deploy_duration_seconds{service="core"} 30.0',
        'bgmon_last_deploy_timestamp_seconds{service="core"} 230.0',
        'bgmon_restarts_total{reason="restart",service="core"} 2.0',
        'bgmon_alerts_sent_total{result="delivered"} 0.0',
        'bgmon_alerts_firing{severity="page"} 1.0',
        'bgmon_peer_up{peer="vps2"} 1.0',
        "bgmon_engine_up 1.0",
    ):
        assert expected in lines
    for prefix in ("bgmon_host_cpu_seconds_total{", "bgmon_host_disk_free_bytes{", "process_resident_memory_bytes "):
        assert any(line.startswith(prefix) for line in lines), prefix
    history.close()


def test_counters_outlive_restarts_and_pruning(history: Database, tmp_path: Path) -> None:
    with history.transaction() as db:
        db.execute("DELETE FROM deploys")
        db.execute("DELETE FROM restarts")
    history.close()
    database = Database(tmp_path / "state.db")
    totals = SqliteTotals(database)
    totals.add("bgmon_restarts_total", ("core", "restart"))
    totals.add("bgmon_container_exits_total", ("core", "oom"), 2)
    assert totals.of("bgmon_deploys_total") == {("core", "deployed"): 2, ("core", "failed"): 1}
    assert totals.of("bgmon_restarts_total") == {("core", "restart"): 3}
    assert totals.of("bgmon_container_exits_total") == {("core", "oom"): 2}
    database.close()


def test_series_of_a_removed_service_go(history: Database) -> None:
    text = exposition(FakeStatus(), history).render().decode()
    assert 'service="core"' in text
    SqliteDeployStore(history).forget("core")
    text = exposition(FakeStatus(), history).render().decode()
    assert 'service="core"' not in text
    history.close()


def test_host_facts_are_read_and_their_absence_is_no_zero(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  1000 kB\nMemAvailable:  400 kB\nHugePages_Total:  0\n")
    (tmp_path / "stat").write_text("cpu  100 0 50 800 50 0 0 0 7 0\ncpu0 1 2 3\n")
    (tmp_path / "loadavg").write_text("0.42 0.3 0.2 1/2 3\n")
    facts = host_facts(("/", "/no/such/mount"), tmp_path)
    assert (facts.memory_size, facts.memory_available, facts.load1) == (1024000, 409600, 0.42)
    assert (facts.cpu_busy, facts.cpu_idle) == (1.5, 8.5)
    assert [disk.mount for disk in facts.disks] == ["/"]
    assert 0 < facts.disks[0].free <= facts.disks[0].size
    nothing = host_facts((), tmp_path / "nowhere")
    assert (nothing.memory_size, nothing.cpu_busy, nothing.load1, nothing.disks) == (None, None, None, ())


@pytest.mark.tools
def test_a_real_prometheus_scrapes_it(serve: Callable[..., None], tmp_path: Path, free_port: Callable[[], int]) -> None:
    port = free_port()

    async def story(session: aiohttp.ClientSession, url: str, source: FakeStatus) -> None:
        job = {
            "job_name": "bgmon",
            "scrape_interval": "200ms",
            "scrape_timeout": "200ms",
            "authorization": {"credentials": TOKEN},
            "static_configs": [{"targets": [url.removeprefix("http://")]}],
        }
        (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": [job]}))
        process = await asyncio.to_thread(
            subprocess.Popen,
            [
                "prometheus",
                f"--config.file={tmp_path / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            query = 'count(bgmon_service_state{service="core"} == 1) and on() up{job="bgmon"} == 1'
            address = f"http://127.0.0.1:{port}/api/v1/query"
            deadline = time.monotonic() + 30
            found: list[Any] = []
            while not found:
                assert time.monotonic() < deadline, "Prometheus has no series of ours"
                await asyncio.sleep(0.1)
                try:
                    async with session.get(address, params={"query": query}) as answer:
                        found = (await answer.json())["data"]["result"] if answer.status == 200 else []
                except aiohttp.ClientError:
                    continue
            assert found[0]["value"][1] == "1"
        finally:
            process.kill()
            await asyncio.to_thread(process.wait)

    serve(story, token=TOKEN)


def test_many_visitors_at_a_time_share_snapshots() -> None:
    asked = []

    class Counting(FakeStatus):
        __slots__ = ()

        def snapshot(self, now: float) -> Any:
            asked.append(now)
            return super().snapshot(now)

    async def go() -> None:
        server = AiohttpServer(WebSettings("127.0.0.1", 0), Counting(sample(time.time())), Exposition([]))
        await server.start()
        async with aiohttp.ClientSession() as session:

            async def visit() -> int:
                async with session.get(f"http://127.0.0.1:{server.port}/api/v1/status") as answer:
                    return answer.status

            assert set(await asyncio.gather(*(visit() for _ in range(200)))) == {200}
        await server.stop()

    asyncio.run(go())
    assert len(asked) < 20
