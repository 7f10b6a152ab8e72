"""Whether a name leads to this host, asked before an ACME server is: its failed tries are few a day."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Sequence
from typing import Final

from monitor.adapters.host.resolver import in_order

_PORT: Final = 80
_TIMEOUT: Final = 5.0
_MOST_ADDRESSES: Final = 4

Resolve = Callable[[str], Sequence[str]]


class HttpReach:
    """The Reachable port."""

    def __init__(self, resolve: Resolve = in_order, port: int = _PORT) -> None:
        self._resolve = resolve
        self._port = port

    def __call__(self, host: str, path: str, expected: str) -> str:
        addresses = self._resolve(host)
        if not addresses:
            return f"{host} does not resolve: make an A or AAAA record that leads to this host"
        for address in addresses[:_MOST_ADDRESSES]:
            answer = self._ask(address, host, path)
            if answer is not None and answer != expected:
                return (
                    f"{host} leads to {address}, where another server answers: correct its A and AAAA records, or let "
                    f"port {self._port} there lead to this proxy"
                )
        return ""

    def _ask(self, address: str, host: str, path: str) -> str | None:
        """None where nobody answers us: behind a router that does not lead back, only others can tell."""
        connection = http.client.HTTPConnection(address, self._port, timeout=_TIMEOUT)
        try:
            connection.request("GET", path, headers={"Host": host})
            return connection.getresponse().read(1000).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
