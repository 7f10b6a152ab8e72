"""The daemon's systemd unit, as text: systemd.service(5), systemd.exec(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

WATCHDOG_SECONDS: Final = 120
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./$-]+")


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """What the unit depends on. Paths are absolute; `docker_host` is empty for Docker's own socket.

    `proxy_is_child`: the daemon may have started the proxy as a process, which has to outlive it.
    """

    project: str
    command: tuple[str, ...]
    config_file: str
    folder: str
    state_dir: str
    user: str
    docker_host: str = ""
    environment_file: str = ""
    proxy_is_child: bool = False


def unit_name(project: str) -> str:
    return f"bgmon-{project}.service"


def render_unit(facts: UnitFacts) -> str:
    """The whole file.

    The daemon speaks to the engine and the proxy over sockets and writes its state, and nothing else; the rest of the
    machine is read-only to it. It needs no capability: being allowed to use Docker's socket is power enough.
    """
    command = " ".join(_quoted(part, command=True) for part in (*facts.command, "--config", facts.config_file, "watch"))
    lines = [
        "# Written by `bgmon install`; changes of yours belong into: systemctl edit " + unit_name(facts.project),
        "[Unit]",
        f"Description=bgmon watches {facts.project}",
        "Wants=network-online.target",
        "After=network-online.target docker.service",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={command}",
        "ExecReload=/bin/kill -HUP $MAINPID",
        f"WorkingDirectory={facts.folder.replace('%', '%%')}",
        f"User={facts.user}",
        "Restart=always",
        "RestartSec=2",
        f"WatchdogSec={WATCHDOG_SECONDS}",
        "TimeoutStartSec=120",
        "TimeoutStopSec=60",
        f"KillMode={'process' if facts.proxy_is_child else 'mixed'}",
        "UMask=0077",
        f"Environment={_quoted('BGMON_STATE_DIR=' + facts.state_dir)}",
    ]
    if facts.docker_host:
        lines.append(f"Environment={_quoted('DOCKER_HOST=' + facts.docker_host)}")
    if facts.environment_file:
        lines.append(f"EnvironmentFile=-{facts.environment_file.replace('%', '%%')}")
    lines += [
        "",
        "# Hardening. Docker's socket and the state folder stay reachable.",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        f"ReadWritePaths={_quoted(facts.state_dir)}",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelLogs=yes",
        "ProtectControlGroups=yes",
        "ProtectClock=yes",
        "ProtectHostname=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "LockPersonality=yes",
        "SystemCallArchitectures=native",
        "",
        "# Under pressure the watchdog is the last to go.",
        "OOMScoreAdjust=-500",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return "\n".join(lines)


def _quoted(text: str, *, command: bool = False) -> str:
    """One item of a list as systemd.syntax(7) wants it: `%` is a specifier everywhere, `$` a variable in commands."""
    text = text.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    if command:
        text = text.replace("$", "$$")
    return text if _PLAIN.fullmatch(text) else f'"{text}"'
