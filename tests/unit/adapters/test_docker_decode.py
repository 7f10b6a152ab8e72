"""Reading the engine's JSON, kernel files and progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.docker import cgroup, decode
from monitor.adapters.docker.pull import Meter, failed
from monitor.domain.containers import ContainerStats, Image

ID = "c" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T12:00:00Z", 1795521600.0),
        ("2026-11-24T12:00:00.5Z", 1795521600.5),
        ("2026-11-24T12:00:00.123456789Z", 1795521600.123456),
        ("2026-11-24T13:00:00.123456789+01:00", 1795521600.123456),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_unix_seconds_and_the_engines_zero_is_none(text: str | None, expected: float | None) -> None:
    assert decode.unix_time(text) == expected


def raw_container(**changes: Any) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "Id": ID,
        "Name": "/shop-core-blue",
        "Image": "sha256:1",
        "Created": "2026-11-24T12:00:00Z",
        "RestartCount": 2,
        "State": {"Status": "running", "ExitCode": 0, "OOMKilled": False, "Pid": 7, "Error": ""},
        "Config": {"Image": "core:1", "Labels": {"a": "b"}},
        "HostConfig": {"RestartPolicy": {"Name": "always"}, "PortBindings": {}},
        "NetworkSettings": {"Ports": {}, "Networks": {"b": {}, "a": {}}},
    }
    return {**raw, **changes}


def settings(bound: Any, wanted: Any) -> dict[str, Any]:
    return {
        "NetworkSettings": {"Ports": bound, "Networks": {}},
        "HostConfig": {"RestartPolicy": {}, "PortBindings": wanted},
    }


@pytest.mark.parametrize(
    ("bound", "wanted", "expected"),
    [
        ({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "2000"}]}, {}, {80: 2000}),
        ({}, {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "2000"}]}, {80: 2000}),
        ({"80/tcp": [{"HostPort": "3000"}]}, {"80/tcp": [{"HostPort": ""}]}, {80: 3000}),
        ({"80/tcp": None, "53/udp": [{"HostPort": "53"}]}, None, {}),
        (None, {"80/tcp": [{"HostPort": "0"}]}, {}),
        ({"80/tcp": [{"HostPort": "1"}, {"HostPort": "1"}], "81/tcp": [{"HostPort": "2"}]}, {}, {80: 1, 81: 2}),
    ],
)
def test_ports_are_those_bound_else_those_asked_for(bound: Any, wanted: Any, expected: dict[int, int]) -> None:
    assert decode.container(raw_container(**settings(bound, wanted))).ports == expected


def test_an_engine_that_leaves_fields_out_is_read_all_the_same() -> None:
    raw = raw_container(NetworkSettings=None, Config={"Image": "x"}, HostConfig={})
    found = decode.container(raw)
    assert (found.labels, found.networks, found.restart_policy, found.health) == ({}, (), "no", None)


@pytest.mark.parametrize(
    ("health", "expected"),
    [({"Status": "healthy"}, "healthy"), ({"Status": "none"}, None), (None, None)],
)
def test_health_is_none_without_a_check(health: Any, expected: str | None) -> None:
    state = {**raw_container()["State"], "Health": health}
    assert decode.container(raw_container(State=state)).health == expected


@pytest.mark.parametrize(("test", "expected"), [(["CMD", "true"], True), (["NONE"], False), ([], False), (None, False)])
def test_a_health_check_switched_off_is_none(test: Any, expected: bool) -> None:
    image = decode.image(
        {"Id": "i", "Config": {"Healthcheck": {"Test": test}, "ExposedPorts": {"81/tcp": {}, "53/udp": {}}}}
    )
    assert image.healthcheck is expected
    assert image.exposed_ports == (81,)


IMAGE = Image("sha256:1", ("r:1", "r:2", "s:1"), ("r@sha256:a", "r@sha256:b", "s@sha256:a"), "amd64", 1)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("r:1", ["r:1"]),
        ("r@sha256:a", ["r:1", "r:2", "r@sha256:a"]),
        ("s@sha256:a", ["s:1", "s@sha256:a"]),
        ("sha256:1", ["sha256:1"]),
        ("r", ["sha256:1"]),
    ],
)
def test_removing_a_digest_takes_the_tags_of_its_repository(reference: str, expected: list[str]) -> None:
    assert decode.names_to_remove(IMAGE, reference) == expected


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        (["r:1"], ["r:2", "s:1", "r@sha256:a", "r@sha256:b", "s@sha256:a"]),
        (["s:1"], ["r:1", "r:2", "r@sha256:a", "r@sha256:b"]),
        (["r:1", "r:2", "r@sha256:a"], ["s:1", "s@sha256:a"]),
        (["sha256:1"], []),
    ],
)
def test_a_repositorys_digests_go_with_its_last_tag(removed: list[str], expected: list[str]) -> None:
    assert decode.names_left(IMAGE, removed) == expected


def test_the_digest_that_was_pulled_comes_first() -> None:
    assert decode.pinned_first(IMAGE, "r@sha256:b").digests == ("r@sha256:b", "r@sha256:a", "s@sha256:a")
    assert decode.pinned_first(IMAGE, "docker.io/library/r@sha256:b").digests[0] == "r@sha256:b"
    assert decode.pinned_first(IMAGE, "r:1") == IMAGE


def test_stats_leave_out_the_cache_that_the_kernel_gives_back() -> None:
    usage = {"usage": 1000, "limit": 5000, "stats": {"total_inactive_file": 400, "inactive_file": 1}}
    cpu = {"cpu_usage": {"total_usage": 2_500_000_000}}
    assert decode.stats({"memory_stats": usage, "cpu_stats": cpu}) == ContainerStats(600, 5000, 2.5)
    usage["stats"] = {"inactive_file": 100}
    assert decode.stats({"memory_stats": usage, "cpu_stats": cpu}) == ContainerStats(900, 5000, 2.5)
    assert decode.stats({"memory_stats": {}, "cpu_stats": {"cpu_usage": {"total_usage": 0}}}) is None


def books(folder: Path, groups: str, files: dict[str, str]) -> None:
    """What a kernel shows of process 7."""
    for name, text in {"proc/7/cgroup": groups, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def kernel(folder: Path, groups: str, files: dict[str, str]) -> ContainerStats | None:
    books(folder, groups, files)
    return cgroup.usage(7, ID, proc=folder / "proc", root=folder / "cgroup")


V1 = {
    f"cgroup/memory/docker/{ID}/memory.usage_in_bytes": "3000\n",
    f"cgroup/memory/docker/{ID}/memory.limit_in_bytes": "5000\n",
    f"cgroup/memory/docker/{ID}/memory.stat": "cache 9\ntotal_inactive_file 1000\n",
    f"cgroup/cpuacct/docker/{ID}/cpuacct.usage": "1500000000\n",
}
V2 = {
    f"cgroup/system.slice/docker-{ID}.scope/memory.current": "3000\n",
    f"cgroup/system.slice/docker-{ID}.scope/memory.max": "5000\n",
    f"cgroup/system.slice/docker-{ID}.scope/memory.stat": "anon 9\ninactive_file 500\n",
    f"cgroup/system.slice/docker-{ID}.scope/cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
}
V1_GROUPS = f"9:memory:/docker/{ID}\n8:cpu,cpuacct:/docker/{ID}\n0::/\n"
V2_GROUPS = f"0::/system.slice/docker-{ID}.scope\n"


def test_cgroup_v1(tmp_path: Path) -> None:
    assert kernel(tmp_path, V1_GROUPS, V1) == ContainerStats(2000, 5000, 1.5)


def test_cgroup_v2(tmp_path: Path) -> None:
    assert kernel(tmp_path, V2_GROUPS, V2) == ContainerStats(2500, 5000, 2.5)


@pytest.mark.parametrize(
    ("groups", "file", "text", "count"),
    [
        (V1_GROUPS, f"memory/docker/{ID}/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 2),
        (V1_GROUPS, f"memory/docker/{ID}/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", None),  # before 4.13
        (V2_GROUPS, f"system.slice/docker-{ID}.scope/memory.events", "low 0\nmax 9\noom 4\noom_kill 3\n", 3),
        (V2_GROUPS, "memory.events", "oom_kill 3\n", None),
        ("0::/system.slice/sshd.service\n", "system.slice/sshd.service/memory.events", "oom_kill 3\n", None),
    ],
)
def test_kills_for_want_of_memory(tmp_path: Path, groups: str, file: str, text: str, count: int | None) -> None:
    books(tmp_path, groups, {f"cgroup/{file}": text})
    assert cgroup.oom_kills(7, ID, proc=tmp_path / "proc", root=tmp_path / "cgroup") == count
    assert cgroup.oom_kills(8, ID, proc=tmp_path / "proc", root=tmp_path / "cgroup") is None


def test_no_limit_is_the_hosts_memory(tmp_path: Path) -> None:
    stats = kernel(tmp_path, V2_GROUPS, {**V2, f"cgroup/system.slice/docker-{ID}.scope/memory.max": "max\n"})
    assert stats is not None
    assert stats.memory_limit > 100_000_000


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/system.slice/sshd.service\n", V2),  # the engine is elsewhere, the pid is somebody else's
        (V1_GROUPS, {}),  # another cgroup namespace
        ("nonsense\n", {}),
        (V2_GROUPS, {**V2, f"cgroup/system.slice/docker-{ID}.scope/memory.stat": "anon 9\n"}),
    ],
)
def test_what_the_kernel_does_not_tell_is_left_to_the_engine(
    tmp_path: Path, groups: str, files: dict[str, str]
) -> None:
    assert kernel(tmp_path, groups, files) is None
    assert cgroup.usage(8, ID, proc=tmp_path / "proc", root=tmp_path) is None


def test_progress_adds_up_over_layers_and_never_falls() -> None:
    lines: list[dict[str, Any]] = [
        {"status": "Pulling from shop/core", "id": "v1"},
        {"status": "Already exists", "id": "a"},
        {"status": "Pulling fs layer", "id": "b"},
        {"status": "Pulling fs layer", "id": "c"},
        {"status": "Downloading", "id": "b", "progressDetail": {"current": 10, "total": 100}},
        {"status": "Downloading", "id": "c", "progressDetail": {"current": 5, "total": 50}},
        {"status": "Download complete", "id": "b"},
        {"status": "Extracting", "id": "b", "progressDetail": {"current": 1, "total": 100}},
        {"status": "Pull complete", "id": "b"},
        {"status": "Pull complete", "id": "c"},
        {"status": "Digest: sha256:abc"},
    ]
    meter = Meter()
    steps = [step for line in lines if (step := meter.take(line)) is not None]
    currents = [step.current for step in steps]
    assert currents == sorted(currents)
    assert (steps[4].current, steps[4].total) == (15, 150)
    assert (steps[-1].current, steps[-1].total) == (150, 150)
    assert steps[-1].status == "pull complete: 3 of 3 layers"


@pytest.mark.parametrize(
    ("said", "meaning", "hint"),
    [
        ("write /var/lib/docker/tmp/x: no space left on device", "the disk is full", "free space"),
        ("manifest for r/x:1 not found: manifest unknown: manifest unknown", "the tag does not exist", "check the tag"),
        ("pull access denied for x, repository does not exist or may require 'docker login'", "a login is missing", "docker login reg"),
        ("Get https://reg/v2/: no basic auth credentials", "wants a login", "docker login reg"),
        ("Get https://reg/v2/x: unauthorized: authentication required", "refuses these credentials", "docker login reg"),
        ("denied: requested access to the resource is denied", "refuses access", "docker login reg"),
        ("toomanyrequests: You have reached your pull rate limit", "too many pulls", "wait"),
        ("dial tcp: lookup reg on 10.0.0.1:53: no such host", "cannot be resolved", "DNS"),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "does not answer", "reg runs"),
        ("dial tcp 10.0.0.1:443: i/o timeout", "does not answer in time", "reached"),
        ("net/http: TLS handshake timeout", "does not answer in time", "reached"),
        ("x509: certificate signed by unknown authority", "is not trusted", "certs.d/reg"),
        ("http: server gave HTTP response to HTTPS client", "speaks no TLS", "insecure-registries"),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", "architecture", "platform"),
        ("something nobody has seen", "something nobody has seen", "docker pull r/x:1"),
    ],
)  # fmt: skip
def test_a_failed_pull_says_what_it_means_and_what_to_do(said: str, meaning: str, hint: str) -> None:
    error = failed("r/x:1", "reg", said)
    assert str(error).startswith("cannot pull r/x:1: ")
    assert meaning in str(error)
    assert said in str(error)
    assert hint in error.hint
