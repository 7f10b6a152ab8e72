"""Services like another: what they take over, what stays the other's, and what is refused."""

from __future__ import annotations

import pytest

from monitor.config.compile import service_specs
from monitor.config.loader import load_text
from monitor.errors import ConfigError

SHOP = """\
project: shop
hosts: {vps1: {}}
services:
  web:
    image: reg.example.com/shop:v1
    port: 3000
    hosts: [vps1]
    route: {host: shop.test, path: /}
    internal: web.internal:3000
    health: {path: /health}
    slo: {availability: 99.9}
    env: {A: "1", TOKEN: "${TOKEN}", MODE: web}
    secrets: [KEY]
    volumes: [data:/data]
    limits: {memory: 512m, cpus: 1}
    deploy: {drain: 7s, release: {command: migrate}}
"""


def shop(worker: str) -> str:
    return f"{SHOP}  worker: {worker}\n"


def test_a_role_has_what_it_does_not_say_itself() -> None:
    config = load_text(
        shop("{like: web, command: [work], route: none, env: {MODE: work}, limits: {cpus: 2}, volumes: [tmp:/tmp]}"),
        "bgmon.yml",
        {"TOKEN": "t0p-s3cret-x"},
    )
    specs = service_specs(config)
    web, worker = specs["web"], specs["worker"]
    assert worker.command == ("work",)
    assert (worker.image, worker.secrets, worker.hosts) == (web.image, ("KEY",), ("vps1",))
    assert worker.env == {"A": "1", "MODE": "work"}
    assert worker.sealed == {"TOKEN": "${TOKEN}"} == web.sealed  # a secret of the file is one here as well
    assert (worker.limits.memory, worker.limits.cpus) == (512 * 1024**2, 2)
    assert worker.volumes == ("tmp:/tmp",)
    assert worker.deploy.drain == 7
    assert (worker.port, worker.route, worker.internal, worker.health.path) == (None, (), None, None)
    assert config.services["worker"].slo.availability is None
    assert (web.deploy.release is not None, worker.deploy.release) == (True, None)  # it runs once for the image


def test_none_takes_a_key_away_and_nothing_counts_as_not_given() -> None:
    config = load_text(
        shop("{like: web, secrets: none, volumes: null, port: 4000}"), "bgmon.yml", {"TOKEN": "t0p-s3cret-x"}
    )
    worker = config.services["worker"]
    assert (worker.secrets, worker.volumes, worker.port) == ((), ("data:/data",), 4000)


@pytest.mark.parametrize(
    ("worker", "message"),
    [
        ("{like: wob}", "services.worker.like: 'wob' is no other service"),
        ("{like: worker}", "'worker' is no other service"),
        ("{like: [web]}", "is no other service"),
        ("{like: web}\n  third: {like: worker}", "services.third.like: worker is like web itself: name that one"),
        ("{like: web, imagee: x}", "services.worker.imagee: unknown key; did you mean 'image'?"),
        ("{command: [work]}", "services.worker.image: is missing"),
    ],
)
def test_what_is_wrong_is_named(worker: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(shop(worker), "bgmon.yml", {"TOKEN": "t0p-s3cret-x"})
    assert message in str(caught.value)


def test_a_file_of_many_roles_is_no_way_to_fill_the_memory() -> None:
    env = "".join(f"      K{number}: v\n" for number in range(2000))
    roles = "".join(f"  w{number}: {{like: web}}\n" for number in range(200))
    text = f"project: shop\nservices:\n  web:\n    image: x\n    env:\n{env}{roles}"
    with pytest.raises(ConfigError, match="stands for more than"):
        load_text(text, "bgmon.yml", {})
