"""What the engine is asked to create."""

from __future__ import annotations

from typing import Any

import docker
from docker.models.containers import RUN_CREATE_KWARGS, RUN_HOST_CONFIG_KWARGS
from docker.types import LogConfig

from monitor.domain.containers import ContainerSpec
from monitor.errors import EngineError

_NANO = 1_000_000_000


def create_arguments(client: docker.APIClient, spec: ContainerSpec) -> dict[str, Any]:
    """Arguments of `APIClient.create_container`.

    `spec.extra` goes by the docker SDK's names, whether the engine takes them for the container or for its host side.
    What bgmon decides itself wins over `extra`.

    Raises:
        EngineError: an option of `extra` is unknown to the SDK.
    """
    extra = dict(spec.extra)
    create = {key: extra.pop(key) for key in list(extra) if key in RUN_CREATE_KWARGS}
    host = {key: extra.pop(key) for key in list(extra) if key in RUN_HOST_CONFIG_KWARGS}
    if extra:
        raise EngineError(f"creating {spec.name}: the engine knows no option {', '.join(sorted(extra))}")
    host.update(_host_options(spec))
    create.update(
        name=spec.name,
        image=spec.image,
        command=list(spec.command) or create.get("command"),
        environment=dict(spec.env),
        labels={**(create.get("labels") or {}), **spec.labels},
        ports=[(port, "tcp") for port in spec.publish],
        host_config=client.create_host_config(**host),
    )
    if spec.user is not None:
        create["user"] = spec.user
    if spec.address is not None:
        endpoint = client.create_endpoint_config(ipv4_address=spec.address)
        create["networking_config"] = client.create_networking_config({spec.network: endpoint})
    return create


def _host_options(spec: ContainerSpec) -> dict[str, Any]:
    options: dict[str, Any] = {
        "port_bindings": dict(spec.publish),
        "restart_policy": restart_policy(spec.restart),
        "binds": list(spec.volumes),
        "read_only": spec.read_only,
        "init": spec.init,
        "log_config": LogConfig(
            type=LogConfig.types.JSON,
            config={"max-size": str(spec.log_max_size), "max-file": str(spec.log_max_files)},
        ),
    }
    if spec.memory is not None:
        options["mem_limit"] = spec.memory
    if spec.cpus is not None:
        options["nano_cpus"] = round(spec.cpus * _NANO)
    if spec.pids is not None:
        options["pids_limit"] = spec.pids
    if spec.network is not None:
        options["network_mode"] = spec.network
    return options


def restart_policy(policy: str) -> dict[str, Any]:
    """`on-failure:3` and the like, as the engine wants it."""
    name, _, retries = policy.partition(":")
    return {"Name": name, "MaximumRetryCount": int(retries or 0)}
