"""A deploy on several hosts, wave after wave.

Nothing is switched before every host is held and has the image (hold.py). Each host's part runs there as a job that
outlives the connection, and is all or nothing by itself; what is done about the others when one fails is the policy's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.domain.deploy.rollout import HostState, differing, got_worse, seen, waves
from monitor.domain.deploy.spec import RolloutPolicy
from monitor.errors import BgmonError, DeployFailed, UnreachableError
from monitor.ports.clock import Clock
from monitor.ports.hosts import Hosts
from monitor.services.fleet.hold import Holds, Tell
from monitor.services.fleet.lines import Document, Events

_LOOK: Final = 5.0
_STEP: Final = 0.2


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """`items` are `SERVICE=IMAGE` by host, in the order in which hosts go; `options` are those of `bgmon deploy`."""

    id: str
    items: Mapping[str, Sequence[str]]
    policy: RolloutPolicy
    pull: str = "auto"
    wait: float = 0.0
    options: tuple[str, ...] = ()
    release: tuple[str, ...] = ()  # services with a release command, which runs on the first of their hosts alone

    def services(self, host: str) -> list[str]:
        return [item.partition("=")[0] for item in self.items[host]]


@dataclass
class RolloutResult:
    """How it ended on each host, and why it failed; `error` None: every host has the new version."""

    states: dict[str, HostState] = field(default_factory=dict)
    error: BgmonError | None = None

    def having(self, *states: HostState) -> list[str]:
        return [host for host, state in self.states.items() if state in states]


def deploy_job(rollout: str) -> str:
    """The name of each host's part of a rollout."""
    return f"{rollout}.deploy"


class Rollout:
    """One of them. `tell` is told of hosts' events, from several threads."""

    def __init__(
        self, hosts: Hosts, clock: Clock, tell: Tell, cancelled: Callable[[], bool], request: RolloutRequest
    ) -> None:
        self._hosts = hosts
        self._clock = clock
        self._tell = tell
        self._cancelled = cancelled
        self._request = request
        self._result = RolloutResult(dict.fromkeys(request.items, "waiting"))
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._done: list[tuple[str, str]] = []  # host and service, as they ended

    def run(self) -> RolloutResult:
        """Carry it out. Does not raise: what went wrong is in the result."""
        request = self._request
        argv = {
            host: ["hold", *items, "--pull", request.pull, "--rollout", request.id, "--json"]
            for host, items in request.items.items()
        }
        services = {host: request.services(host) for host in request.items}
        holds = Holds(self._hosts, argv, services, self._tell, self._clock, self._cancelled)
        try:
            self._result.error = self._all_hosts(holds)
            if self._result.error is not None and request.policy.on_failure == "rollback":
                self._take_back()
        finally:
            holds.release()
        return self._result

    def _all_hosts(self, holds: Holds) -> BgmonError | None:
        try:
            uneven = differing(holds.take(self._request.wait))
            if uneven:
                return DeployFailed(uneven, hint="the tag was moved meanwhile: deploy again, or name a digest")
            self._release()
            self._waves()
        except BgmonError as error:
            return error
        return None

    def _release(self) -> None:
        """Raises when a release command failed: no host was touched."""
        request = self._request
        order = [host for wave in waves(list(request.items), request.policy) for host in wave]
        for service in request.release:
            host = next(host for host in order if service in request.services(host))
            item = next(item for item in request.items[host] if item.partition("=")[0] == service)
            events = Events(lambda event, host=host: self._tell(host, event))  # type: ignore[misc]
            argv = ["release", item, "--wait", f"{request.wait:g}s", "--json"]
            job = f"{request.id}.release.{service}"
            code = self._hosts.run(host, argv, events.piece, services=[service], job=job, stop=self._stop)
            if code:
                raise events.error(host, code)

    def _waves(self) -> None:
        policy = self._request.policy
        for number, wave in enumerate(waves(list(self._request.items), policy)):
            if number and policy.pause:
                self._pause(policy.pause)
            self._wave(wave)
            if number == 0 and wave == [policy.first] and policy.bake:
                self._bake(wave[0], policy.bake)

    def _wave(self, wave: Sequence[str]) -> None:
        """Deploy to some hosts at the same time. Raises the first error when one fails."""
        errors: dict[str, BgmonError] = {}
        threads = [threading.Thread(target=self._deploy, args=(host, errors)) for host in wave]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_STEP)
                if self._cancelled():
                    self._stop.set()
        if errors:
            raise errors[next(host for host in wave if host in errors)]

    def _deploy(self, host: str, errors: dict[str, BgmonError]) -> None:
        request = self._request
        events = Events(lambda event: self._event(host, event))
        argv = ["deploy", "--here", *request.items[host], "--pull", "never", "--wait", f"{request.wait:g}s"]
        argv += [*request.options, "--json"]
        state: HostState = "failed"
        try:
            code = self._hosts.run(
                host,
                argv,
                events.piece,
                services=request.services(host),
                job=deploy_job(request.id),
                stop=self._stop,
            )
            if code == 0:
                state = "done"
            else:
                errors[host] = events.error(host, code)
        except BgmonError as error:
            errors[host] = error
            state = "unknown" if isinstance(error, UnreachableError) else "failed"
        self._result.states[host] = state
        text = {"done": "done", "failed": f"failed: {errors.get(host)}", "unknown": str(errors.get(host))}[state]
        self._tell(host, {"event": "host", "state": state, "text": text})

    def _event(self, host: str, event: Mapping[str, Any]) -> None:
        if event.get("event") == "deployed":
            with self._lock:
                self._done.append((host, str(event.get("service"))))
        self._tell(host, event)

    def _pause(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            if self._cancelled():
                raise DeployFailed("interrupted")
            self._clock.sleep(min(_STEP, left))

    def _bake(self, host: str, seconds: float) -> None:
        """Watch the first host. Raises DeployFailed when it gets worse."""
        services = self._request.services(host)
        self._tell(host, {"event": "host", "state": "baking", "text": f"is watched for {seconds:g} s"})
        first = self._look(host)
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self._pause(min(_LOOK, seconds / 5, left))
            now = self._look(host)
            for service in services:
                why = got_worse(seen(first, service), seen(now, service))
                if why:
                    self._result.states[host] = "failed"
                    raise DeployFailed(f"{host}: {service} got worse after its deploy: {why}")

    def _look(self, host: str) -> Mapping[str, Any]:
        document = Document()
        self._hosts.run(host, ["status", "--json"], document.piece)
        value = document.value()
        if not isinstance(value, dict):
            raise UnreachableError(f"{host}: no status: {''.join(document.said)[-300:]}")
        return value

    def _take_back(self) -> None:
        """Roll every deployed service back, the last one first."""
        for host, service in reversed(self._done):
            self._tell(host, {"event": "host", "state": "undoing", "text": f"rolling {service} back"})
            events = Events(lambda event, host=host: self._tell(host, event))  # type: ignore[misc]
            try:
                argv = ["rollback", service, "--previous", "--wait", "60s", "--json"]
                code = self._hosts.run(host, argv, events.piece, job=f"{self._request.id}.back.{service}")
                problem = str(events.error(host, code)) if code else ""
            except BgmonError as error:
                problem = str(error)
            state: HostState = "kept" if problem else "undone"
            if self._result.states[host] != "kept":
                self._result.states[host] = state
            text = f"{service}: rolled back"
            if problem:
                text = f"{service} could not be rolled back: it has the new version ({problem})"
            self._tell(host, {"event": "host", "state": state, "text": text})
