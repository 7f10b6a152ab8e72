#!/usr/bin/env python3
"""The Docker engine that the demo and the tests use: the machine's own when it answers, else a private one.

The private engine lives under .engine/ of this checkout with its own socket, data root, pid file, containerd
namespace and bridge, changes no firewall rule and no sysctl, and is gone without a trace when it is stopped. Standard
library alone: this runs before any package is installed.

    engine.py url               URL of an engine that answers; exit code 1 when none does
    engine.py up                the same, after starting the private one if need be; it stays until `down`
    engine.py run -- COMMAND    COMMAND with DOCKER_HOST set; a private engine that this started ends with its last user
    engine.py down              stop the private engine; `down --purge` also takes its images and data away
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import suites

ROOT = Path(__file__).resolve().parent.parent
SUITE = os.environ.get("BGMON_ENGINE_SUITE", "")  # a newer Debian release whose Docker is started, see suites.py
FOLDER = ROOT / (f".engine-{SUITE}" if SUITE else ".engine")


def identity(root: Path) -> str:
    """What tells the engine of one checkout from another's."""
    return hashlib.sha256(str(root).encode()).hexdigest()[:8]


IDENTITY = identity(ROOT / SUITE)
DEFAULT_SOCKET = "/var/run/docker.sock"
EXEC_ROOT = Path(f"/run/bgmon-{IDENTITY}")
BRIDGE = f"bgm{IDENTITY}"
PID_FILE = FOLDER / "docker.pid"
LOG = FOLDER / "dockerd.log"
BY_RUN = FOLDER / "started-by-run"  # its last user stops an engine that has this; one from `up` stays
START_TIMEOUT = 60.0
STOP_TIMEOUT = 40.0
LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes, and the engine adds to it


def socket_path() -> Path:
    """Of the private engine: under .engine/, or in /run for a checkout whose path is too long for a unix socket."""
    near = FOLDER / "docker.sock"
    return near if len(str(near)) <= LONGEST_SOCKET_PATH else EXEC_ROOT / "docker.sock"


def answers(url: str, timeout: float = 5.0) -> bool:
    """Whether an engine says OK to a ping. TLS addresses are not looked into and count as an answer."""
    scheme, _, address = url.partition("://")
    if scheme == "unix":
        family: int = socket.AF_UNIX
        target: str | tuple[str, int] = address
    elif scheme in ("tcp", "http") and not os.environ.get("DOCKER_TLS_VERIFY"):
        host, _, port = address.partition(":")
        family, target = socket.AF_INET, (host, int(port or 2375))
    else:
        return scheme in ("tcp", "https", "ssh")
    with socket.socket(family) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(target)
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


def find() -> str | None:
    """URL of an engine that answers: DOCKER_HOST, else the machine's own, else this checkout's private one.

    With BGMON_PRIVATE_ENGINE_ONLY in the environment, the private one alone: for tests that break it. With
    BGMON_ENGINE_SUITE, the private one of that Debian release.
    """
    given = os.environ.get("DOCKER_HOST")
    if SUITE and not given:
        return url if answers(url := f"unix://{socket_path()}") else None
    candidates = [given] if given else [f"unix://{DEFAULT_SOCKET}", f"unix://{socket_path()}"]
    if os.environ.get("BGMON_PRIVATE_ENGINE_ONLY"):
        candidates = [f"unix://{socket_path()}"]
    return next((url for url in candidates if answers(url)), None)


class CannotStartError(Exception):
    """Says in one line what the person must do."""


# --- the private engine ---------------------------------------------------------------------------------------------


def pid() -> int | None:
    """Of the private engine's daemon, if it runs."""
    try:
        number = int(PID_FILE.read_text())
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return number if b"dockerd" in command and os.fsencode(FOLDER) in command else None


def start() -> None:
    if os.geteuid() != 0:
        raise CannotStartError(
            "no Docker engine answers and this is not root: install and start Docker, set DOCKER_HOST, or become root"
        )
    missing = [name for name in ("dockerd", "containerd", "ip") if shutil.which(name) is None]
    if missing:
        raise CannotStartError(
            f"no Docker engine answers and {', '.join(missing)} is missing: install docker.io, iproute2"
        )
    FOLDER.mkdir(exist_ok=True)
    EXEC_ROOT.mkdir(mode=0o711, exist_ok=True)
    for left in (PID_FILE, EXEC_ROOT / "containerd" / "containerd.pid"):
        if ended(left):  # dockerd waits in vain for one that was killed and that nobody has reaped
            left.unlink(missing_ok=True)
    bridge = free_address()
    (FOLDER / "daemon.json").write_text("{}\n")  # instead of /etc/docker/daemon.json, which is another engine's
    ip("link", "add", "name", BRIDGE, "type", "bridge", check=False)
    ip("addr", "replace", bridge, "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    command = ["dockerd", "--config-file", str(FOLDER / "daemon.json"), "-H", f"unix://{socket_path()}"]
    command += ["--data-root", str(FOLDER / "data"), "--exec-root", str(EXEC_ROOT), "--pidfile", str(PID_FILE)]
    command += ["--containerd-namespace", f"bgmon-{IDENTITY}", "--containerd-plugins-namespace", f"bgmon-{IDENTITY}-p"]
    command += ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
    # No --default-address-pool: with it, dockerd 20.10 deletes docker0 when it starts again, whosever that is.
    command += ["--bridge", BRIDGE, "--shutdown-timeout", "5"]
    if SUITE:
        command = suites.command(SUITE, command)
    with LOG.open("wb") as log:
        daemon = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
        )
    deadline = time.monotonic() + START_TIMEOUT
    while not answers(f"unix://{socket_path()}"):
        if daemon.poll() is not None or time.monotonic() > deadline:
            why = [line for line in LOG.read_text(errors="replace").splitlines() if line.strip()][-1:]
            stop()
            raise CannotStartError(f"dockerd did not start: {''.join(why) or 'it said nothing'} (see {LOG})")
        time.sleep(0.1)


