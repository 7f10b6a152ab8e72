"""The images of the demo and the tests, built on this machine: `python tools/images.py` or `images.ensure(client)`.

Idempotent: an image carries the hash of what it was made of, and is made again only when that changes.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import docker
import docker.errors

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import rootfs, suites

SHOP = Path(__file__).parent.parent / "examples" / "shop"
LABEL_INPUT = "bgmon-test.input"
BUSYBOX = "bgmon-test/busybox:1"
PYTHON = "bgmon-test/python:3"
HAPROXY = "bgmon-test/haproxy:2.6"
SHOP_REPOSITORY = "bgmon-example/shop"

# Tag -> what it does differently. Each is a release of its own, as a CI would build it.
SHOP_TAGS: dict[str, dict[str, str]] = {
    "v1": {},
    "v2": {},
    "v3": {"HEALTH_AFTER": "never"},
    "v4": {"ERROR_RATE": "0.5", "ERROR_AFTER": "1s"},
    "v5": {},
    "never-healthy": {"HEALTH_AFTER": "never"},
    "turns-bad": {"ERROR_RATE": "0.5", "ERROR_AFTER": "1s"},
    "exits": {"EXIT_AT_START": "3"},
    "crash-loops": {"EXIT_AFTER": "5s"},
    "stubborn": {"IGNORE_SIGTERM": "1"},
    "healthcheck": {},
}


def _fingerprint(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def _current(client: docker.DockerClient, reference: str, fingerprint: str) -> bool:
    try:
        labels = client.images.get(reference).labels or {}
    except docker.errors.ImageNotFound:
        return False
    return labels.get(LABEL_INPUT) == fingerprint


def _build(client: docker.DockerClient, reference: str, files: dict[str, bytes], instructions: list[str]) -> None:
    """By the engine's classic builder: nothing is run, so it needs neither BuildKit nor a network."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, content in {**files, "Dockerfile": "\n".join(instructions).encode() + b"\n"}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    context.seek(0)
    client.images.build(fileobj=context, custom_context=True, tag=reference, rm=True, forcerm=True)


def _base(client: docker.DockerClient, reference: str, make: Callable[[], bytes], instructions: list[str]) -> str:
    """An image FROM scratch; its input is the recipe and the versions of the packages it is taken from."""
    recipe = Path(rootfs.__file__).read_bytes()
    packages = rootfs.run("dpkg-query", "-W", "-f", "${Package} ${Version} ${Status}\n").encode()
    used = [
        line
        for line in packages.splitlines()
        if line.split()[0].startswith((b"busybox", b"haproxy", b"python3", b"libc6", b"libssl"))
    ]
    fingerprint = _fingerprint(recipe, b"\n".join(used), "\n".join(instructions).encode())
    if not _current(client, reference, fingerprint):
        lines = ["FROM scratch", "ADD root.tar /", f"LABEL {LABEL_INPUT}={fingerprint}", *instructions]
        _build(client, reference, {"root.tar": make()}, lines)
    return reference


def busybox(client: docker.DockerClient) -> str:
    return _base(client, BUSYBOX, rootfs.busybox_rootfs, ["ENV PATH=/bin", 'CMD ["/bin/sh"]'])


def python(client: docker.DockerClient) -> str:
    return _base(client, PYTHON, rootfs.python_rootfs, ["ENV PATH=/usr/bin:/bin PYTHONUNBUFFERED=1", 'CMD ["python3"]'])


def haproxy_reference() -> str:
    """The tag of the HAProxy image that tests run: this machine's version, or that of BGMON_HAPROXY_SUITE."""
    suite = os.environ.get("BGMON_HAPROXY_SUITE", "")
    return f"bgmon-test/haproxy:{suites.version(suite, 'haproxy')}" if suite else HAPROXY


def haproxy(client: docker.DockerClient) -> str:
    """The image of `haproxy_reference`."""
    lines = ["ENV PATH=/usr/sbin:/bin", "STOPSIGNAL SIGUSR1"]
    lines.append('CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]')
    suite = os.environ.get("BGMON_HAPROXY_SUITE", "")
    if not suite:
        return _base(client, HAPROXY, rootfs.haproxy_rootfs, lines)
    root = suites.ensure(suite)
    return _base(client, haproxy_reference(), lambda: rootfs.haproxy_rootfs(root), lines)


def shop(client: docker.DockerClient, tag: str = "v1") -> str:
    """One release of the sample service; `tag` is one of SHOP_TAGS or any other, which then is a healthy release."""
    base = python(client)
    app = (SHOP / "app.py").read_bytes()
    settings = SHOP_TAGS.get(tag, {})
    lines = [f"FROM {base}", "COPY app.py VERSION /app/", "EXPOSE 3000", 'ENTRYPOINT ["python3", "/app/app.py"]']
    lines += [f"ENV {name}={value}" for name, value in settings.items()]
    if tag == "healthcheck":
        lines.append(
            "HEALTHCHECK --interval=1s --timeout=2s --retries=2 CMD wget -q -O /dev/null http://127.0.0.1:3000/health"
        )
    fingerprint = _fingerprint(app, tag.encode(), "\n".join(lines).encode(), client.images.get(base).id.encode())
    reference = f"{SHOP_REPOSITORY}:{tag}"
    if not _current(client, reference, fingerprint):
        lines.append(f"LABEL {LABEL_INPUT}={fingerprint}")
        _build(client, reference, {"app.py": app, "VERSION": tag.encode() + b"\n"}, lines)
    return reference


def ensure(client: docker.DockerClient, *, say: Callable[[str], None] = lambda _: None) -> None:
    """Everything the demo needs, and every tag of the sample service."""
    for make in (busybox, haproxy, python):
        say(make(client))
    for tag in SHOP_TAGS:
        say(shop(client, tag))


if __name__ == "__main__":
    ensure(docker.from_env(), say=print)
