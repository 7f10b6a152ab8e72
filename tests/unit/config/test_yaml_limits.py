"""A YAML file can be small and stand for billions of values, or be large in other ways: one line of error, exit code 2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitor.config.catalogue import load_catalogue
from monitor.config.loader import load_file, load_text
from monitor.config.rules import RuleFile
from monitor.config.yamlfile import MAX_BYTES, MAX_DEPTH, MAX_NODES, parse
from monitor.errors import ConfigError

WIDE = 9


def laughs(levels: int, *, item: str = "[{}]", first: str = "x") -> str:
    """Each level holds nine aliases of the one before."""
    lines = [f"l0: &l0 {first}"]
    lines += [f"l{n}: &l{n} {item.format(', '.join([f'*l{n - 1}'] * WIDE))}" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_text(text, "bgmon.yml", {})
    assert caught.value.exit_code == 2
    (line,) = str(caught.value).splitlines()
    assert len(line) < 400
    assert line.startswith("bgmon.yml")
    return line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (laughs(10), f"bgmon.yml:6: holds more than {MAX_NODES} values once its aliases are expanded"),
        (laughs(30), "once its aliases are expanded"),
        (laughs(12, item="{{<<: [{}]}}", first="{k: v}"), "once its aliases are expanded"),
        ("a: &a [*a]\n", "bgmon.yml:1: its alias stands for itself"),
        ("a: &a {b: {<<: *a}}\n", "its alias stands for itself"),
        ("[" * 5000, "is no YAML: while increasing flow level exceeded maximum nesting depth"),
        ("[" * 400 + "]" * 400, f"is nested deeper than {MAX_DEPTH} levels"),
        ("a:\n" + "".join(" " * n + "- \n" for n in range(1, 400)), "nested deeper"),
        ("- " * 150 + "x", "nested deeper"),
        ("".join(f"l{n}: &l{n} [[[[[[[[[*l{n - 1}]]]]]]]]]\n" if n else "l0: &l0 x\n" for n in range(40)), "nested deeper"),
        ("a: [" + "1," * 1_000_000 + "]", "holds more than"),
        ("x" * (MAX_BYTES + 1), "is larger than"),
        ("a: 1\na: 2\n", "stands here a second time"),
        ("? [a]\n: 1\n", "a key is plain text"),
        ("a: *" + "x" * 5000, "found undefined alias"),
        ("a: !!python/object/apply:os.system [id]\n", "could not determine a constructor"),
        ("a: !!int abc\n", "is no YAML"),
        ("a: !!bool abc\n", "is no YAML: 'abc' is no boolean"),
        ("a: !!float [1]\n", "is no YAML"),
        ("a: !!timestamp 99999999\n", "is no YAML"),
        ("a: !!binary ab\n", "is no YAML"),
        ('project: shop\nservices: {a: {image: b}}\n"e\\e[31m\\nf": 1\n', r"e\x1b[31m\nf: the key holds"),
        ("project: shop\nservices: {a: {image: b}}\n" + "k" * 1000 + ": 1\n", "unknown key"),
        ("--- 1\n--- 2\n", "is no YAML"),
    ],
    ids=range(24),
)  # fmt: skip
def test_a_bomb_is_one_line(text: str, message: str) -> None:
    assert message in refusal(text)


def test_anchors_in_their_measure_are_welcome() -> None:
    text = "base: &base {image: x, env: &env {A: 1.10}}\nall: [*base, {<<: *base, env: {<<: *env, B: 2}}]\n"
    assert (
        str(parse(text, "f").data["all"])
        == "[{'image': 'x', 'env': {'A': 1.10}}, {'image': 'x', 'env': {'A': 1.10, 'B': 2}}]"
    )


def test_keys_that_are_equal_as_numbers_are_two_keys() -> None:
    assert parse("{1: a, 01: b, 1.0: c, true: d, ~: e}", "f").data == {
        "1": "a",
        "01": "b",
        "1.0": "c",
        "true": "d",
        "~": "e",
    }


def test_catalogues_and_files_have_the_same_bounds(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(laughs(10))
    with pytest.raises(ConfigError, match=r"own\.yaml:6: holds more than"):
        load_catalogue(RuleFile, tmp_path)
    large = tmp_path / "bgmon.yml"
    with large.open("wb") as file:
        file.truncate(10 * 1024**3)  # sparse
    with pytest.raises(ConfigError, match="is larger than"):
        load_file(large)
    os.truncate(large, 1)
    with pytest.raises(ConfigError, match="is no YAML"):
        load_file(large)


def test_of_many_mistakes_the_first_hundred_are_told() -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(
            "project: shop\nservices: {a: {image: b}}\n" + "".join(f"k{n}: 1\n" for n in range(500)), "bgmon.yml", {}
        )
    assert len(caught.value.problems) == 100
