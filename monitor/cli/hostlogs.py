"""`bgmon logs` over several hosts: lines by time, each with its host."""

from __future__ import annotations

import heapq
import itertools
import json
import sys
import threading
import time
from typing import Final

import click

from monitor.cli.output import emit_event
from monitor.cli.remote import Asked
from monitor.domain.remotejob import octets_of

_HELD: Final = 0.5  # seconds for which a line waits for earlier ones of other hosts
_STAMP: Final = len("2026-11-24T12:00:00.123456789Z")
_COLORS: Final = ("cyan", "magenta", "green", "yellow", "blue", "bright_red")


class Interleaved:
    """Lines of several hosts, given in any order, written by time once nothing earlier is to be expected."""

    def __init__(self, hosts: list[str], *, timestamps: bool, as_json: bool) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, int, float, str, str]] = []
        self._number = itertools.count()
        self._timestamps, self._as_json = timestamps, as_json
        self._width = max(map(len, hosts))
        self._colors = {host: _COLORS[number % len(_COLORS)] for number, host in enumerate(hosts)}

    def take(self, host: str, line: str) -> None:
        """One line, which begins with its time."""
        stamp, _, text = line.rstrip("\n").partition(" ")
        with self._lock:
            heapq.heappush(self._waiting, (stamp.ljust(_STAMP), next(self._number), time.monotonic(), host, text))

    def flush(self, *, older: float = 0.0) -> None:
        """Write lines, all or those that waited for so many seconds and what comes before them."""
        with self._lock:
            limit = time.monotonic() - older
            ripe = max((line[:2] for line in self._waiting if line[2] <= limit), default=None)
            while self._waiting and ripe is not None and self._waiting[0][:2] <= ripe:
                stamp, _, _, host, text = heapq.heappop(self._waiting)
                self._write(host, stamp.strip(), text)

    def _write(self, host: str, stamp: str, text: str) -> None:
        if self._as_json:
            emit_event({"host": host, "line": f"{stamp} {text}" if self._timestamps else text})
            return
        shown = f"{stamp} {text}" if self._timestamps else text
        click.secho(f"{host.ljust(self._width)} | ", fg=self._colors[host], nl=False)
        sys.stdout.flush()
        sys.stdout.buffer.write(octets_of(shown) + b"\n")
        sys.stdout.buffer.flush()


def merge_logs(asked: Asked) -> int:
    """`bgmon logs` on every host at the same time."""
    params = asked.params
    lines = Interleaved(asked.hosts, timestamps=bool(params["timestamps"]), as_json=asked.as_json)
    follow = bool(params["follow"])
    argv = [asked.argv[0], "--json", "-t", *(word for word in asked.argv[1:] if word not in {"--json", "-t"})]
    said: dict[str, list[str]] = {host: [] for host in asked.hosts}

    def piece(host: str, stream: str, text: str) -> None:
        if stream == "err":
            said[host].append(text.rstrip())
            return
        try:
            line = json.loads(text)["line"]
        except (ValueError, KeyError, TypeError):
            return
        lines.take(host, str(line))

    codes: dict[str, int] = {}

    def ask() -> None:
        codes.update(asked.each(argv, lambda host: lambda stream, text: piece(host, stream, text)))

    asking = threading.Thread(target=ask, daemon=True)  # Ctrl-C ends a follow at once
    asking.start()
    while asking.is_alive():
        asking.join(0.1)
        if follow:
            lines.flush(older=_HELD)
    lines.flush()
    for host, code in codes.items():
        if code and host not in asked.errors:
            click.echo(f"{host}: {' '.join(said[host]) or f'exit code {code}'}", err=True)
    return asked.end(codes)
