"""Several "machines" on this one: namespaces of their own, each with an sshd and a Docker engine, on one bridge.

    python -m tools.fleet up [COUNT]           start them (three by default); prints their names and addresses
    python -m tools.fleet exec NAME COMMAND    run a command on one
    python -m tools.fleet down                 end them and take away everything they made

A machine has a network, mount, process, host name and IPC namespace. It sees this machine's files, and what it writes
to /etc, /root, /opt, /usr/local and /var/lib stays its own; /run is empty at its start. Its first process is all that
holds it together: when that is killed, everything on the machine ends, as with a lost power supply. Needs root.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools import engine

ROOT = Path(__file__).resolve().parent.parent

FOLDER = ROOT / ".engine-fleet"
OWN_FOLDERS = ("/etc", "/root", "/opt", "/usr/local", "/var/lib")
START_TIMEOUT = 90.0
NAMES = tuple(f"vps{number}" for number in range(1, 30))
# Reaps what loses its parent, as every first process has to.
INIT = """
import os, time
while True:
    try:
        os.wait()
    except ChildProcessError:
        time.sleep(0.1)
"""


class CannotStartError(Exception):
    """Says in one line what is wrong."""


def run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise CannotStartError(f"{shlex.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Machine:
    """One of them. `address` is where sshd listens, on port 22."""

    def __init__(self, fleet: Fleet, number: int, *, docker: bool = True) -> None:
        self.fleet = fleet
        self.name = NAMES[number]
        self.address = f"{fleet.network}.{11 + number}"
        self.folder = fleet.folder / self.name
        self.namespace = f"{fleet.prefix}-{self.name}"
        self.link = f"{fleet.prefix}{number}"
        self.docker = docker
        self._children: list[subprocess.Popen[bytes]] = []  # of this process

    @property
    def init(self) -> int | None:
        """The first process's id; None when the machine is off."""
        try:
            number = int((self.folder / "init.pid").read_text())
            command = Path(f"/proc/{number}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return number if os.fsencode(self.folder) in command else None

    def start(self) -> None:
        """Power on. Containers with a restart policy come back with the engine."""
        self._link()
        self._first_process()
        self._engine()
        self._sshd()

    def _link(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not Path("/run/netns", self.namespace).exists():
            run("ip", "netns", "add", self.namespace)
        near, far = f"{self.link}h", f"{self.link}m"
        if not Path("/sys/class/net", near).exists():
            run("ip", "link", "add", near, "type", "veth", "peer", "name", far)
            run("ip", "link", "set", far, "netns", self.namespace, "name", "eth0")
            run("ip", "link", "set", near, "master", self.fleet.bridge)
            inside = ("ip", "-n", self.namespace)
            run(*inside, "addr", "add", f"{self.address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                run(*inside, "link", "set", device, "up")
            run(*inside, "route", "add", "default", "via", f"{self.fleet.network}.1")
        run("ip", "link", "set", near, "up")

    def _first_process(self) -> None:
        lines = ["set -e", "mount -t tmpfs tmpfs /run", "mkdir -p /run/sshd /run/lock"]
        for place in OWN_FOLDERS:
            own, work = self._own(place), self.folder / "work" / place.strip("/").replace("/", "-")
            own.mkdir(parents=True, exist_ok=True)
            work.mkdir(parents=True, exist_ok=True)
            lines.append(f"mount -t overlay -o lowerdir={place},upperdir={own},workdir={work} overlay {place}")
        data = self.folder / "docker"
        data.mkdir(exist_ok=True)
        lines += ["mkdir -p /var/lib/docker", f"mount --bind {data} /var/lib/docker", f"hostname {self.name}"]
        lines += [f": > {self.folder}/ready", f"exec /usr/bin/python3 -SE -c {shlex.quote(INIT)} {self.folder}"]
        (self.folder / "ready").unlink(missing_ok=True)
        command = ["nsenter", f"--net=/run/netns/{self.namespace}", "unshare", "-m", "-u", "-i", "-p", "-f"]
        command += ["--mount-proc", "--propagation", "private", "sh", "-c", "\n".join(lines)]
        with (self.folder / "init.log").open("wb") as log:
            holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._children.append(holder)
        until = time.monotonic() + START_TIMEOUT
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
        while not (self.folder / "ready").exists() or not children.read_text().split():
            if holder.poll() is not None or time.monotonic() > until:
                raise CannotStartError(f"{self.name}: {(self.folder / 'init.log').read_text().strip()}")
            time.sleep(0.02)
        (self.folder / "init.pid").write_text(children.read_text().split()[0])
        while self.init is None:  # the shell has not become the first process yet
            time.sleep(0.01)

    def _own(self, place: str) -> Path:
        return self.folder / "own" / place.strip("/")

    def _engine(self) -> None:
        if not self.docker:
            return
        settings = {
            "iptables": False, "ip6tables": False, "ip-forward": False, "ip-masq": False, "shutdown-timeout": 5,
            "cgroup-parent": f"/{self.namespace}", "insecure-registries": [f"{self.fleet.network}.0/24"],
        }  # fmt: skip
        self.write("/etc/docker/daemon.json", json.dumps(settings))
        self.spawn("dockerd")

    def _sshd(self) -> None:
        key = self.folder / "host_key"
        if not key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        (self.folder / "sshd.conf").write_text(
            f"Port 22\nListenAddress {self.address}\nHostKey {key}\nPidFile /run/sshd.pid\nUsePAM no\nStrictModes no\n"
            f"AuthorizedKeysFile {self.fleet.key}.pub\nPasswordAuthentication no\nPermitRootLogin yes\n"
            "MaxStartups 100\n"
        )
        self.spawn("/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "sshd.conf"))

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """A file on the machine, which is on."""
        done = self.run(
            "sh", "-c", f'mkdir -p "$(dirname {path})" && cat > {path} && chmod {mode:o} {path}', stdin=text
        )
        assert done.returncode == 0, done.stderr

    def _enter(self, command: tuple[str, ...]) -> list[str]:
        number = self.init
        assert number is not None, f"{self.name} is off"
        return ["nsenter", "-t", str(number), "-n", "-m", "-u", "-i", "-p", "--wd=/", *command]

    def run(
        self, *command: str, stdin: str | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command on the machine, with what it said."""
        return subprocess.run(
            self._enter(command),
            input=stdin,
            env={**_plain_environ(), **(environ or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def spawn(self, *command: str) -> subprocess.Popen[bytes]:
        """Something that goes on; its output is in NAME.log."""
        with (self.folder / f"{Path(command[0]).name}.log").open("ab") as log:
            child = subprocess.Popen(
                self._enter(command), env=_plain_environ(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self._children.append(child)
        return child

    def wait(self) -> None:
        """Until sshd and the engine answer."""
        until = time.monotonic() + START_TIMEOUT
        while True:
            fine = run("ssh-keyscan", "-T", "2", self.address, check=False).strip()
            if fine and (not self.docker or self.run("docker", "version").returncode == 0):
                return
            if time.monotonic() > until:
                logs = [path.read_text(errors="replace")[-500:] for path in self.folder.glob("*.log")]
                raise CannotStartError(f"{self.name} did not start: {logs}")
            time.sleep(0.2)

    def kill(self) -> None:
        """As when the power goes: everything on it ends at once, and its address falls silent."""
        number = self.init
        if number is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
            while self.init is not None:
                time.sleep(0.01)
        for child in self._children:
            child.wait()  # they were on it
        self._children.clear()
        with contextlib.suppress(FileNotFoundError):
            (self.folder / "init.pid").unlink()

    def unplug(self) -> None:
        """Cut the network cable; all else goes on."""
        run("ip", "link", "set", f"{self.link}h", "down")

    def plug(self) -> None:
        run("ip", "link", "set", f"{self.link}h", "up")

    def remove(self) -> None:
        self.kill()
        run("ip", "link", "delete", f"{self.link}h", check=False)
        run("ip", "netns", "delete", self.namespace, check=False)
        for top in Path("/sys/fs/cgroup").glob(f"*/{self.namespace}"):
            _remove_groups(top)
        _remove_groups(Path("/sys/fs/cgroup", self.namespace))


class Fleet:
    """All of a checkout; `key` is a private key that every machine lets in."""

    def __init__(self, folder: Path = FOLDER, *, count: int = 3, bare: int = 0) -> None:
        if os.geteuid() != 0:
            raise CannotStartError("namespaces need root")
        self.folder = folder
        self.prefix = f"bf{engine.identity(folder)[:6]}"
        self.bridge = f"{self.prefix}br"
        folder.mkdir(parents=True, exist_ok=True)
        self.key = folder / "key"
        self.network = self._network()
        self.machines = [Machine(self, number, docker=number < count) for number in range(count + bare)]

    def _network(self) -> str:
        """The first three numbers of its addresses."""
        kept = self.folder / "network"
        if not kept.exists():
            kept.write_text(engine.free_address(mine="").rpartition(".")[0])
        return kept.read_text()

    def __getitem__(self, name: str) -> Machine:
        return next(machine for machine in self.machines if machine.name == name)

    def up(self) -> None:
        if not self.key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key))
        if not Path("/sys/class/net", self.bridge).exists():
            run("ip", "link", "add", self.bridge, "type", "bridge")
            run("ip", "addr", "add", f"{self.network}.1/24", "dev", self.bridge)
            run("ip", "link", "set", self.bridge, "up")
        for machine in self.machines:
            if machine.init is None:
                machine.start()
        for machine in self.machines:
            machine.wait()
        self.known_hosts()

    def known_hosts(self) -> Path:
        """The keys of all machines, as ssh-keyscan would find them."""
        path = self.folder / "known_hosts"
        lines = [f"{one.address} {(one.folder / 'host_key.pub').read_text().strip()}\n" for one in self.machines]
        path.write_text("".join(lines))
        return path

    def ssh_options(self) -> list[str]:
        """What makes ssh know the machines, and nothing of this user's own files."""
        known = f"UserKnownHostsFile={self.folder}/known_hosts"
        return ["-F", "/dev/null", "-i", str(self.key), "-o", known, "-o", "GlobalKnownHostsFile=/dev/null"]

    def down(self) -> None:
        for machine in self.machines:
            machine.remove()
        run("ip", "link", "delete", self.bridge, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def _plain_environ() -> dict[str, str]:
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


def _remove_groups(top: Path) -> None:
    """The control groups that killed containers leave behind; the kernel lets go of them within moments."""
    for group in sorted(_folders(top), reverse=True):
        for _ in range(100):
            try:
                group.rmdir()
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.02)
            else:
                break


def _folders(top: Path) -> Iterator[Path]:
    for folder, _, _ in os.walk(top):
        yield Path(folder)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["up", *rest]:
            fleet = Fleet(count=int(rest[0]) if rest else 3)
            fleet.up()
            for machine in fleet.machines:
                print(machine.name, machine.address)
            print("ssh:", shlex.join(["ssh", *fleet.ssh_options(), f"root@{fleet.machines[0].address}"]))
        case ["exec", name, *command] if command:
            machine = Fleet(count=len(NAMES))[name]
            os.execvp("nsenter", machine._enter(tuple(command)))  # noqa: SLF001 - of this module
        case ["down"]:
            Fleet(count=len(NAMES)).down()
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CannotStartError as problem:
        print(f"fleet: {problem}", file=sys.stderr)
        sys.exit(1)
