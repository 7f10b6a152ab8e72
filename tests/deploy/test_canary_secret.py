"""Secrets in every spelling through every command, answer, log, hook, template, page, message and file: none gets out."""

from __future__ import annotations

import contextlib
import inspect
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support import canary
from tests.support.chat import Chat
from tests.support.stage import REPOSITORY, Stage
from tests.support.wait import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.proxy, pytest.mark.xdist_group("canary")]

DECLARED = {
    "CANARY": "Zq7\"x\\K/w9+T='ß m4Rv8Yp<&>",
    "SIGNING_KEY": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----",
}
VARIABLES = {
    "DB_PASSWORD": "dbPw4417xKq9LmT2",
    "HEALTH_KEY": "hkQz88vWn3RtY6pJ",
    "HEALTH_TOKEN": "htUe55bXc1MgF7sD",
    "BUILD_TOKEN": "btNy26jHk4WvC8aP",
    "CHAT_TOKEN": "ctGr73mZs5EqL9uB",
    "PAGE_TOKEN": "ptDw39fJt6XnK2yV",
    "GRAFANA_TOKEN": "gtAh64rQb8SzM3eU",
}
SECRETS = {**DECLARED, **VARIABLES}
SEEN_BY_SERVICE = ("CANARY", "SIGNING_KEY", "DB_PASSWORD", "HEALTH_KEY", "HEALTH_TOKEN")

SERVER = '''
import base64, html, http.server, json, os, shlex, sys
from urllib.parse import quote, quote_plus

def told():
    """Everything it knows, as a careless program writes it."""
    for value in seen:
        for text in spellings(value).values():
            yield "could not connect with " + text + " to db"
            yield "x" * 2000 + text

seen = [os.environ[name] for name in ("CANARY", "SIGNING_KEY")]
seen.append(os.environ["DB_URL"].split(":")[2].split("@")[0])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/health"):
            seen[3:] = [self.path.partition("key=")[2], self.headers["Authorization"].split()[-1]]
        for line in told():
            print(line)
        print(json.dumps({"status": 500, "path": "/", "error": list(told())}), flush=True)
        sick = os.path.exists("/tmp/sick") or os.environ.get("SICK")
        body = (" ".join(told()) if sick else "ok").encode()
        self.send_response(503 if sick and self.path.startswith("/health") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Error", seen[0].encode("ascii", "replace").decode())
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("", 3000), Handler).serve_forever()
'''

HOOK = """#!/bin/sh
# All that it was given, and every command line of this machine while a deploy is under way.
env
cat /proc/[0-9]*/cmdline | tr '\\0' ' ' > {folder}/command-lines.txt 2>/dev/null
exit {code}
"""

TEMPLATE = "{{ lines }} {% for line in lines %}{{ line.condition }} {{ line.condition.detail }}{% endfor %}"


@dataclass
class Site:
    """`seen` holds, by where it was, everything that came out."""

    stage: Stage
    chat: Chat
    port: int
    seen: dict[str, bytes] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        given = {**VARIABLES, "SIGNING_KEY": DECLARED["SIGNING_KEY"], "CHAT_PORT": str(self.chat.port)}
        return {**self.stage.environ, **given, "BGMON_HOST": "vps1"}

    def run(self, *arguments: str, code: int | None = 0) -> str:
        """A command as people run it; what it prints is looked at."""
        done = subprocess.run(
            [sys.executable, "-m", "monitor", *arguments],
            cwd=self.stage.folder, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=180, check=False,
        )  # fmt: skip
        self.seen[f"bgmon {' '.join(arguments)}"] = done.stdout + done.stderr
        assert code is None or done.returncode == code, (
            arguments,
            done.returncode,
            done.stdout[-2000:],
            done.stderr[-2000:],
        )
        return done.stdout.decode()

    def get(self, path: str) -> bytes:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {VARIABLES['PAGE_TOKEN']}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return bytes(error.read())
        except OSError:
            return b""

    @contextlib.contextmanager
    def daemon(self) -> Iterator[None]:
        log = self.stage.folder / "daemon.log"
        with (
            log.open("wb") as written,
            subprocess.Popen(
                [sys.executable, "-m", "monitor", "-v", "watch"],
                cwd=self.stage.folder,
                env=self.environ,
                stderr=written,
            ) as process,
        ):
            try:
                wait_until(lambda: self.get("/readyz") == b"ready\n" or process.poll() is not None, timeout=60)
                assert process.poll() is None, log.read_text()
                yield
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0, log.read_text()
            finally:
                process.kill()

    def files(self) -> Iterator[tuple[str, bytes]]:
        """All that was written, but for what holds secrets on purpose and is read by its owner alone."""
        folder = self.stage.folder
        secrets = [
            folder / ".bgmon" / "secrets",
            *(folder / "state").glob("*/secrets/*"),
            *(folder / "state").glob("secrets/*"),
        ]
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or path.is_socket():
                continue
            if path in secrets:
                assert path.stat().st_mode & 0o077 == 0, path
                continue
            yield str(path.relative_to(folder)), path.read_bytes()


