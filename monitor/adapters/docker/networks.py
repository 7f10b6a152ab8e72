"""Networks and the names containers have on them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

import docker.errors
import requests

from monitor.adapters.docker.client import Connection
from monitor.errors import Conflict, NotFound

_NO_ADDRESS: Final = "user specified IP address is supported only"
_ensuring: Final = threading.Lock()


class Networks:
    """Raises what the SDK raises; its caller translates."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ensure(self, name: str, labels: Mapping[str, str], *, internal: bool) -> None:
        with _ensuring:  # services are deployed side by side, and the engine's own check for duplicates is no lock
            same = self._named(name)
            if not same:
                self._create(name, labels, internal=internal)
            elif bool(same[0].get("Internal")) != internal:
                kind = "an internal" if internal else "an ordinary"
                raise Conflict(f"network {name} exists and is not {kind} one", hint=f"docker network rm {name}")

    def _named(self, name: str) -> list[Mapping[str, Any]]:
        """Networks of exactly this name, the oldest first: the engine allows several."""
        found = self._connection.client.networks(names=[name], filters={"type": "custom"})
        same = [network for network in found if network["Name"] == name]  # the filter takes parts of names as well
        return sorted(same, key=lambda network: (network["Created"], network["Id"]))

    def _create(self, name: str, labels: Mapping[str, str], *, internal: bool) -> None:
        client = self._connection.client
        try:
            made = client.create_network(
                name, driver="bridge", internal=internal, labels=dict(labels), check_duplicate=True
            )
        except docker.errors.APIError as error:
            if error.status_code != requests.codes.conflict:  # made by somebody else at this very moment
                raise
            return
        if self._named(name)[0]["Id"] != made["Id"]:  # another process was quicker, and both see who was first
            client.remove_network(made["Id"])

    def remove(self, name: str) -> None:
        try:
            self._connection.client.remove_network(name)
        except docker.errors.NotFound:
            return

    def connect(self, network: str, ref: str, aliases: tuple[str, ...]) -> None:
        """A container that is connected already keeps its address, and gets the aliases it lacks."""
        endpoint = self._endpoint(network, ref)
        if endpoint is None:
            self._connection.client.connect_container_to_network(ref, network, aliases=list(aliases))
        elif set(aliases) - set(endpoint.get("Aliases") or ()):
            self.realias(network, ref, aliases)

    def realias(self, network: str, ref: str, aliases: tuple[str, ...]) -> None:
        client = self._connection.client
        endpoint = self._endpoint(network, ref)
        if endpoint is None:
            raise NotFound(f"{ref} is not connected to network {network}")
        address = endpoint.get("IPAddress") or None
        client.disconnect_container_from_network(ref, network)
        try:
            client.connect_container_to_network(ref, network, aliases=list(aliases), ipv4_address=address)
        except docker.errors.APIError as error:
            if _NO_ADDRESS not in str(error.explanation):
                raise
            # Docker gives out addresses at wish only where the network's subnet was chosen by its maker.
            client.connect_container_to_network(ref, network, aliases=list(aliases))

    def _endpoint(self, network: str, ref: str) -> Mapping[str, Any] | None:
        networks = self._connection.client.inspect_container(ref)["NetworkSettings"]["Networks"]
        return networks.get(network)  # type: ignore[no-any-return]
