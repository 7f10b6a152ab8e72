"""What a container uses, and what the kernel killed in it, from the kernel's own books.

The engine answers the same, but only after its next round of collecting, up to a second later. Files:
cgroup v1 of the kernel's admin-guide/cgroup-v1/memory.rst and cpuacct.rst, cgroup v2 of admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from monitor.domain.containers import ContainerStats

_NANO = 1e-9
_MICRO = 1e-6


def usage(
    pid: int, container: str, *, proc: Path = Path("/proc"), root: Path = Path("/sys/fs/cgroup")
) -> ContainerStats | None:
    """What the container with the full id `container` uses, whose first process is `pid`.

    None when this host does not know: the engine is elsewhere (its id is not in the process's cgroup path, so that
    `pid` is somebody else's), or the files are out of sight.
    """
    with suppress(OSError, ValueError, KeyError):
        groups = _groups(proc, pid)
        memory, cpu, unified = groups.get("memory", ""), groups.get("cpuacct", ""), groups.get("", "")
        if container in memory and container in cpu:
            return _version_1(root / f"memory{memory}", root / f"cpuacct{cpu}")
        if container in unified:
            return _version_2(root / unified.lstrip("/"))
    return None


def oom_kills(
    pid: int, container: str, *, proc: Path = Path("/proc"), root: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """How many processes the kernel has killed in that container for want of memory since it started.

    None when this host does not know, as with `usage`; also on kernels before 4.13, which do not count.
    """
    with suppress(OSError, ValueError, KeyError):
        groups = _groups(proc, pid)
        memory, unified = groups.get("memory", ""), groups.get("", "")
        if container in memory:
            return _table(root / f"memory{memory}" / "memory.oom_control")["oom_kill"]
        if container in unified:
            return _table(root / unified.lstrip("/") / "memory.events")["oom_kill"]
    return None


def _groups(proc: Path, pid: int) -> dict[str, str]:
    """Path by controller; the unified hierarchy of v2 stands under the empty name."""
    found: dict[str, str] = {}
    for line in (proc / str(pid) / "cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _version_1(memory: Path, cpu: Path) -> ContainerStats:
    used = int((memory / "memory.usage_in_bytes").read_text(encoding="ascii"))
    cache = _table(memory / "memory.stat")["total_inactive_file"]
    limit = int((memory / "memory.limit_in_bytes").read_text(encoding="ascii"))
    seconds = int((cpu / "cpuacct.usage").read_text(encoding="ascii")) * _NANO
    return ContainerStats(max(0, used - cache), min(limit, _host_memory()), seconds)


def _version_2(group: Path) -> ContainerStats:
    used = int((group / "memory.current").read_text(encoding="ascii"))
    cache = _table(group / "memory.stat")["inactive_file"]
    most = (group / "memory.max").read_text(encoding="ascii").strip()
    limit = _host_memory() if most == "max" else min(int(most), _host_memory())
    return ContainerStats(max(0, used - cache), limit, _table(group / "cpu.stat")["usage_usec"] * _MICRO)


def _table(path: Path) -> dict[str, int]:
    return {key: int(value) for key, value in (line.split() for line in path.read_text(encoding="ascii").splitlines())}


def _host_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
