"""The stage of the demo: the shop in a folder of its own, the load, the chat room, and the account of each scene."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import docker.errors
import yaml
from docker.models.containers import Container
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from monitor.domain.names import LABEL_PROJECT
from tools import engine, images
from tools.chat import Chat
from tools.load import Load, Tally
from tools.net import free_port

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bgmon" / "demo"
PROJECT = f"demo-{engine.IDENTITY[:4]}"
BGMON = Path(sys.executable).with_name("bgmon")

Outcome = tuple[bool, str]


@dataclass
class Row:
    scene: str
    outcome: str
    good: bool
    tally: Tally | None
    seconds: float


@dataclass
class Stage:
    console: Console
    client: docker.DockerClient
    port: int = field(default_factory=free_port)
    search_port: int = field(default_factory=free_port)
    watch_port: int = field(default_factory=free_port)
    rows: list[Row] = field(default_factory=list)
    load: Load | None = None
    chat: Chat = field(default_factory=Chat)

    # --- what a person does ---------------------------------------------------------------------------------------

    def bgmon(self, *arguments: str) -> int:
        """Run a bgmon command, and show it with what it prints."""
        self.console.print(f"  [bold]$ bgmon {escape(' '.join(arguments))}[/]")
        process = subprocess.Popen(
            [BGMON, *arguments], cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            self.console.print(f"    [dim]{escape(line.rstrip())}[/]", soft_wrap=True)
        return process.wait()

    def status(self, service: str) -> dict[str, Any]:
        done = subprocess.run([BGMON, "status", "--json"], cwd=FOLDER, capture_output=True, text=True, check=False)
        entries: list[dict[str, Any]] = json.loads(done.stdout)["services"]
        return next(entry for entry in entries if entry["name"] == service)

    def version(self, service: str = "core") -> str:
        return str(self.status(service)["version"])

    def container(self, service: str = "core") -> Container:
        return self.client.containers.get(f"{PROJECT}-{service}-{self.status(service)['color']}")

    def post(self, port: int, path: str) -> None:
        """Ask a service for something through the proxy; by POST, which the proxy sends once at most."""
        self.console.print(f"  [bold]$ curl -X POST http://127.0.0.1:{port}{path}[/]")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        with contextlib.suppress(OSError, http.client.HTTPException):  # it may well die of it
            connection.request("POST", path)
            connection.getresponse().read()
        connection.close()

    @contextlib.contextmanager
    def watchdog(self) -> Iterator[None]:
        """`bgmon watch` for the block, ready before it begins."""
        self.console.print("\n[bold]$ bgmon watch &[/]")
        with (FOLDER / "watch.log").open("wb") as log:
            daemon = subprocess.Popen([BGMON, "watch"], cwd=FOLDER, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while not self._ready() and time.monotonic() < deadline:
                if daemon.poll() is not None:
                    raise RuntimeError(f"bgmon watch ended: {(FOLDER / 'watch.log').read_text()[-2000:]}")
                time.sleep(0.1)
            yield
        finally:
            daemon.terminate()
            daemon.wait(timeout=30)

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.watch_port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def told(self, *words: str, since: int, timeout: float = 60.0) -> bool:
        """Wait for a chat message with these words, and show all that came meanwhile."""
        found = self.chat.wait(since=since, words=words, timeout=timeout)
        for message in self.chat.messages[since:]:
            lines = "\n".join(line for line in (message.title, *message.text.splitlines()) if line.strip())
            self.console.print(
                Panel(escape(lines), title="chat", title_align="left", border_style="blue", expand=False)
            )
        return found is not None

    # --- scenes ---------------------------------------------------------------------------------------------------

    def scene(self, title: str, play: Callable[[Stage], Outcome], *, lossless: bool = True) -> None:
        """Play one scene and count the load's requests meanwhile; when `lossless`, one that fails spoils it."""
        self.console.print(f"\n[bold cyan]{len(self.rows) + 1}. {title}[/]")
        began = time.monotonic()
        with self.load.tally() if self.load is not None else contextlib.nullcontext() as tally:
            try:
                good, words = play(self)
            except (RuntimeError, OSError, ValueError, LookupError, docker.errors.DockerException) as error:
                good, words = False, str(error) or type(error).__name__
        good = good and not (lossless and tally is not None and tally.failed)
        row = Row(title, words, good, tally, time.monotonic() - began)
        self.rows.append(row)
        counted = ""
        if tally is not None:
            reasons = "".join(f", {count} x {reason}" for reason, count in tally.reasons.items())
            counted = f" ({tally.requests:,} requests, {tally.failed} failed{reasons}; slowest {tally.slowest:.2f} s)"
        mark = "[green]✔[/]" if good else "[red]✘[/]"
        self.console.print(f"  {mark} {escape(words)}[dim]{escape(counted)}[/]")

    def summary(self) -> None:
        table = Table(title="What happened, and what users saw of it", title_justify="left")
        for column in ("", "scene", "outcome"):
            table.add_column(column)
        for column in ("requests", "failed", "seconds"):
            table.add_column(column, justify="right")
        for number, row in enumerate(self.rows, 1):
            counts = (f"{row.tally.requests:,}", str(row.tally.failed)) if row.tally is not None else ("-", "-")
            mark = "[green]✔[/]" if row.good else "[red]✘[/]"
            table.add_row(f"{mark} {number}", row.scene, escape(row.outcome), *counts, f"{row.seconds:.1f}")
        self.console.print()
        self.console.print(table)

    # --- before and after -----------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """The images, and examples/shop/bgmon.yml with free ports and the demo's own state folder."""
        sweep(self.client)
        images.ensure(self.client)
        config = yaml.safe_load((ROOT / "examples" / "shop" / "bgmon.yml").read_text())
        config["project"] = PROJECT
        config["state"] = {"dir": str(FOLDER / "state")}
        config["proxy"] |= {"image": images.haproxy_reference(), "listen": [f"127.0.0.1:{self.port}"]}
        core, search = config["services"]["core"], config["services"]["search"]
        core["deploy"]["bake"]["for"], core["health"]["start"] = "3s", "6s"  # nobody likes to wait in a demo
        search["internal"] = f"search.internal:{self.search_port}"
        for service in (core, search):  # the chat messages show the last log lines
            service["env"]["LOG_FORMAT"] = "none"
        config["watch"] = {"listen": f"127.0.0.1:{self.watch_port}"}
        config["notify"] = {"urls": [self.chat.url], "group": 0}
        FOLDER.mkdir(parents=True)
        (FOLDER / "bgmon.yml").write_text(yaml.safe_dump(config, sort_keys=False))


def sweep(client: docker.DockerClient) -> None:
    """Take everything of the demo away, whatever state it is in."""
    for container in client.containers.list(all=True, filters={"label": f"{LABEL_PROJECT}={PROJECT}"}):
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": f"{LABEL_PROJECT}={PROJECT}"}):
        network.remove()
    shutil.rmtree(FOLDER, ignore_errors=True)
