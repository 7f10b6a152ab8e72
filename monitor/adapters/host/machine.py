"""The machine, out of /proc and statvfs. Missing files give nothing: a metric that is absent lies less than a 0."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from monitor.domain import names
from monitor.domain.digits import digits


@dataclass(frozen=True, slots=True)
class Disk:
    mount: str
    free: int  # for those who are not root, as df shows it
    size: int


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Bytes, seconds and the 1 minute load; None where the machine does not say."""

    disks: tuple[Disk, ...] = ()
    memory_available: int | None = None
    memory_size: int | None = None
    cpu_busy: float | None = None
    cpu_idle: float | None = None
    load1: float | None = None


def host_facts(mounts: tuple[str, ...], proc: Path = Path("/proc")) -> HostFacts:
    """What the machine says now. `mounts` are folders whose file systems are looked at."""
    memory = _memory(_read(proc / "meminfo"))
    busy, idle = _cpu(_read(proc / "stat"))
    load = _read(proc / "loadavg").split()
    return HostFacts(
        disks=tuple(disk for mount in mounts if (disk := _disk(mount)) is not None),
        memory_available=memory.get("MemAvailable"),
        memory_size=memory.get("MemTotal"),
        cpu_busy=busy,
        cpu_idle=idle,
        load1=float(load[0]) if load else None,
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _disk(mount: str) -> Disk | None:
    try:
        stat = os.statvfs(mount)
    except OSError:
        return None
    return Disk(mount, stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize)


def _memory(text: str) -> dict[str, int]:
    """`MemTotal:  123 kB` lines, in bytes."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        amount = rest.split()
        if amount and digits(amount[0]):
            found[name] = int(amount[0]) * 1024
    return found


def _cpu(text: str) -> tuple[float | None, float | None]:
    """Seconds all cores were busy and idle, by proc(5): user nice system idle iowait irq softirq steal guest..."""
    first = text.partition("\n")[0].split()
    ticks = os.sysconf("SC_CLK_TCK")
    if not first or first[0] != "cpu":
        return None, None
    values = [int(value) for value in first[1:9]]  # guest time is in user time already
    idle = sum(values[3:5])
    return (sum(values) - idle) / ticks, idle / ticks


class HostCollector:
    """The host's metrics, for prometheus-client; looked at anew when `fresh` seconds have passed."""

    def __init__(self, mounts: tuple[str, ...], proc: Path = Path("/proc"), fresh: float = 5.0) -> None:
        self._mounts = mounts
        self._proc = proc
        self._fresh = fresh
        self._facts: HostFacts | None = None
        self._at = 0.0

    def collect(self) -> Iterator[Metric]:
        if self._facts is None or time.monotonic() - self._at > self._fresh:
            self._facts, self._at = host_facts(self._mounts, self._proc), time.monotonic()
        facts = self._facts
        free = GaugeMetricFamily(names.METRIC_HOST_DISK_FREE, "Bytes free on the file system.", labels=["mount"])
        size = GaugeMetricFamily(names.METRIC_HOST_DISK_SIZE, "Bytes of the file system.", labels=["mount"])
        for disk in facts.disks:
            free.add_metric([disk.mount], disk.free)
            size.add_metric([disk.mount], disk.size)
        yield free
        yield size
        for name, text, value in (
            (
                names.METRIC_HOST_MEMORY_AVAILABLE,
                "Bytes of memory that can be had without swapping.",
                facts.memory_available,
            ),
            (names.METRIC_HOST_MEMORY_SIZE, "Bytes of memory.", facts.memory_size),
            (names.METRIC_HOST_LOAD, "Load average over one minute.", facts.load1),
        ):
            if value is not None:
                yield GaugeMetricFamily(name, text, value=value)
        if facts.cpu_busy is not None and facts.cpu_idle is not None:
            cpu = CounterMetricFamily(names.METRIC_HOST_CPU, "Seconds of all cores, by mode.", labels=["mode"])
            cpu.add_metric(["busy"], facts.cpu_busy)
            cpu.add_metric(["idle"], facts.cpu_idle)
            yield cpu