def service(**changes: Any) -> dict[str, Any]:
    server = f"{inspect.getsource(canary.spellings)}\n{SERVER}"
    return {
        "image": REPOSITORY,
        "port": 3000,
        "docker": {"entrypoint": ["python3", "-c", "from __future__ import annotations\n" + server]},
        "secrets": ["CANARY", "SIGNING_KEY"],
        "health": {
            "path": "/health?key=${HEALTH_KEY}",
            "headers": {"Authorization": "Bearer ${HEALTH_TOKEN}"},
            "start": "15s",
            "interval": "200ms",
        },
        "deploy": {"bake": "500ms", "drain": "2s", "stop": "1s"},
        "logs": {"source": "app", "format": "json"},
        "build": {"args": {"TOKEN": "${BUILD_TOKEN}"}},
        **changes,
    }


@pytest.fixture
def site(stage: Stage, free_port: Callable[[], int]) -> Iterator[Site]:
    chat, port, folder = Chat(), free_port(), stage.folder
    env = {"DB_URL": "postgres://app:${DB_PASSWORD}@db/x"}
    stage.config["services"] = {
        "core": service(env=env, route={"path": "/"}),
        "bad": service(env={**env, "SICK": "1"}, health={**service()["health"], "start": "3s"}),
    }
    stage.config |= {
        "notify": {
            "urls": ["http://127.0.0.1:${CHAT_PORT}/hook/${CHAT_TOKEN}"],
            "group": 0,
            "templates": "templates",
        },
        "watch": {"listen": f"127.0.0.1:{port}", "token": "${PAGE_TOKEN}", "reconcile": "1s"},
        "logs": {"source": "docker"},
        "generate": {"grafana": {"url": f"http://127.0.0.1:{chat.port}", "token": "${GRAFANA_TOKEN}"}},
    }
    stage.write()
    (folder / "templates").mkdir()
    (folder / "templates" / "message.text.j2").write_text(TEMPLATE)
    (folder / ".bgmon" / "hooks").mkdir(parents=True)
    (folder / ".bgmon" / "secrets").write_text(f"CANARY={DECLARED['CANARY']}\n")
    (folder / ".bgmon" / "secrets").chmod(0o600)
    made = Site(stage, chat, port)
    hook(made, "pre-deploy", 0)
    hook(made, "pre-switch", 0)
    try:
        yield made
    finally:
        chat.close()
        subprocess.run(
            [sys.executable, "-m", "monitor", "proxy", "remove"],
            cwd=folder,
            env=made.environ,
            capture_output=True,
            check=False,
        )
        # What the stage puts away with needs no variable.
        stage.config["services"] = {"core": {"image": REPOSITORY, "port": 3000}}
        for part in ("notify", "watch", "generate"):
            del stage.config[part]
        stage.write()


def hook(site: Site, name: str, code: int) -> None:
    path = site.stage.folder / ".bgmon" / "hooks" / name
    path.write_text(HOOK.format(folder=site.stage.folder, code=code))
    path.chmod(0o755)


