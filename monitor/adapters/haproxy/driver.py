"""The Proxy port on HAProxy."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from monitor.adapters.haproxy.certificates import changed, load, sync
from monitor.adapters.haproxy.files import ProxyFiles
from monitor.adapters.haproxy.runner import RUN, Runner
from monitor.adapters.haproxy.runtime import RuntimeSocket, columns, failures, pairs, table, workers
from monitor.domain.names import COLORS, Color, other
from monitor.domain.proxy.reach import LOOPBACK
from monitor.domain.proxy.routes import (
    ProxyStatus,
    ServiceRoute,
    SlotCounters,
    SlotState,
    SlotStatus,
    lost_lines_text,
)
from monitor.errors import ProxyError, ProxyUnreachable
from monitor.render.haproxy import (
    ADMIN_SOCKET,
    CHALLENGES_MAP,
    DOOR,
    MAINTENANCE_MAP,
    MASTER_SOCKET,
    PARKED,
    VERSIONS_MAP,
    WAITING,
    version_key,
)
from monitor.render.haproxytext import version_word

_START_TIMEOUT: Final = 20.0
_MASTER_PATIENCE: Final = 2.0
_MAX_WEIGHT: Final = 100
# Bits of srv_admin_state, HAProxy Management Guide, "show servers state".
# 0x04 only remembers that the file says "disabled"; it stays when the server is made ready (SRV_ADMF_CMAINT).
_MAINT: Final = 0x01 | 0x02 | 0x20 | 0x40
_DRAIN: Final = 0x08 | 0x10


class HAProxy:
    """Slots are servers named by color, in two backends of each service: its own, and the one where requests wait."""

    def __init__(self, files: ProxyFiles, runner: Runner) -> None:
        self._files = files
        self._runner = runner
        self._admin = RuntimeSocket(files.folder, ADMIN_SOCKET)
        self._master = RuntimeSocket(files.folder, MASTER_SOCKET, patience=_MASTER_PATIENCE)
        self._staged: dict[tuple[str, Color], SlotState] = {}
        self._rehearsed: Mapping[str, bytes] = {}  # checked already; good for one `persist`

    def boot(self, routes: Sequence[ServiceRoute]) -> bool:
        rendered, files = self._files.render(routes)
        self._files.prepare()
        with self._alone():
            if self._answers():
                return False
            self._files.check(files, self._runner.check)
            self._files.install(files)
            self._runner.stop()
            self._runner.start()
            self._await(lambda: self._runs(rendered.structure), "start", give_up=True)
        return True

    def status(self) -> ProxyStatus:
        try:
            info = pairs(self._admin.ask("show info"))
            backends = self._admin.ask("show backend").split()
        except ProxyUnreachable as error:
            if self._runner.alive():
                raise
            return ProxyStatus(running=False, listening=self._files.addresses(), detail=str(error))
        lost = int(info.get("DroppedLogs") or 0)
        return ProxyStatus(
            running=True,
            version=info.get("Version", ""),
            since=float(info["Start_time_sec"]) if "Start_time_sec" in info else None,
            listening=self._files.addresses(),
            services=tuple(sorted(name for name in backends if _is_service(name))),
            detail=lost_lines_text(lost),
            lost_lines=lost,
        )

    def remove(self) -> None:
        self._runner.stop()
        self._files.remove()

    def carries(self, routes: Sequence[ServiceRoute]) -> bool:
        rendered, _ = self._files.render(routes)
        return self._structure() == rendered.structure

    def validate_config(self, routes: Sequence[ServiceRoute]) -> None:
        _, files = self._files.render(routes)
        if files != self._files.on_disk():
            self._files.check(files, self._runner.check)
            self._rehearsed = files

    def save_config(self, routes: Sequence[ServiceRoute]) -> bool:
        rendered, files = self._files.render(routes)
        running = self._answers()
        reload = running and self._structure() != rendered.structure
        before = self._files.on_disk()
        rehearsed, self._rehearsed = self._rehearsed, {}
        if files != before:
            if files != rehearsed:
                self._files.check(files, self._runner.check)
            if running and not reload:
                reload = not load(self._admin, changed(files, before))
            self._files.install(files)
        if reload:
            self._reload(rendered.structure, before)
        return reload

    def reload(self, routes: Sequence[ServiceRoute]) -> None:
        rendered, files = self._files.render(routes)
        before = self._files.on_disk()
        self._files.check(files, self._runner.check)
        self._files.install(files)
        if self._runner.outdated():
            self._replace(rendered.structure)
        else:
            self._reload(rendered.structure, before)

    def load_certificates(self, routes: Sequence[ServiceRoute]) -> None:
        _, files = self._files.render(routes)
        before = self._files.on_disk()
        fresh = changed(files, before)
        if not fresh:
            return
        live = load(self._admin, fresh)  # first: what is not on disk yet is seen again by whoever comes after us
        self._files.install({**before, **fresh})
        if not live:
            self._reload(self._structure(), before)

    def set_challenges(self, challenges: Mapping[str, str]) -> None:
        text = "".join(f"{token} {answer}\n" for token, answer in sorted(challenges.items()))
        if CHALLENGES_MAP not in self._files.on_disk():
            raise ProxyError("the proxy does not answer ACME challenges yet", hint="run: bgmon proxy reload")
        self._files.write(CHALLENGES_MAP, text.encode())
        sync(self._admin, CHALLENGES_MAP, text)

    def slots(self, service: str) -> Mapping[Color, SlotStatus]:
        by_name = self._rows(service)
        busy = self._sessions(service)
        return {
            color: SlotStatus(
                color=color,
                state=_state(by_name[color]),
                weight=int(by_name[color]["srv_uweight"]) or _MAX_WEIGHT,
                port=int(by_name[color]["srv_port"]),
                sessions=busy[color],
                address=by_name[color]["srv_addr"],
            )
            for color in COLORS
        }

    def stage(self, service: str, color: Color, port: int, version: str, address: str = LOOPBACK) -> None:
        # The address is answered with words even when it worked, so what counts is what is there afterwards.
        said = self._admin.ask(
            *_each(service, color, "state maint"),
            f"set server {service}/{color} addr {address} port {port}",
            f"set server {WAITING}{service}/{color} addr {address} port {port}",
            f"set server {WAITING}{service}/{DOOR}{color} check-addr {address} port {port}",
        ).strip()
        rows = self._rows(service)
        self._staged[service, other(color)] = _state(rows[other(color)])
        lines = (rows[color], self._rows(f"{WAITING}{service}")[color])
        if any((line["srv_addr"], int(line["srv_port"])) != (address, port) for line in lines):
            raise ProxyError(f"the proxy refused: {' '.join(said.split())}")
        key = version_key(service, color)
        self._admin.tell(*_weight(service, color, _MAX_WEIGHT), f"set map {VERSIONS_MAP} {key} {version_word(version)}")

    def switch(self, service: str, to: Color) -> None:
        self._admin.tell(
            *_weight(service, to, _MAX_WEIGHT),
            *_ready(service, to),
            *_parked(service, "ready"),
            *self._away(service, other(to)),
        )

    def hold(self, service: str) -> None:
        # What is parked waits; both colors have to be out of the way, in whatever order.
        away = [command for color in COLORS for command in self._away(service, color)]
        self._admin.tell(*_parked(service, "ready"), *away)

    def set_weights(self, service: str, weights: Mapping[Color, int]) -> None:
        commands = []
        for color, weight in sorted(weights.items(), key=lambda item: -item[1]):
            if weight > 0:
                commands += [*_weight(service, color, weight), *_each(service, color, "state ready")]
            else:
                commands += self._away(service, color)
        self._admin.tell(*commands, *_parked(service, "ready" if any(weights.values()) else "maint"))

    def close(self, service: str, color: Color) -> None:
        self._staged.pop((service, color), None)
        commands = [*_each(service, color, "state maint"), f"shutdown sessions server {service}/{color}"]
        commands.append(f"shutdown sessions server {WAITING}{service}/{color}")
        if _state(self._rows(service)[other(color)]) != "ready":
            commands += _parked(service, "maint")
        self._admin.tell(*commands)
        for pid in self._old_workers():
            with suppress(ProxyUnreachable):  # it ended by itself meanwhile
                self._cut(f"@!{pid}", service, color)

    def counters(self, service: str) -> Mapping[Color, SlotCounters]:
        own, waited = self._stat(service)
        return {color: _counters(own[color]) + _counters(waited.get(color, {})) for color in COLORS}

    def maintenance(self, service: str, on: bool) -> None:  # noqa: FBT001 - it is the value itself
        self._admin.tell(f"set map {MAINTENANCE_MAP} {service} {int(on)}")

    def _cut(self, worker: str, service: str, color: Color) -> None:
        """End an old worker's sessions one by one: its servers no longer take commands."""
        for line in self._master.ask(f"{worker} show sess").splitlines():
            if any(f" be={name} " in line for name in (service, f"{WAITING}{service}")) and f" srv={color} " in line:
                self._master.ask(f"{worker} shutdown session {line.partition(':')[0]}")

    def _away(self, service: str, color: Color) -> list[str]:
        """Drain a slot; one that is out of the way already stays in maint.

        `stage` has just seen how it is: a switch that follows need not ask again, and takes one round trip.
        """
        state = self._staged.pop((service, color), None)
        if state is None:
            state = _state(self._rows(service)[color])
        if state == "maint":
            return []
        # The rules that choose a color go by weights: they would give requests to one that drains.
        return [*_weight(service, color, 0), *_each(service, color, "state drain")]

    def _rows(self, backend: str) -> dict[str, dict[str, str]]:
        state = columns(self._known(backend, self._admin.ask(f"show servers state {backend}")))
        return {row["srv_name"]: row for row in state}

    def _known(self, service: str, answer: str) -> str:
        if "srv_name" not in answer:
            raise ProxyError(
                f"the proxy does not know the service {service}", hint="let it read bgmon.yml: bgmon proxy reload"
            )
        return answer

    def _stat(self, service: str, worker: str = "") -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
        """The servers of a service's own backend, and of the one where its requests wait, by name."""
        backends = (service, f"{WAITING}{service}")
        if worker:
            text = "".join(self._master.ask(f"{worker} show stat {backend} 4 -1") for backend in backends)
        else:
            text = self._admin.ask(*(f"show stat {backend} 4 -1" for backend in backends))
        rows = table(text)
        own, waited = ({row["svname"]: row for row in rows if row.get("pxname") == backend} for backend in backends)
        if not worker and not own:
            self._known(service, "")
        return own, waited

    def _sessions(self, service: str) -> dict[Color, int]:
        """Over all workers: after a reload the old ones keep what they had under way."""
        tables = [*self._stat(service)]
        for pid in self._old_workers():
            with suppress(ProxyUnreachable):  # it ended by itself meanwhile
                tables += self._stat(service, f"@!{pid}")
        return {color: sum(int(rows[color]["scur"]) for rows in tables if color in rows) for color in COLORS}

    def _old_workers(self) -> list[int]:
        return workers(self._master.ask("show proc"))[1]

    def _answers(self) -> bool:
        try:
            self._admin.ask("show info")
        except ProxyUnreachable:
            return False
        return True

    def _structure(self) -> str:
        """Which configuration the current worker runs, as its `description` says."""
        info = pairs(self._admin.ask("show info"))
        return info.get("description", info.get("Description", ""))

    def _runs(self, structure: str) -> bool:
        """Whether a worker with that configuration answers, and the master too, which starts itself over once."""
        return self._structure() == structure and bool(workers(self._master.ask("show proc"))[0])

    def _reload(self, structure: str, previous: Mapping[str, bytes]) -> None:
        """Raises ProxyError when it goes on as before; the files are then the previous ones again."""
        before, failed = self._master.ask("show proc"), False
        self._runner.mark()
        with suppress(ProxyUnreachable):  # up to 2.6 the master drops the connection as it starts over
            self._master.ask("reload")

        def fresh() -> bool:
            nonlocal failed
            now = self._master.ask("show proc")
            failed = failures(now) > failures(before)
            return failed or (self._runs(structure) and workers(now)[0] != workers(before)[0])

        self._await(fresh, "reload")
        if failed:
            said = self._runner.complaints()
            self._files.install(previous)
            raise ProxyError(f"HAProxy did not reload and goes on as before: {said}", hint=_hint(said))

    def _replace(self, structure: str) -> None:
        run = self._runner.replace()
        self._await(lambda: run in self._admin.ask(f"show env {RUN}") and self._runs(structure), "start")
        self._runner.retire()

    def _await(self, done: Callable[[], bool], what: str, *, give_up: bool = False) -> None:
        until = time.monotonic() + _START_TIMEOUT
        while True:
            with suppress(ProxyUnreachable):
                if done():
                    return
            dead = not self._runner.alive()
            if dead or time.monotonic() > until:
                said = self._runner.complaints()
                if give_up:
                    self._runner.stop()
                raise ProxyError(f"HAProxy did not {what}: {said or 'it says nothing'}", hint=_hint(said))
            time.sleep(0.01)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two that boot at once take turns; the second finds it running."""
        descriptor = os.open(self._files.folder / "boot.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _state(row: Mapping[str, str]) -> SlotState:
    admin = int(row["srv_admin_state"])
    if admin & _MAINT:
        return "maint"
    return "drain" if admin & _DRAIN else "ready"


def _counters(row: Mapping[str, str]) -> SlotCounters:
    """Every request that ended here, however: by an answer, a broken one, or none.

    `eresp` alone cannot be used: HAProxy counts one broken answer once or twice, by its version and by how it broke,
    and one that was tried again elsewhere too. What was given to the server (`stot`), and neither went on to another
    one (`wredis`), is under way (`scur`), was answered nor was given up by the client, is a failure, where `eresp` says
    that there was any. An answer that broke off behind its headers is counted in `srv_abrt`.
    """
    number = {name: int(value or 0) for name, value in row.items() if _counts(name)}
    answers = sum(value for name, value in number.items() if name.startswith("hrsp_"))
    known = ("wredis", "scur", "cli_abrt")
    unanswered = number.get("stot", 0) - answers - sum(number.get(name, 0) for name in known)
    refused, cut = number.get("econ", 0), number.get("srv_abrt", 0)
    failed = min(number.get("eresp", 0), max(0, unanswered)) + refused
    return SlotCounters(
        requests=answers + failed, errors=number.get("hrsp_5xx", 0) + cut + failed, connect_errors=refused
    )


def _each(service: str, color: Color, change: str) -> list[str]:
    """`change` for all three servers of a color. The door first: what tracks it is not ready before it is."""
    names = (f"{WAITING}{service}/{DOOR}{color}", f"{WAITING}{service}/{color}", f"{service}/{color}")
    return [f"set server {name} {change}" for name in names]


def _ready(service: str, color: Color) -> list[str]:
    """Taken for up, whatever was last seen of it; the servers that track the door follow."""
    return [*_each(service, color, "state ready"), f"set server {WAITING}{service}/{DOOR}{color} health up"]


def _weight(service: str, color: Color, weight: int) -> list[str]:
    return [f"set server {backend}/{color} weight {weight}" for backend in (service, f"{WAITING}{service}")]


def _parked(service: str, state: str) -> list[str]:
    return [f"set server {backend}/{PARKED} state {state}" for backend in (service, f"{WAITING}{service}")]


def _counts(name: str) -> bool:
    return name.startswith("hrsp_") or name in {"econ", "eresp", "stot", "wredis", "scur", "cli_abrt", "srv_abrt"}


def _is_service(name: str) -> bool:
    return bool(name) and name not in {"#", "name"} and not name.startswith(("bgmon:", "MASTER", "GLOBAL"))


def _hint(said: str) -> str:
    if "cannot bind" in said.lower() or "already in use" in said.lower():
        return "another program has that port: stop it, or change proxy.listen (who has it: ss -ltnp)"
    return "look at its log for more"
