"""The status page as HTML: everything in it is escaped by the template, and nothing comes from elsewhere."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from monitor.adapters.web import drawing
from monitor.domain.alerting.peers import PeerView
from monitor.domain.health.status import ServiceView, StatusSnapshot
from monitor.domain.health.timeline import availability, slices

FOLDER: Final = Path(__file__).parent
SHOWN: Final = 12
# State -> (rank on the page, tone). The tone picks color and symbol; the word stands there too.
TONES: Final[dict[str, tuple[int, str]]] = {
    "missing": (0, "bad"),
    "quarantined": (0, "bad"),
    "crash-looping": (0, "bad"),
    "unhealthy": (1, "bad"),
    "degraded": (2, "warn"),
    "unknown": (3, "idle"),
    "starting": (4, "busy"),
    "deploying": (4, "busy"),
    "healthy": (5, "good"),
    "stopped": (6, "idle"),
}
_GRAVE: Final = {"page": "bad", "ticket": "warn", "info": "busy"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Card:
    """One service as the template wants it."""

    service: ServiceView
    tone: str
    bars: list[tuple[str, str]]
    line: str
    area: str
    width: int
    uptime: str
    told: str  # the bars in words, for those who do not see them
    latency: str


def render_page(snapshot: StatusSnapshot, peers: Sequence[PeerView]) -> str:
    """The whole document."""
    return _environment().get_template("page.html.j2").render(_context(snapshot, peers))


def render_status(snapshot: StatusSnapshot, peers: Sequence[PeerView]) -> str:
    """What changes: the inside of <main>."""
    return _environment().get_template("status.html.j2").render(_context(snapshot, peers))


def _context(snapshot: StatusSnapshot, peers: Sequence[PeerView]) -> dict[str, Any]:
    services = sorted(snapshot.services, key=lambda service: (_tone(service)[0], service.name))
    cards = [_card(service, snapshot.at) for service in services]
    bad = sum(1 for card in cards if card.tone in ("bad", "warn"))
    return {
        "snapshot": snapshot,
        "cards": cards,
        "peers": peers,
        "verdict": _verdict(snapshot, bad, len(cards)),
        "overall": "bad"
        if not snapshot.engine_up or any(card.tone == "bad" for card in cards)
        else "warn"
        if bad or not snapshot.proxy_up
        else "good",
        "incidents": snapshot.incidents[:SHOWN],
        "deploys": snapshot.deploys[:SHOWN],
        "grave": _GRAVE,
    }


def _verdict(snapshot: StatusSnapshot, bad: int, count: int) -> str:
    if not snapshot.engine_up:
        return "The Docker engine does not answer"
    if not count:
        return "No service is deployed yet"
    if bad:
        return f"{bad} of {count} services {'needs' if bad == 1 else 'need'} attention"
    if not snapshot.proxy_up:
        return "The proxy does not answer"
    return "All services are well" if count > 1 else "The service is well"


def _tone(service: ServiceView) -> tuple[int, str]:
    return TONES.get(service.state, (3, "idle"))


def _card(service: ServiceView, now: float) -> Card:
    parts = slices(service.history, now)
    share = availability(parts)
    line, area = drawing.sparkline(parts)
    known = [part.latency for part in parts if part.latency is not None]
    last = service.probe_seconds if service.probe_seconds is not None else (known[-1] if known else None)
    disturbed = sum(1 for part in parts if part.kind in ("part", "bad"))
    told = "No probes in the last 24 hours"
    if share is not None:
        told = f"Last 24 hours: {percent(share)} of probes good, trouble in {disturbed} of {len(known)} half hours"
    return Card(
        service=service,
        tone=_tone(service)[1],
        bars=[(str(kind), path) for kind, path in drawing.bars(parts)],
        line=line,
        area=area,
        width=drawing.width(parts),
        uptime="" if share is None else percent(share),
        told=told,
        latency="" if last is None else milliseconds(last),
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(iso=iso, span=span, words=lambda text: text.replace("-", " "))
    return environment


def percent(share: float) -> str:
    """Two decimals, never rounded up to 100 %.

    >>> percent(0.99999), percent(1.0)
    ('99.99 %', '100 %')
    """
    if share >= 1:
        return "100 %"
    return f"{int(share * 10000) / 100:g} %"


def milliseconds(seconds: float) -> str:
    """`<1 ms`, `12 ms`, `1.4 s`."""
    amount = seconds * 1000
    if amount < 1:
        return "<1 ms"
    return f"{amount:.0f} ms" if amount < 1000 else f"{seconds:.1f} s"  # noqa: PLR2004 - a second is a thousand of them


def iso(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """A duration in its largest unit: `8 s`, `3 min`, `2 h`, `5 d`."""
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
