"""The Engine port, on a real Docker engine. Each call is one story: ask, read, translate."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import docker.errors
from docker.utils import version_gte

from monitor.adapters.docker import cgroup, decode, execs
from monitor.adapters.docker.client import Connection
from monitor.adapters.docker.create_args import create_arguments, restart_policy
from monitor.adapters.docker.errors import OTHER_VERSION, border, translate
from monitor.adapters.docker.events import EventStreams, label_filter
from monitor.adapters.docker.logs import Demultiplexer, LogStream
from monitor.adapters.docker.networks import Networks
from monitor.adapters.docker.pull import pull
from monitor.adapters.docker.stream import Tap, request
from monitor.domain.containers import (
    Container,
    ContainerSpec,
    ContainerStats,
    EngineEvent,
    EngineInfo,
    Image,
    Network,
    PullProgress,
)
from monitor.errors import Conflict, EngineError, EngineUnreachable, NotFound

_INSPECTORS = 4
_UPDATES = 20
_UPDATE_PAUSE = 0.05
_ONE_SHOT_SINCE = "1.41"

Found = TypeVar("Found")


class DockerEngine:
    """Fulfils ports.engine.Engine.

    Args:
        url: the engine's address; None obeys DOCKER_HOST, DOCKER_CONTEXT and Docker's own config.
        timeout: seconds to wait for an answer. Log, event and exec streams are exempt; a stop is given its own
            time-out on top.
        silence: seconds that a pull may go without a word.
    """

    def __init__(self, url: str | None = None, *, timeout: float = 60.0, silence: float = 300.0) -> None:
        self._silence = silence
        self._connection = Connection(url, timeout=timeout)
        self._events = EventStreams(self._connection.connect)
        self._networks = Networks(self._connection)
        self._ahead: Future[EngineInfo] | None = None

    @property
    def url(self) -> str:
        return self._connection.url

    def close(self) -> None:
        self._events.close()
        self._connection.close()

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        try:
            with border(what, engine=self.url):
                yield
        except EngineError as error:
            if OTHER_VERSION in str(error):
                self._connection.close()  # the next call agrees on a version anew
            raise

    # --- the engine and its images ---

    def ask_ahead(self) -> None:
        """Ask for `info` in the background; the next `info` takes that answer.

        The engine runs programs to answer, and a command has other things to do in that time.
        """
        side = ThreadPoolExecutor(1, "bgmon-info")
        self._ahead = side.submit(self._info)
        side.shutdown(wait=False)

    def info(self) -> EngineInfo:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            with suppress(EngineError, EngineUnreachable):  # it may have come back while somebody waited for a lock
                return ahead.result()
        return self._info()

    def _info(self) -> EngineInfo:
        with self._doing("asking the engine"):
            return decode.engine_info(self._connection.client.info(), self._connection.version)

    def pull(self, reference: str, progress: Callable[[PullProgress], None] | None = None) -> Image:
        with self._doing(f"pulling {reference}"):
            client = self._connection.client
        pinned = pull(client, reference, progress, engine=self.url, silence=self._silence)
        image = self.image(pinned) or self.image(reference)
        if image is None:
            raise NotFound(f"image {reference} was pulled, and somebody removed it at once")
        return decode.pinned_first(image, pinned)

    def image(self, reference: str) -> Image | None:
        with self._doing(f"looking at image {reference}"):
            try:
                return decode.image(self._connection.client.inspect_image(reference))
            except docker.errors.NotFound:
                return None

    def images(self, repository: str) -> list[Image]:
        with self._doing(f"listing images of {repository}"):
            found = self._connection.client.images(name=repository, quiet=True)
        return self._each(self.image, sorted(set(found)))

    def remove_image(self, reference: str) -> None:
        with self._doing(f"removing image {reference}"):
            client = self._connection.client
            image = decode.image(client.inspect_image(reference))
            names = decode.names_to_remove(image, reference)
            left = decode.names_left(image, names)
            going = {*image.tags, *image.digests}.difference(left)
            users = [
                (one["Names"] or [one["Id"][:12]])[0].lstrip("/")  # one that is being removed has no name left
                for one in client.containers(all=True, filters={"ancestor": image.id})
                if one["ImageID"] == image.id and (not left or one["Image"] in going)
            ]
            if users:
                raise Conflict(f"removing image {reference}: {', '.join(sorted(users))} was made from it")
            for name in names:
                try:
                    client.remove_image(name)
                except docker.errors.NotFound:
                    continue  # its last tag took it along

    # --- containers ---

    def create(self, spec: ContainerSpec) -> Container:
        with self._doing(f"creating {spec.name}"):
            client = self._connection.client
            made = client.create_container(**create_arguments(client, spec))
            return decode.container(client.inspect_container(made["Id"]))

    def start(self, ref: str) -> None:
        with self._doing(f"starting {ref}"):
            self._connection.client.start(ref)

    def stop(self, ref: str, timeout: float) -> None:
        with self._doing(f"stopping {ref}"):
            try:
                self._connection.client.stop(ref, timeout=max(0, round(timeout)))
            except docker.errors.NotFound:
                return

    def restart(self, ref: str, timeout: float) -> None:
        with self._doing(f"restarting {ref}"):
            self._connection.client.restart(ref, timeout=max(0, round(timeout)))

    def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        with self._doing(f"sending {signal} to {ref}"):
            self._connection.client.kill(ref, signal)

    def remove(self, ref: str) -> None:
        with self._doing(f"removing {ref}"):
            try:
                self._connection.client.remove_container(ref, force=True, v=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if "is already in progress" not in str(error.explanation):
                    raise

    def rename(self, ref: str, name: str) -> None:
        with self._doing(f"renaming {ref} to {name}"):
            self._connection.client.rename(ref, name)

    def set_restart_policy(self, ref: str, policy: str) -> None:
        with self._doing(f"setting the restart policy of {ref}"):
            update = partial(self._connection.client.update_container, ref, restart_policy=restart_policy(policy))
            for _ in range(_UPDATES):
                try:
                    update()
                except docker.errors.APIError as error:
                    # The process has ended and the engine has not noticed yet: it changes nothing then.
                    if not error.is_server_error() or "annot update" not in str(error.explanation):
                        raise
                    time.sleep(_UPDATE_PAUSE)
                else:
                    return
            update()

    def inspect(self, ref: str) -> Container | None:
        with self._doing(f"looking at {ref}"):
            try:
                return decode.container(self._connection.client.inspect_container(ref))
            except docker.errors.NotFound:
                return None

    def containers(self, labels: Mapping[str, str]) -> list[Container]:
        with self._doing("listing containers"):
            found = self._connection.client.containers(all=True, filters={"label": label_filter(labels)})
        return self._each(self.inspect, [one["Id"] for one in found])

    def stats(self, ref: str) -> ContainerStats | None:
        found = self.inspect(ref)
        if found is None or not found.pid:
            return None
        return cgroup.usage(found.pid, found.id) or self._ask_stats(found.id)

    def oom_kills(self, container: Container) -> int | None:
        return cgroup.oom_kills(container.pid, container.id) if container.pid else None

    def _ask_stats(self, container: str) -> ContainerStats | None:
        with self._doing(f"measuring {container}"):
            client = self._connection.client
            one_shot = {"one_shot": True} if version_gte(client.api_version, _ONE_SHOT_SINCE) else {}
            try:
                return decode.stats(client.stats(container, stream=False, **one_shot))
            except docker.errors.NotFound:
                return None

    # --- what goes on inside ---

    def logs(
        self,
        ref: str,
        *,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        follow: bool = False,
        timestamps: bool = False,
    ) -> LogStream:
        doing = f"reading the log of {ref}"
        params: dict[str, Any] = {"stdout": 1, "stderr": 1, "follow": int(follow), "timestamps": int(timestamps)}
        params["tail"] = "all" if tail is None else tail
        if since is not None:
            params["since"] = f"{since:.9f}"
        if until is not None:
            params["until"] = f"{until:.9f}"
        with self._doing(doing):
            client = self._connection.client
            terminal = client.inspect_container(ref)["Config"]["Tty"]
            response = request(
                client,
                "GET",
                f"/containers/{ref}/logs",
                params=params,
                read_timeout=None if follow else self._connection.timeout,
            )
        demultiplexer = Demultiplexer(framed=not terminal, timestamps=timestamps)
        return LogStream(Tap(response), demultiplexer, partial(translate, doing=doing, engine=self.url))

    def exec(self, ref: str, command: tuple[str, ...], *, user: str | None = None) -> tuple[int, bytes]:
        with self._doing(f"running {command[0]} in {ref}"):
            return execs.run(self._connection.client, ref, command, user=user)

    def top(self, ref: str) -> list[str]:
        with self._doing(f"listing the processes of {ref}"):
            answer = self._connection.client.top(ref)
        return ["  ".join(row) for row in (answer["Titles"], *(answer["Processes"] or ()))]

    def events(self, *, since: float | None, labels: Mapping[str, str]) -> Iterator[EngineEvent]:
        with self._doing("opening the event stream"):
            return self._events.open(since, labels)

    def close_events(self) -> None:
        self._events.close()

    # --- networks ---

    def ensure_network(
        self,
        name: str,
        labels: Mapping[str, str],
        *,
        internal: bool = False,
        subnet: str | None = None,
        avoid: Collection[str] = (),
    ) -> None:
        with self._doing(f"making network {name}"):
            self._networks.ensure(name, labels, internal=internal, subnet=subnet, avoid=avoid)

    def network(self, name: str) -> Network | None:
        with self._doing(f"looking at network {name}"):
            return self._networks.get(name)

    def has_volume(self, name: str) -> bool:
        with self._doing(f"looking at volume {name}"):
            try:
                self._connection.client.inspect_volume(name)
            except docker.errors.NotFound:
                return False
            return True

    def remove_network(self, name: str) -> None:
        with self._doing(f"removing network {name}"):
            self._networks.remove(name)

    def connect(self, network: str, ref: str, aliases: tuple[str, ...], *, address: str | None = None) -> None:
        with self._doing(f"connecting {ref} to network {network}"):
            self._networks.connect(network, ref, aliases, address)

    def realias(self, network: str, ref: str, aliases: tuple[str, ...]) -> None:
        with self._doing(f"renaming {ref} on network {network}"):
            self._networks.realias(network, ref, aliases)

    def _each(self, look: Callable[[str], Found | None], names: Sequence[str]) -> list[Found]:
        """`look` at each, several at a time; what vanished meanwhile is left out."""
        if len(names) <= 1:
            found = [look(name) for name in names]
        else:
            with ThreadPoolExecutor(min(_INSPECTORS, len(names)), "bgmon-inspect") as pool:
                found = list(pool.map(look, names))
        return [one for one in found if one is not None]
