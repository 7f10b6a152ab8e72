"""What leaves the process: no spelling of a secret, whatever was cut."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import masking
from monitor.bootstrap import build
from monitor.config.loader import load_text
from monitor.domain.mask import MASK
from monitor.domain.secretnames import looks_secret
from monitor.errors import ConfigError
from tests.support.canary import spellings

SECRET = 'p"a\\ss/wo+rd=7 ü'
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize("spelling", spellings("x"))
@pytest.mark.parametrize("secret", [SECRET, "s3cr3t-t0ken", "abcdef", "it's-'quoted"])
def test_every_spelling_of_a_secret_is_masked(spelling: str, secret: str) -> None:
    masking.learn({"TOKEN": secret})
    written = spellings(secret)[spelling]
    shown = masking.known(f"could not connect with {written} to db")
    assert MASK in shown
    assert written not in shown
    assert secret not in shown


@given(secret=st.text(min_size=6, max_size=30).filter(lambda text: not text.isspace() and len(text.strip()) >= 6))
def test_no_secret_survives_raw_or_as_json_or_in_a_url(secret: str) -> None:
    try:
        masking.learn({"ANY": secret})
        for written in (secret, json.dumps(secret), quote(secret, safe="", errors="surrogatepass")):
            assert written not in masking.known(f"<{written}>")
    finally:
        masking.forget()


def test_each_line_of_a_key_is_masked_and_its_armour_is_not() -> None:
    masking.learn({"KEY": KEY})
    shown = masking.known("read:\nMIIEvQIBADANBgkqhkiG9w0B\nMIIfine\n-----END PRIVATE KEY-----")
    assert shown == f"read:\n{MASK}\nMIIfine\n-----END PRIVATE KEY-----"
    assert "AQEFAASCBKcwggSjAgEAAoIB" not in masking.known(json.dumps({"key": KEY}))


def test_a_text_is_cut_after_it_was_masked() -> None:
    masking.learn({"TOKEN": "0123456789abcdef"})
    assert "0123" not in masking.shown("x" * 10 + "0123456789abcdef" + "tail", 18)


def test_a_short_secret_takes_no_words_apart_and_is_named() -> None:
    masking.learn({"PIN": "123", "TOKEN": "123456"})
    assert masking.known("123 and 123456") == f"123 and {MASK}"
    assert masking.short() == ["PIN"]


def test_documents_and_bytes_are_masked_too() -> None:
    masking.learn({"TOKEN": "s3cr3t-t0ken"})
    assert masking.document({"a": ["s3cr3t-t0ken", 3], "s3cr3t-t0ken": None}) == {"a": [MASK, 3], MASK: None}
    assert masking.octets(b"\xff s3cr3t-t0ken") == b"\xff " + MASK.encode()
    untouched = b"nothing here"
    assert masking.octets(untouched) is untouched


def test_a_password_within_a_url_is_a_secret_of_its_own() -> None:
    masking.learn({"DSN": "postgres://app:hunter2-hunter2@db/shop"})
    assert masking.known("denied: hunter2-hunter2") == f"denied: {MASK}"


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("STRIPE_KEY", "x", True), ("GITHUB_TOKEN", "x", True), ("DB_PASSWORD", "x", True), ("APP_SECRET", "x", True),
        ("SENTRY_DSN", "x", True), ("DATABASE_URL", "mysql://a:b@c/d", True), ("DATABASE_URL", "mysql://c/d", False),
        ("LOG_LEVEL", "debug", False), ("TOKEN_TTL", "60", False), ("KEYBOARD", "us", False),
    ],
)  # fmt: skip
def test_which_variables_hold_secrets(name: str, value: str, secret: bool) -> None:
    assert looks_secret(name, value) is secret


def test_what_came_out_of_a_variable_is_shown_as_the_variable() -> None:
    with pytest.raises(ConfigError) as caught:
        load_text("project: ${NAME}\nservices: {core: {image: x}}\n", "bgmon.yml", {"NAME": "Hunter2 Hunter2"})
    assert "Hunter2" not in str(caught.value)
    assert "${NAME}" in str(caught.value)


def test_a_variable_with_a_secret_name_in_env_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("API_TOKEN", "s3cr3t-t0ken")
    file = tmp_path / "bgmon.yml"
    file.write_text(
        "project: shop\nservices: {core: {image: x, env: {API_TOKEN: '${API_TOKEN}', LEVEL: debug-level}}}\n"
    )
    app = build(str(file))
    try:
        assert masking.known("s3cr3t-t0ken, debug-level") == f"{MASK}, debug-level"
        assert "s3cr3t-t0ken" not in repr(app.specs["core"])
    finally:
        app.close()
