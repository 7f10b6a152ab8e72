"""Take the screenshots of the boards in docs/images: `python tools/board_screenshots.py`.

A real Prometheus answers, out of a day of a sample shop's metrics that promtool has put into its store.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.browser import chromium  # noqa: E402
from tests.support.prometheus import prometheus  # noqa: E402
from tests.support.sample_shop import backfill  # noqa: E402

END = 1_760_000_400.0  # any time will do, as long as it stays: pictures change only when boards do
SHOTS = {"core": "core", "_overview": "overview", "_hosts": "hosts", "_deploys": "deploys", "_slo": "slo"}
HOURS = 26.0
TOP = 960  # what fits on a screen, for the README
STEP = 30.0


async def shoot(pages: Path, folder: Path) -> None:
    async with chromium() as tab:
        await tab.look(width=1440)
        for page, name in SHOTS.items():
            await tab.open((pages / f"{page}.html").as_uri())
            await tab.screenshot(folder / f"board-{name}.png", whole=True)
            print(folder / f"board-{name}.png")
        await tab.look(width=1440, height=TOP)
        await tab.open((pages / "core.html").as_uri())
        await tab.screenshot(folder / "board-core-top.png", whole=False)
        print(folder / "board-core-top.png")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        backfill(work / "shop.om", end=END, hours=HOURS, step=STEP)
        blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=48h"]
        subprocess.run([*blocks, str(work / "shop.om"), str(work / "tsdb")], check=True, stdout=subprocess.DEVNULL)
        with prometheus(work, data=work / "tsdb") as url:
            bgmon = [str(Path(sys.executable).parent / "bgmon"), "-c", str(ROOT / "examples/shop/bgmon.yml")]
            asked = ["--prometheus", url, "--until", str(END), "--scrape", f"{STEP:.0f}s", "--last", "6h"]
            subprocess.run([*bgmon, "dashboard", "preview", "--out", str(work / "pages"), *asked], check=True)
        asyncio.run(shoot(work / "pages", folder))


if __name__ == "__main__":
    main()
