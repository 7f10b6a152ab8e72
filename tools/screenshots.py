"""Take the screenshots of the status page in docs/images: `python tools/screenshots.py`."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from monitor.adapters.prometheus.exposition import Exposition  # noqa: E402
from monitor.adapters.web.server import AiohttpServer, WebSettings  # noqa: E402
from monitor.testing.status import FakePeers, FakeStatus, sample, sample_peers  # noqa: E402
from tests.support.browser import chromium  # noqa: E402

SHOTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status-light", {"width": 1280}),
    ("status-dark", {"width": 1280, "dark": True}),
    ("status-phone", {"width": 390, "height": 844, "mobile": True}),
)


async def main() -> None:
    folder = ROOT / "docs/images"
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    peers = FakePeers(sample_peers(now))
    server = AiohttpServer(WebSettings("127.0.0.1", 0), FakeStatus(sample(now)), Exposition([]), peers=peers)
    await server.start()
    try:
        async with chromium() as tab:
            for name, look in SHOTS:
                await tab.look(**look)
                await tab.open(f"http://127.0.0.1:{server.port}/")
                await tab.until("document.getElementById('live').classList.contains('on')")
                await tab.js("document.querySelector('details').open = true")
                await tab.screenshot(folder / f"{name}.png", whole=not look.get("mobile"))
                print(folder / f"{name}.png")
    finally:
        await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
