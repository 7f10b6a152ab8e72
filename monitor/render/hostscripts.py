"""What is asked and done on a machine that becomes a bgmon host, as scripts for its shell.

They are seen in the machine's list of processes, so secrets come to them by standard input alone. Each `check` says by
its exit code whether everything is as wanted, and changes nothing.
"""

from __future__ import annotations

import shlex
from typing import Final

HOME: Final = "/opt/bgmon"
"""Where the versions of bgmon are, each in a venv of its own; `current` is a link to the one that is used."""

_WHOLE: Final = ".whole"  # in a venv that was finished
_SOCKET: Final = "/var/run/docker.sock"


def facts(program: str) -> str:
    """`name=value` lines for domain/hostsetup.py."""
    return f"""
. /etc/os-release 2>/dev/null
echo "system=$ID"; echo "family=$ID_LIKE"; echo "release=$VERSION_ID"
echo "machine=$(uname -m)"; echo "libc=$(getconf GNU_LIBC_VERSION 2>/dev/null)"
echo "user=$(id -un)"; echo "uid=$(id -u)"; echo "home=$HOME"
if [ "$(id -u)" = 0 ]; then state=/var/lib/bgmon; else state=${{XDG_STATE_HOME:-$HOME/.local/state}}/bgmon; fi
echo "state=${{BGMON_STATE_DIR:-$state}}"
[ -d /run/systemd/system ] && echo systemd=yes
echo "python=$(python3 -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)"
echo "bgmon=$({shlex.quote(program)} --version 2>/dev/null)"
"""


def install(*packages: str, optional: str = "") -> str:
    """Debian packages, without what they merely recommend. It goes on to its end when the connection is cut.

    `optional` is a package that not every release has, and that is wanted where it is.
    """
    more = f'[ -z "$(apt-cache policy {optional} 2>/dev/null)" ] || more={optional}' if optional else ""
    return f"""
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
log=$(mktemp)
apt() {{ apt-get "$@" -q -o DPkg::Lock::Timeout=300 >"$log" 2>&1 </dev/null; }}
get() {{
    {more}
    apt install -y --no-install-recommends {shlex.join(packages)} $more
}}
get || {{ apt update && get; }} || {{ tail -n 5 "$log" >&2; rm -f "$log"; exit 1; }}
rm -f "$log"
"""


HAS_PYTHON: Final = "python3 -c 'import ensurepip, venv' 2>/dev/null"
HAS_DOCKER: Final = f"command -v dockerd >/dev/null || [ -S {_SOCKET} ]"
MAY_USE_DOCKER: Final = f'[ "$(id -u)" = 0 ] || [ -w {_SOCKET} ]'
_PING: Final = (
    "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect('" + _SOCKET + "'); "
    r"s.sendall(b'GET /_ping HTTP/1.0\r\n\r\n'); raise SystemExit(b' 200 ' not in s.recv(64))"
)
ENGINE_ANSWERS: Final = f"python3 -c {shlex.quote(_PING)} 2>/dev/null"
START_ENGINE: Final = f"""
if [ -d /run/systemd/system ]; then systemctl enable -q --now docker </dev/null || exit 1
elif [ -x /etc/init.d/docker ]; then /etc/init.d/docker start </dev/null >/dev/null 2>&1
else echo "dockerd does not run, and neither systemd nor /etc/init.d/docker is there to start it" >&2; exit 1
fi
n=0
until {ENGINE_ANSWERS}; do
    n=$((n + 1)); [ $n -lt 120 ] || {{ echo "dockerd was started, and does not answer: see its log" >&2; exit 1; }}
    sleep 0.5
done
"""


def has_program(name: str) -> str:
    return f"command -v {shlex.quote(name)} >/dev/null"


def haproxy() -> str:
    """The package, without the service of its own that it brings: bgmon starts one with its own configuration."""
    return install("haproxy") + "[ ! -d /run/systemd/system ] || systemctl disable -q --now haproxy </dev/null\n"


