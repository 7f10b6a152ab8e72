"""From the outbox to channels: order, patience, and what a SIGKILL leaves."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.adapters.host.clock import SystemClock
from monitor.adapters.host.locks import FileLocks
from monitor.adapters.http.outgoing import tls
from monitor.adapters.notify.messages import Messages
from monitor.adapters.notify.webhook import WebhookChannel
from monitor.adapters.state.alerts import SqliteAlertStore
from monitor.adapters.state.db import Database
from monitor.domain.alerting.conditions import Condition
from monitor.domain.alerting.open_alerts import AlertPolicy, Message, MessageLine
from monitor.errors import NotifyError, StateError
from monitor.ports.notify import AlertStore, Channel, Outgoing, Pending
from monitor.services.alerting.delivery import Courier
from monitor.services.alerting.manager import AlertManager
from monitor.services.alerting.runner import Alerting
from monitor.testing.notify import FakeChannel, FakeSink, MemoryAlertStore
from tests.support.chat import Answer, Chat
from tests.support.wait import wait_until

CORE = Condition("exited", "core", "page", "core exited with code 1", "Traceback: boom", 7)


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def fill(store: AlertStore, channel: Channel, *services: str) -> None:
    manager = AlertManager(store, [channel], AlertPolicy(group=0))
    for service in services:
        manager.tell(Condition("exited", service, "info", "healed"), 1000.0)


def services(taken: list[Outgoing]) -> list[str]:
    return [outgoing.message.lines[0].condition.service for outgoing in taken]


def test_a_courier_tries_again_later_and_later_and_keeps_the_order() -> None:
    store, clock = MemoryAlertStore(), Clock()
    channel = FakeChannel(failures=[NotifyError("answered 500")] * 12)
    fill(store, channel, "a", "b")
    courier = Courier(store, channel, clock, deadline=1.0)
    waits = []
    while True:
        wait = courier.step()
        if wait is None:
            break
        if wait:
            waits.append(wait)
            clock.sleep(wait)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert services(channel.taken) == ["a", "b"]
    assert store.sent() == {"delivered": 2, "failed": 12, "dropped": 0}


def test_a_channel_that_asks_for_time_gets_it() -> None:
    store, clock = MemoryAlertStore(), Clock()
    channel = FakeChannel(failures=[NotifyError("answered 429", retry_after=90.0), NotifyError("", retry_after=1e9)])
    fill(store, channel, "a")
    courier = Courier(store, channel, clock, deadline=1.0)
    courier.step()
    assert courier.step() == 90.0
    clock.sleep(90.0)
    courier.step()
    assert courier.step() == 3600.0


def test_a_message_that_is_refused_for_good_makes_way_after_three_tries() -> None:
    store, clock = MemoryAlertStore(), Clock()
    channel = FakeChannel(failures=[NotifyError("answered 400", permanent=True)] * 3)
    fill(store, channel, "a", "b")
    courier = Courier(store, channel, clock, deadline=1.0)
    while (wait := courier.step()) is not None:
        clock.sleep(wait)
    assert services(channel.taken) == ["b"]
    assert store.sent()["dropped"] == 1


def test_after_three_days_a_message_is_no_news_any_more() -> None:
    store, clock = MemoryAlertStore(), Clock()
    channel = FakeChannel(failures=[NotifyError("down")] * 10000)
    fill(store, channel, "a")
    courier = Courier(store, channel, clock, deadline=1.0)
    while (wait := courier.step()) is not None:
        clock.sleep(wait)
    assert 3 * 86400 <= clock.time - 1000 < 3 * 86400 + 600


def test_a_clock_that_is_set_back_does_not_hold_messages_up() -> None:
    store, clock = MemoryAlertStore(), Clock()
    channel = FakeChannel()
    fill(store, channel, "a")
    clock.time -= 86400 * 365
    Courier(store, channel, clock, deadline=1.0).step()
    assert services(channel.taken) == ["a"]


def test_a_mistake_in_a_channel_ends_neither_the_thread_nor_the_queue(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeChannel):
        def send(self, outgoing: Outgoing, *, deadline: float) -> None:
            raise KeyError(outgoing.key, deadline)

    store, clock = MemoryAlertStore(), Clock()
    channel = Broken()
    fill(store, channel, "a")
    courier = Courier(store, channel, clock, deadline=1.0)
    while (wait := courier.step()) is not None:
        clock.sleep(wait)
    assert store.sent()["dropped"] == 1
    assert "could not be sent" in caplog.text


def test_a_full_disk_after_a_yes_does_not_send_again() -> None:
    class FullDisk(MemoryAlertStore):
        full = 3

        def delivered(self, entry: Pending, now: float) -> None:
            if self.full:
                self.full -= 1
                raise StateError("disk full")
            super().delivered(entry, now)

    store, clock = FullDisk(), Clock()
    channel = FakeChannel()
    fill(store, channel, "a", "b")
    courier = Courier(store, channel, clock, deadline=1.0)
    for _ in range(3):
        with pytest.raises(StateError):
            courier.step()
    while courier.step() is not None:
        pass
    assert services(channel.taken) == ["a", "b"]


# ---- a real HTTP server -------------------------------------------------------------------------------------------


@pytest.fixture
def chat() -> Iterator[Chat]:
    server = Chat()
    yield server
    server.close()


def webhook(url: str) -> WebhookChannel:
    return WebhookChannel(url, "webhook", url, Messages("shop", "vps1"), project="shop", host="vps1")


def outgoing() -> Outgoing:
    return Outgoing("k1", Message(1000.0, (MessageLine("firing", CORE, 990.0),)))


def refused(chat: Chat, answer: Answer, *, deadline: float = 5.0) -> NotifyError:
    chat.answers = [answer]
    with pytest.raises(NotifyError) as caught:
        webhook(chat.url).send(outgoing(), deadline=deadline)
    assert "s3cr3t" not in str(caught.value) + caught.value.hint
    return caught.value


def test_a_webhook_gets_the_alert_as_data_and_as_text(chat: Chat) -> None:
    webhook(chat.url).send(outgoing(), deadline=5.0)
    (request,) = chat.received
    assert request.headers["idempotency-key"] == request.body["key"] == "k1"
    assert request.body["title"] == "FIRING: core exited [shop on vps1]"
    assert "Traceback: boom" in request.body["text"]
    assert request.body["alerts"][0] == {
        "status": "firing",
        "kind": "exited",
        "service": "core",
        "severity": "page",
        "summary": "core exited with code 1",
        "detail": "Traceback: boom",
        "incident": 7,
        "started_at": 990.0,
        "duration_seconds": None,
        "note": "",
        "hides": 0,
    }


def test_retry_after_is_read_as_seconds_as_a_date_and_as_discord_has_it(chat: Chat) -> None:
    assert refused(chat, Answer(429, {"Retry-After": "17"})).retry_after == 17.0
    past = refused(chat, Answer(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}))
    assert past.retry_after == 0.0
    assert refused(chat, Answer(429, body=b'{"retry_after": 2.5}')).retry_after == 2.5
    assert refused(chat, Answer(429, {"Retry-After": "soon"}, b"[]")).retry_after is None


def test_what_an_answer_means(chat: Chat) -> None:
    error = refused(chat, Answer(500))
    assert (error.permanent, error.unsure, str(error)) == (False, False, "answered 500")
    assert refused(chat, Answer(400)).permanent
    assert "token" in refused(chat, Answer(403)).hint
    assert "redirect" in str(refused(chat, Answer(302, {"Location": f"{chat.url}/loop"})))
    assert len(chat.received) == 4


def test_a_server_that_says_nothing_or_trickles_is_left_at_the_deadline(chat: Chat) -> None:
    assert refused(chat, Answer(delay=30.0), deadline=0.5).unsure
    assert refused(chat, Answer(500, trickle=True), deadline=0.5).unsure


def test_a_server_that_is_down_certainly_got_nothing() -> None:
    chat = Chat()
    chat.close()
    with pytest.raises(NotifyError) as caught:
        webhook(chat.url).send(outgoing(), deadline=5.0)
    assert not caught.value.unsure
    assert "s3cr3t" not in str(caught.value)


def test_no_url_gets_into_the_log(chat: Chat, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    tls.cache_clear()  # as in a process that sends for the first time
    webhook(chat.url).send(outgoing(), deadline=5.0)
    assert "s3cr3t" not in caplog.text


# ---- threads ------------------------------------------------------------------------------------------------------


def test_a_slow_channel_delays_neither_the_caller_nor_another_channel(tmp_path: Path, chat: Chat) -> None:
    slow = Chat()
    slow.answers = [Answer(delay=60.0)]
    database = Database(tmp_path / "state.db")
    channels = [webhook(slow.url), webhook(chat.url)]
    locks = FileLocks(tmp_path / "locks")
    store = SqliteAlertStore(database)
    alerting = Alerting(store, channels, None, AlertPolicy(group=0), SystemClock(), locks=locks, deadline=60.0)
    alerting.start()
    try:
        alerting.manager.fire(CORE, SystemClock().now())
        wait_until(lambda: slow.received, what="the slow one to be asked")
        alerting.manager.resolve("exited", "core", SystemClock().now())
        wait_until(lambda: len(chat.received) == 2, what="both messages on the quick channel")
        assert len(slow.received) == 1
    finally:
        slow.close()
        alerting.stop()
        database.close()
    assert [request.body["alerts"][0]["status"] for request in chat.received] == ["firing", "resolved"]


def running(store: AlertStore, tmp_path: Path, policy: AlertPolicy, *channels: Channel) -> Alerting:
    locks = FileLocks(tmp_path / "locks")
    return Alerting(store, channels, None, policy, SystemClock(), locks=locks, deadline=5.0)


def test_the_group_window_closes_without_any_further_event(tmp_path: Path, chat: Chat) -> None:
    alerting = running(MemoryAlertStore(), tmp_path, AlertPolicy(group=0.2), webhook(chat.url))
    alerting.start()
    try:
        now = SystemClock().now()
        alerting.manager.fire(CORE, now)
        alerting.manager.fire(Condition("oom", "web", "page", "out of memory"), now)
        wait_until(lambda: chat.received)
    finally:
        alerting.stop()
    assert [alert["service"] for alert in chat.received[0].body["alerts"]] == ["core", "web"]


# ---- SIGKILL ------------------------------------------------------------------------------------------------------

DAEMON = """
import sys
from monitor.adapters.host.clock import SystemClock
from monitor.adapters.host.locks import FileLocks
from monitor.adapters.notify.messages import Messages
from monitor.adapters.notify.webhook import WebhookChannel
from monitor.adapters.state.alerts import SqliteAlertStore
from monitor.adapters.state.db import Database
from monitor.domain.alerting.open_alerts import AlertPolicy
from monitor.domain.alerting.conditions import Condition
from monitor.services.alerting.runner import Alerting
from pathlib import Path

