"""What stands in the file is what a text field gets, letter by letter; numbers and switches are still numbers and switches."""

from __future__ import annotations

import pytest

from monitor.config.compile import service_spec
from monitor.config.loader import load_text
from monitor.config.schema import Config
from monitor.errors import ConfigError

WORDS = [
    "1.10", "01234", "0o17", "0x1F", "1e3", "1_000", "12:30:00", "2026-01-02", "2026-01-02T03:04:05Z", "1.", ".5", "+5",
    "-0", "00", "0", "true", "True", "FALSE", "yes", "no", "on", "off", "y", "N", ".inf", ".NaN", "0b1010", "1e999",
    "9" * 5000, "1.2.3", "0.10.0",
]  # fmt: skip


def load(service: str, **environ: str) -> Config:
    return load_text(
        f"project: shop\nservices:\n  core:\n    image: reg/core\n    port: 1\n{service}", "bgmon.yml", environ
    )


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word[:20])
@pytest.mark.parametrize("quote", ["", "'", '"'], ids=["plain", "single", "double"])
def test_text_is_what_was_written(word: str, quote: str) -> None:
    text = f"{quote}{word}{quote}"
    core = load(
        f"    env:\n      V: {text}\n      ? {text}\n      : x\n"
        f"    command: [run, {text}]\n"
        f"    user: {text}\n"
        f"    health: {{headers: {{X-V: {text}}}, expect_headers: {{Y: {text}}}, body: {text}}}\n"
        f"    docker: {{labels: {{v: {text}}}, hostname: {text}, sysctls: {{net.core.somaxconn: {text}}}, entrypoint: [{text}]}}\n"
    ).services["core"]
    assert core.env == {"V": word, word: "x"}
    assert core.command == ("run", word)
    assert core.user == word
    assert (core.health.headers, core.health.expect_headers, core.health.body) == ({"X-V": word}, {"Y": word}, word)
    assert core.docker == {
        "labels": {"v": word},
        "hostname": word,
        "sysctls": {"net.core.somaxconn": word},
        "entrypoint": [word],
    }


def test_it_reaches_the_specification_of_the_container() -> None:
    spec = service_spec(
        "core", load("    env: {V: 1.10, ZIP: 01234, ON: True}\n    command: [sleep, 1e3]\n").services["core"]
    )
    assert (dict(spec.env), spec.command) == ({"V": "1.10", "ZIP": "01234", "ON": "True"}, ("sleep", "1e3"))


@pytest.mark.parametrize("nothing", ["", "~", "null", "Null"])
def test_a_variable_without_a_value_is_refused_with_what_to_write(nothing: str) -> None:
    with pytest.raises(ConfigError, match=r'services\.core\.env\.V: has no value: write "" for an empty text'):
        load(f"    env:\n      V: {nothing}\n")
    assert load("    env: {V: '', W: 'null'}\n").services["core"].env == {"V": "", "W": "null"}


def test_numbers_and_switches_stay_what_they_are() -> None:
    core = load(
        "    read_only: true\n    heal: false\n    limits: {pids: 0512, cpus: 0.50, memory: 7340032}\n"
        "    slo: {availability: 99.90}\n    health: {status: 204}\n"
        "    docker: {privileged: true, oom_score_adj: -5, shm_size: 1024, ulimits: [{name: nofile, soft: 10, hard: 20}]}\n"
    ).services["core"]
    assert (core.read_only, core.heal.enabled, core.health.status) == (True, False, ("204",))
    assert (core.limits.pids, core.limits.cpus, core.limits.memory) == (512, 0.5, 7340032)
    assert core.docker["privileged"] is True
    assert [type(core.docker[key]) for key in ("oom_score_adj", "shm_size")] == [int, int]
    assert core.docker["ulimits"] == [{"name": "nofile", "soft": 10, "hard": 20}]
    assert type(core.docker["ulimits"][0]["soft"]) is int


@pytest.mark.parametrize("value", ["5", "1.5", "010", "1e3", "0.0"])
def test_a_duration_without_a_unit_is_refused_as_it_was_written(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f"    health: {{interval: {value}}}\n")
    assert f"{value} has no unit" in str(caught.value) or f"'{value}' is no duration" in str(caught.value)
    assert load("    health: {interval: 0}\n").services["core"].health.interval == 0


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("    limits: {memory: " + "9" * 400 + "g}\n", "larger than any machine"),
        ("    limits: {cpus: 1e999}\n", "finite number"),
        ("    limits: {pids: " + "9" * 5000 + "}\n", "integer"),
        ("    deploy: {drain: " + "9" * 400 + "h}\n", "is no duration"),
        ("    slo: {availability: 1e999}\n", "finite number"),
        ("    user: []\n", "valid string"),
    ],
)
def test_impossible_numbers_are_one_short_line(service: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(service)
    (line,) = str(caught.value).splitlines()
    assert message in line
    assert len(line) < 400


def test_editors_take_a_variable_as_people_write_it() -> None:
    values = Config.model_json_schema()["$defs"]["ServiceSection"]["properties"]["env"]["additionalProperties"]
    assert set(values["type"]) == {"string", "number", "boolean"}
