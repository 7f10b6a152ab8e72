"""A real OpenSSH server on loopback, for one key only."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.wait import wait_until

SSHD = Path("/usr/sbin/sshd")


@dataclass(frozen=True, slots=True)
class Sshd:
    target: str
    options: list[str]


@contextmanager
def sshd(folder: Path, free_port: Callable[[], int], environ: dict[str, str]) -> Iterator[Sshd]:
    """Sessions get `environ`."""
    folder.mkdir(exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    keys = folder / "authorized_keys"
    keys.write_text((folder / "user.pub").read_text())
    keys.chmod(0o600)
    port = free_port()
    settings = " ".join(f'"{name}={value}"' for name, value in environ.items())
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile {folder}/pid\nUsePAM no\n"
        f"AuthorizedKeysFile {keys}\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\nSetEnv {settings}\n"
    )
    Path("/run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)  # sshd insists on its privilege separation folder
    process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.DEVNULL)
    options = ["-i", str(folder / "user"), "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={folder}/known"]
    options += ["-o", "LogLevel=ERROR"]
    target = f"ssh://root@127.0.0.1:{port}"
    try:
        wait_until(
            lambda: (
                subprocess.run(
                    ["ssh", "-o", "BatchMode=yes", *options, target, "true"], capture_output=True, check=False
                ).returncode
                == 0
            ),
            what="sshd",
        )
        yield Sshd(target, options)
    finally:
        process.terminate()
        process.wait()
