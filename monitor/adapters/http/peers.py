"""Asks other daemons over HTTP, and pings the dead man's switch. URLs with tokens never get into a log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from monitor.adapters.http.outgoing import headers, tls
from monitor.ports.peers import Peer

log = logging.getLogger(__name__)

DEADLINE: Final = 5.0
_OK: Final = 200
_FAILED: Final = 400


class HttpPeers:
    """Fulfils ports.peers.PeerClient."""

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline

    def look(self, peer: Peer) -> str:
        import httpx  # only hosts with peers pay for it

        try:
            answer = httpx.get(f"{peer.url}/healthz", timeout=self._deadline, verify=tls(), headers=headers())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return str(error) or type(error).__name__
        return "" if answer.status_code == _OK else f"answered {answer.status_code}"

    def report(self, witness: Peer) -> Mapping[str, bool]:
        import httpx

        try:
            answer = httpx.get(
                f"{witness.url}/api/v1/peers", timeout=self._deadline, verify=tls(), headers=headers(witness.token)
            )
            peers = answer.json()["peers"] if answer.status_code == _OK else []
            return {peer["name"]: peer["up"] for peer in peers if isinstance(peer["up"], bool)}
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
            return {}


class Heartbeat:
    """Fetches a URL; who misses the ping elsewhere raises the alarm that a dead daemon cannot."""

    def __init__(self, url: str, deadline: float = 10.0) -> None:
        self._url = url
        self._deadline = deadline
        self._well = True

    def beat(self) -> None:
        """Ping once; a failure is logged when it begins, without the URL."""
        import httpx

        try:
            answer = httpx.get(
                self._url, timeout=self._deadline, verify=tls(), headers=headers(), follow_redirects=True
            )
            problem = f"answered {answer.status_code}" if answer.status_code >= _FAILED else ""
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = str(error) or type(error).__name__
        if problem and self._well:
            log.warning("watch.heartbeat: %s", problem)
        self._well = not problem
