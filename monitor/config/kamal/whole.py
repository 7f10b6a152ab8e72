"""What stands in a Kamal file beside its roles: hosts, image, build, proxy, and what has no like here."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any, Final

from monitor.config.compose.ledger import WHOLE, Ledger, Notes, items, shown
from monitor.config.kamal.file import text_of
from monitor.config.starter import project_name
from monitor.domain.names import name_problem

_HTTP: Final = 80
_HTTPS: Final = 443
# Keys that roles, accessories and the functions below look at.
_TAKEN: Final = frozenset(
    {
        "service", "image", "servers", "env", "registry", "builder", "proxy", "accessories", "ssh", "labels", "volumes",
        "logging", "drain_timeout", "stop_timeout", "deploy_timeout", "readiness_delay", "retain_containers",
        "primary_role", "asset_path", "require_destination",
    }
)  # fmt: skip
_WHY: Final = {
    "boot": "a service is deployed on its hosts one after another",
    "hooks_path": "hooks are in .bgmon/hooks (docs/hooks.md), with other names",
    "hooks_output": "what a hook says is shown with -v, and when it fails",
    "secrets_path": "secrets are taken from the environment or .bgmon/secrets",
    "error_pages_path": "proxy.maintenance_page is the only page of your own",
    "run_directory": "bgmon keeps its state under state.dir",
    "minimum_version": "it is about Kamal",
    "allow_empty_roles": "a role without hosts stands here as a comment",
    "sshkit": "ssh is the system's own; see hosts.NAME.options",
    "output": "bgmon history keeps what deploys did; bgmon deploy --json tells it",
}


def hosts_of(addresses: Sequence[str], ssh: Any, notes: Notes) -> tuple[dict[str, Any], dict[str, str]]:
    """The section `hosts`, and the names in it by Kamal's addresses."""
    source = Ledger(ssh, "ssh.")
    user, port = text_of(source.take("user") or "root"), source.take("port")
    options = _ssh_options(source, notes)
    if left := source.left():
        notes.add(WHOLE, f"not taken over: {', '.join(left)}", "hosts")
    hosts: dict[str, Any] = {}
    called: dict[str, str] = {}
    for address in addresses:
        who, at, where = address.rpartition("@")
        name = where if not name_problem(where) else project_name(where)
        while name in hosts:
            name = f"{name}-2"
        called[address] = name
        hosts[name] = {"ssh": _target(who if at else user, where, port), **({"options": options} if options else {})}
    return hosts, called


def _target(user: str, host: str, port: Any) -> str:
    """What ssh is given; a host may be an IPv6 address, or bring its port along."""
    six = host.count(":") > 1
    if port is None and ":" not in host:
        return f"{user}@{host}"
    place = f"[{host}]" if six and not host.startswith("[") else host
    return f"ssh://{user}@{place}" + (f":{text_of(port)}" if port is not None and (six or ":" not in host) else "")


def _ssh_options(source: Ledger, notes: Notes) -> list[str]:
    options: list[str] = []
    for key in items(source.take("keys")):
        options += ["-i", text_of(key)]
    if (jump := source.take("proxy")) is not None:
        options += ["-J", text_of(jump) if "@" in text_of(jump) else f"root@{text_of(jump)}"]
    if (command := source.take("proxy_command")) is not None:
        options += ["-o", f"ProxyCommand={text_of(command)}"]
    if source.take("keys_only"):
        options += ["-o", "IdentitiesOnly=yes"]
    if (forward := source.take("forward_agent")) is not None:
        options += ["-o", f"ForwardAgent={'yes' if forward else 'no'}"]
    files = source.take("config")
    if isinstance(files, str | list):
        if len(items(files)) > 1:
            notes.add(WHOLE, f"ssh.config: only {items(files)[0]} is taken over: ssh reads one file", "hosts")
        options += ["-F", text_of(items(files)[0])]
    elif files is False:
        options += ["-F", "none"]
    if source.take("key_data") is not None:
        notes.add(
            WHOLE, "ssh.key_data: keys are not taken over: put them into files, and name those in options", "hosts"
        )
    return options


def image_of(data: Mapping[str, Any]) -> str:
    """The repository, with the registry's name in front."""
    registry = data.get("registry")
    server = text_of(registry.get("server")) if isinstance(registry, Mapping) else ""
    image = text_of(data.get("image") or data.get("service"))
    return posixpath.join(server, image) if server else image


