"""A role of a Kamal file as a service of bgmon.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.config.compose.ledger import Ledger, Notes, items
from monitor.config.kamal.file import merged, text_of
from monitor.config.kamal.parts import take_command, take_environment, take_logging, take_options
from monitor.domain.digits import digits

_FIRST_PORT: Final = 80  # of the app, where none is named
_HEALTH_PATH: Final = "/up"
_DRAIN: Final = 30  # seconds, where none are named
_READINESS: Final = 7  # seconds that a role without a proxy has to stay up


@dataclass(slots=True)
class Role:
    """What `servers` says of one role; `tags` are those of its hosts."""

    name: str
    hosts: list[str]
    own: dict[str, Any]
    tags: list[str] = field(default_factory=list)


def roles_of(servers: Any) -> list[Role]:
    """The roles; a plain list of hosts is the role `web`."""
    if isinstance(servers, list):
        return [_role("web", servers, {})]
    made: list[Role] = []
    for name, given in servers.items() if isinstance(servers, Mapping) else ():
        if isinstance(given, Mapping):
            own = {key: value for key, value in given.items() if key != "hosts"}
            made.append(_role(name, given.get("hosts"), own))
        else:
            made.append(_role(name, given, {}))
    return made


def _role(name: str, hosts: Any, own: dict[str, Any]) -> Role:
    role = Role(name, [], own)
    for item in items(hosts):
        host, tags = next(iter(item.items()), ("", [])) if isinstance(item, Mapping) else (item, [])
        if host and text_of(host) not in role.hosts:
            role.hosts.append(text_of(host))
        if items(tags):
            role.tags.append(f"{text_of(host)}: {', '.join(text_of(tag) for tag in items(tags))}")
    return role


@dataclass(frozen=True, slots=True)
class Shared:
    """What roles share: the file, its image, the hosts' names, the section `build`."""

    data: Mapping[str, Any]
    image: str
    called: Mapping[str, str]
    build: dict[str, Any]
    primary: str


def role_section(role: Role, name: str, shared: Shared, notes: Notes) -> dict[str, Any]:
    """The section of bgmon.yml."""

    def say(text: str, at: str = "") -> None:
        notes.add(name, text, at)

    data, own = shared.data, Ledger(role.own)
    section: dict[str, Any] = {"image": shared.image}
    if shared.build:
        section["build"] = dict(shared.build)
    if role.hosts:
        section["hosts"] = [shared.called[host] for host in role.hosts]
    if role.tags:
        used = "; ".join(dict.fromkeys(role.tags))
        say(
            f"servers: tags of hosts ({used}) are not taken over: a service has one env on all of its hosts",
            "hosts",
        )
    special = own.take("proxy")
    proxied = special is not False if role.name == shared.primary else bool(special)
    if proxied:
        root = data.get("proxy")
        both = merged(dict(root) if isinstance(root, Mapping) else {}, special if isinstance(special, dict) else {})
        _proxy(section, Ledger(both, "proxy."), data, say)
    else:
        settle = data.get("readiness_delay")
        section["health"] = {"mode": "auto", "settle": _seconds(_READINESS if settle is None else settle)}
        if role.name == shared.primary:
            say("proxy: false: it has no route, and Kamal's proxy had none either", "health")
    _timing(section, own, data, proxied=proxied)
    take_environment(section, say, data.get("env"), own.take("env"))
    volumes = [text_of(item) for item in items(data.get("volumes"))]
    if volumes:
        section["volumes"] = volumes
    take_command(section, own.take("cmd"), say)
    take_options(section, own.take("options"), say)
    labels = {**_mapping(data.get("labels")), **_mapping(own.take("labels"))}
    if labels:
        section.setdefault("docker", {}).setdefault("labels", {}).update(labels)
    logging = data.get("logging")
    take_logging(section, merged(dict(logging or {}), own.take("logging") or {}), say)
    assets = own.take("asset_path") or data.get("asset_path")
    if assets:
        say(f"asset_path: {text_of(assets)} is not taken over: nothing joins old and new assets; serve them from a CDN")
    if left := own.left():
        say(f"not taken over: {', '.join(left)}")
    return {key: value for key, value in section.items() if value not in ({}, [])}


def _mapping(value: Any) -> dict[str, str]:
    return {key: text_of(item) for key, item in value.items()} if isinstance(value, Mapping) else {}


def _seconds(value: Any) -> str:
    text = text_of(value)
    return f"{text}s" if digits(text.replace(".", "", 1)) else text


def _proxy(section: dict[str, Any], source: Ledger, data: Mapping[str, Any], say: Any) -> None:
    port = source.take("app_port")
    section["port"] = _FIRST_PORT if port is None else port
    host, several = source.take("host"), source.take("hosts")
    hosts = [part.strip() for item in items(several or host) for part in text_of(item).split(",") if part.strip()]
    one, many = source.take("path_prefix"), source.take("path_prefixes")
    paths = [part.strip() for item in items(many or one) for part in text_of(item).split(",") if part.strip()]
    strip = source.take("strip_path_prefix") is not False
    ssl = source.take("ssl")
    routes: list[dict[str, Any]] = []
    for path in paths or ["/"]:
        route: dict[str, Any] = {"host": hosts if len(hosts) > 1 else hosts[0]} if hosts else {}
        route["path"] = path if path.startswith("/") else f"/{path}"
        if route["path"] != "/" and strip:
            route["strip"] = True
        if ssl is True and hosts:
            route["tls"] = "auto"
        routes.append(route)
    section["route"] = routes if len(routes) > 1 else routes[0]
    if isinstance(ssl, Mapping):
        names = ", ".join(text_of(item) for item in ssl.values())
        say(
            f"proxy.ssl: the certificate out of the secrets {names} is not taken over: write files, and set route.tls",
            "route",
        )
    elif ssl not in (None, False, True):
        say(f"proxy.ssl: {text_of(ssl)} is not taken over", "route")
    check = source.section("healthcheck")
    path = check.take("path")
    health: dict[str, Any] = {"path": _HEALTH_PATH if path is None else text_of(path)}
    for key in ("interval", "timeout"):
        if (value := check.take(key)) is not None:
            health[key] = _seconds(value)
    if (ready := data.get("deploy_timeout")) is not None:
        health["start"] = _seconds(ready)
    section["health"] = health
    forwarded = source.take("forward_headers")
    if forwarded is not None:
        say("proxy.forward_headers: bgmon's proxy always tells X-Forwarded-For and -Proto itself", "route")
    for key in ("run", "ssl_redirect", "response_timeout"):
        source.take(key)  # the proxy's own: see kamal/__init__.py
    if left := source.left():
        say(f"not taken over: {', '.join(left)}", "route")


def _timing(section: dict[str, Any], own: Ledger, data: Mapping[str, Any], *, proxied: bool) -> None:
    deploy: dict[str, Any] = {}
    drain, stop = data.get("drain_timeout"), own.take("stop_timeout")
    stop = data.get("stop_timeout") if stop is None else stop
    if stop is None and not proxied:
        stop = _DRAIN if drain is None else drain
    if drain is not None and proxied:
        deploy["drain"] = _seconds(drain)
    if stop is not None:
        deploy["stop"] = _seconds(stop)
    if (kept := data.get("retain_containers")) is not None:
        deploy["keep_images"] = kept
    if deploy:
        section["deploy"] = deploy
