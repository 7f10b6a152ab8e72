"""apprise URLs as Grafana and Alertmanager are told of them: what apprise itself would do is the measure."""

from __future__ import annotations

import pytest

from monitor.config.channels import Target, Unspoken, targets
from monitor.config.contacts import contacts, environment
from monitor.config.loader import load_text
from monitor.config.site import site_of
from monitor.render.alertmanager import alertmanager_files
from monitor.render.notices import notices
from monitor.render.site import Mail, Site

BOT = "123456789:abcdefghijklmnopqrstuvwxyz_12345678"
SERVICES = "project: p\nservices: {a: {image: x}}\n"


def found(url: str) -> tuple[Target, ...]:
    made = targets(url)
    assert not isinstance(made, Unspoken), made
    return made


def site(urls: list[str], by: str = "grafana") -> Site:
    lines = "".join(f"    - {url!r}\n" for url in urls)
    config = load_text(f"{SERVICES}notify:\n  urls:\n{lines}generate: {{notify_by: {by}}}\n", "bgmon.yml", {})
    return site_of(config, urls)


def test_a_public_telegram_channel_goes_to_grafana_and_alertmanager_is_said_not_to_take_it() -> None:
    (target,) = found(f"tgram://{BOT}/@mychannel")
    assert (target.settings, target.secrets) == ({"chatid": "@mychannel"}, {"bottoken": BOT})
    made = site([f"tgram://{BOT}/@mychannel"], "alertmanager")
    text = alertmanager_files(made)["alertmanager/alertmanager.yml"]
    assert "chat_id" not in text
    assert "it takes a chat by its number, not @mychannel" in text
    assert [key for key, _ in notices(made)] == ["notify.urls[0]", "notify.urls"]
    assert "tells nobody of alerts with severity page or ticket or info" in notices(made)[1][1]


def test_a_telegram_topic_and_two_chats_in_one_url() -> None:
    assert found(f"tgram://{BOT}/-100123:42")[0].settings == {"chatid": "-100123", "message_thread_id": "42"}
    assert [target.settings["chatid"] for target in found(f"tgram://{BOT}/-100123/-100456")] == ["-100123", "-100456"]
    text = alertmanager_files(site([f"tgram://{BOT}/-100123:42/-5"], "alertmanager"))["alertmanager/alertmanager.yml"]
    assert "chat_id: -100123\n    message_thread_id: 42" in text
    assert "chat_id: -5\n" in text
    labels = [contact.label for contact in site([f"tgram://{BOT}/-100123/-100456"]).contacts]
    assert labels == ["telegram 1", "telegram 1 #2"]


@pytest.mark.parametrize(
    ("url", "addresses", "mail"),
    [
        (
            "mailto://user:pass@example.com/a@x.example/b@x.example", "a@x.example;b@x.example",
            Mail("example.com:25", "user@example.com", "user"),
        ),
        (
            "mailtos://user:pass@smtp.example.com?from=Shop<shop@example.com>&to=a@x.example,b@x.example&cc=c@x.example",
            "a@x.example;b@x.example;c@x.example",
            Mail("smtp.example.com:587", "Shop <shop@example.com>", "user", starttls=True),
        ),
        ("mailto://mail.example.com?from=shop@example.com", "shop@example.com", Mail("mail.example.com:25", "shop@example.com")),
    ],
)  # fmt: skip
def test_mail_goes_to_whom_the_url_names_through_its_own_server(url: str, addresses: str, mail: Mail) -> None:
    (target,) = found(url)
    assert target.settings == {"addresses": addresses}
    assert target.mail == mail
    assert target.secrets == ({"password": "pass"} if mail.user else {})


def test_the_password_of_a_mail_server_is_a_file_for_alertmanager_and_nothing_for_grafana() -> None:
    url = "mailto://user:s3cr3t@example.com/a@x.example"
    config = load_text(f"{SERVICES}notify: {{urls: ['{url}']}}\n", "bgmon.yml", {})
    (contact,), _ = contacts(config.notify, [url])
    assert contact.variables == ()
    assert environment(config.notify, [url]) == {"BGMON_NOTIFY_1_PASSWORD": "s3cr3t"}
    text = alertmanager_files(site([url], "alertmanager"))["alertmanager/alertmanager.yml"]
    assert "auth_password_file: /run/secrets/bgmon_notify_1_password" in text
    assert "s3cr3t" not in text


@pytest.mark.parametrize(
    ("url", "secrets", "settings"),
    [
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", {"url": "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"}, [{}]),
        ("slack://bot@T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops", {"url": "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"}, [{"recipient": "#ops", "username": "bot"}]),
        ("slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#a/#b", {"token": "xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d"}, [{"recipient": "#a"}, {"recipient": "#b"}]),
        ("discord://4444444444/abcdefgh1234?thread=7", {"url": "https://discord.com/api/webhooks/4444444444/abcdefgh1234?thread_id=7"}, [{}]),
        ("json://us%40er:pa%3Ass@host:8080/path?-key=a b", {"url": "http://us%40er:pa%3Ass@host:8080/path?key=a+b"}, [{}]),
        ("jsons://host", {"url": "https://host/"}, [{}]),
        ("workflow://host:443/workflowid/sig-nature", {"url": "https://host:443/workflows/workflowid/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=sig-nature"}, [{}]),
        ("pover://user5678901234567890123456789a@token678901234567890123456789a/phone", {"apiToken": "token678901234567890123456789a", "userKey": "user5678901234567890123456789a"}, [{"device": "phone"}]),
        ("pagerduty://integration@api?region=eu", {"integrationKey": "integration"}, [{"url": "https://events.eu.pagerduty.com/v2/enqueue"}]),
        ("https://example.com/x", {"url": "https://example.com/x"}, [{}]),
    ],
)  # fmt: skip
def test_each_kind_keeps_its_secrets_and_its_places(
    url: str, secrets: dict[str, str], settings: list[dict[str, str]]
) -> None:
    made = found(url)
    assert [dict(target.settings) for target in made] == settings
    assert all(target.secrets == secrets for target in made)


def test_what_a_webhook_cannot_keep_is_said() -> None:
    made = site(["json://host/path?+X-Tok=abc&method=PUT"])
    assert notices(made) == [("notify.urls[0]", "webhook 1 is told by Grafana without its headers, its method PUT")]


@pytest.mark.parametrize("url", ["ntfy://topic", "rocket://user:pass@host/#room", "matrix://user:pass@host/#room"])
def test_a_channel_that_others_do_not_know_is_said_to_get_nothing(url: str) -> None:
    made = site([url])
    assert made.contacts == ()
    said = notices(made)
    assert said[0][0] == "notify.urls[0]"
    assert "gets no alerts of Grafana: neither Grafana nor Alertmanager" in said[0][1]
    assert said[1] == ("notify.urls", "Grafana tells nobody of alerts with severity page or ticket or info")


def test_a_url_that_apprise_does_not_understand_is_said_to_reach_nobody() -> None:
    assert "apprise does not understand this URL" in notices(site(["slack://nonsense"]))[0][1]


def test_nothing_is_said_where_the_daemon_alone_speaks() -> None:
    assert notices(site(["ntfy://topic"], "none")) == []


def test_two_channels_of_one_name_are_two_contacts() -> None:
    urls = ["https://a.example/x", "https://b.example/x"]
    lines = "".join(f"    - {{url: '{url}', name: ops}}\n" for url in urls)
    config = load_text(f"{SERVICES}notify:\n  urls:\n{lines}", "bgmon.yml", {})
    made, _ = contacts(config.notify, urls)
    assert [contact.label for contact in made] == ["ops", "ops (2)"]
