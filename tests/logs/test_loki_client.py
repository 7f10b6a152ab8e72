"""Loki's answers: real ones of Loki 3.4.6, replayed, mean what the truth beside them says; bad ones are told clearly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.loki.client import LokiClient, LokiOptions, TooManySeries
from monitor.errors import BgmonError, SourceError, SourceUnreachable, UsageError
from monitor.testing.clock import FakeClock
from tests.support.lokiserver import OK, Answer, LokiServer
from tests.support.ports import free_port

DATA = Path(__file__).parents[1] / "data" / "loki"
TRUTH: dict[str, Any] = json.loads((DATA / "truth.json").read_text())
Make = Callable[..., LokiClient]


def recorded(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return data


@pytest.fixture
def server() -> Iterator[LokiServer]:
    made = LokiServer()
    yield made
    made.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(server: LokiServer, clock: FakeClock) -> Iterator[Make]:
    made: list[LokiClient] = []

    def make(**options: Any) -> LokiClient:
        made.append(LokiClient(LokiOptions(**{"url": server.url, **options}), clock))
        return made[-1]

    yield make
    for one in made:
        one.close()


def replay(server: LokiServer, client: LokiClient, name: str) -> dict[tuple[str, ...], dict[float, float]]:
    """Ask what was asked then, get what was answered then; values by label values and time."""
    data = recorded(name)
    response = data["response"]
    server.answers.append(Answer(response["status"], response["body"], response["content_type"]))
    params = data["request"]["params"]
    query = params["query"]
    if data["request"]["path"].endswith("query_range"):
        answer = client.range(query, int(params["start"]), int(params["end"]), 15)
    else:
        answer = client.instant(query, int(params.get("time", "0")) * 10**9)
    assert server.asked[-1].path == data["request"]["path"]
    assert server.asked[-1].params["query"] == query
    return {tuple(series.labels.values()): dict(series.values) for series in answer.series}


END = float(TRUTH["window_end"])


def test_status_counts_are_the_truth(server: LokiServer, client: Make) -> None:
    told = replay(server, client(), "status_counts")
    expected = {
        (service, code): {END: count}
        for service, truth in TRUTH["truth"].items()
        for code, count in truth["status"].items()
    }
    assert told == expected


def test_duration_buckets_are_the_truth(server: LokiServer, client: Make) -> None:
    told = {key[::-1]: value for key, value in replay(server, client(), "duration_buckets").items()}
    expected = {
        (service, le): {END: count} for service, truth in TRUTH["truth"].items() for le, count in truth["le"].items()
    }
    assert told == expected


def test_duration_sums_are_the_truth_to_the_nanosecond(server: LokiServer, client: Make) -> None:
    told = replay(server, client(), "duration_sum")
    for service, truth in TRUTH["truth"].items():
        assert round(told[service,][END] * 1e9) == round(truth["sum_seconds"] * 1e9)


def test_windows_of_a_range_add_up_to_the_whole(server: LokiServer, client: Make) -> None:
    told = replay(server, client(), "range_status")
    for service, truth in TRUTH["truth"].items():
        for code, count in truth["status"].items():
            if code.startswith("5"):
                assert sum(told[service, code].values()) == count


def test_unparsable_lines_and_quantiles_and_nothing(server: LokiServer, client: Make) -> None:
    assert replay(server, client(), "unparsable_lines") == {("billing",): {END: 3}}
    assert replay(server, client(), "quantile_p95")["core",] == {END: 0.40559999999999996}
    assert replay(server, client(), "empty_result") == {}


@pytest.mark.parametrize(
    "name",
    ["error_log_query_instant", "error_parse", "error_pipeline", "error_range_too_long", "error_too_many_points"],
)
def test_lokis_own_words_are_shown_and_not_asked_again(server: LokiServer, client: Make, name: str) -> None:
    with pytest.raises(SourceError) as caught:
        replay(server, client(), name)
    text = recorded(name)["response"]["body"].strip()
    assert f"400: {text[:500]}" in str(caught.value)
    assert len(server.asked) == 1


def test_lines_and_labels_are_no_metrics(server: LokiServer, client: Make) -> None:
    """Answers of other kinds must not be taken for numbers."""
    for name in ("log_lines", "labels", "label_values_service"):
        response = recorded(name)["response"]
        server.answers.append(Answer(200, response["body"], response["content_type"]))
        with pytest.raises(SourceError, match="not Loki's"):
            client().instant("x", 0)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_only_overload_and_server_errors_are_tried_again_with_growing_pauses(
    server: LokiServer, client: Make, clock: FakeClock, status: int
) -> None:
    server.answers += [Answer(status, "too many outstanding requests")] * 2
    client().instant("x", 0)
    assert len(server.asked) == 3
    assert 1.5 <= clock.monotonic() <= 1.65


def test_retry_after_is_obeyed_within_reason(server: LokiServer, client: Make, clock: FakeClock) -> None:
    server.answers += [Answer(429, "slow down", headers={"Retry-After": "7"})]
    client().instant("x", 0)
    assert clock.monotonic() == 7
    server.answers += [Answer(503, "later", headers={"Retry-After": "86400"})]
    client().instant("x", 0)
    assert clock.monotonic() == 37
    server.answers += [Answer(503, "later", headers={"Retry-After": "Tue, 14 Nov 2023 22:14:00 GMT"})]
    client().instant("x", 0)
    assert clock.monotonic() == 40  # the fake clock began at 22:13:20


def test_it_gives_up_after_four_tries(server: LokiServer, client: Make) -> None:
    server.answers += [Answer(500, "ingester is away")] * 9
    with pytest.raises(SourceError, match="500: ingester is away"):
        client().instant("x", 0)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(200, "<html>Sign in</html>", "text/html"), "a web page instead of JSON"),
        (Answer(401, "<html>Sign in</html>", "text/html"), "401: a web page"),
        (Answer(404, "404 page not found"), "404: 404 page not found"),
        (Answer(302, "", headers={"Location": "/login"}), "302"),
        (Answer(200, "{not json"), "not Loki's"),
        (Answer(200, {"status": "error", "error": "boom"}), "boom"),
        (Answer(200, b"\xff\xfe"), "not Loki's"),
        (Answer(200, OK, headers={"Content-Encoding": "gzip"}), "Error|incorrect|decompress"),
        (Answer(200, {"status": "success", "data": {"result": [{"metric": {}, "value": [1, "x"]}]}}), "no number"),
    ],
)  # fmt: skip
def test_other_answers_are_told_in_words(server: LokiServer, client: Make, answer: Answer, message: str) -> None:
    server.answers.append(answer)
    with pytest.raises(SourceError, match=message) as caught:
        client().instant("x", 0)
    assert "<html" not in str(caught.value)


def test_a_null_result_is_an_empty_one(server: LokiServer, client: Make) -> None:
    server.answers.append(Answer(200, {"status": "success", "data": {"resultType": "vector", "result": None}}))
    assert client().instant("x", 0).series == []
    server.answers.append(Answer(200, {"status": "success", "data": None}))
    assert client().instant("x", 0).series == []


def test_warnings_come_with_the_answer(server: LokiServer, client: Make) -> None:
    server.answers.append(Answer(200, OK | {"warnings": ["partial result"]}))
    assert client().instant("x", 0).warnings == ["partial result"]


def test_too_many_series_is_an_error_of_its_own(server: LokiServer, client: Make) -> None:
    server.answers.append(Answer(400, "maximum number of series (500) reached for a single query; consider reducing"))
    with pytest.raises(TooManySeries):
        client().instant("x", 0)


def test_tenant_login_and_compression(server: LokiServer, client: Make) -> None:
    server.answers.append(Answer(200, OK, zipped=True))
    client(tenant="team-a", user="bgmon", password="open-sesame").instant("x", 0)
    sent = server.asked[0].headers
    assert sent["x-scope-orgid"] == "team-a"
    assert sent["authorization"].startswith("Basic ")
    assert "gzip" in sent["accept-encoding"]
    assert sent["cache-control"] == "no-cache"  # Loki keeps answers, and late lines would stay unseen
    client(token="tok-123").instant("x", 0)
    assert server.asked[1].headers["authorization"] == "Bearer tok-123"


def test_long_queries_travel_in_the_body(server: LokiServer, client: Make) -> None:
    client().instant("x" * 10_000, 5)
    assert server.asked[0].method == "POST"
    assert server.asked[0].params == {"query": "x" * 10_000, "time": "5"}


def test_a_slow_loki_is_unreachable_and_so_is_none(server: LokiServer, client: Make) -> None:
    server.answers.append(Answer(delay=5))
    with pytest.raises(SourceUnreachable, match=r"no answer within 0\.2 s"):
        client(timeout=0.2).instant("x", 0)
    with pytest.raises(SourceUnreachable, match="Loki at http://127"):
        client(url=f"http://127.0.0.1:{free_port()}").instant("x", 0)


def test_no_secret_stands_in_an_error(server: LokiServer, client: Make) -> None:
    errors: list[BgmonError] = []
    secrets: tuple[dict[str, Any], ...] = ({"token": "s3cr3t"}, {"user": "u", "password": "s3cr3t"})
    for options in secrets:
        server.answers.append(Answer(403, "no"))
        with pytest.raises(SourceError) as caught:
            client(**options).instant("x", 0)
        errors.append(caught.value)
        assert "s3cr3t" not in repr(LokiOptions(url="http://x", **options))
    with pytest.raises(SourceUnreachable) as unreachable:
        client(url=f"http://u:s3cr3t@127.0.0.1:{free_port()}").instant("x", 0)
    for error in [*errors, unreachable.value]:
        assert "s3cr3t" not in str(error) + error.hint


def test_missing_certificates_are_named(clock: FakeClock) -> None:
    with pytest.raises(UsageError, match=r"logs\.tls"):
        LokiClient(LokiOptions(url="https://x", ca="/nowhere.pem"), clock)
