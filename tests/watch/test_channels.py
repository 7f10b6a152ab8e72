"""What each chat is sent: templates, escaping, masking, apprise in its own process, and Debian's Alertmanager."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.host.clock import SystemClock
from monitor.adapters.notify import make_channels, make_messages
from monitor.adapters.notify.alertmanager import Alertmanager
from monitor.adapters.notify.apprise_channel import AppriseChannel
from monitor.adapters.notify.messages import Messages, shorten, tail
from monitor.adapters.notify.webhook import WebhookChannel, native
from monitor.config.notify import NotifySection
from monitor.domain.alerting.conditions import Condition
from monitor.domain.alerting.open_alerts import AlertPolicy, Message, MessageLine
from monitor.domain.health.causes import span
from monitor.errors import NotifyError, UsageError
from monitor.ports.notify import AlertSink, Outgoing
from monitor.services.alerting.manager import AlertManager
from monitor.services.alerting.push import Pusher
from monitor.testing.notify import FakeChannel, FakeSink, MemoryAlertStore
from tests.support.chat import Answer, Chat
from tests.support.wait import wait_until

EVIL = Condition("crash-loop", "core", "page", "<!channel> & @everyone", "line ```\n{{ 7*7 }} <script>", 7)


@pytest.fixture
def chat() -> Iterator[Chat]:
    server = Chat()
    yield server
    server.close()


def outgoing(*lines: MessageLine, repeated: bool = False) -> Outgoing:
    return Outgoing("k1", Message(1000.0, lines or (MessageLine("firing", EVIL, 990.0, hides=3),)), repeated)


# ---- messages -----------------------------------------------------------------------------------------------------


def test_no_log_line_can_call_a_channel_or_end_its_block() -> None:
    body = Messages("shop", "vps1").render(outgoing(), "slack").body
    assert "<!channel>" not in body
    assert "&lt;!channel&gt; &amp; @everyone" in body
    assert body.count("```") == 2
    assert "{{ 7*7 }}" in body


def test_discord_is_told_to_mention_nobody(chat: Chat) -> None:
    WebhookChannel(chat.url, "discord", chat.url, Messages("shop", "vps1")).send(outgoing(), deadline=5.0)
    assert chat.received[0].body["allowed_mentions"] == {"parse": []}
    assert len(chat.received[0].body["content"]) <= 2000


@pytest.mark.parametrize("flavor", ["text", "slack", "discord"])
def test_a_message_says_what_why_how_long_and_what_is_held_back(flavor: Any) -> None:
    lines = (
        MessageLine("firing", EVIL, 990.0, hides=3),
        MessageLine("resolved", Condition("exited", "web", "page", "web exited", "old log"), 0.0, 192.0, "restarted"),
        MessageLine("again", Condition("engine-down", "", "page", "the engine does not answer"), 0.0, 14520.0),
        MessageLine(
            "healed",
            Condition("exited", "job", "page", "job ended with exit code 1", "log"),
            0.0,
            0.4,
            "started in 0.3 s",
        ),
        MessageLine("note", Condition("oom", "api", "info", "api ran out of memory, restarted"), 0.0),
    )
    text = Messages("shop", "vps1").render(outgoing(*lines, repeated=True), flavor)
    assert text.title == "2 firing, 1 resolved, 1 healed, 1 to know [shop on vps1]"
    assert "3 other alert(s) are held back" in text.body
    assert "over after 3 min 12 s: restarted" in text.body
    assert "over after 0.4 s: started in 0.3 s" in text.body
    assert "old log" not in text.body
    assert "for 4 h 2 min now" in text.body
    assert "vps1" in text.body
    assert "bgmon incidents --service core --detail" in text.body
    assert "repetition" in text.body


def test_a_storm_stays_one_short_message() -> None:
    lines = [
        MessageLine("firing", Condition("exited", f"s{number}", "page", "x" * 300, "y" * 5000), 0.0)
        for number in range(500)
    ]
    text = Messages("shop", "vps1").render(outgoing(*lines), "slack")
    assert text.title.startswith("500 alerts")
    assert len(text.body) <= 3500
    assert text.body.count("```") % 2 == 0


def test_durations_tails_and_cuts() -> None:
    assert [span(seconds) for seconds in (0, 0.01, 0.4, 59.6, 3600, 90061)] == [
        "0 s",
        "0 s",
        "0.4 s",
        "1 min",
        "1 h",
        "1 d 1 h",
    ]
    assert tail("a\nb\nc\n", lines=2) == "b\nc"
    assert tail("x" * 1000, length=10) == "...xxxxxxxxxx"
    assert shorten("short", 100) == "short"
    assert shorten("```\n" + "x" * 200, 100).endswith("```\n... (shortened)")


def test_a_template_of_the_users_replaces_one_and_the_rest_stay(tmp_path: Path) -> None:
    (tmp_path / "title.text.j2").write_text("{{ project|upper }}!")
    messages = make_messages(NotifySection(templates="."), project="shop", host="vps1", folder=tmp_path)
    assert messages.render(outgoing(), "text").title == "SHOP!"
    assert "crash-loop" not in messages.render(outgoing(), "slack").title
    with pytest.raises(UsageError):
        make_messages(NotifySection(templates="nowhere"), project="shop", host="vps1", folder=tmp_path)


@pytest.mark.parametrize(
    "template", ["{% if %}", "{{ nothing.at.all }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}"]
)
def test_a_template_that_fails_does_not_keep_an_alert_back(
    tmp_path: Path, template: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "message.text.j2").write_text(template)
    messages = Messages("shop", "vps1", tmp_path)
    with pytest.raises(NotifyError, match="message.text.j2"):
        messages.check(outgoing())
    assert "@everyone" in messages.render(outgoing(), "text").body
    assert "shipped template" in caplog.text


# ---- URLs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "kind", "target"),
    [
        ("slack://T1/B2/c3", "slack", "https://hooks.slack.com/services/T1/B2/c3"),
        ("https://hooks.slack.com/services/T1/B2/c3", "slack", "https://hooks.slack.com/services/T1/B2/c3"),
        ("discord://12/tok", "discord", "https://discord.com/api/webhooks/12/tok"),
        ("https://discord.com/api/webhooks/12/tok", "discord", "https://discord.com/api/webhooks/12/tok"),
        ("https://example.com/hook?x=1", "webhook", "https://example.com/hook?x=1"),
    ],
)
def test_common_services_are_spoken_natively(url: str, kind: str, target: str) -> None:
    assert native(url) == (kind, target)


@pytest.mark.parametrize(
    "url",
    [
        "slack://xoxb-1-2-abc/#chan",
        "slack://bot@T1/B2/c3",
        "tgram://1/2",
        "mailto://u:p@example.com",
        "discord://1/2?tts=yes",
    ],
)
def test_the_rest_is_left_to_apprise(url: str) -> None:
    assert native(url) is None


def test_urls_are_never_shown() -> None:
    section = NotifySection.model_validate(
        {"urls": ["slack://T1/B2/s3cr3t", {"url": "tgram://s3cr3t/1", "name": "ops"}]}
    )
    channels = make_channels(section, Messages("shop", "vps1"), project="shop", host="vps1")
    assert [channel.label for channel in channels] == ["slack://***", "ops"]
    assert "s3cr3t" not in repr(section) + str(section.model_dump()) + section.model_dump_json()
    assert all("s3cr3t" not in channel.id for channel in channels)


@pytest.mark.parametrize("wrong", [{"urls": ["no-url"]}, {"urls": ["a://b", "a://b"]}, {"alertmanager": "am:9093"}])
def test_wrong_urls_are_refused_without_being_shown(wrong: Any) -> None:
    with pytest.raises(ValueError, match="URL"):
        NotifySection.model_validate(wrong)


# ---- apprise ------------------------------------------------------------------------------------------------------


def test_apprise_delivers_from_a_process_of_its_own(chat: Chat) -> None:
    channel = AppriseChannel(f"json://127.0.0.1:{chat.port}/s3cr3t", Messages("shop", "vps1"))
    channel.send(outgoing(), deadline=30.0)
    body = chat.received[0].body
    assert body["title"] == "FIRING: core crash loop [shop on vps1]"
    assert "<!channel> & @everyone" in body["message"]
    assert channel.label == "json://***"


def test_apprise_says_no_says_nothing_or_does_not_know(chat: Chat) -> None:
    channel = AppriseChannel(f"json://127.0.0.1:{chat.port}/s3cr3t", Messages("shop", "vps1"))
    chat.answers = [Answer(403)]
    with pytest.raises(NotifyError, match="answered 403"):
        channel.send(outgoing(), deadline=30.0)
    chat.answers = [Answer(delay=60.0)]
    with pytest.raises(NotifyError) as caught:
        channel.send(outgoing(), deadline=2.0)
    assert caught.value.unsure
    with pytest.raises(NotifyError, match="does not understand") as caught:
        AppriseChannel("nosuchservice://s3cr3t", Messages("shop", "vps1")).send(outgoing(), deadline=30.0)
    assert "s3cr3t" not in str(caught.value)


# ---- Alertmanager -------------------------------------------------------------------------------------------------


@pytest.fixture
def alertmanager(tmp_path: Path, free_port: Callable[[], int], chat: Chat) -> Iterator[str]:
    """Debian's, with our chat as the receiver."""
    config = {
        "route": {"receiver": "chat", "group_wait": "100ms", "group_interval": "200ms", "group_by": ["..."]},
        "receivers": [{"name": "chat", "webhook_configs": [{"url": chat.url, "send_resolved": True}]}],
    }
    (tmp_path / "am.yml").write_text(json.dumps(config))
    port = free_port()
    process = subprocess.Popen(
        [
            "prometheus-alertmanager",
            f"--config.file={tmp_path / 'am.yml'}",
            f"--storage.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _ready(f"{url}/-/ready"), what="Alertmanager")
        yield url
    finally:
        process.kill()
        process.wait()


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


@pytest.mark.tools
def test_alertmanager_hears_of_an_alert_and_of_its_end(alertmanager: str, chat: Chat) -> None:
    store = MemoryAlertStore()
    manager = AlertManager(store, [], AlertPolicy(group=0))
    pusher = Pusher(store, Alertmanager(alertmanager, project="shop", host="vps1"), SystemClock(), deadline=5.0)
    manager.fire(EVIL, time.time())
    pusher.step()
    wait_until(lambda: chat.received, what="the alert, through Alertmanager")
    (alert,) = chat.received[0].body["alerts"]
    assert alert["status"] == "firing"
    assert alert["labels"] == {
        "alertname": "BgmonCrashLoop",
        "severity": "page",
        "project": "shop",
        "host": "vps1",
        "service": "core",
    }
    assert alert["annotations"] == {"summary": EVIL.summary, "description": EVIL.detail}

    manager.resolve("crash-loop", "core", time.time())
    pusher.step()
    wait_until(lambda: len(chat.received) > 1, what="the end, through Alertmanager")
    assert [item["status"] for item in chat.received[-1].body["alerts"]] == ["resolved"]


@pytest.mark.tools
def test_alertmanager_that_is_away_or_says_no(alertmanager: str) -> None:
    store = MemoryAlertStore()
    AlertManager(store, [], AlertPolicy(group=0)).fire(EVIL, time.time())
    alerts = list(store.book().alerts.values())
    for url, words in ((f"{alertmanager}/nowhere", "answered 404"), ("http://127.0.0.1:9", "Alertmanager: ")):
        with pytest.raises(NotifyError, match=words):
            Alertmanager(url, project="shop", host="vps1").push(alerts, [], now=time.time(), deadline=5.0)


def test_the_pusher_pushes_changes_at_once_and_otherwise_twice_a_minute() -> None:
    class Clock(SystemClock):
        time = 1000.0

        def now(self) -> float:
            return self.time

        def monotonic(self) -> float:
            return self.time

    store, sink, clock = MemoryAlertStore(), FakeSink(), Clock()
    protocol: AlertSink = sink
    manager = AlertManager(store, [FakeChannel()], AlertPolicy(group=0))
    pusher = Pusher(store, protocol, clock, deadline=5.0)
    manager.fire(EVIL, clock.time)
    for expected in (1, 1):
        pusher.step()
        assert sink.pushes == expected
    clock.time += 31
    pusher.step()
    assert sink.pushes == 2
    sink.failures = [NotifyError("down"), NotifyError("down")]
    manager.resolve("crash-loop", "core", clock.time)
    for expected in (2, 2, 3, 3):
        pusher.step()
        assert sink.pushes == expected
    assert sink.alerts == []
    assert [end for _, end in sink.ended] == [clock.time]
