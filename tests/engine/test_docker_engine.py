"""What only a real engine shows: limits, options, logs of all kinds, names on networks, speed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import docker.types
import pytest

from monitor.adapters.docker.decode import unix_time
from monitor.adapters.docker.engine import DockerEngine
from monitor.domain.containers import Container, ContainerSpec
from monitor.domain.names import LABEL_PROJECT
from monitor.errors import EngineError, NotFound
from tests.support.wait import wait_until

pytestmark = pytest.mark.engine

MIB = 1024 * 1024


@pytest.fixture
def engine(docker_host: str) -> Iterator[DockerEngine]:
    engine = DockerEngine()
    yield engine
    engine.close()


class Shell:
    """Containers of one project that run shell scripts."""

    def __init__(self, engine: DockerEngine, project: str, image: str) -> None:
        self.engine = engine
        self.project = project
        self._image = image
        self._count = 0

    def create(self, script: str, **changes: Any) -> Container:
        self._count += 1
        options: dict[str, Any] = {
            "name": f"{self.project}-{self._count}",
            "image": self._image,
            "labels": {LABEL_PROJECT: self.project},
            "command": ("/bin/sh", "-c", script),
            "restart": "no",
            **changes,
        }
        return self.engine.create(ContainerSpec(**options))

    def run(self, script: str, **changes: Any) -> Container:
        made = self.create(script, **changes)
        self.engine.start(made.id)
        return made

    def ended(self, script: str, **changes: Any) -> Container:
        made = self.run(script, **changes)
        return wait_until(lambda: (now := self.engine.inspect(made.id)) and now.state == "exited" and now)  # type: ignore[return-value]


@pytest.fixture
def shell(engine: DockerEngine, project: str, busybox_image: str) -> Shell:
    return Shell(engine, project, busybox_image)


def test_memory_past_the_limit_is_an_oom_kill(shell: Shell) -> None:
    events = shell.engine.events(since=None, labels={LABEL_PROJECT: shell.project})
    ended = shell.ended("exec tail /dev/zero", memory=16 * MIB, extra={"memswap_limit": 16 * MIB})
    assert ended.oom_killed
    assert ended.exit_code == 137
    assert {next(events).action for _ in range(4)} == {"create", "start", "oom", "die"}
    shell.engine.close_events()


def test_a_child_past_the_limit_is_counted_while_its_container_runs(shell: Shell, engine: DockerEngine) -> None:
    """Not every engine tells of it; the kernel does."""
    made = shell.run("tail /dev/zero; exec sleep 600", memory=16 * MIB, extra={"memswap_limit": 16 * MIB})
    running = engine.inspect(made.id)
    assert running is not None
    wait_until(lambda: engine.oom_kills(running) == 1, what="the kernel killed the child")
    now = engine.inspect(made.id)
    assert now is not None
    assert now.running


def test_exec_runs_as_whom_it_is_told(shell: Shell, engine: DockerEngine) -> None:
    running = shell.run("exec sleep 600")
    assert engine.exec(running.id, ("id", "-u"), user="1234") == (0, b"1234\n")
    code, output = engine.exec(running.id, ("/no/such/program",))
    assert code in (126, 127)
    assert b"no such file" in output


def test_a_kill_that_is_no_oom_kill(shell: Shell, engine: DockerEngine) -> None:
    running = shell.run("exec sleep 600", memory=16 * MIB)
    engine.kill(running.id)
    ended = wait_until(lambda: (now := engine.inspect(running.id)) and now.state == "exited" and now)
    assert (ended.exit_code, ended.oom_killed) == (137, False)  # type: ignore[union-attr]


def test_everything_of_a_spec_reaches_the_engine(shell: Shell, docker_client: docker.DockerClient) -> None:
    made = shell.create(
        "true",
        env={"SECRET": "a=b c"},
        publish={3000: ("127.0.0.1", 28999)},
        memory=64 * MIB,
        cpus=0.25,
        pids=77,
        restart="on-failure:3",
        volumes=(f"{shell.project}-data:/data", "/etc/hostname:/h:ro"),
        user="1000:1000",
        read_only=True,
        init=True,
        log_max_size=5 * MIB,
        log_max_files=2,
        extra={
            "cap_drop": ["ALL"],
            "entrypoint": ["/bin/busybox"],
            "extra_hosts": {"db": "10.0.0.9"},
            "hostname": "inside",
            "labels": {"team": "a", LABEL_PROJECT: "not this"},
            "stop_signal": "SIGINT",
            "sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
            "tmpfs": {"/tmp": "size=1m"},
            "ulimits": [{"name": "nofile", "soft": 99, "hard": 100}],
            "working_dir": "/tmp",
        },
    )
    raw = docker_client.api.inspect_container(made.id)
    host, config = raw["HostConfig"], raw["Config"]
    assert "SECRET=a=b c" in config["Env"]
    assert host["PortBindings"] == {"3000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "28999"}]}
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 * MIB, 250_000_000, 77)
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert host["Binds"] == [f"{shell.project}-data:/data", "/etc/hostname:/h:ro"]
    assert (config["User"], host["ReadonlyRootfs"], host["Init"]) == ("1000:1000", True, True)
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": str(5 * MIB), "max-file": "2"}}
    assert (host["CapDrop"], host["ExtraHosts"]) == (["ALL"], ["db:10.0.0.9"])
    assert (config["Entrypoint"], config["Hostname"], config["WorkingDir"]) == (["/bin/busybox"], "inside", "/tmp")
    assert (config["Labels"]["team"], config["Labels"][LABEL_PROJECT]) == ("a", shell.project)
    assert (config["StopSignal"], host["Tmpfs"]) == ("SIGINT", {"/tmp": "size=1m"})
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 99, "Hard": 100}]
    assert "SECRET" not in repr(made)


def test_without_a_command_the_images_own_runs(shell: Shell, docker_client: docker.DockerClient) -> None:
    made = shell.create("", command=())
    assert docker_client.api.inspect_container(made.id)["Config"]["Cmd"] == ["/bin/sh"]


def test_a_command_that_is_not_there_says_so(shell: Shell, engine: DockerEngine) -> None:
    made = shell.create("", command=("/no/such/program",), init=False)
    with pytest.raises(EngineError) as caught:
        engine.start(made.id)
    assert not isinstance(caught.value, NotFound)
    assert "does not exist in the image" in caught.value.hint


# --- logs ---


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("printf 'caf\\303\\251\\n'", ["café".encode()]),
        ("printf 'caf\\351\\n'", ["caf\N{REPLACEMENT CHARACTER}".encode()]),  # its log driver writes JSON, hence UTF-8
        ("printf 'no end'", [b"no end"]),
        ("printf 'half '; sleep 0.1; echo other >&2; sleep 0.1; echo line", [b"other", b"half line"]),
        ("head -c 100000 /dev/zero | tr '\\0' x; echo; echo next", [b"x" * 100_000, b"next"]),
        ("true", []),
    ],
)
def test_lines_come_as_the_process_wrote_them(shell: Shell, script: str, expected: list[bytes]) -> None:
    ended = shell.ended(script)
    assert sorted(shell.engine.logs(ended.id)) == sorted(expected)
    stamped = [line.split(b" ", 1) for line in shell.engine.logs(ended.id, timestamps=True)]
    assert sorted(line for _, line in stamped) == sorted(expected)
    assert all(stamp.endswith(b"Z") and len(stamp) == len("2026-11-24T12:00:00.000000000Z") for stamp, _ in stamped)


def test_a_terminals_log_has_no_frames(shell: Shell) -> None:
    ended = shell.ended("echo one; echo two", extra={"tty": True})
    assert list(shell.engine.logs(ended.id)) == [b"one", b"two"]


def test_a_followed_log_ends_with_its_container(shell: Shell, engine: DockerEngine) -> None:
    running = shell.run("echo one; sleep 0.3; echo two")
    assert list(engine.logs(running.id, follow=True)) == [b"one", b"two"]


def test_since_tells_milliseconds_apart(shell: Shell, engine: DockerEngine) -> None:
    ended = shell.ended("echo one; sleep 0.2; echo two")
    stamps = [line.split(b" ")[0].decode() for line in engine.logs(ended.id, timestamps=True)]
    first, second = (unix_time(stamp) for stamp in stamps)
    assert first is not None
    assert second is not None
    assert list(engine.logs(ended.id, since=first + 0.1)) == [b"two"]
    assert list(engine.logs(ended.id, until=first + 0.1)) == [b"one"]


# --- networks ---


def address(client: docker.DockerClient, container: str, network: str) -> tuple[str, set[str]]:
    endpoint = client.api.inspect_container(container)["NetworkSettings"]["Networks"][network]
    return endpoint["IPAddress"], set(endpoint["Aliases"] or ())


def test_other_names_leave_the_address_on_a_network_with_its_own_subnet(
    shell: Shell, engine: DockerEngine, docker_client: docker.DockerClient
) -> None:
    name = f"{shell.project}-own"
    pool = docker.types.IPAMPool(subnet="10.213.77.0/24")
    docker_client.networks.create(
        name, ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels={LABEL_PROJECT: shell.project}
    )
    running = shell.run("sleep 600")
    neighbour = shell.run("sleep 600", network=name)
    engine.connect(name, running.id, ("core",))
    before, _ = address(docker_client, running.id, name)
    engine.remove(neighbour.id)  # leaves a lower address free
    engine.realias(name, running.id, ("core", "api"))
    after, aliases = address(docker_client, running.id, name)
    assert after == before
    assert {"core", "api"} <= aliases


def test_other_names_on_a_network_without_one(
    shell: Shell, engine: DockerEngine, docker_client: docker.DockerClient
) -> None:
    engine.ensure_network(shell.project, {LABEL_PROJECT: shell.project})
    running = shell.run("sleep 600", network=shell.project)
    engine.realias(shell.project, running.id, ("core",))
    engine.connect(shell.project, running.id, ("api", "core"))
    engine.connect(shell.project, running.id, ("api",))
    assert {"core", "api"} <= address(docker_client, running.id, shell.project)[1]


# --- the rest ---


def test_hundreds_are_listed_by_few_connections(shell: Shell, engine: DockerEngine) -> None:
    for _ in range(30):
        shell.create("true")
    assert len(engine.containers({LABEL_PROJECT: shell.project})) == 30


def test_a_container_that_vanishes_while_listing_is_left_out(
    shell: Shell, engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [shell.create("true") for _ in range(3)]
    inspect = engine.inspect

    def racing(ref: str) -> Container | None:
        if ref == made[1].id:
            engine.remove(ref)
        return inspect(ref)

    monkeypatch.setattr(engine, "inspect", racing)
    assert {one.id for one in engine.containers({LABEL_PROJECT: shell.project})} == {made[0].id, made[2].id}


def test_the_kernel_and_the_engine_measure_alike(shell: Shell, engine: DockerEngine) -> None:
    running = shell.run("exec sleep 600", memory=32 * MIB)
    quick = engine.stats(running.id)
    asked = engine._ask_stats(running.id)
    assert quick is not None
    assert asked is not None
    assert quick.memory_limit == asked.memory_limit == 32 * MIB
    assert abs(quick.memory - asked.memory) < 4 * MIB
    assert abs(quick.cpu_seconds - asked.cpu_seconds) < 1


def test_streams_outlast_the_time_out(shell: Shell, docker_host: str) -> None:
    hasty = DockerEngine(docker_host, timeout=2)
    running = shell.run("sleep 2.5; echo late; exec sleep 600")
    lines = hasty.logs(running.id, follow=True)
    events = hasty.events(since=None, labels={LABEL_PROJECT: shell.project})
    assert hasty.exec(running.id, ("/bin/sh", "-c", "sleep 2.5; echo done")) == (0, b"done\n")
    assert next(lines) == b"late"
    shell.engine.kill(running.id)
    assert next(events).action == "kill"
    hasty.close()


def test_many_threads_may_ask_at_once(shell: Shell, engine: DockerEngine) -> None:
    """The SDK's own connection pools close each other's connections under this load."""
    made = [shell.create("true") for _ in range(40)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(engine.inspect, [one.id for one in made] * 10))
    assert [one.id for one in found if one is not None] == [one.id for one in made] * 10
