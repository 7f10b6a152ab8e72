"""The status page in a real Chromium."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from monitor.adapters.prometheus.exposition import Exposition
from monitor.adapters.web.server import AiohttpServer, WebSettings
from monitor.domain.alerting.conditions import Condition
from monitor.domain.health.status import IncidentView, ServiceView
from monitor.testing.status import FakePeers, FakeStatus, sample, sample_peers
from tests.support.browser import Tab, chromium

pytestmark = pytest.mark.browser


def visit(story: Callable[[Tab, FakeStatus, str], Coroutine[Any, Any, None]], source: FakeStatus | None = None) -> None:
    """Serve, open a browser, and run the story; the page must never complain, nor load from elsewhere."""

    async def run() -> None:
        shown = source or FakeStatus(sample(time.time()))
        peers = FakePeers(sample_peers(time.time()))
        server = AiohttpServer(WebSettings("127.0.0.1", 0), shown, Exposition([]), peers=peers, refresh=0.1)
        await server.start()
        url = f"http://127.0.0.1:{server.port}/"
        try:
            async with chromium() as tab:
                await tab.look(width=1280)
                await tab.open(url)
                await tab.until("document.getElementById('live').classList.contains('on')")
                await story(tab, shown, url)
                assert tab.problems == []
                assert [request for request in tab.requests if not request.startswith(url)] == []
        finally:
            await server.stop()

    asyncio.run(run())


def test_it_shows_services_incidents_and_deploys_and_keeps_to_the_window() -> None:
    async def story(tab: Tab, shown: FakeStatus, url: str) -> None:
        del url
        names = await tab.js("[...document.querySelectorAll('.card h3')].map(node => node.textContent)")
        assert names[:2] == ["mailer", "checkout"]
        assert sorted(names) == sorted(service.name for service in shown.current.services)
        text = await tab.js("document.body.innerText")
        for expected in (
            "2 of 9 services need attention",
            "crash looping",
            "2.14.0",
            "engine up",
            "vps2 up",
            "out of memory: killed by the kernel",
            "switched back",
            "100 %",
        ):
            assert expected in text
        assert await tab.js("document.querySelectorAll('.bars path').length") > 9
        for width, dark in ((1280, True), (390, False), (320, True)):
            await tab.look(width=width, dark=dark, mobile=width < 800)
            assert await tab.js("document.documentElement.scrollWidth <= innerWidth")
            ground = await tab.js("getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(13, 17, 23)" if dark else "rgb(244, 246, 249)")

    visit(story)


def test_it_changes_by_itself_and_keeps_what_the_reader_opened_and_typed() -> None:
    async def story(tab: Tab, shown: FakeStatus, url: str) -> None:
        del url
        await tab.js("document.getElementById('incident-29').open = true")
        await tab.js(
            "const i = document.getElementById('filter'); i.focus(); i.value = 'mail';"
            "i.dispatchEvent(new Event('input')); 0"
        )
        visible = "[...document.querySelectorAll('.card:not([hidden]) h3')].map(node => node.textContent).join()"
        assert await tab.js(visible) == "mailer"
        services = tuple(
            replace(service, state="healthy", version="3.0.1") if service.name == "mailer" else service
            for service in shown.current.services
        )
        shown.current = replace(shown.current, services=services, firing=())
        await tab.until("document.getElementById('service-mailer').innerText.includes('3.0.1')")
        assert await tab.js("document.getElementById('incident-29').open")
        assert await tab.js(visible) == "mailer"
        assert await tab.js("document.activeElement.id") == "filter"
        assert "1 of 9 services needs attention" in await tab.js("document.body.innerText")
        assert "Firing now" not in await tab.js("document.body.innerText")

    visit(story)


def test_nothing_that_a_container_wrote_becomes_markup() -> None:
    evil = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>\"'&"
    now = time.time()
    service = ServiceView(evil, "unhealthy", now, "blue", evil, evil, None, 1, evil)
    incident = IncidentView(1, evil, "exited", now, None, evil, evil, (evil,))
    firing = Condition("exited", evil, "page", evil)
    status = sample(now)
    source = FakeStatus(replace(status, services=(service,), incidents=(incident,), firing=(firing,), host=evil))

    async def story(tab: Tab, shown: FakeStatus, url: str) -> None:
        del url
        shown.current = replace(shown.current, project="changed", services=(replace(service, restarts=2),))
        await tab.until("document.querySelector('.card dd.some').textContent === '2'")
        assert await tab.js("document.querySelectorAll('img, main script').length") == 0
        assert await tab.js("document.querySelector('.card h3').textContent") == evil
        assert await tab.js("document.querySelector('details').textContent.includes('onerror')")
        assert await tab.js("document.title") == f"shop on {evil} · bgmon"

    visit(story, source)


CONTRAST = """
(() => {
  const rgb = (text) => {
    const m = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(") ? m.slice(0, 3).map((c) => c * 255).concat(m[3] ?? 1) : m;
  };
  const over = (top, below) => { const a = top[3] ?? 1; return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a)); };
  const light = (c) => {
    const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    const own = rgb(getComputedStyle(node).backgroundColor);
    if ((own[3] ?? 1) === 1) return own.slice(0, 3);
    return node.parentElement ? over(own, ground(node.parentElement)) : [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *:not(svg):not(svg *)")) {
    if (![...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim())) continue;
    if (!node.getClientRects().length || node.closest(".hidden")) continue;
    const back = ground(node), front = over(rgb(getComputedStyle(node).color), back);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${node.className} ${node.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return poor;
})()
"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_is_readable_and_pictures_have_words(*, dark: bool) -> None:
    """WCAG 2.2 AA: 4.5 to 1 for text; every picture named or hidden; one h1, headings in order."""

    async def story(tab: Tab, shown: FakeStatus, url: str) -> None:
        del shown, url
        await tab.look(width=1280, dark=dark)
        assert await tab.js(CONTRAST) == []
        unnamed = "[...document.querySelectorAll('svg')].filter(s => !s.ariaHidden && !s.ariaLabel).length"
        assert await tab.js(unnamed) == 0
        levels = await tab.js("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        assert await tab.js("document.documentElement.lang") == "en"

    visit(story)


def test_five_hundred_services_are_there_at_once_and_can_be_filtered() -> None:
    now = time.time()
    status = sample(now)
    many = tuple(
        replace(status.services[number % 4], name=f"service-{number}", state="healthy") for number in range(500)
    )

    async def story(tab: Tab, shown: FakeStatus, url: str) -> None:
        del shown, url
        assert await tab.js("document.querySelectorAll('.card').length") == 500
        await tab.js(
            "const i = document.getElementById('filter'); i.value = 'service-42';i.dispatchEvent(new Event('input')); 0"
        )
        assert await tab.js("document.querySelectorAll('.card:not([hidden])').length") == 11

    visit(story, FakeStatus(replace(status, services=many)))