path, url, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = SqliteAlertStore(Database(Path(path)))
channel = WebhookChannel(url, "webhook", url, Messages("shop", "vps1"))
locks = FileLocks(Path(path).parent / "locks")
alerting = Alerting(store, [channel], None, AlertPolicy(group=0), SystemClock(), locks=locks, deadline=30.0)
alerting.start()
for number in range(first, first + count):
    alerting.manager.tell(Condition("exited", f"s{number}", "info", "healed"), SystemClock().now())
    print(number, flush=True)
sys.stdin.read()
"""


STARTED: list[subprocess.Popen[str]] = []


def daemon(state: Path, chat: Chat, first: int, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(state), chat.url, str(first), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    STARTED.append(process)
    return process


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            kill(process)


def kill(process: subprocess.Popen[str]) -> list[int]:
    """The numbers that the process said it had kept before it was killed."""
    os.kill(process.pid, signal.SIGKILL)
    said, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    return [int(line) for line in said.split() if line]


def told(chat: Chat) -> list[str]:
    return [request.body["alerts"][0]["service"] for request in chat.received]


def test_killed_while_the_channel_is_silent_the_message_goes_again_and_says_so(tmp_path: Path, chat: Chat) -> None:
    chat.answers = [Answer(delay=60.0)]
    state = tmp_path / "state.db"
    first = daemon(state, chat, 0, 2)
    wait_until(lambda: chat.received, what="the first try")
    assert first.stdout is not None
    wait_until(lambda: _waiting(state) == 2)
    kill(first)
    second = daemon(state, chat, 2, 0)
    wait_until(lambda: len(chat.received) == 3, what="both messages from the second process")
    wait_until(lambda: not _waiting(state), what="an empty outbox")
    kill(second)
    assert told(chat) == ["s0", "s0", "s1"]
    assert chat.keys[0] == chat.keys[1] != chat.keys[2]
    assert [request.body["repeated"] for request in chat.received] == [False, True, False]


def test_killed_after_the_answer_nothing_is_sent_twice(tmp_path: Path, chat: Chat) -> None:
    state = tmp_path / "state.db"
    first = daemon(state, chat, 0, 1)
    wait_until(lambda: chat.received and not _waiting(state), what="the delivery to be recorded")
    kill(first)
    second = daemon(state, chat, 1, 1)
    wait_until(lambda: len(chat.received) == 2)
    kill(second)
    assert told(chat) == ["s0", "s1"]


def test_killed_again_and_again_at_any_moment_nothing_is_lost(tmp_path: Path, chat: Chat) -> None:
    """Every message that `tell` returned for arrives; one that comes twice has the same key and says it may be one."""
    state = tmp_path / "state.db"
    kept: set[int] = set()
    for life in range(4):
        process = daemon(state, chat, life * 1000, 12)
        goal = len(chat.received) + 1 + 3 * life
        wait_until(lambda goal=goal: len(chat.received) >= goal, every=0.001)  # type: ignore[misc]
        kept.update(kill(process))
    last = daemon(state, chat, 0, 0)
    wait_until(lambda: not _waiting(state), timeout=60.0, what="an empty outbox")
    kill(last)
    arrived = {int(name[1:]) for name in told(chat)}
    assert kept <= arrived
    firsts = {}
    for request in chat.received:
        if request.headers["idempotency-key"] in firsts:
            assert request.body["repeated"]
        firsts[request.headers["idempotency-key"]] = request.body["alerts"][0]["service"]
    assert len(set(firsts.values())) == len(firsts)
    assert len(chat.received) - len(firsts) <= 4  # at most one for each kill


def _waiting(state: Path) -> int:
    connection = sqlite3.connect(f"file:{state}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT COUNT(*) FROM outbox WHERE done_at IS NULL").fetchone()[0])
    finally:
        connection.close()


def test_stopping_ends_all_threads(tmp_path: Path, chat: Chat) -> None:
    before = threading.active_count()
    alerting = running(MemoryAlertStore(), tmp_path, AlertPolicy(), webhook(chat.url))
    alerting.start()
    wait_until(lambda: threading.active_count() == before + 2, what="a thread for the channel, and one that ticks")
    alerting.stop()
    assert threading.active_count() == before


# ---- several processes, and processes that do not stay ------------------------------------------------------------


def test_a_process_that_does_not_stay_tells_all_at_once_and_waits_for_no_window(tmp_path: Path, chat: Chat) -> None:
    alerting = running(MemoryAlertStore(), tmp_path, AlertPolicy(group=600), webhook(chat.url))
    alerting.manager.fire(CORE, SystemClock().now())
    assert alerting.drain() == 0
    assert [request.body["title"] for request in chat.received] == ["FIRING: core exited [shop on vps1]"]
    chat.answers = [Answer(500)]
    alerting.manager.resolve("exited", "core", SystemClock().now())
    assert alerting.drain() == 1
    assert len(chat.received) == 2


def test_what_a_running_daemon_delivers_is_left_to_it(tmp_path: Path, chat: Chat) -> None:
    store, locks = MemoryAlertStore(), FileLocks(tmp_path / "locks")
    alerting = running(store, tmp_path, AlertPolicy(group=0), webhook(chat.url))
    with locks.acquire("_alerts", wait=0, purpose="test"):
        alerting.manager.fire(CORE, SystemClock().now())
        assert alerting.drain() == 1
        alerting.start()
        alerting.manager.resolve("exited", "core", SystemClock().now())
        assert chat.received == []
    wait_until(lambda: len(chat.received) == 2, what="the one that waited for the lock to take over")
    alerting.stop()
    assert not locks.held("_alerts")


def test_a_new_configuration_keeps_what_waits(tmp_path: Path, chat: Chat) -> None:
    down = Chat()
    down.close()
    store = MemoryAlertStore()
    alerting = running(store, tmp_path, AlertPolicy(group=0), webhook(down.url))
    alerting.start()
    alerting.manager.fire(CORE, SystemClock().now())
    wait_until(store.errors, what="the first try")
    sink = FakeSink()
    alerting.reconfigure([webhook(chat.url)], sink, AlertPolicy(group=0), deadline=5.0)
    wait_until(lambda: chat.received, what="the message on the new channel")
    wait_until(lambda: sink.alerts, what="the alert at the new Alertmanager")
    alerting.stop()
