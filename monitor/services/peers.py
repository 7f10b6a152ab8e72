"""Watches the other hosts, and says when one is gone. Fulfils ports.web.PeersSource."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from monitor.domain.alerting.conditions import Condition
from monitor.domain.alerting.peers import PeerView, Report, judge, look
from monitor.ports.alerts import Alerts
from monitor.ports.clock import Clock
from monitor.ports.peers import Peer, PeerClient

log = logging.getLogger(__name__)


class PeerWatch:
    """`round` is called every few seconds, by one thread."""

    def __init__(self, peers: Sequence[Peer], client: PeerClient, alerts: Alerts, clock: Clock) -> None:
        self._peers = tuple(peers)
        self._client = client
        self._alerts = alerts
        self._clock = clock
        self._views = {peer.name: PeerView(peer.name) for peer in peers}

    def views(self) -> tuple[PeerView, ...]:
        return tuple(self._views.values())

    def round(self) -> None:
        """Look at every peer once, then judge those that failed too often."""
        suspects = []
        for peer in self._peers:
            error = self._client.look(peer)
            now = self._clock.now()
            view, move = look(self._views[peer.name], ok=not error, error=error, now=now)
            self._views = {**self._views, peer.name: view}
            if move == "back":
                self._alerts.resolve("peer-down", peer.name, now, "its daemon answers again")
            elif move == "ask":
                suspects.append(peer)
        for peer in suspects:
            self._judge(peer)

    def _judge(self, peer: Peer) -> None:
        reports = [
            Report(witness.name, self._client.report(witness).get(peer.name))
            for witness in self._peers
            if witness is not peer
        ]
        view, move = judge(self._views[peer.name], reports)
        if move != "gone":
            seen = [report.witness for report in reports if report.up]
            if seen:
                log.warning("%s does not answer here (%s), but %s sees it", peer.name, view.error, ", ".join(seen))
            return
        self._views = {**self._views, peer.name: view}
        agreeing = [report.witness for report in reports if report.up is False]
        others = f"{', '.join(agreeing)} says so too" if agreeing else "no other host could be asked"
        self._alerts.fire(
            Condition(
                "peer-down",
                peer.name,
                "page",
                f"host {peer.name} is gone: its daemon did not answer {view.failures} times",
                f"{view.error}; {others}",
            ),
            self._clock.now(),
        )
