"""From bgmon.yml to the site: where Prometheus finds each host's daemon."""

from __future__ import annotations

import pytest

from monitor.config.loader import load_text
from monitor.config.site import site_of


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("{ssh: root@vps1}", "vps1:9180"),
        ("{ssh: 'ssh://root@VPS1.example:2222'}", "vps1.example:9180"),
        ("{ssh: root@10.0.0.4}", "10.0.0.4:9180"),
        ("{ssh: 'root@fd00::4'}", "[fd00::4]:9180"),
        ("{ssh: 'ssh://root@[fd00::4]:2222'}", "[fd00::4]:9180"),
        ("{}", "second:9180"),
    ],
)
def test_a_host_is_scraped_where_ssh_reaches_it(host: str, target: str) -> None:
    text = (
        f"project: shop\nhosts: {{first: {{ssh: root@first}}, second: {host}}}\nservices: {{a: {{image: 'r/a:1'}}}}\n"
    )
    assert [one.target for one in site_of(load_text(text, "bgmon.yml", {})).hosts] == ["127.0.0.1:9180", target]


@pytest.mark.parametrize("url", ["http://[fd00::4]:9180", "https://[fd00::4]"])
def test_a_peer_is_scraped_at_its_url(url: str) -> None:
    text = (
        "project: shop\nhosts: {first: {ssh: root@first}, second: {ssh: root@second}}\n"
        f"watch: {{peers: [{{name: second, url: '{url}'}}]}}\nservices: {{a: {{image: 'r/a:1'}}}}\n"
    )
    port = 443 if url.startswith("https") else 9180
    assert site_of(load_text(text, "bgmon.yml", {})).hosts[1].target == f"[fd00::4]:{port}"


def test_the_first_host_is_scraped_where_its_own_daemon_listens() -> None:
    text = "project: shop\nwatch: {listen: '[::1]:9200'}\nservices: {a: {image: 'r/a:1'}}\n"
    assert site_of(load_text(text, "bgmon.yml", {})).hosts[0].target == "[::1]:9200"
