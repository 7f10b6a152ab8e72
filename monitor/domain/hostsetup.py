"""Another machine on its way to a bgmon host: what is known of it, and the steps that it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from monitor.domain.digits import digits

LEAST_PYTHON: Final = (3, 11)
APT_SYSTEMS: Final = ("debian", "ubuntu")

StepState = Literal["ok", "begin", "would", "changed", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the host said of itself; empty where it said nothing.

    `python` and `libc` are versions, `bgmon` that of the program that bgmon.yml names, `state` the state folder of the
    user `user`, and `family` the systems that os-release says this one is like.
    """

    system: str = ""
    family: tuple[str, ...] = ()
    release: str = ""
    machine: str = ""
    libc: str = ""
    user: str = ""
    uid: int = -1
    home: str = ""
    state: str = ""
    systemd: bool = False
    python: str = ""
    bgmon: str = ""

    @property
    def is_root(self) -> bool:
        return self.uid == 0

    @property
    def has_apt(self) -> bool:
        return self.system in APT_SYSTEMS or any(system in APT_SYSTEMS for system in self.family)


def facts(said: str) -> HostFacts:
    """Out of the lines `name=value` that the host printed; unknown names are left out."""
    found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    text: dict[str, str] = {name: value.strip().strip('"') for name, value in found.items()}

    def of(name: str) -> str:
        return text.get(name, "")

    return HostFacts(
        system=of("system"),
        family=tuple(of("family").split()),
        release=of("release"),
        machine=of("machine"),
        libc=of("libc").rpartition(" ")[2],
        user=of("user"),
        uid=int(of("uid")) if digits(of("uid")) else -1,
        home=of("home"),
        state=of("state"),
        systemd=of("systemd") == "yes",
        python=of("python"),
        bgmon=of("bgmon").rpartition(" ")[2],
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a host has to have.

    Args:
        name: a word for it.
        text: what is done when it is missing: "install docker.io".
        check: ends with 0 where nothing has to be done. A text is for the shell there, words are a command of bgmon's.
            None: that cannot be looked at, and it is done each time.
        change: what brings it about, as above.
        root: whether the change needs root.
        data: what `change` reads from standard input, made when it is needed.
        check_reads: whether `check` reads it as well.
        renews: the change holds only for a new connection, such as one to a group.
        adopt: the command of bgmon's keeps bgmon.yml and the hooks on the host.
        after: this step is for a host on which one of these was changed just now; on others it is done.
        note: what a person has to be told once it is as wanted.
    """

    name: str
    text: str
    check: str | tuple[str, ...] | None
    change: str | tuple[str, ...]
    root: bool = False
    data: Callable[[], bytes] | None = None
    check_reads: bool = False
    renews: bool = False
    adopt: bool = False
    after: tuple[str, ...] = ()
    note: str = ""


def unfit(host: HostFacts) -> str:
    """Why bgmon cannot be set up there; empty when it can."""
    if not host.system or host.uid < 0:
        return "it does not say what system it runs: bgmon needs a shell there, and Linux"
    if host.python and number(host.python) < LEAST_PYTHON:
        return f"its python3 is {host.python}, and bgmon needs 3.11 (Debian 12, Ubuntu 24.04)"
    return ""


def number(version: str) -> tuple[int, ...]:
    """`3.13.5` as something that can be compared.

    >>> number("3.13.5") > number("3.9"), number("")
    (True, ())
    """
    return tuple(int(part) for part in re.findall(r"\d+", version))


def wheel_version(name: str) -> str:
    """The version in the file name of one of bgmon's wheels; empty when it is none.

    >>> wheel_version("bgmon-0.2.0-py3-none-any.whl"), wheel_version("click-8.1-py3-none-any.whl")
    ('0.2.0', '')
    """
    found = re.fullmatch(r"bgmon-([^-]+)-py3-none-any\.whl", name)
    return found[1] if found else ""


def platforms(machine: str, libc: str) -> list[str]:
    """The tags of wheels that run on a machine, the closest first (PEP 600).

    >>> platforms("x86_64", "2.19")
    ['manylinux_2_19_x86_64', 'manylinux_2_18_x86_64', 'manylinux_2_17_x86_64', 'manylinux2014_x86_64']
    """
    parts = number(libc)
    newest = parts[1] if len(parts) > 1 and parts[0] == 2 else 17  # noqa: PLR2004 - glibc is 2.x
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, 16, -1)]
    return [*tags, f"manylinux2014_{machine}"]


def environment_lines(values: Mapping[str, str]) -> str:
    """Variables as systemd's EnvironmentFile has them, and shlex."""
    quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in values.items()}
    return "".join(f'{name}="{value}"\n' for name, value in quoted.items())


def registries(images: Iterable[str]) -> list[str]:
    """Whose images these are, in their order, without Docker Hub's.

    >>> registries(["reg.example.com/shop/core", "nginx", "reg.example.com/shop/web:1", "localhost:5000/x"])
    ['reg.example.com', 'localhost:5000']
    """
    heads = (image.partition("/")[0] for image in images if "/" in image)
    return list(dict.fromkeys(head for head in heads if "." in head or ":" in head or head == "localhost"))