def join_docker(user: str) -> str:
    return f"getent group docker >/dev/null || groupadd --system docker\nusermod -aG docker {shlex.quote(user)}\n"


def has_version(name: str) -> str:
    """Whether /opt/bgmon/NAME was finished and is the one that is used."""
    return f'[ -e {HOME}/{name}/{_WHOLE} ] && [ "$(readlink {HOME}/current)" = {name} ]'


def put_version(name: str, requirement: str) -> str:
    """A venv of bgmon's own, out of a tar on standard input: wheels, or a list of requirements with their hashes.

    It is used from the moment when it is whole, and one that was cut off is made anew. The one before it stays, and
    those that a daemon's unit names.

    Args:
        name: the venv's folder.
        requirement: what is installed besides the list, `bgmon==1.2`; empty where the wheels are everything.
    """
    pip = "bin/python -m pip install -q --disable-pip-version-check --no-input --no-cache-dir"
    if requirement:
        get = (
            f'"$d"/{pip} --require-hashes -r "$t/requirements.lock" && "$d"/{pip} --no-deps {shlex.quote(requirement)}'
        )
    else:
        get = f'"$d"/{pip} --no-index --no-deps "$t"/*.whl'
    return f"""
umask 022
mkdir -p {HOME}
exec 9>{HOME}/.lock
flock 9
d={HOME}/{name}
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
tar -xf - -C "$t" || exit 1
if [ ! -e "$d/{_WHOLE}" ]; then
    rm -rf "$d"
    {{ python3 -m venv "$d" && {get} && "$d/bin/bgmon" --version >/dev/null; }} >"$t/log" 2>&1 </dev/null || {{
        tail -n 5 "$t/log" >&2
        exit 1
    }}
    : >"$d/{_WHOLE}"
fi
old=$(readlink {HOME}/current)
ln -sfn {name} {HOME}/.new && mv -T {HOME}/.new {HOME}/current || exit 1
for one in {HOME}/*/; do
    one=$(basename "$one")
    case $one in current|{name}|"$old") continue;; esac
    grep -qs "{HOME}/$one/" /etc/systemd/system/bgmon-*.service || rm -rf "{HOME}/$one"
done
"""


def has_link(path: str) -> str:
    return f'[ "$(readlink {shlex.quote(path)})" = {HOME}/current/bin/bgmon ]'


def put_link(path: str) -> str:
    place = shlex.quote(path)
    return f"""
if [ -e {place} ] && ! readlink {place} | grep -q '^{HOME}/'; then
    echo {place} "is another program, which bgmon did not put there: remove it, or set hosts.NAME.program" >&2; exit 1
fi
mkdir -p "$(dirname {place})" && ln -sfn {HOME}/current/bin/bgmon {place}
"""


def has_folder(path: str) -> str:
    return f"[ -d {shlex.quote(path)} ] && [ -w {shlex.quote(path)} ]"


def put_folder(path: str) -> str:
    return f"mkdir -p -m 700 {shlex.quote(path)}"


_LOGIN: Final = """
import json, os, pathlib, sys
wanted = json.load(sys.stdin)
path = pathlib.Path(os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"), "config.json")
whole = json.loads(path.read_text()) if path.exists() else {}
known = whole.setdefault("auths", {})
if all(known.get(name, {}).get("auth") == auth for name, auth in wanted.items()):
    sys.exit(0)
if sys.argv[1] == "check":
    sys.exit(1)
known.update({name: {"auth": auth} for name, auth in wanted.items()})
path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
fresh = path.with_name("config.json.bgmon")
with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
    json.dump(whole, file, indent=2)
fresh.replace(path)
"""
"""Logins of registries, JSON on standard input, as Docker keeps them."""

