"""What routes and the proxy may ask for, and what is refused with a message that gives nothing away."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from monitor.config.compile import service_spec
from monitor.config.loader import load_text
from monitor.config.schema import Config
from monitor.domain.deploy.spec import EntryTimeouts
from monitor.domain.deploy.spec_codec import spec_from_json, spec_to_json
from monitor.errors import ConfigError

HASH = "$6$abcdefgh$" + "a" * 86


def load(route: dict[str, Any], **proxy: Any) -> Config:
    document = {"project": "p", "proxy": proxy, "services": {"core": {"image": "x", "port": 3000, "route": route}}}
    return load_text(yaml.safe_dump(document), "f", {})


def test_a_route_with_everything_survives_being_recorded() -> None:
    route = {
        "host": ["a.test", "b.test"],
        "tls": "auto",
        "max_body": "10m",
        "timeouts": {"server": "5m"},
        "headers": {"Strict-Transport-Security": "max-age=31536000"},
        "redirect": True,
        "allow": ["10.0.0.0/8", "2001:DB8::1"],
        "basic_auth": {"ops": HASH},
        "compress": True,
    }
    spec = service_spec("core", load(route).services["core"])
    (made,) = spec.route
    assert (made.tls, made.max_body, made.timeouts) == ("auto", 10 * 1024**2, EntryTimeouts(server=300.0))
    assert made.allow == ("10.0.0.0/8", "2001:db8::1/128")
    assert made.basic_auth == {"ops": HASH}
    assert spec_from_json(spec_to_json(spec)) == spec


def test_a_record_of_an_earlier_release_is_read() -> None:
    spec = service_spec("core", load({"host": "a.test"}).services["core"])
    former = spec_to_json(spec)
    for key in ("max_body", "timeouts", "headers", "redirect", "allow", "basic_auth", "compress"):
        assert f'"{key}"' in former
    document = yaml.safe_load(former)
    document["route"] = [{key: document["route"][0][key] for key in ("host", "path", "strip", "tls")}]
    import json

    assert spec_from_json(json.dumps(document)) == spec


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ({"tls": "auto"}, "needs a host"),
        ({"host": "localhost", "tls": "auto"}, "no public name"),
        ({"host": "a.test", "allow": ["10.0.0.1/8"]}, "no address or network"),
        ({"host": "a.test", "allow": ["everyone"]}, "no address or network"),
        ({"host": "a.test", "headers": {"Content-Length": "1"}}, "no header that can be set"),
        ({"host": "a.test", "headers": {"X Y": "1"}}, "no header that can be set"),
        ({"host": "a.test", "headers": {"X": "a\nSet-Cookie: b"}}, "holds a line end"),
        ({"host": "*.a.test", "redirect": True}, "first host that is a name"),
        ({"redirect": True}, "first host that is a name"),
        ({"host": "a.test", "basic_auth": {"a b": HASH}}, "a user name may hold"),
        ({"host": "a.test", "max_body": "-1"}, "max_body"),
        ({"host": "a.test", "timeouts": {"server": "0s"}}, "server"),
    ],
)
def test_what_a_route_cannot_ask_for(route: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(route)


@pytest.mark.parametrize("secret", ["hunter2hunter2", "$1$abc$def", "$2y$05$abc", "$6$short$abc", 12345678])
def test_a_password_in_clear_is_refused_and_not_repeated(secret: Any) -> None:
    with pytest.raises(ConfigError, match="openssl passwd -6") as caught:
        load({"host": "a.test", "basic_auth": {"ops": secret}})
    assert str(secret).strip() not in str(caught.value)


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        ({"accept_proxy": ["0.0.0.0:80"]}, "accept_proxy needs trusted"),
        ({"accept_proxy": ["0.0.0.0:81"], "trusted": "10.0.0.1"}, "not among listen"),
        ({"listen": [":::80"]}, "is not of the form"),
        ({"trusted": ["10.0.0.0/33"]}, "no address or network"),
        ({"tls": "always"}, "tls"),
    ],
)
def test_what_the_proxy_cannot_be(proxy: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load({"host": "a.test"}, **proxy)


def test_addresses_of_both_families() -> None:
    config = load({"host": "a.test"}, listen=["0.0.0.0:80", "[::]:80"], internal_listen=["::1", "127.0.0.1"])
    assert config.proxy.listen == ("0.0.0.0:80", "[::]:80")
    assert config.proxy.internal_listen == ("[::1]", "127.0.0.1")


def test_the_proxy_s_default_wants_names_that_certificates_can_be_for() -> None:
    assert load({"path": "/"}, tls="auto").proxy.tls == "auto", "an entry for every host stays plain"
    with pytest.raises(ConfigError, match=r"services\.core\.route: tls: auto: 'core' is no public name"):
        load({"host": "core"}, tls="auto")
