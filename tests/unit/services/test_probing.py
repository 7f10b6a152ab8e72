"""The schedule of probes and what becomes of their answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from monitor.adapters.host.clock import SystemClock
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import ProbeAnswer
from monitor.services.watchdog import probing
from monitor.services.watchdog.observer import Target
from monitor.services.watchdog.probing import Probing, _next

GOOD = ProbeAnswer(200, "ok", seconds=0.001)
BAD = ProbeAnswer(503, "no", seconds=0.001)
POLICY = HealthPolicy(mode="http", interval=0.05, timeout=0.5, successes=2, failures=3)


class Script:
    """A prober that answers what it is told to."""

    def __init__(self, answer: Callable[[str], Awaitable[ProbeAnswer]]) -> None:
        self._answer = answer
        self.asked: list[tuple[float, str]] = []

    async def probe(self, url: str, policy: HealthPolicy) -> ProbeAnswer:
        del policy
        self.asked.append((time.monotonic(), url))
        return await self._answer(url)

    async def close(self) -> None: ...


class Bench:
    def __init__(self, answer: Callable[[str], Awaitable[ProbeAnswer]], *names: str, wrong: str = "") -> None:
        self.script = Script(answer)
        self.wrong = wrong
        self.offline: list[str] = []
        self.told: list[str] = []
        self.targets = {name: Target("life1", f"http://{name}/", POLICY) for name in names}
        self.probing = Probing(
            self.script,
            lambda: self.targets,
            on_verdict=self.told.append,
            selfcheck=self._check,
            on_offline=self.offline.append,
            clock=SystemClock(),
        )

    async def _check(self) -> str:
        return self.wrong

    async def until(self, look: Callable[[], object]) -> None:
        """Probe until `look` is true."""
        running = asyncio.create_task(self.probing.run())
        try:
            async with asyncio.timeout(10):
                while not look():  # noqa: ASYNC110 - it is the probes' own doing that is waited for
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def ok(self, name: str) -> bool | None:
        verdict = self.probing.verdict(name, self.targets[name].life)
        return verdict.ok if verdict is not None else None


async def good(_: str) -> ProbeAnswer:
    return GOOD


async def bad(_: str) -> ProbeAnswer:
    return BAD


def test_two_good_answers_and_three_bad_ones_make_a_verdict() -> None:
    async def story() -> None:
        answers = {"http://core/": GOOD}

        async def answer(url: str) -> ProbeAnswer:
            return answers[url]

        bench = Bench(answer, "core")
        await bench.until(lambda: bench.ok("core") is True)
        assert len(bench.script.asked) == 2
        answers["http://core/"] = BAD
        await bench.until(lambda: bench.ok("core") is False)
        assert bench.told == ["core", "core"]
        assert bench.probing.last["core"].ok is False
        verdict = bench.probing.verdict("core", "life1")
        assert verdict is not None
        assert verdict.detail == "status 503 is not 200 (503 in 1 ms: no)"

    asyncio.run(story())


def test_answers_of_a_life_that_is_over_count_for_nothing() -> None:
    async def story() -> None:
        gate = asyncio.Event()

        async def answer(_: str) -> ProbeAnswer:
            await gate.wait()
            return BAD

        bench = Bench(answer, "core")
        await bench.until(lambda: len(bench.script.asked) >= 3)
        assert bench.ok("core") is None

        bench = Bench(bad, "core")
        await bench.until(lambda: bench.ok("core") is False)
        bench.targets = {"core": replace(bench.targets["core"], life="life2")}
        bench.script._answer = good
        assert bench.ok("core") is None
        await bench.until(lambda: bench.ok("core") is True)

    asyncio.run(story())


def test_failures_while_this_process_stood_still_count_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_LATE", 0.1)

    async def story() -> None:
        async def answer(_: str) -> ProbeAnswer:
            await asyncio.sleep(0)
            time.sleep(0.3)  # noqa: ASYNC251 - the whole loop stands still, as it does when the machine is overloaded
            return BAD

        bench = Bench(answer, "core")
        bench.targets = {"core": replace(bench.targets["core"], policy=replace(POLICY, timeout=0.1))}
        await bench.until(lambda: bench.probing.made >= 4)
        assert bench.ok("core") is None
        assert bench.told == []

    asyncio.run(story())


def test_fifty_services_that_fall_at_once_are_not_believed_when_this_host_is_cut_off() -> None:
    async def story() -> None:
        names = [f"s{number}" for number in range(50)]
        bench = Bench(bad, *names, wrong="a connection over loopback failed")
        await bench.until(lambda: bench.probing.made >= 50 * 8)
        assert not any(bench.ok(name) is False for name in names)
        assert bench.offline == ["a connection over loopback failed"]
        bench.script._answer = good
        await bench.until(lambda: all(bench.ok(name) for name in names))
        assert bench.offline == ["a connection over loopback failed", ""]

    asyncio.run(story())


def test_fifty_services_that_fall_at_once_are_believed_when_this_host_is_well() -> None:
    async def story() -> None:
        names = [f"s{number}" for number in range(50)]
        bench = Bench(bad, *names)
        await bench.until(lambda: all(bench.ok(name) is False for name in names))
        assert bench.offline == []

    asyncio.run(story())


def test_every_service_has_its_own_moment_in_the_interval_and_keeps_it() -> None:
    async def story() -> None:
        names = [f"s{number}" for number in range(40)]
        bench = Bench(good, *names)
        slow = replace(POLICY, interval=0.4)
        bench.targets = {name: Target("life1", f"http://{name}/", slow) for name in names}
        await bench.until(lambda: bench.probing.made >= 40 * 3)
        assert len({url for _, url in bench.script.asked}) == 40
        first = [_next(name, 0.4, 1000.0) for name in names]
        assert all(1000.0 < at <= 1000.4 for at in first)
        assert len({round(at, 2) for at in first}) > 20  # spread, not all at once
        assert all(
            _next(name, 0.4, at + 0.001) == pytest.approx(at + 0.4) for name, at in zip(names, first, strict=True)
        )

    asyncio.run(story())


def test_history_is_kept_in_slices() -> None:
    async def story() -> None:
        bench = Bench(good, "core")
        await bench.until(lambda: bench.probing.made >= 3)
        bench.script._answer = bad
        await bench.until(lambda: bench.probing.made >= 5)
        buckets = bench.probing.take_buckets()["core"]
        assert sum(bucket.probes for bucket in buckets) == bench.probing.made
        assert sum(bucket.failures for bucket in buckets) >= 2
        assert bench.probing.take_buckets() == {}

    asyncio.run(story())


def test_a_service_that_is_gone_is_no_longer_probed() -> None:
    async def story() -> None:
        bench = Bench(good, "core", "gone")
        await bench.until(lambda: bench.ok("gone"))
        bench.targets = {"core": bench.targets["core"]}
        before = len(bench.script.asked)
        await bench.until(lambda: len(bench.script.asked) > before + 5)
        assert {url for _, url in bench.script.asked[before + 1 :]} == {"http://core/"}
        assert "gone" not in bench.probing.last

    asyncio.run(story())
