"""What README.md and docs/ tell a reader to type is run as it stands there, on the real engine and a real HAProxy.

Each page gets an installation of its own, made from README's bgmon.yml; its commands run in their order, by a shell. A
command that cannot run here stands in CANNOT with the reason. Pages whose commands need more than one host, an ACME
server or the like have a test of their own: OWN.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import docker
import docker.errors
import pytest
import yaml

from monitor.config.loader import load_text
from monitor.config.schema import Config
from tests.support.engine import remove_project
from tests.support.manual import ROOT, Command, blocks, commands, pages
from tests.support.ports import free_port
from tests.support.wait import wait_until
from tools import images

pytestmark = [pytest.mark.engine, pytest.mark.proxy, pytest.mark.xdist_group("docs")]

SECRETS: Final = {"SLACK_URL": "", "DATABASE_URL": "postgres://shop:pencil@db/shop"}
# Patterns of whole commands, and why they do not run here.
CANNOT: Final = {
    r"make (demo|test|bench|setup|unit.*|quick|fix.*|help)": "a target of the Makefile: that it exists is tested below",
    r"git clone .*": "the address is the reader's own",
    r"pipx install bgmon": "it comes from an index; tests/unit/tools has a built wheel installed",
    r"sudo bgmon install .*": "changes this machine's units; tests/watch has it write elsewhere",
    r"(cd monitoring && .* )?docker compose .*": "the stack's images are not to be had in tests",
    r"bgmon .*--prometheus http://127.0.0.1:9090.*": "asks a Prometheus at its usual port; tests/generate has one",
    r"bgmon grafana push.*": "asks a Grafana; tests/generate holds what is sent against recorded answers",
    r"bgmon dashboard show core": "asks a Prometheus, as above",
    r"bgmon dashboard preview.*": "draws every board, which takes long; tests/generate does it for some",
    r"bgmon top": "draws until a key is pressed; tests/watch has a look at its first picture",
    r"bgmon ci init .*": "wants a host with an ssh address; tests/cli/test_ci.py writes every kind of pipeline",
    r"bgmon certs (test|renew)": "asks an ACME server; tests/cli/test_certs_command.py has one",
    r"bgmon accessory (upgrade|exec) db .*": "a PostgreSQL; tests/deploy/test_accessories.py has another database",
    r"bgmon run (--timeout 10m )?core .*python.*": "a program of the reader's own; tests/deploy/test_jobs.py runs some",
    r"ssh -L .*": "keeps a connection to a host of the reader's open",
}
OWN: Final[dict[str, str]] = {
    "docs/ci.md": "tests/cli/test_ci.py",
    "docs/hosts.md": "tests/fleet/test_documented.py",
    "docs/moving-in.md": "tests/unit/config/test_kamal.py",
}
UNTIL_READY: Final = ("bgmon watch", "bgmon watch --log-format json")

COMMANDS: Final = {page: found for page in pages() if (found := list(commands(page)))}


@dataclass
class Reader:
    """Somebody in a shell, in the folder of his bgmon.yml."""

    folder: Path
    environ: dict[str, str]
    watch: str

    def type(self, command: Command) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euc", command.text],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            input="y\n",
            timeout=120,
            check=False,
        )

    def run_until_ready(self, command: Command) -> int:
        """Start it, await that it answers, and end it; its exit code."""
        with subprocess.Popen(
            ["bash", "-euc", f"exec {command.text}"], cwd=self.folder, env=self.environ, stderr=subprocess.DEVNULL
        ) as process:
            try:
                wait_until(lambda: _answers(f"http://{self.watch}/healthz"), what="the daemon answers", timeout=60)
            finally:
                process.send_signal(signal.SIGTERM)
            return process.wait(60)


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError):
        return bool(urllib.request.urlopen(url, timeout=2).status == 200)
    return False


def readme_config() -> dict[str, Any]:
    """bgmon.yml as README shows it."""
    texts = [block.text for block in blocks(ROOT / "README.md") if block.text.startswith("project:")]
    assert len(texts) == 1
    config: dict[str, Any] = yaml.safe_load(texts[0])
    return config


@pytest.fixture(scope="module")
def reader(
    tmp_path_factory: pytest.TempPathFactory, shop_image: str, haproxy_image: str, docker_client: docker.DockerClient
) -> Iterator[Reader]:
    """README's installation: what is changed is what two of them on one machine may not share, and long waits."""
    folder = tmp_path_factory.mktemp("reader")
    project = f"docs-{uuid.uuid4().hex[:6]}"
    config = readme_config()
    watch = f"127.0.0.1:{free_port()}"
    low = free_port()
    config |= {
        "project": project,
        "proxy": {"image": haproxy_image, "listen": [f"127.0.0.1:{free_port()}"], "ports": f"{low}-{low + 50}"},
        "watch": {"listen": watch},
    }
    config["services"]["core"]["deploy"] = {"bake": "500ms", "drain": "1s", "stop": "1s"}
    config["services"]["core"]["health"] = {"path": "/health", "successes": 2, "start": "60s", "interval": "200ms"}
    config["services"]["core"]["internal"] = f"micro-core.internal:{free_port()}"
    config["services"]["web-front"] = {"image": "reg/front", "port": 3000, "route": {"host": "front.example.com"}}
    config["services"]["core"]["group"] = "shop"
    worker = {"like": "core", "command": ["worker"], "health": {"settle": "200ms"}, "group": "shop"}
    config["services"]["worker"] = worker
    config["jobs"] = {"nightly": {"like": "core", "command": ["report"], "schedule": "0 3 * * *"}}
    backup = {"command": "echo all > /backup/all", "schedule": "0 4 * * *"}
    db = {"image": images.busybox(docker_client), "command": "sleep 3600", "health": {"settle": "200ms"}, "stop": "1s"}
    config["accessories"] = {"db": {**db, "backup": backup}}
    (folder / "bgmon.yml").write_text(yaml.safe_dump(config))
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / "config").mkdir()
    (folder / "config" / "deploy.yml").write_text("service: shop\nimage: reg/core\nservers: [10.0.0.1]\n")
    (folder / "compose.yaml").write_text("services: {core: {image: reg/core, ports: ['3000:3000']}}\n")
    image = docker_client.images.get(shop_image)
    tags = [(config["services"]["core"]["image"], "abc"), ("reg/core", "abc")]
    for repository, tag in tags:
        image.tag(repository, tag)
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    (bin_folder / "bgmon").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m monitor "$@"\n')
    (bin_folder / "bgmon").chmod(0o755)
    environ = {
        **os.environ,
        **SECRETS,
        "BGMON_STATE_DIR": str(folder / "state"),
        "SLACK_URL": "json://127.0.0.1:9/",
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    made = Reader(folder, environ, watch)
    try:
        for line in ("bgmon deploy core --tag abc", "bgmon deploy web-front --image reg/core:abc"):
            done = made.type(Command("", 0, line))
            assert done.returncode == 0, done.stderr
        yield made
    finally:
        for line in (
            "bgmon remove core --yes",
            "bgmon remove web-front --yes",
            "bgmon remove worker --yes",
            "bgmon remove db --yes",
            "bgmon proxy remove --yes",
        ):
            made.type(Command("", 0, line))
        for repository, tag in tags:
            with contextlib.suppress(docker.errors.ImageNotFound):  # a release that is removed takes its image along
                docker_client.images.remove(f"{repository}:{tag}", noprune=True)
        remove_project(docker_client, project)


def reason_not_to_run(text: str) -> str:
    return next((reason for pattern, reason in CANNOT.items() if re.fullmatch(pattern, text)), "")


@pytest.mark.parametrize("page", sorted(COMMANDS), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run_as_written(page: Path, reader: Reader) -> None:
    name = str(page.relative_to(ROOT))
    if name in OWN:
        assert (ROOT / OWN[name]).exists()
        return
    wanted = [command for command in COMMANDS[page] if not reason_not_to_run(command.text)]
    for command in wanted:
        if command.text.startswith("bgmon init"):
            mine = (reader.folder / "bgmon.yml").rename(reader.folder / "mine.yml")
            done = reader.type(command)
            mine.replace(reader.folder / "bgmon.yml")
        elif command.text in UNTIL_READY:
            assert reader.run_until_ready(command) == 0, str(command)
            continue
        else:
            done = reader.type(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_every_reason_not_to_run_a_command_still_has_one() -> None:
    every = [command.text for found in COMMANDS.values() for command in found]
    unused = [pattern for pattern in CANNOT if not any(re.fullmatch(pattern, text) for text in every)]
    assert unused == []


def test_every_target_of_make_that_is_named_exists() -> None:
    named = {
        target
        for found in COMMANDS.values()
        for command in found
        if command.text.startswith("make ")
        for target in re.sub(r'\w+=("[^"]*"|\S+)', "", command.text).split()[1:]
    }
    assert named
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named <= targets


PARTS: Final = [
    block
    for page in pages()
    for block in blocks(page)
    if block.language == "yaml" and set(yaml.safe_load(block.text) or ()) <= set(Config.model_fields)
]


@pytest.mark.parametrize("block", PARTS, ids=lambda block: f"{block.page}:{block.line}")
def test_a_part_of_bgmon_yml_in_the_docs_is_accepted(block: Any) -> None:
    part = yaml.safe_load(block.text)
    whole = {"project": "shop", "services": {"core": {"image": "reg/core", "port": 3000}}} | part
    variables = {name: f"https://{name}.example.com/" for name in re.findall(r"\$\{(\w+)\}", block.text)}
    loaded = load_text(yaml.safe_dump(whole), "bgmon.yml", variables)
    assert loaded.project == whole["project"]


def test_there_are_parts_of_bgmon_yml() -> None:
    assert len(PARTS) > 5