def stop() -> bool:
    """Stop the private engine with its containers; False when it did not run. Takes its devices and mounts away."""
    number = pid()
    bridges = [BRIDGE, *(f"br-{network[:12]}" for network in networks())] if number else [BRIDGE]
    if number is not None:
        os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT
        while not ended(PID_FILE):
            if time.monotonic() > deadline:
                os.kill(number, signal.SIGKILL)
                break
            time.sleep(0.1)
    if os.geteuid() == 0:
        for process in list(orphans()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for mount in sorted(mounts(), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        for bridge in bridges:
            if Path("/sys/class/net", bridge).exists():
                ip("link", "delete", bridge, check=False)
        shutil.rmtree(EXEC_ROOT, ignore_errors=True)
    for left in (PID_FILE, socket_path(), BY_RUN):
        left.unlink(missing_ok=True)
    return number is not None


def ended(pid_file: Path) -> bool:
    """Whether the process that a pid file names is gone, or only waits for its parent to ask."""
    try:
        number = int(pid_file.read_text())
        return Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except (OSError, ValueError):
        return True


def orphans() -> Iterator[int]:
    """What a killed engine leaves running: its containers' processes, then containerd's shims that hold them."""
    shims = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(f"{EXEC_ROOT}/") in (process / "cmdline").read_bytes():
                shims.append(process)
    for shim in shims:
        with contextlib.suppress(OSError):
            yield from map(int, (shim / "task" / shim.name / "children").read_text().split())
        yield int(shim.name)


def mounts() -> Iterator[str]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        point = line.split()[1].replace("\\040", " ")
        if point.startswith((f"{EXEC_ROOT}/", f"{FOLDER}/")):
            yield point


def networks() -> list[str]:
    """Ids of the private engine's networks: it leaves their bridges behind when it stops."""
    connection = http.client.HTTPConnection("docker", timeout=5)
    try:
        with socket.socket(socket.AF_UNIX) as connection.sock:
            connection.sock.settimeout(5)
            connection.sock.connect(str(socket_path()))
            connection.request("GET", "/networks")
            return [network["Id"] for network in json.load(connection.getresponse())]
    except (OSError, http.client.HTTPException, ValueError):
        return []


def free_address(*, mine: str = BRIDGE) -> str:
    """An address for a bridge whose network clashes with no route of this machine but those of the bridge `mine`."""
    routes = json.loads(ip("-j", "route", "show", "table", "all") or "[]")
    taken = []
    for route in routes:
        with contextlib.suppress(ValueError):
            network = ipaddress.ip_network(route.get("dst", ""), strict=False)
            if network.prefixlen > 0 and route.get("dev") != mine:
                taken.append(network)
    first = int(IDENTITY, 16)
    for step in range(100):
        base = ipaddress.ip_network(f"10.{100 + (first + step) % 100}.0.0/24")
        if not any(base.overlaps(network) for network in taken if network.version == base.version):
            return f"{next(base.hosts())}/24"
    raise CannotStartError("no free address range for the bridge: 10.100.0.0 to 10.199.0.0 are all routed")


def ip(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    if check and done.returncode:
        raise CannotStartError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


# --- commands -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(name: str, *, shared: bool = False) -> Iterator[None]:
    """flock(2): dies with its holder. Only one process at a time starts or stops the engine."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


def up(*, by_run: bool = False) -> str:
    with locked("start.lock"):
        url = find()
        if url is None and (given := os.environ.get("DOCKER_HOST")):
            raise CannotStartError(f"no engine answers at DOCKER_HOST={given}: start it, or unset DOCKER_HOST")
        if url is None:
            start()
            if by_run:
                BY_RUN.touch()
        elif not by_run:
            BY_RUN.unlink(missing_ok=True)
        return url or f"unix://{socket_path()}"


def run(command: list[str]) -> int:
    with locked("users.lock", shared=True):
        url = up(by_run=True)
        child = subprocess.Popen(command, env={**os.environ, "DOCKER_HOST": url})
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda got, _frame: child.send_signal(got) if got != signal.SIGINT else None)
        code = child.wait()
    with locked("start.lock"), (FOLDER / "users.lock").open("w") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return code  # somebody else still uses it, and will stop it
        if BY_RUN.exists():
            stop()
    return code


def main(arguments: list[str]) -> int:
    match arguments:
        case ["url"]:
            url = find()
            print(url or "no Docker engine answers")
            return 0 if url else 1
        case ["up"]:
            print(up())
            return 0
        case ["run", "--", *command] if command:
            return run(command)
        case ["down"] | ["down", "--purge"]:
            with locked("start.lock"):
                print("stopped" if stop() else "no private engine runs")
            if arguments[1:]:
                shutil.rmtree(FOLDER, ignore_errors=True)
            return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CannotStartError as problem:
        print(f"engine: {problem}", file=sys.stderr)
        sys.exit(1)
