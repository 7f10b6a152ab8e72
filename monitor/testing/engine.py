"""A Docker engine in memory, on a clock that is given, for tests and simulations."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from signal import Signals

from monitor.domain.containers import (
    CheckResult,
    Container,
    ContainerSpec,
    ContainerStats,
    EngineEvent,
    EngineInfo,
    Image,
    Network,
    PullProgress,
)
from monitor.errors import BgmonError, Conflict, EngineError, EngineUnreachable, NotFound
from monitor.testing.engine_containers import Behaviour, FakeContainer, Health, Life
from monitor.testing.engine_images import FakeImages
from monitor.testing.engine_streams import FakeEvents, FakeLogs

_HOST_MEMORY = 8 * 1024**3
_KILLED = 137
_BY_SIGNAL = 128
_ENDING = (Signals.SIGTERM, Signals.SIGINT, Signals.SIGQUIT)
_REMEMBERED_CALLS = 100_000


class FakeEngine:
    """Fulfils ports.engine.Engine. Whatever the world may do to it is a method or an attribute below.

    Attributes:
        reachable: False lets every call raise EngineUnreachable and ends all event streams.
        ports_taken: host ports that strangers listen on.
        answers: what `exec` gives, by command.
        commands: what a container does that was created with this command; others do as their image.
        specs: the specs containers were created from, by id.
        calls: (method, subject) of the latest calls, in order.
        push, refuse, build: put images into the registry, let pulls fail, put images on the host.
    """

    def __init__(self, now: Callable[[], float], *, architecture: str = "amd64") -> None:
        self.life = Life(now)
        self.reachable = True
        self.ports_taken: set[int] = set()
        self.answers: dict[tuple[str, ...], tuple[int, bytes]] = {}
        self.commands: dict[tuple[str, ...], Behaviour] = {}
        self.specs: dict[str, ContainerSpec] = {}
        self.lost_volumes: set[str] = set()
        self.networks: dict[str, tuple[dict[str, str], bool]] = {}
        self.subnets: dict[str, str] = {}
        self.calls: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED_CALLS)
        self.architecture = architecture
        self.store = FakeImages(now, architecture)
        self.push, self.refuse, self.build = self.store.push, self.store.refuse, self.store.build
        self._failures: dict[str, list[BgmonError]] = defaultdict(list)
        self._events = FakeEvents(self.life)
        self._joins = 0

    # --- what the world does ---

    def fail(self, method: str, error: BgmonError, *, times: int = 1) -> None:
        """Let the next calls of a method fail."""
        self._failures[method] += [error] * times

    def crash(self, ref: str, code: int = 1, *, oom: bool = False) -> None:
        """The process ends by itself."""
        self.life.advance()
        self.life.die(self._need(ref), self.life.now(), _KILLED if oom else code, oom=oom)

    def behave(self, ref: str, behaviour: Behaviour) -> None:
        """Let it behave differently from its next start on."""
        self._need(ref).behaviour = behaviour

    def set_health(self, ref: str, health: Health, check: CheckResult | None = None) -> None:
        """Let the image's HEALTHCHECK say so; `check` is the run that did."""
        self.life.advance()
        self._need(ref).check = check
        self.life.set_health(self._need(ref), health, self.life.now())

    def pause(self, ref: str) -> None:
        one = self._need(ref)
        one.state = "paused"
        self.life.emit(one, "pause", self.life.now())

    def write_log(self, ref: str, *lines: bytes) -> None:
        with self.life.changed:
            self._need(ref).log.extend((self.life.now(), line) for line in lines)
            self.life.changed.notify_all()

    def reboot(self) -> None:
        """The host goes down and comes back: what was not stopped by hand and has a policy for it, starts again."""
        self.life.advance()
        self.close_events()
        self.life.events.clear()
        now = self.life.now()
        for one in self.life.all():
            ran = one.up or one.state == "restarting"
            if ran:
                self.life.die(one, now, _KILLED, by_hand=True)
            if one.restart_policy == "always" or (one.restart_policy == "unless-stopped" and ran):
                self.life.run(one, now)
        self.life.events.clear()
        self.life.untaken.clear()

    def take_events(self) -> list[EngineEvent]:
        """What happened since the last time, for tests that need no thread."""
        self.life.advance()
        taken, self.life.untaken = self.life.untaken, []
        return taken

    # --- the engine and its images ---

    def info(self) -> EngineInfo:
        self._call("info", "")
        return EngineInfo(
            version="fake",
            architecture=self.architecture,
            root_dir="/var/lib/docker",
            memory=_HOST_MEMORY,
            containers=len(self.life.containers),
            live_restore=False,
        )

    def pull(self, reference: str, progress: Callable[[PullProgress], None] | None = None) -> Image:
        self._call("pull", reference)
        image = self.store.pull(reference)
        if progress is not None:
            for current in (0, image.size):
                progress(PullProgress("downloading: 1 of 1 layers", current, image.size))
        return image

    def image(self, reference: str) -> Image | None:
        self._call("image", reference)
        stored = self.store.find(reference)
        return None if stored is None else self.store.view(reference, stored)

    def images(self, repository: str) -> list[Image]:
        self._call("images", repository)
        return self.store.of(repository)

    def remove_image(self, reference: str) -> None:
        self._call("remove_image", reference)
        stored = self.store.find(reference)
        if stored is None:
            raise NotFound(f"no such image: {reference}")
        names, left = self.store.removal(reference, stored)
        users = [
            one.name
            for one in self.life.all()
            if one.image.id == stored.image.id and (not left or one.spec.image in names)
        ]
        if users:
            raise Conflict(f"removing image {reference}: {', '.join(sorted(users))} was made from it")
        self.store.drop(names)

    # --- containers ---

    def create(self, spec: ContainerSpec) -> Container:
        self._call("create", spec.name)
        if any(one.name == spec.name for one in self.life.all()):
            raise Conflict(f'creating {spec.name}: the container name "/{spec.name}" is already in use')
        stored = self.store.find(spec.image)
        if stored is None:
            raise NotFound(f"creating {spec.name}: no such image: {spec.image}")
        if spec.network not in (None, "host", "bridge", "none") and spec.network not in self.networks:
            raise NotFound(f"creating {spec.name}: network {spec.network} not found")
        image = self.store.view(spec.image, stored)
        behaviour = self.commands.get(spec.command, stored.behaviour)
        one = self.life.add(spec, image, {**stored.labels, **spec.labels}, behaviour)
        self.specs[one.id] = spec
        self._join(one, spec.network or "bridge", (), spec.address)
        return one.view()

    def start(self, ref: str) -> None:
        self._call("start", ref)
        one = self._need(ref)
        if not one.up:
            self._start(one)

    def stop(self, ref: str, timeout: float) -> None:
        del timeout
        self._call("stop", ref)
        one = self._get(ref)
        if one is not None:
            self.life.stop(one, self.life.now())

    def restart(self, ref: str, timeout: float) -> None:
        del timeout
        self._call("restart", ref)
        one = self._need(ref)
        self.life.stop(one, self.life.now())
        self._start(one)
        self.life.emit(one, "restart", self.life.now())

    def kill(self, ref: str, signal: str = "SIGKILL") -> None:
        self._call("kill", ref)
        one = self._need(ref)
        if not one.up:
            raise Conflict(f"sending {signal} to {ref}: container {one.name} is not running")
        number = Signals[signal]
        self.life.emit(one, "kill", self.life.now(), signal=str(number.value))
        if number == Signals.SIGKILL or (number in _ENDING and not one.behaviour.stubborn):
            self.life.die(one, self.life.now(), _BY_SIGNAL + number, by_hand=True)

    def remove(self, ref: str) -> None:
        self._call("remove", ref)
        one = self._get(ref)
        if one is not None:
            self.life.remove(one, self.life.now())

    def rename(self, ref: str, name: str) -> None:
        self._call("rename", ref)
        one = self._need(ref)
        if any(other.name == name for other in self.life.all()):
            raise Conflict(f"renaming {ref} to {name}: that name is already in use")
        one.name = name
        self.life.emit(one, "rename", self.life.now())

    def set_restart_policy(self, ref: str, policy: str) -> None:
        self._call("set_restart_policy", ref)
        one = self._need(ref)
        one.restart_policy = policy
        self.life.emit(one, "update", self.life.now())

    def inspect(self, ref: str) -> Container | None:
        self._call("inspect", ref)
        one = self._get(ref)
        return None if one is None else one.view()

    def containers(self, labels: Mapping[str, str]) -> list[Container]:
        self._call("containers", "")
        return [
            one.view()
            for one in self.life.all()
            if all(key in one.labels and value in ("", one.labels[key]) for key, value in labels.items())
        ]

    def stats(self, ref: str) -> ContainerStats | None:
        self._call("stats", ref)
        one = self._get(ref)
        if one is None or not one.up or one.started_at is None:
            return None
        cpu = one.behaviour.cpu * (self.life.now() - one.started_at)
        return ContainerStats(one.behaviour.memory, one.spec.memory or _HOST_MEMORY, cpu)

    def oom_kills(self, container: Container) -> int | None:
        one = self._get(container.id)
        return 0 if one is not None and one.up else None

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
    ) -> FakeLogs:
        self._call("logs", ref)
        one = self._need(ref)
        return FakeLogs(self.life, one, tail=tail, since=since, until=until, follow=follow, timestamps=timestamps)

    def exec(self, ref: str, command: tuple[str, ...], *, user: str | None = None) -> tuple[int, bytes]:
        del user
        self._call("exec", ref)
        one = self._need(ref)
        if not one.up:
            raise Conflict(f"running {command[0]} in {ref}: container {one.name} is not running")
        return self.answers.get(command, (0, b""))

    def top(self, ref: str) -> list[str]:
        self._call("top", ref)
        one = self._need(ref)
        if not one.up:
            raise Conflict(f"listing the processes of {ref}: container {one.name} is not running")
        return ["UID  PID  PPID  C  STIME  TTY  TIME  CMD", f"root  {one.pid}  1  0  00:00  ?  00:00:00  app"]

    def events(self, *, since: float | None, labels: Mapping[str, str]) -> Iterator[EngineEvent]:
        self._call("events", "")
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
        del avoid
        self._call("ensure_network", name)
        there = self.networks.setdefault(name, (dict(labels), internal))
        if subnet is not None and self.subnets.setdefault(name, subnet) != subnet:
            raise Conflict(f"network {name} has the subnet {self.subnets[name]}, and proxy.subnet is {subnet}")
        if there[1] != internal:
            raise Conflict(f"network {name} exists and is not {'an internal' if internal else 'an ordinary'} one")

    def has_volume(self, name: str) -> bool:
        """Volumes are made with the containers that name them, and stay; `lost_volumes` are gone."""
        self._call("has_volume", name)
        made = {volume.partition(":")[0] for spec in self.specs.values() for volume in spec.volumes}
        return name in made - self.lost_volumes

    def network(self, name: str) -> Network | None:
        self._call("network", name)
        found = self.networks.get(name)
        if found is None:
            return None
        members = frozenset(one.id for one in self.life.all() if one.up and name in one.networks)
        holders = {address: one.id for one in self.life.all() if one.up and (address := one.addresses.get(name))}
        subnet = self.subnets.get(name, "172.30.0.0/16")
        return Network(
            f"network-{name}", name, found[0], found[1], (subnet,), members, holders, f"br-{name}", chosen=True
        )

    def remove_network(self, name: str) -> None:
        self._call("remove_network", name)
        if any(name in one.networks for one in self.life.all() if one.up):
            raise EngineError(f"removing network {name}: it has active endpoints")
        self.networks.pop(name, None)

    def connect(self, network: str, ref: str, aliases: tuple[str, ...], *, address: str | None = None) -> None:
        self._call("connect", ref)
        one = self._need(ref)
        if network not in self.networks:
            raise NotFound(f"connecting {ref} to network {network}: network not found")
        self._join(one, network, tuple(dict.fromkeys((*one.networks.get(network, ()), *aliases))), address)

    def realias(self, network: str, ref: str, aliases: tuple[str, ...]) -> None:
        self._call("realias", ref)
        one = self._need(ref)
        if network not in one.networks:
            raise NotFound(f"{ref} is not connected to network {network}")
        one.networks[network] = aliases

    # --- inside ---

    def _call(self, method: str, subject: str) -> None:
        self.calls.append((method, subject))
        self.life.advance()
        if not self.reachable:
            self.close_events()
            raise EngineUnreachable(f"{method}: no Docker engine listens here")
        if self._failures[method]:
            raise self._failures[method].pop(0)

    def _start(self, one: FakeContainer) -> None:
        for _, port in one.spec.publish.values():
            holders = (other for other in self.life.all() if other.up and other.id != one.id)
            if port in self.ports_taken or any(
                port == taken for other in holders for _, taken in other.spec.publish.values()
            ):
                raise Conflict(f"starting {one.name}: Bind for 127.0.0.1:{port} failed: port is already allocated")
        others = [other for other in self.life.all() if other.up and other.id != one.id]
        if any(not {*one.addresses.values()}.isdisjoint(other.addresses.values()) for other in others):
            raise Conflict(f"starting {one.name}: Address already in use")
        if one.behaviour.start_error:
            one.error, one.exit_code = one.behaviour.start_error, 127
            raise EngineError(f"starting {one.name}: {one.behaviour.start_error}")
        one.restarts = 0
        self.life.run(one, self.life.now())

    def _join(self, one: FakeContainer, network: str, aliases: tuple[str, ...], address: str | None = None) -> None:
        one.networks[network] = aliases
        self._joins += 1
        one.addresses.setdefault(network, address or f"172.30.{128 + self._joins // 250}.{self._joins % 250 + 2}")

    def _get(self, ref: str) -> FakeContainer | None:
        found = self.life.containers.get(ref)
        return found or next((one for one in self.life.all() if one.name == ref), None)

    def _need(self, ref: str) -> FakeContainer:
        found = self._get(ref)
        if found is None:
            raise NotFound(f"no such container: {ref}")
        return found