_VARIABLES: Final = """
import os, pathlib, pwd, re, sys
wanted = sys.stdin.read()
names = set(re.findall(r"^([A-Za-z_][A-Za-z0-9_]*)=", wanted, re.M))
path, user = pathlib.Path(sys.argv[2]), sys.argv[3]
there = path.read_text() if path.exists() else ""
ours = [line for line in there.splitlines(True) if line.partition("=")[0] in names]
if path.exists() and "".join(ours) == wanted:
    sys.exit(0)
if sys.argv[1] == "check":
    sys.exit(1)
others = [line for line in there.splitlines(True) if line.partition("=")[0] not in names]
path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
fresh = path.with_name(path.name + ".bgmon")
with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
    file.write("".join(others) + wanted)
entry = pwd.getpwnam(user)
os.chown(fresh, entry.pw_uid, entry.pw_gid)
fresh.replace(path)
"""
"""Variables of bgmon.yml among others in a file for systemd; what a person put there besides stays."""


def logins(verb: str) -> str:
    """`verb`: check or change."""
    return f"python3 -c {shlex.quote(_LOGIN)} {verb}"


def variables(verb: str, path: str, user: str) -> str:
    return f"python3 -c {shlex.quote(_VARIABLES)} {verb} {shlex.quote(path)} {shlex.quote(user)}"


_WITH_VARIABLES: Final = """
import os, shlex, sys
try:
    text = open(sys.argv[1]).read()
except OSError:
    text = ""
for word in shlex.split(text, comments=True):
    name, _, value = word.partition("=")
    os.environ[name] = value
os.execvp(sys.argv[2], sys.argv[2:])
"""


def same_file(path: str) -> str:
    """Whether a file is what comes by standard input."""
    return f"cmp -s - {shlex.quote(path)}"


class Unit:
    """The daemon's unit of one project.

    Args:
        project: its name.
        program: bgmon on that host.
        config: bgmon.yml there.
        user: whose the daemon is.
        state: the folder for root to use that is another user's; None where bgmon finds it by itself.
        systemd: whether it runs there.
    """

    def __init__(self, project: str, *, program: str, config: str, user: str, state: str | None, systemd: bool) -> None:
        self.name = f"bgmon-{project}.service"
        self.path = f"/etc/systemd/system/{self.name}"
        self.variables = f"/etc/bgmon/{project}.env"
        self._systemd = systemd
        words = ["python3", "-c", _WITH_VARIABLES, self.variables]
        words += ["env", f"BGMON_STATE_DIR={state}"] if state else []
        self._install = shlex.join([*words, program, "-c", config, "install", "--user", user])

    def check(self) -> str:
        runs = f" && systemctl is-active -q {self.name}" if self._systemd else ""
        return f"[ -f {self.path} ] && {self._install} 2>/dev/null | cmp -s - {self.path}{runs}"

    def change(self) -> str:
        return f"mkdir -p /etc/systemd/system\n{self._install} {'--now' if self._systemd else '--write'} </dev/null"

    def is_gone(self) -> str:
        return f"[ ! -e {self.path} ] && [ ! -e {self.variables} ]"

    def take_away(self) -> str:
        stop = f"systemctl disable -q --now {self.name} </dev/null\n" if self._systemd else ""
        again = "systemctl daemon-reload\n" if self._systemd else ""
        return f"{stop}rm -f {self.path} {self.variables}\n{again}rmdir /etc/bgmon 2>/dev/null; true"


def folders_gone(*paths: str) -> str:
    return " && ".join(f"[ ! -e {shlex.quote(path)} ]" for path in paths)


def remove_folders(*paths: str) -> str:
    return f"rm -rf {shlex.join(paths)}"


def program_gone(path: str, state: str) -> str:
    """Whether bgmon's own files are gone, or another project uses them."""
    return f"{{ {folders_gone(HOME, path)}; }} || {_others(state)}"


def _others(state: str) -> str:
    folder = shlex.quote(f"{state}/projects")
    return f'{{ ls /etc/systemd/system/bgmon-*.service >/dev/null 2>&1 || [ -n "$(ls -A {folder} 2>/dev/null)" ]; }}'


def remove_program(path: str) -> str:
    place = shlex.quote(path)
    return f"readlink {place} | grep -q '^{HOME}/' && rm -f {place}\nrm -rf {HOME}"
