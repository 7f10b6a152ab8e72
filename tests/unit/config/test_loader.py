"""bgmon.yml with each kind of mistake: the message names file, line, key and the nearest valid key."""

from __future__ import annotations

import pytest

from monitor.config.loader import load_text
from monitor.config.schema import Config
from monitor.errors import ConfigError

GOOD = """\
project: shop
services:
  core:
    image: reg.example.com/shop/core
    port: 3000
"""


def load(text: str, **environ: str) -> Config:
    return load_text(text, "bgmon.yml", environ)


def problems(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, **environ)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def test_the_smallest_file_gets_defaults() -> None:
    core = load(GOOD).services["core"]
    assert core.deploy.bake.for_ == 30.0
    assert core.health.successes == 2
    assert core.health.path is None


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("    prot: 3000\n", "bgmon.yml:6: services.core.prot: unknown key; did you mean 'port'?"),
        ("    health: {path: /h, intervall: 1s}\n", "bgmon.yml:6: services.core.health.intervall: unknown key; did you mean 'interval'?"),
        ("    health: {interval: 5}\n", "bgmon.yml:6: services.core.health.interval: 5 has no unit: write 5s or 5m"),
        ("    health: {interval: -5s}\n", "bgmon.yml:6: services.core.health.interval: '-5s' is negative"),
        ("    health: {interval: soon}\n", "bgmon.yml:6: services.core.health.interval: 'soon' is no duration: write 500ms, 30s, 5m or 1h30m"),
        ("    health: {status: 99}\n", "bgmon.yml:6: services.core.health.status: '99' is no HTTP status (100 to 599) or range such as 200-399"),
        ("    limits: {memory: lots}\n", "bgmon.yml:6: services.core.limits.memory: a size is written like 512m or 2g"),
        ("    limits: {cpus: 0}\n", "bgmon.yml:6: services.core.limits.cpus: input should be greater than 0"),
        ("    route: {path: shop}\n", "bgmon.yml:6: services.core.route[0].path: string should match pattern '^/[!-~]*$'"),
        ("    hosts: [vps9]\n", "services.core.hosts: 'vps9' is not under hosts (none are declared)"),
        ('    secrets: ["p@ss"]\n', "services.core.secrets: 'p@ss' is no variable name; write the name here, never the secret"),
        ("    deploy: {canary: [{weight: 50, for: 1m}, {weight: 10, for: 1m}]}\n", "canary weights must rise"),
        ("    depends_on: [core]\n", "services.core.depends_on: 'core' is no other service"),
        ("    docker: {network_mode: host}\n", "'network_mode' is not an option bgmon passes on"),
        ("    volumes: [data]\n", "'data' is not of the form name:/path or /host/path:/path[:ro]"),
        ("    image: other\n", "bgmon.yml:6: services.core.image: stands here a second time"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_service_is_named(extra: str, message: str) -> None:
    assert any(message in problem for problem in problems(GOOD + extra)), problems(GOOD + extra)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bgmon.yml: holds no settings"),
        ("services: {}\n", "bgmon.yml: project: is missing"),
        ("project: Shop\nservices: {a: {image: b}}\n", "bgmon.yml:1: project: 'Shop' may hold a-z"),
        ("project: shop\nservices: {}\n", "bgmon.yml:2: services: "),
        ("project: [\n", "bgmon.yml:2: is no YAML"),
        ("project: shop\nservices:\n  proxy: {image: b}\n", "services.proxy: the name is reserved"),
        ("project: shop\nservice:\n  a: {image: b}\n", "bgmon.yml:2: service: unknown key; did you mean 'services'?"),
        (
            "project: shop\nservices:\n  a: {image: b, port: 1, route: {host: x}}\n  c: {image: d, port: 1, route: {host: X}}\n",
            "services.c.route: X/ already belongs to a",
        ),
        ("project: shop\nservices:\n  a: {image: b, route: {host: x}}\n", "a service with a route or an internal name needs a port"),
        (
            "project: shop\nhosts: {x: {ssh: root@x.test}}\nproxy: {peer_port: 7300}\nservices:\n  a: {image: b, port: 80, internal: 'a.internal:80', hosts: [x]}\n",
            "hosts.x.address: proxy.peer_port needs it, for a has an internal name",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_the_whole_is_named(text: str, message: str) -> None:
    assert any(message in problem for problem in problems(text)), problems(text)


def test_every_mistake_is_told_at_once() -> None:
    assert len(problems(GOOD + "    prot: 1\n    limits: {memory: x}\n    user: []\n")) == 3


def test_variables_come_from_the_environment_and_unset_ones_are_named_with_their_line() -> None:
    text = GOOD + '    env: {A: "${ONE}", B: "$${KEPT}"}\n'
    assert load(text, ONE="1").services["core"].env == {"A": "1", "B": "${KEPT}"}
    assert problems(text) == ["bgmon.yml:6: services.core.env.A: ${ONE} is not set in the environment"]


def test_a_variables_value_never_appears_in_a_message() -> None:
    found = problems(GOOD + '    limits: {memory: "${SECRET}"}\n    user: ["${SECRET}"]\n', SECRET="hunter2hunter2")
    assert found
    assert not any("hunter2" in problem for problem in found)


def test_yaml_1_2_leaves_off_and_yes_as_words() -> None:
    core = load(GOOD + "    heal: off\n    env: {DEBUG: yes, N: 8080, T: true}\n").services["core"]
    assert core.heal.enabled is False
    assert core.env == {"DEBUG": "yes", "N": "8080", "T": "true"}
