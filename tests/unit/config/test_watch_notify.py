"""watch: and notify: in bgmon.yml, and the mistakes that are refused."""

from __future__ import annotations

import pytest

from monitor.config.loader import load_text
from monitor.errors import ConfigError

BASE = "project: shop\nservices:\n  core: {image: core}\n"
TOKEN = "correct-horse-battery"


def test_a_whole_section_is_read() -> None:
    text = BASE + (
        "watch:\n"
        '  listen: "[::]:9180"\n'
        f"  token: {TOKEN}\n"
        "  tls: {cert: cert.pem, key: key.pem}\n"
        '  heartbeat: "https://hc.example.com/ping/s3cr3t"\n'
        f'  peers: [{{name: vps2, url: "http://vps2:9180/", token: {TOKEN}}}]\n'
        "notify:\n"
        '  urls: ["slack://T1/B2/s3cr3t", {url: "${CHAT}", min_severity: page, name: ops}]\n'
        "  group: 0\n"
    )
    config = load_text(text, "bgmon.yml", {"CHAT": "tgram://s3cr3t/1"})
    assert config.watch.address == ("::", 9180)
    assert not config.watch.loopback
    assert config.watch.peers[0].url == "http://vps2:9180"
    assert [channel.min_severity for channel in config.notify.urls] == ["info", "page"]
    assert config.notify.urls[1].url.get_secret_value() == "tgram://s3cr3t/1"
    assert config.notify.group == 0
    shown = repr(config) + config.model_dump_json()
    assert "s3cr3t" not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('watch: {listen: "0.0.0.0:9180"}', "set watch.token"),
        ('watch: {listen: "9180"}', "address:port"),
        ('watch: {listen: "127.0.0.1:99999"}', "address:port"),
        ("watch: {token: s3cr3t}", "too short"),
        ('watch: {heartbeat: "ftp://s3cr3t"}', "no http URL"),
        ('watch: {peers: [{name: a, url: "a:1"}]}', "no http URL"),
        ('watch: {peers: [{name: a, url: "http://a:1"}, {name: a, url: "http://b:1"}]}', "a name is there twice"),
        ('notify: {urls: ["s3cr3t"]}', "is no URL"),
        ('notify: {urls: ["a://s3cr3t", "a://s3cr3t"]}', "one URL is there twice"),
        ('notify: {urls: [{url: "a://s3cr3t", min_severity: loud}]}', "'page'"),
        ('notify: {alertmanager: "s3cr3t:9093"}', "no http URL"),
        ("notify: {deadline: 10ms}", "greater than or equal to 1"),
    ],
)
def test_mistakes_are_named_and_secrets_are_not(section: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(BASE + section + "\n", "bgmon.yml", {})
    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
