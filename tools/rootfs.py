"""Root file systems out of this machine's own Debian packages: a program, its libraries, and what it opens.

An image made so needs no registry and no network, and is a few dozen megabytes. It is what the demo and the tests run.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
GROUP = b"root:x:0:\nnogroup:x:65534:\n"
FOLDERS = (
    "bin",
    "dev",
    "etc",
    "etc/ssl/certs",
    "lib",
    "lib64",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "var",
    "var/run",
)
PYTHON_LEFT_OUT = {
    "dist-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "test",
    "tkinter",
    "turtledemo",
    "venv",
    "pydoc_data",
}


class RootFs:
    """A tar archive in the making: the same input gives the same bytes."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._names: set[str] = set()
        for folder in FOLDERS:
            self._entry(folder, tarfile.DIRTYPE, mode=0o1777 if folder == "tmp" else 0o755)
        self.data("etc/passwd", PASSWD)
        self.data("etc/group", GROUP)
        self.data("etc/nsswitch.conf", b"hosts: files dns\n")

    def _entry(self, name: str, kind: bytes, *, mode: int = 0o755, target: str = "") -> None:
        name = name.strip("/")
        if name in self._names:
            return
        self._names.add(name)
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.linkname = kind, mode, target
        self._tar.addfile(info)

    def data(self, name: str, content: bytes, mode: int = 0o644, mtime: int = 0) -> None:
        name = name.strip("/")
        if name in self._names:
            return
        self._names.add(name)
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(content), mode, mtime
        self._tar.addfile(info, io.BytesIO(content))

    def link(self, name: str, target: str) -> None:
        self._entry(name, tarfile.SYMTYPE, mode=0o777, target=target)

    def file(self, source: str | Path, name: str | None = None) -> None:
        """A file under the same path as here, its symlinks resolved into copies."""
        source = Path(source)
        mode = 0o755 if os.access(source, os.X_OK) else 0o644
        # Python holds a module's compiled form for stale when the time of its source differs.
        self.data(name or str(source), source.resolve().read_bytes(), mode, int(source.stat().st_mtime))

    def tree(self, folder: Path, left_out: set[str]) -> None:
        for entry in sorted(folder.iterdir()):
            if entry.name in left_out:
                continue
            if entry.is_dir():
                self.tree(entry, left_out)
            elif entry.exists():
                self.file(entry)

    def program(self, path: str, name: str | None = None, *, base: Path = Path("/")) -> None:
        """A program and its libraries, out of another root file system where `base` names one."""
        self.file(base / path.lstrip("/"), name or path.lstrip("/"))
        for library in libraries([path], base):
            self.file(base / library.lstrip("/"), library.lstrip("/"))

    def busybox(self) -> None:
        """Every applet in /bin; needs Debian's busybox-static."""
        self.file("/usr/bin/busybox" if Path("/usr/bin/busybox").exists() else "/bin/busybox", "bin/busybox")
        for applet in run("busybox", "--list").split():
            if applet != "busybox":
                self.link(f"bin/{applet}", "busybox")

    def resolver(self) -> None:
        """What glibc loads to look names up."""
        for library in ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"):
            for found in sorted(Path("/lib").glob(f"*-linux-gnu/{library}")):
                self.file(found)

    def close(self) -> bytes:
        self._tar.close()
        return self._buffer.getvalue()


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def libraries(paths: Iterable[str | Path], base: Path = Path("/")) -> Iterator[str]:
    """The shared libraries that ldd names, the loader among them."""
    prefix = [] if base == Path("/") else ["chroot", str(base)]
    seen: set[str] = set()
    for path in paths:
        found = subprocess.run([*prefix, "ldd", str(path)], check=False, capture_output=True, text=True)
        for name in re.findall(r"(?:=> )?(/\S+) \(0x", found.stdout):
            if name not in seen:
                seen.add(name)
                yield name


def python_rootfs() -> bytes:
    """Debian's python3 with its standard library, and busybox for a shell."""
    root = RootFs()
    root.busybox()
    root.resolver()
    binary = Path("/usr/bin/python3").resolve()
    root.program(str(binary))
    root.link("usr/bin/python3", binary.name)
    stdlib = Path("/usr/lib") / binary.name
    root.tree(stdlib, PYTHON_LEFT_OUT | {name.name for name in stdlib.glob("config-*")})
    for library in libraries(sorted((stdlib / "lib-dynload").glob("*.so"))):
        root.file(library)
    return root.close()


def haproxy_rootfs(base: Path = Path("/")) -> bytes:
    """Debian's haproxy, its libraries, certificates of the usual authorities, and busybox for a shell.

    `base` is the root file system that haproxy is taken from.
    """
    root = RootFs()
    root.busybox()
    root.resolver()
    root.data("etc/passwd", PASSWD + b"haproxy:x:99:99:haproxy:/var/lib/haproxy:/bin/false\n")
    root.program("/usr/sbin/haproxy", base=base)
    root.link("usr/local/sbin/haproxy", "/usr/sbin/haproxy")
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle.exists():
        root.file(bundle)
    for name in ("/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf"):
        if Path(name).exists():
            root.file(name)
    return root.close()


def busybox_rootfs() -> bytes:
    root = RootFs()
    root.busybox()
    return root.close()