PRINTENV = ["python3", "-c", "import os; print(*os.environ.items(), sep='\\n')"]
READ = [
    ["check"], ["check", "--json"], ["status"], ["status", "--json"], ["history"], ["history", "--json"],
    ["incidents", "--detail"], ["incidents", "--json"], ["logs", "core"], ["logs", "core", "--json"],
    ["metrics", "core"], ["metrics", "core", "--json"], ["metrics", "explain", "core"],
    ["exec", "core", *PRINTENV], ["exec", "--json", "core", *PRINTENV],
    ["deploy", "core", "--tag", "v1", "--dry-run"], ["deploy", "core", "--tag", "v1", "--dry-run", "--json"],
    ["build", "core", "--dry-run", "--tag", "x"], ["build", "core", "--dry-run", "--tag", "x", "--json"],
    ["doctor"], ["doctor", "--json"], ["prune", "--dry-run"], ["certs", "list"], ["dns", "hosts"], ["install"], ["schema"],
    ["ci", "init", "generic", "--dry-run"], ["ci", "init", "github", "--dry-run"], ["proxy", "status"], ["proxy", "status", "--json"],
    ["top", "--once"], ["top", "--once", "--json"], ["-vv", "status"], ["silence", "core", "--for", "10m"], ["silence"],
    ["generate"], ["generate", "--check"], ["generate", "--diff"], ["generate", "--json"], ["notify", "test"], ["grafana", "push"],
    ["dashboard", "show", "core"], ["rollback", "core", "--dry-run"], ["version"], ["watch", "--once", "--json"],
]  # fmt: skip
MAY_FAIL = {
    "metrics",
    "doctor",
    "notify",
    "grafana",
    "dashboard",
    "rollback",
    "watch",
    "ci",
    "incidents",
    "silence",
    "prune",
    "dns",
}


def test_no_secret_gets_out_whatever_writes_it_down(site: Site) -> None:
    commands(site)
    with site.daemon():
        trouble(site)
        for arguments in READ:
            site.run(*arguments, code=None if arguments[0] in MAY_FAIL else 0)
        for path in ("/", "/metrics", "/api/v1/status", "/api/v1/incidents", "/api/v1/peers", "/healthz", "/readyz"):
            site.seen[f"GET {path}"] = site.get(path)
    site.seen["chat"] = json.dumps([request.body for request in site.chat.received]).encode()
    site.seen["chat, unescaped"] = b"\n".join(_texts(request.body) for request in site.chat.received)
    site.seen |= dict(site.files())
    assert b"core" in site.seen["GET /"]
    assert b"could not connect" in site.seen["bgmon incidents --json"]
    assert b"could not connect" in site.seen["chat"]
    assert b"could not connect" in site.seen["bgmon logs core"]
    assert b"DB_URL" in site.seen[f"bgmon exec core {' '.join(PRINTENV)}"]
    canaries = canary.Canaries(SECRETS)
    found = {where: sorted(what) for where, data in site.seen.items() if (what := canaries.found(data))}
    assert not found, json.dumps(found, indent=1)


def commands(site: Site) -> None:
    """Deploys that succeed, are refused by their hook or their health, and what people do with a service."""
    site.run("proxy", "boot", code=None)
    site.run("-vv", "deploy", "core", "--tag", "v1", "--json")
    raw = site.run("exec", "--raw", "core", *PRINTENV)
    assert VARIABLES["DB_PASSWORD"] in raw  # what is looked for is there to be found
    assert canary.Canaries(SECRETS).found(raw.encode())
    del site.seen[f"bgmon exec --raw core {' '.join(PRINTENV)}"]
    for arguments in (["deploy", "core", "--tag", "v2"], ["restart", "core"], ["rollback", "core"]):
        site.run(*arguments)
    site.run("maintenance", "on", "core")
    site.run("maintenance", "off", "core")
    site.run("stop", "core")
    site.run("start", "core")
    site.run("-v", "deploy", "bad", "--tag", "v1", code=1)
    site.run("deploy", "bad", "--tag", "v1", "--json", code=1)
    hook(site, "pre-switch", 1)
    site.run("deploy", "core", "--tag", "v1", code=1)
    hook(site, "pre-switch", 0)


def trouble(site: Site) -> None:
    """core answers with what it should keep to itself, until it has an incident and people are told.

    A message alone does not show that: those of the refused deploys say the same.
    """
    site.run("exec", "core", "python3", "-c", "open('/tmp/sick', 'w')")
    wait_until(lambda: b"could not connect" in site.get("/api/v1/incidents"), timeout=60, what="an incident")

    def told() -> bool:
        return any("could not connect" in json.dumps(request.body) for request in site.chat.received)

    wait_until(told, timeout=60, what="people are told")


def _texts(value: Any) -> bytes:
    """All texts in a message, as whoever reads it sees them."""
    if isinstance(value, dict):
        return b"\n".join(_texts(item) for item in value.values())
    if isinstance(value, list):
        return b"\n".join(_texts(item) for item in value)
    return str(value).encode()