def build_of(given: Any, notes: Notes) -> dict[str, Any]:
    """The section `build` of each role."""
    source = Ledger(given, "builder.")
    context = source.take("context")
    build: dict[str, Any] = {"context": text_of(context) if context is not None else "."}
    if context is None:
        notes.add(WHOLE, "builder.context: Kamal builds a clean clone of the commit, bgmon build the folder as it is")
    elif build["context"].startswith(("/", "~")) or "://" in build["context"]:
        notes.add(WHOLE, f"builder.context: {build['context']} is not taken over: it must be a folder beside bgmon.yml")
        build["context"] = "."
    if (dockerfile := source.take("dockerfile")) is not None:
        build["dockerfile"] = text_of(dockerfile)
    if (target := source.take("target")) is not None:
        build["target"] = text_of(target)
    args = source.take("args")
    if isinstance(args, Mapping) and args:
        build["args"] = {key: text_of(value) for key, value in args.items()}
    if arch := items(source.take("arch")):
        build["platforms"] = [f"linux/{text_of(item)}" for item in arch]
    if secrets := [text_of(item).partition(":")[0] for item in items(source.take("secrets"))]:
        build["secrets"] = secrets
    cache = source.section("cache")
    kind, image = cache.take("type"), cache.take("image")
    if kind == "registry" and image is not None:
        build["cache"] = text_of(image)
        notes.add(WHOLE, f"builder.cache.image: {text_of(image)}: name it with its registry in front")
    elif kind not in (None, "registry"):
        notes.add(WHOLE, f"builder.cache: type {text_of(kind)} is not taken over: the cache is kept in the registry")
    if source.take("local") is False:
        notes.add(WHOLE, "builder.local: false is not taken over: bgmon build uses the Docker that is selected here")
    pack = source.take("pack")
    if pack is not None:
        lost = shown("builder", {key: value for key, value in given.items() if key != "context"})
        notes.add(WHOLE, f"{lost}: buildpacks are not taken over: build with pack, then bgmon deploy --tag")
    if left := source.left():
        notes.add(WHOLE, f"not taken over: {', '.join(left)}")
    return {} if pack is not None else build


def proxy_of(given: Any, notes: Notes) -> dict[str, Any]:
    """The section `proxy`: what of Kamal's is about the proxy as a whole."""
    source = Ledger(given, "proxy.")
    made: dict[str, Any] = {}
    if source.take("ssl_redirect") is False:
        made["redirect_https"] = False
    if (timeout := source.take("response_timeout")) is not None:
        made["timeouts"] = {"server": f"{text_of(timeout)}s"}
        notes.add(WHOLE, "proxy.response_timeout: here it is the longest silence, not the whole answer's time", "proxy")
    run = source.section("run")
    addresses = [text_of(item) for item in items(run.take("bind_ips"))] or ["0.0.0.0"]  # noqa: S104 - as Kamal's
    for key, ours, usual in (("http_port", "listen", _HTTP), ("https_port", "tls_listen", _HTTPS)):
        port = run.take(key)
        if port is not None or addresses != ["0.0.0.0"]:  # noqa: S104
            made[ours] = [f"{f'[{address}]' if ':' in address else address}:{port or usual}" for address in addresses]
    if left := run.left():
        notes.add(WHOLE, f"not taken over: {', '.join(left)}", "proxy")
    return made


def say_whole(data: Mapping[str, Any], notes: Notes, *, primary: str, accessories: Sequence[str]) -> None:
    """Name every key of the file that has no like here."""
    registry = Ledger(data.get("registry"), "registry.")
    registry.take("server")
    login = [f"registry.{key}" for key in ("username", "password") if registry.take(key) is not None]
    if login:
        notes.add(WHOLE, f"{', '.join(login)}: not taken over: docker login, on each host and here")
    if left := registry.left():
        notes.add(WHOLE, f"not taken over: {', '.join(left)}")
    env = data.get("env")
    if isinstance(env, Mapping) and env.get("tags"):
        notes.add(WHOLE, f"{shown('env.tags', env['tags'])}: not taken over: a service has one env on all of its hosts")
    aliases = data.get("aliases")
    for name, command in aliases.items() if isinstance(aliases, Mapping) else ():
        text = command.get("command") if isinstance(command, Mapping) else command
        notes.add(
            WHOLE,
            f"aliases.{name}: {text_of(text)}: not taken over; see bgmon exec {primary}",
        )
    if accessories:
        names = ", ".join(accessories)
        notes.add(
            WHOLE,
            f"accessories: {names} stand here as comments, left to Kamal: a swap would run two of them on one volume",
        )
    idle = [key for key in data if key.startswith("x-")]
    if idle:
        notes.add(WHOLE, f"{', '.join(idle)}: means nothing to bgmon; what anchors took from it is taken over")
    for key, value in data.items():
        if key in _TAKEN or key in idle or key == "aliases":
            continue
        notes.add(WHOLE, f"{shown(key, value)}: not taken over{f': {_WHY[key]}' if key in _WHY else ''}")
