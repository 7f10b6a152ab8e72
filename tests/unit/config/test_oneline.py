"""What could be taken for something else by a program or a file that gets it is refused, with its place."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import monitor
from monitor.config.loader import load_text
from monitor.errors import ConfigError

BASE: dict[str, Any] = {
    "project": "shop",
    "proxy": {"listen": ["127.0.0.1:8080"]},
    "services": {
        "core": {
            "image": "x",
            "port": 3000,
            "route": {"host": "a.test", "path": "/p"},
            "internal": "m.internal:3000",
            "health": {"path": "/h"},
        }
    },
    "hosts": {"x": {"ssh": "root@h"}},
    "watch": {"listen": "127.0.0.1:9180"},
}


def with_value(path: str, value: object) -> str:
    data = copy.deepcopy(BASE)
    inner = data
    *parents, last = path.split(".")
    for part in parents:
        inner = inner.setdefault(part, {})
    inner[last] = value
    return yaml.safe_dump(data, allow_unicode=True)


def refusal(path: str, value: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_text(with_value(path, value), "bgmon.yml", {})
    return str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "project", "proxy.listen", "proxy.tls_listen", "proxy.internal_listen", "proxy.image", "proxy.binary",
        "services.core.image", "services.core.route.host", "services.core.route.path", "services.core.internal",
        "services.core.health.path", "services.core.user", "hosts.x.ssh", "hosts.x.program", "watch.listen",
        "notify.alertmanager", "generate.out", "logs.url", "state.dir",
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r", "\n    stats uri /x", "\x0b", "\u2028", "\x1b[31m", "\x7f"])
def test_a_value_is_one_line(path: str, end: str) -> None:
    good = {"listen": ["127.0.0.1:80"], "tls_listen": ["127.0.0.1:443"], "internal_listen": ["127.0.0.1"]}
    name = path.rpartition(".")[2]
    value: object = [good[name][0] + end] if name in good and not path.startswith("watch") else f"127.0.0.1:9{end}"
    assert re.search(
        rf"^bgmon.yml:\d+: {re.escape(path)}(\[0\])?: the value holds (a line end|the control)", refusal(path, value)
    )


@pytest.mark.parametrize("name", ["core\n", "co\x00re"])
def test_a_key_is_one_line(name: str) -> None:
    assert "the key holds" in refusal("services", {name: {"image": "x"}})


def test_what_a_container_gets_may_have_lines() -> None:
    env = {"KEY": "-----BEGIN-----\nabc\n"}
    service = {
        "image": "x",
        "port": 3000,
        "env": env,
        "command": ["sh", "-c", "a\nb\n"],
        "health": {"path": "/h", "body": "a\nb"},
    }
    core = load_text(with_value("services.core", service), "bgmon.yml", {}).services["core"]
    assert core.command == ("sh", "-c", "a\nb\n")
    assert dict(core.env) == env


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hosts.x.ssh", "-oProxyCommand=id"),
        ("hosts.x.ssh", "ssh://-oProxyCommand=id"),
        ("hosts.x.ssh", "root@-oProxyCommand=id"),
        ("hosts.x.ssh", "-l@h"),
        ("hosts.x.ssh", "root@"),
        ("hosts.x.ssh", "h -oProxyCommand=id"),
        ("hosts.x.ssh", "root@$(id)"),
        ("hosts.x.ssh", "root@h;id"),
        ("hosts.x.ssh", "`id`@h"),
        ("hosts.x.ssh", "ssh://a|b@h:22"),
        ("hosts.x.jump", "-oProxyCommand=id"),
        ("hosts.x.jump", "root@-x"),
        ("hosts.x.jump", "h'id'"),
        ("hosts.x.program", "-x"),
        ("services.core.secrets", ["PA²"]),
        ("services.core.secrets", ["ключ"]),
        ("logs.labels", {"naïve": "x"}),
        ("services.core.image", "-x"),
        ("services.core.image", "a b"),
        ("services.core.route.host", "a b"),
        ("services.core.route.host", "a.test/admin"),
        ("services.core.route.host", "a.*"),
        ("services.core.route.path", "/a b"),
        ("services.core.health.path", "/a b"),
        ("services.core.health.status", ["²00"]),
        ("services.core.health.status", ["300-200"]),
        ("proxy.listen", ["127.0.0.1:٨٠"]),
        ("proxy.listen", ["127.0.0.1:8²"]),
        ("proxy.listen", ["127.0.0.1:99999"]),
        ("proxy.listen", ["::1:80"]),
        ("proxy.listen", ["[127.0.0.1]:80"]),
        ("proxy.listen", ["127.0.0.1.5:80"]),
        ("proxy.listen", ["127.0.0.1:80 stats"]),
        ("proxy.internal_listen", ["-x"]),
        ("proxy.internal_listen", ["1.2.3"]),
        ("proxy.ports", "²0000-30000"),
        ("proxy.ports", "30000-20000"),
    ],
)
def test_what_would_be_something_else_is_refused(path: str, value: object) -> None:
    place = re.escape(path).replace(r"route\.", r"route(?:\[0\])?\.")
    assert re.search(rf": {place}", refusal(path, value))


@pytest.mark.parametrize("address", ["0.0.0.0:80", "[::]:80", "*:80", "localhost:8080", "[2001:db8::1]:443"])
def test_addresses_are_accepted(address: str) -> None:
    assert load_text(with_value("proxy.listen", [address]), "bgmon.yml", {}).proxy.listen == (address,)


@pytest.mark.parametrize(
    "target",
    ["vps1", "root@10.0.0.1", "ssh://deploy@vps1.example.com:2222", "ssh://root@[2001:db8::1]:22", "DOMAIN\\ops@h_1"],
)
def test_ssh_targets_are_accepted(target: str) -> None:
    for key in ("ssh", "jump"):
        config = load_text(with_value("hosts.x", {"ssh": "h", key: target}), "bgmon.yml", {})
        assert getattr(config.hosts["x"], key) == target


SOURCES = {path: path.read_text(encoding="utf-8") for path in Path(monitor.__file__).parent.rglob("*.py")}


def test_no_number_is_read_from_what_only_looks_like_digits() -> None:
    """`str.isdigit` says yes to "²", at which `int` raises; `domain.digits` does not."""
    assert len(SOURCES) > 100
    lenient = re.compile(r"int\(.*\.is(?:digit|numeric|decimal)\(|\.is(?:digit|numeric|decimal)\(\).*\n.*\bint\(")
    assert [path for path, text in SOURCES.items() if lenient.search(text) and "isascii" not in text] == []


def test_no_pattern_of_the_package_ends_where_a_line_end_may_follow() -> None:
    """`match` with `$` at its end takes "x\\n"; `fullmatch` does not. In pydantic's own patterns `$` is the end."""
    ending = re.compile(r"""^(\w+)(?:: Final)? = re\.compile\(\s*r?f?["'][^\n]*(?<!\\)\$["'],?\s*[,)]""", re.MULTILINE)
    found = [
        f"{path.name}: {name}"
        for path, text in SOURCES.items()
        for name in ending.findall(text)
        if re.search(rf"\b{name}\.match\(", text)
    ]
    found += [str(path) for path, text in SOURCES.items() if re.search(r're\.match\(r?"[^"\n]*\$"', text)]
    assert found == []
