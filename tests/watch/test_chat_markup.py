"""What a chat service really receives when a log line holds its markup: nobody is called, no link lies, no block ends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.adapters.notify.apprise_child import deliver
from monitor.adapters.notify.messages import Messages
from monitor.adapters.notify.webhook import WebhookChannel
from monitor.domain.alerting.conditions import Condition
from monitor.domain.alerting.open_alerts import Message, MessageLine
from monitor.ports.notify import Outgoing
from tests.support.chat import Chat

# apprise imports a module that Python 3.13 has no more
pytestmark = pytest.mark.filterwarnings("ignore:.*imghdr:DeprecationWarning")

LURE = "http://evil.test/renew"
LINES = [
    "<!channel> <!here> <!subteam^S1> <@U123> <#C1>",
    "@everyone @here @channel @all @bob @[team] @**all** @{u1}",
    "<@123> <@&456> <at>bob</at> <users/all>",
    f"[renew your token]({LURE}) [renew][x] <{LURE}|renew> <a href='{LURE}'>renew</a>",
    f"[x]: {LURE}",
    "``` and ~~~ and ````",
    "```",
    "~~~",
    "out of the block",
]
EVIL = "\n".join(LINES)
ONE_LINE = " ".join(LINES)
# Slack knows entities; the others get the sign with nothing visible behind it.
CALLS = re.compile(r"@(everyone|here|channel|all|bob|\*\*all|\[|\{)|<[!@#a-z/]", re.IGNORECASE)
SLACK_CALLS = re.compile(r"<[!@#a-z/]", re.IGNORECASE)
LINKS = re.compile(r"\](\(|\[|:)|<http|<a ", re.IGNORECASE)


@pytest.fixture
def chat() -> Iterator[Chat]:
    server = Chat()
    yield server
    server.close()


@pytest.fixture
def outgoing() -> Outgoing:
    line = MessageLine("firing", Condition("crash-loop", "core", "page", ONE_LINE, EVIL, 7), 990.0)
    return Outgoing("k1", Message(1000.0, (line,)), False)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def test_slack(chat: Chat, outgoing: Outgoing) -> None:
    WebhookChannel(chat.url, "slack", chat.url, Messages("shop", "vps1")).send(outgoing, deadline=5.0)
    text = chat.received[0].body["text"]
    assert not SLACK_CALLS.search(text)
    assert "&lt;!channel&gt;" in text
    block = text.split("```")
    assert len(block) == 3
    assert "out of the block" in block[1]


def test_discord(chat: Chat, outgoing: Outgoing) -> None:
    WebhookChannel(chat.url, "discord", chat.url, Messages("shop", "vps1")).send(outgoing, deadline=5.0)
    body = chat.received[0].body
    assert body["allowed_mentions"] == {"parse": []}
    assert not CALLS.search(body["content"])
    assert not LINKS.search(body["content"])
    block = body["content"].split("```")
    assert len(block) == 3
    assert "out of the block" in block[1]


# The schemes whose address is built in are pointed at the server by the plugin's own attribute.
SERVICES = {
    "mmost://127.0.0.1:{port}/3ccdd113474722377935511fc85d3dd4": {},
    "rocket://3ccdd113474722377935511fc85d3dd4/3ccdd113474722377935511fc85d3dd4@127.0.0.1:{port}/#c": {},
    "ntfy://127.0.0.1:{port}/topic?mode=private": {},
    "ntfy://127.0.0.1:{port}/topic?mode=private&format=markdown": {},
    "discord://111111111111111111111111/" + "a" * 64 + "?tts=yes": {"discord.NotifyDiscord": "http://127.0.0.1:{port}"},
    "discord://111111111111111111111111/" + "a" * 64 + "?format=markdown": {
        "discord.NotifyDiscord": "http://127.0.0.1:{port}"
    },
    "tgram://123456789:abcdefg_hijklmnop/12315544": {"telegram.NotifyTelegram": "http://127.0.0.1:{port}/bot"},
    "tgram://123456789:abcdefg_hijklmnop/12315544?format=markdown": {
        "telegram.NotifyTelegram": "http://127.0.0.1:{port}/bot"
    },
    "gchat://ws/key/token": {"google_chat.NotifyGoogleChat": "http://127.0.0.1:{port}/{{workspace}}"},
    "slack://bot@T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ": {
        "slack.NotifySlack:webhook_url": "http://127.0.0.1:{port}"
    },
}


@pytest.mark.parametrize("url", SERVICES)
def test_by_apprise(url: str, chat: Chat, outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch) -> None:
    for where, address in SERVICES[url].items():
        name, _, attribute = where.partition(":")
        monkeypatch.setattr(f"apprise.plugins.{name}.{attribute or 'notify_url'}", address.format(port=chat.port))
    text = Messages("shop", "vps1").render(outgoing, "chat")
    deliver({"url": url.format(port=chat.port), "title": text.title, "body": text.body})
    assert chat.received, "nothing came"
    markup = url.startswith(("tgram:", "slack:", "gchat:"))  # apprise writes tags of its own around the title
    for request in chat.received:
        for found in texts(request.body):
            shown = re.sub(r"</?(b|i|u|code|pre|br)/?>", "", found) if markup else found
            assert not CALLS.search(shown), shown
            assert not LINKS.search(shown), shown
            assert "```" not in shown
            assert "~~~" not in shown
        assert not {"allow_mentions", "allowed_mentions"} & request.body.keys()
        assert "out of the block" in json.dumps(request.body)
