"""The prober against servers with every bad habit, on loopback."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from monitor.adapters.http.body import MAX_BODY
from monitor.adapters.http.prober import BlockingProber, HttpProber, Values
from monitor.adapters.http.selfcheck import loopback
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import ProbeAnswer
from monitor.errors import UsageError
from tests.support.secretless import no_values

Habit = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
POLICY = HealthPolicy(timeout=0.3)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def run(story: Coroutine[Any, Any, ProbeAnswer]) -> ProbeAnswer:
    return asyncio.run(story)


async def probe(
    habit: Habit,
    policy: HealthPolicy = POLICY,
    path: str = "/health",
    *,
    connects: bool = True,
    values: Values = no_values,
) -> ProbeAnswer:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await habit(reader, writer)
        except ConnectionError:
            pass  # the probe had enough
        finally:
            writer.close()
            ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    prober = HttpProber(values)
    try:
        answer = await prober.probe(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}", policy)
        if connects:
            await asyncio.wait_for(ended.wait(), 10)  # the connection does not outlive its probe
    finally:
        await prober.close()
        server.close()
        await server.wait_closed()
    return answer


async def _head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def test_a_good_answer_and_what_was_asked() -> None:
    asked: list[bytes] = []

    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await _head(reader))
        writer.write(OK)
        await writer.drain()

    answer = run(probe(habit, HealthPolicy(headers={"Host": "core.example.com"})))
    assert (answer.status, answer.body, answer.error) == (200, "ok", "")
    assert asked[0].startswith(b"GET /health HTTP/1.1\r\n")
    assert b"Host: core.example.com" in asked[0]
    assert b"User-Agent: bgmon" in asked[0]


async def _silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del writer
    await reader.read()  # until the probe hangs up


async def _trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not reader.at_eof():
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("habit", [_silence, _trickle])
def test_the_time_out_is_for_the_whole_answer(habit: Habit) -> None:
    answer = run(probe(habit))
    assert (answer.status, answer.error) == (0, "no answer within 0.3 s")
    assert answer.seconds < 5


def test_a_body_of_ten_megabytes_is_cut() -> None:
    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 10_000)
            await writer.drain()

    answer = run(probe(habit, HealthPolicy(timeout=10)))
    assert answer.status == 200
    assert len(answer.body) == MAX_BODY


def test_a_redirect_to_itself_is_not_followed() -> None:
    asked: list[bytes] = []

    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await _head(reader))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /health\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    answer = run(probe(habit))
    assert answer.status == 302
    assert dict(answer.headers)["location"] == "/health"
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", "connection closed before the answer was complete"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "connection closed before the answer was complete"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n", "no HTTP answer"),
    ],
)
def test_what_is_no_answer_is_said_in_words(sent: bytes, error: str) -> None:
    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(sent)
        await writer.drain()

    answer = run(probe(habit))
    assert answer.status == 0
    assert error in answer.error


def test_nobody_listens() -> None:
    async def story() -> ProbeAnswer:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            prober = HttpProber(no_values)
            try:
                return await prober.probe(f"http://127.0.0.1:{unused.getsockname()[1]}/", POLICY)
            finally:
                await prober.close()

    assert run(story()).error == "connection refused"


def test_a_name_is_looked_up_for_every_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DNS record that changes at each look; None is a name that is not known."""
    records = ["127.0.0.1", "127.0.0.2", None, "127.0.0.2"]

    async def look_up(
        _: asyncio.AbstractEventLoop, host: str, port: int, **more: object
    ) -> list[tuple[object, object, int, str, tuple[str, int]]]:
        address = records.pop(0) if host == "core.internal" else host
        if address is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def story() -> list[ProbeAnswer]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _head(reader)
            writer.write(OK)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.2", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", look_up)
        try:
            return [await HttpProber(no_values).probe(f"http://core.internal:{port}/", POLICY) for _ in range(4)]
        finally:
            server.close()
            await server.wait_closed()

    first, second, third, fourth = asyncio.run(story())
    assert first.error == "connection refused"
    assert second.status == 200
    assert third.error == "the name core.internal cannot be looked up"
    assert fourth.status == 200


def test_secrets_are_put_into_what_is_asked_and_sent() -> None:
    heads: list[bytes] = []

    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await _head(reader))
        writer.write(OK)

    policy = HealthPolicy(
        path="/health?key=${KEY}",
        headers={"Authorization": "Bearer ${WORD}", "X-Text": "$${x}"},
        variables=("KEY", "WORD"),
    )
    answer = run(probe(habit, policy, "/health?key=${KEY}", values=lambda _: {"KEY": "k-1", "WORD": "w-1"}))
    assert answer.status == 200
    assert heads[0].startswith(b"GET /health?key=k-1 HTTP/1.1\r\n")
    assert b"Authorization: Bearer w-1\r\n" in heads[0]
    assert b"X-Text: ${x}\r\n" in heads[0]


def test_a_secret_that_is_not_set_is_no_answer() -> None:
    def missing(names: tuple[str, ...]) -> dict[str, str]:
        raise UsageError(f"secret {', '.join(names)}: not set")

    policy = HealthPolicy(path="/${KEY}", variables=("KEY",))
    answer = BlockingProber(missing).probe("127.0.0.1", 1, policy)
    assert (answer.status, answer.error) == (0, "secret KEY: not set")


def test_the_blocking_form_gives_the_same_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 3\r\n\r\nabc")

        thread = threading.Thread(target=serve)
        thread.start()
        answer = BlockingProber(no_values).probe("127.0.0.1", listener.getsockname()[1], HealthPolicy(path="/health"))
        thread.join()
    assert (answer.status, answer.body) == (301, "abc")
    assert ("location", "/x") in answer.headers


def test_a_path_is_sent_as_it_stands_and_what_cannot_be_is_escaped() -> None:
    asked: list[bytes] = []

    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await _head(reader)).split(b"\r\n")[0])
        writer.write(OK)
        await writer.drain()

    for path in ("/a%2Fb?x=1&y=2", "/état de santé", "//x"):
        assert run(probe(habit, path=path)).status == 200
    assert asked == [
        b"GET /a%2Fb?x=1&y=2 HTTP/1.1",
        b"GET /%C3%A9tat%20de%20sant%C3%A9 HTTP/1.1",
        b"GET //x HTTP/1.1",
    ]


def test_a_header_that_cannot_be_sent_is_an_answer_too() -> None:
    answer = run(probe(_silence, HealthPolicy(headers={"X-A": "b\r\nX-C: d"}), connects=False))
    assert answer.status == 0
    assert answer.error


def test_this_host_reaches_itself() -> None:
    assert asyncio.run(loopback()) == ""
