"""Docker's logs as a LogSource: the proxy's access log, and the output of services that log requests themselves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from monitor.adapters.docker.log_source.accessfile import AccessFile
from monitor.adapters.docker.log_source.lines import Line, framed, plain, time_text, unix_text
from monitor.adapters.docker.log_source.position import Position, advanced, dump, fresh, load
from monitor.adapters.docker.log_source.tail import Births, Tail
from monitor.adapters.docker.log_source.transport import EngineHttp
from monitor.domain.logs.counts import Counts
from monitor.domain.logs.events import EventParser, EventRule
from monitor.domain.logs.parse import AccessParser, LineParser
from monitor.domain.logs.rules import LogRule
from monitor.domain.names import KIND_ACCESS, LABEL_KIND, LABEL_PROJECT, LABEL_SERVICE
from monitor.domain.own import ACCESS_ROLES, Made
from monitor.errors import NotFound, SourceError
from monitor.ports.logs import Batch, Cursor

_AT_ONCE: Final = 8
_BLOCK: Final = 1024  # lines parsed in one go
_SILENCE: Final = 60.0  # seconds that the engine may stay silent in the middle of a log
_FIRST_LINES: Final = 500
_FILE: Final = "file"  # its place in the cursor, beside those of containers
_LAST_WORDS: Final = 2.0  # seconds to wait for the end of a removed container's log


@dataclass(frozen=True, slots=True)
class _Log:
    """A container whose log counts; `service` is None for the proxy, whose lines name their service."""

    id: str
    service: str | None
    tty: bool


class DockerLogSource:
    """Reads what is new in pieces, and follows every log for the case that its container is removed in between.

    Args:
        engine: where the containers are.
        project: whose containers.
        rules: by service.
        whose: what is on record of the container with this id; a container of nobody counts for nothing.
        follow: hold the last lines of removed containers; the daemon does, a command that counts once does not.
        access_file: the access log of a proxy that is no container.
    """

    name = "docker"

    def __init__(
        self,
        engine: EngineHttp,
        project: str,
        rules: Mapping[str, LogRule],
        whose: Callable[[str], Made | None],
        *,
        follow: bool = True,
        access_file: Path | None = None,
        events: Mapping[str, EventRule] | None = None,
    ) -> None:
        self._events = {name: EventParser(rule) for name, rule in (events or {}).items()}
        self._file = AccessFile(access_file) if access_file is not None else None
        self._engine = engine
        self._project = project
        self._whose = whose
        self._rules = dict(rules)
        access = {name: rule for name, rule in rules.items() if rule.format == "access"}
        self._access = AccessParser(access) if access else None
        self._parsers = {name: LineParser(rule) for name, rule in rules.items() if rule.format != "access"}
        self._follow = follow
        self._lock = threading.Lock()
        self._logs: dict[str, _Log] = {}  # all that were ever seen and may still have lines to count
        self._tails: dict[str, Tail] = {}
        self._births: Births | None = None
        self._step: dict[str, int] = {}
        self._told: set[str] = set()

    # -- a window, for commands --

    def window(self, services: Sequence[str], start: float, end: float) -> dict[str, Counts]:
        found = {service: Counts() for service in services}
        rules = [self._rules[name] for name in found if name in self._rules]
        if self._file is not None and any(rule.format == "access" for rule in rules):
            raise SourceError(
                "the access log of a proxy that runs as a process holds no times: no window can be cut out of it",
                hint="the daemon counts it: see /metrics; or choose proxy.run: container, or logs.source: loki",
            )
        first, last = time_text(start), time_text(end)
        parameters = {"since": unix_text(first), "until": f"{end + 1:.6f}"}

        def read(log: _Log) -> dict[str, Counts]:
            counts: dict[str, Counts] = {}
            try:
                for lines in self._lines(log, parameters):
                    self._count(log, [text for time, text in lines if first < time <= last], counts)
            except NotFound:
                pass  # removed while we looked
            return counts

        logs = [log for log in self._list() if log.service is None or log.service in found]
        for counts in self._each(read, logs):
            for service, more in counts.items():
                if service in found:
                    found[service].add(more)
        return found

    # -- what is new, for the daemon --

    def collect(self, cursor: Cursor, now: float) -> Batch:
        if self._follow and self._births is None:
            self._births = Births(self._engine, f"{LABEL_PROJECT}={self._project}", self._born)
        present = {log.id: log for log in self._list()}
        positions = {id_: load(text) for id_, text in cursor.items() if id_ != _FILE}
        for log in present.values():
            self._watch(log, positions.get(log.id, Position()).base)
        with self._lock:
            absent = {id_: log for id_, log in self._logs.items() if id_ not in present}
        kept: dict[str, str] = {}
        increments: dict[str, Counts] = {}
        warnings: list[str] = []

        def read(log: _Log) -> tuple[_Log, Position, dict[str, Counts], str]:
            before = positions.get(log.id, Position())
            counts: dict[str, Counts] = {}
            try:
                after = self._piece(log, before, counts)
            except NotFound:
                after = self._last_words(log, before, counts)
            except SourceError as error:
                return log, before, {}, str(error)
            return log, after, counts, ""

        def read_absent(log: _Log) -> tuple[_Log, Position, dict[str, Counts], str]:
            counts: dict[str, Counts] = {}
            return log, self._last_words(log, positions.get(log.id, Position()), counts), counts, ""

        done = [log for log in absent.values() if log.id in positions and positions[log.id].gone]
        for log in done:  # its last lines are kept safe: it can be forgotten
            self._drop(log.id)
        going = [log for log in absent.values() if log not in done]
        for log, position, counts, problem in [
            *self._each(read, list(present.values())),
            *self._each(read_absent, going),
        ]:
            if problem and problem not in self._told:
                warnings.append(problem)  # once: a log driver that cannot be read stays so
                self._told.add(problem)
            if position != Position():
                kept[log.id] = dump(position)
            for service, more in counts.items():
                increments.setdefault(service, Counts()).add(more)
        more = self._file is not None and self._read_file(cursor, kept, increments)
        return Batch(increments, kept, now, tuple(warnings), more)

    def _read_file(self, cursor: Cursor, kept: dict[str, str], increments: dict[str, Counts]) -> bool:
        assert self._file is not None
        lines, position, more = self._file.read(cursor.get(_FILE))
        if position is not None:
            kept[_FILE] = position
        for at in range(0, len(lines), _BLOCK):
            if self._access is not None:
                self._access.count(lines[at : at + _BLOCK], increments)
        return more

    def reset(self) -> None:
        """What is held in memory lies beyond every cursor, so that there is nothing to forget."""

    def explain(self, service: str) -> list[tuple[str, str]]:
        label = f"{LABEL_SERVICE}={service}"
        if service in self._rules and self._rules[service].format == "access":
            label = f"{LABEL_KIND}={KIND_ACCESS}"
        return [("lines", f"docker logs $(docker ps -aq -f label={LABEL_PROJECT}={self._project} -f label={label})")]

    def close(self) -> None:
        if self._births is not None:
            self._births.close()
        with self._lock:
            tails = list(self._tails.values())
            self._tails.clear()
        for tail in tails:
            tail.close()

    def _piece(self, log: _Log, before: Position, counts: dict[str, Counts]) -> Position:
        """Count what is new. The last few lines are asked for first: those the engine finds without reading it all."""
        step = self._step.get(log.id, _FIRST_LINES)
        while True:
            parameters = {"tail": str(step)} if before.base and step < _WHOLE else {}
            if before.base:
                parameters["since"] = unix_text(before.base.encode())
            whole = "tail" not in parameters
            lines: list[Line] = []
            if whole and not before.base:
                return self._first_piece(log, parameters, counts)
            for part in self._lines(log, parameters):
                lines += part
            new = fresh(before, lines, whole=whole)
            if new is not None:
                break
            step *= 8
        self._count(log, [text for _, text in new], counts)
        self._step[log.id] = min(_WHOLE, 2 * len(lines) + _FIRST_LINES)
        after = advanced(before, lines)
        tail = self._tails.get(log.id)
        if tail is not None:
            tail.forget(after.base)
        return after

    def _first_piece(self, log: _Log, parameters: dict[str, str], counts: dict[str, Counts]) -> Position:
        """A log that was never read may be long: it is counted as it comes."""
        position = Position()
        recent: list[Line] = []
        for part in self._lines(log, parameters):
            self._count(log, [text for _, text in part], counts)
            recent += part
            if len(recent) > _WHOLE:
                position = advanced(position, recent)
                recent = [line for line in recent if line[0] >= position.base.encode()]
        return advanced(position, recent)

    def _last_words(self, log: _Log, before: Position, counts: dict[str, Counts]) -> Position:
        tail = self._tails.get(log.id)
        if tail is None:
            return Position(gone=True)
        tail.ended.wait(_LAST_WORDS)
        new = fresh(before, tail.lines(before.base), whole=True)
        self._count(log, [text for _, text in new or ()], counts)
        return Position(before.base, before.count, before.last, gone=True)

    # -- containers --

    def _list(self) -> list[_Log]:
        filters = json.dumps({"label": [f"{LABEL_PROJECT}={self._project}"]})
        items: list[dict[str, Any]] = self._engine.get("/containers/json", {"all": "1", "filters": filters})
        logs = (self._log(item["Id"]) for item in items)
        return [log for log in logs if log is not None]

    def _log(self, id_: str) -> _Log | None:
        """None for a container whose lines do not count, such as one that only carries our labels."""
        known = self._logs.get(id_)
        if known is not None:
            return known
        made = self._whose(id_)
        if made is None:
            return None
        service = None if made.role in ACCESS_ROLES else made.service
        if service is None and self._access is None:
            return None
        if service is not None and service not in self._parsers and service not in self._events:
            return None
        try:
            details = self._engine.get(f"/containers/{id_}/json", {})
        except NotFound:
            return None
        return _Log(id_, service, bool(details["Config"].get("Tty")))

    def _born(self, id_: str) -> None:
        log = self._log(id_)
        if log is not None:
            self._watch(log, "")

    def _watch(self, log: _Log, since: str) -> None:
        with self._lock:
            self._logs[log.id] = log
            if self._follow and log.id not in self._tails:
                self._tails[log.id] = Tail(
                    self._engine, log.id, tty=log.tty, stderr=log.service is not None, since=since
                )

    def _drop(self, id_: str) -> None:
        with self._lock:
            self._logs.pop(id_, None)
            tail = self._tails.pop(id_, None)
        self._step.pop(id_, None)
        if tail is not None:
            tail.close()

    # -- lines --

    def _lines(self, log: _Log, parameters: Mapping[str, str]) -> Iterator[list[Line]]:
        asked = {"timestamps": "1", "stdout": "1", "stderr": "0" if log.service is None else "1", **parameters}
        with closing(self._engine.stream(f"/containers/{log.id}/logs", asked, timeout=_SILENCE)) as stream:
            yield from (plain if log.tty else framed)(stream.chunks())

    def _count(self, log: _Log, texts: list[bytes], counts: dict[str, Counts]) -> None:
        for at in range(0, len(texts), _BLOCK):
            block = texts[at : at + _BLOCK]
            if log.service is not None:
                own = counts.setdefault(log.service, Counts())
                for parser in (self._parsers.get(log.service), self._events.get(log.service)):
                    if parser is not None:
                        parser.count(block, own)
            elif self._access is not None:
                self._access.count(block, counts)

    def _each(self, work: Callable[[_Log], Any], logs: Sequence[_Log]) -> list[Any]:
        if len(logs) <= 1:
            return [work(log) for log in logs]
        with ThreadPoolExecutor(min(_AT_ONCE, len(logs))) as pool:
            return list(pool.map(work, logs))


_WHOLE: Final = 200_000  # lines; to ask for more is to ask for all
