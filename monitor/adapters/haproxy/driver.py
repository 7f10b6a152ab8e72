"""The Proxy port on HAProxy."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from monitor.adapters.haproxy.files import ProxyFiles
from monitor.adapters.haproxy.runner import Runner
from monitor.adapters.haproxy.runtime import RuntimeSocket, columns, failures, pairs, table, workers
from monitor.domain.names import COLORS, Color, other
from monitor.domain.proxy.routes import ProxyStatus, ServiceRoute, SlotCounters, SlotState, SlotStatus
from monitor.errors import ProxyError, ProxyUnreachable
from monitor.render.haproxy import (
    ADMIN_SOCKET,
    MAINTENANCE_MAP,
    MASTER_SOCKET,
    PARKED,
    VERSIONS_MAP,
    version_key,
)

_START_TIMEOUT: Final = 20.0
_MASTER_PATIENCE: Final = 2.0
_MAX_WEIGHT: Final = 100
# Bits of srv_admin_state, HAProxy Management Guide, "show servers state".
# 0x04 only remembers that the file says "disabled"; it stays when the server is made ready (SRV_ADMF_CMAINT).
_MAINT: Final = 0x01 | 0x02 | 0x20 | 0x40
_DRAIN: Final = 0x08 | 0x10


class HAProxy:
    """Slots are servers named by color; a third server, always refusing, is where requests wait out a crash."""

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
        return ProxyStatus(
            running=True,
            version=info.get("Version", ""),
            since=float(info["Start_time_sec"]) if "Start_time_sec" in info else None,
            listening=self._files.addresses(),
            services=tuple(sorted(name for name in backends if _is_service(name))),
            detail=_detail(info),
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

    def slots(self, service: str) -> Mapping[Color, SlotStatus]:
        state = columns(self._known(service, self._admin.ask(f"show servers state {service}")))
        busy = self._sessions(service)
        by_name = {row["srv_name"]: row for row in state}
        return {
            color: SlotStatus(
                color=color,
                state=_state(by_name[color]),
                weight=int(by_name[color]["srv_uweight"]),
                port=int(by_name[color]["srv_port"]),
                sessions=busy[color],
            )
            for color in COLORS
        }

    def stage(self, service: str, color: Color, port: int, version: str) -> None:
        server = f"{service}/{color}"
        # The address is answered with words even when it worked, so what counts is what is there afterwards.
        said = self._admin.ask(
            f"set server {server} state maint", f"set server {server} addr 127.0.0.1 port {port}"
        ).strip()
        rows = {row["srv_name"]: row for row in self._rows(service)}
        row = rows[color]
        self._staged[service, other(color)] = _state(rows[other(color)])
        if int(row["srv_port"]) != port:
            raise ProxyError(f"the proxy refused: {' '.join(said.split())}")
        key = version_key(service, color)
        self._admin.tell(f"set server {server} weight {_MAX_WEIGHT}", f"set map {VERSIONS_MAP} {key} {_word(version)}")

    def switch(self, service: str, to: Color) -> None:
        self._admin.tell(
            f"set server {service}/{to} weight {_MAX_WEIGHT}",
            f"set server {service}/{to} state ready",
            f"set server {service}/{to} health up",
            f"set server {service}/{PARKED} state ready",
            *self._away(service, other(to)),
        )

    def set_weights(self, service: str, weights: Mapping[Color, int]) -> None:
        commands = []
        for color, weight in sorted(weights.items(), key=lambda item: -item[1]):
            if weight > 0:
                commands.append(f"set server {service}/{color} weight {weight}")
                commands.append(f"set server {service}/{color} state ready")
            else:
                commands += self._away(service, color)
        parked = "ready" if any(weights.values()) else "maint"
        self._admin.tell(*commands, f"set server {service}/{PARKED} state {parked}")

    def close(self, service: str, color: Color) -> None:
        self._staged.pop((service, color), None)
        commands = [f"set server {service}/{color} state maint", f"shutdown sessions server {service}/{color}"]
        rows = {row["srv_name"]: row for row in self._rows(service)}
        if _state(rows[other(color)]) != "ready":
            commands.append(f"set server {service}/{PARKED} state maint")
        self._admin.tell(*commands)
        for pid in self._old_workers():
            with suppress(ProxyUnreachable):  # it ended by itself meanwhile
                self._cut(f"@!{pid}", service, color)

    def counters(self, service: str) -> Mapping[Color, SlotCounters]:
        rows = self._stat(service)
        return {color: _counters(rows[color]) for color in COLORS}

    def maintenance(self, service: str, on: bool) -> None:  # noqa: FBT001 - it is the value itself
        self._admin.tell(f"set map {MAINTENANCE_MAP} {service} {int(on)}")

    def _cut(self, worker: str, service: str, color: Color) -> None:
        """End an old worker's sessions one by one: its servers no longer take commands."""
        for line in self._master.ask(f"{worker} show sess").splitlines():
            if f" be={service} " in line and f" srv={color} " in line:
                self._master.ask(f"{worker} shutdown session {line.partition(':')[0]}")

    def _away(self, service: str, color: Color) -> list[str]:
        """Drain a slot; one that is out of the way already stays in maint.

        `stage` has just seen how it is: a switch that follows need not ask again, and takes one round trip.
        """
        state = self._staged.pop((service, color), None)
        if state is None:
            state = _state({row["srv_name"]: row for row in self._rows(service)}[color])
        return [] if state == "maint" else [f"set server {service}/{color} state drain"]

    def _rows(self, service: str) -> list[dict[str, str]]:
        return columns(self._known(service, self._admin.ask(f"show servers state {service}")))

    def _known(self, service: str, answer: str) -> str:
        if "srv_name" not in answer:
            raise ProxyError(
                f"the proxy does not know the service {service}", hint="let it read bgmon.yml: bgmon proxy reload"
            )
        return answer

    def _stat(self, service: str, worker: str = "") -> dict[str, dict[str, str]]:
        socket = self._master if worker else self._admin
        rows = table(socket.ask(f"{worker} show stat {service} 4 -1".strip()))
        found = {row["svname"]: row for row in rows if row.get("pxname") == service}
        if not worker and not found:
            self._known(service, "")
        return found

    def _sessions(self, service: str) -> dict[Color, int]:
        """Over all workers: after a reload the old ones keep what they had under way."""
        tables = [self._stat(service)]
        for pid in self._old_workers():
            with suppress(ProxyUnreachable):  # it ended by itself meanwhile
                tables.append(self._stat(service, f"@!{pid}"))
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
        self._runner.replace()
        self._await(lambda: self._runs(structure), "start")
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
    """Every request that ended, however: by an answer, a broken one, or none."""
    number = {name: int(row.get(name) or 0) for name in row if name.startswith("hrsp_") or name in {"econ", "eresp"}}
    answers = sum(value for name, value in number.items() if name.startswith("hrsp_"))
    failed = number["econ"] + number["eresp"]
    return SlotCounters(requests=answers + failed, errors=number["hrsp_5xx"] + failed, connect_errors=number["econ"])


def _word(version: str) -> str:
    """A map's value is one word on the command line."""
    return "".join(char if "!" <= char <= "~" and char not in ";\\\"'#" else "_" for char in version) or "-"


def _is_service(name: str) -> bool:
    return bool(name) and name not in {"#", "name"} and not name.startswith(("bgmon:", "MASTER", "GLOBAL"))


def _detail(info: Mapping[str, str]) -> str:
    dropped = int(info.get("DroppedLogs") or 0)
    return f"{dropped} access log lines were lost: whoever reads the log is too slow" if dropped else ""


def _hint(said: str) -> str:
    if "cannot bind" in said.lower() or "already in use" in said.lower():
        return "another program has that port: stop it, or change proxy.listen (who has it: ss -ltnp)"
    return "look at its log for more"
