"""`init --from-compose`: every key is taken over, or named in the notes and as a comment at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.config.compose import from_compose
from monitor.config.loader import load_text
from monitor.config.schema import Config
from monitor.errors import ConfigError, UsageError


def made(folder: Path, text: str, *, name: str = "compose.yaml", **environ: str) -> tuple[Config, str, str]:
    """The new configuration, its text, and the notes in one text."""
    shop = folder / "My.Shop"
    shop.mkdir(exist_ok=True)
    (shop / name).write_text(text)
    written, notes = from_compose(shop / name)
    return load_text(written, "bgmon.yml", environ), written, "\n".join(notes)


def service(folder: Path, keys: str, **environ: str) -> tuple[Any, str, str]:
    """One service, `web`, made of these keys."""
    config, written, said = made(folder, f"services:\n  web:\n    image: reg/web\n{keys}", **environ)
    return config.services["web"], written, said


# What a key becomes. Everything that Compose's specification knows is in here, or in `test_what_has_no_like_is_named`.
TAKEN: list[tuple[str, str, object]] = [
    ("command: run --now 'a b' $$HOME", "command", ("run", "--now", "a b", "$HOME")),
    ("command: [run, 1.10, 0o17]", "command", ("run", "1.10", "0o17")),
    ("entrypoint: /start.sh -v", "docker.entrypoint", ["/start.sh", "-v"]),
    ("entrypoint: [/start.sh, 01]", "docker.entrypoint", ["/start.sh", "01"]),
    ("user: 1000:1000", "user", "1000:1000"),
    ("user: 0123", "user", "0123"),
    ("read_only: true", "read_only", True),
    ("init: false", "init", False),
    ("environment: {V: 1.10, ZIP: 01234, ON: true, E: }", "env", {"V": "1.10", "ZIP": "01234", "ON": "true", "E": "from outside"}),
    ("environment: [V=1.10, E, EMPTY=, 'A=b=c']", "env", {"V": "1.10", "E": "from outside", "EMPTY": "", "A": "b=c"}),
    ("environment: {API_KEY: hunter2, DB: 'postgres://u:hunter2@db/x', PASSWORD_FILE: /run/secrets/p}", "secrets", ("API_KEY", "DB")),
    ("ports: ['8080:80']", "port", 80),
    ("ports: [3000]", "port", 3000),
    ("ports: ['127.0.0.1:9000-9001:8000-8001/tcp']", "port", 8000),
    ("ports: ['[::1]:80:8080']", "port", 8080),
    ("ports: [{target: 8443, published: '443', protocol: tcp, mode: host}]", "port", 8443),
    ("ports: ['53:53/udp', '5432:5432', '80:3000']", "port", 3000),
    ("ports: ['${PORT:-80}:${INNER:-8080}']", "port", 8080),
    ("expose: ['3000/tcp']", "port", 3000),
    ("healthcheck: {test: [CMD, curl, -f, 'http://localhost:3000/healthz?x=1'], interval: 1m30s, timeout: 5s, retries: 4, start_period: 30s}", "health", ("/healthz?x=1", 90.0, 5.0, 4, 390.0)),
    ("healthcheck: {test: wget -q --spider https://127.0.0.1:8443/up || exit 1}", "port", 8443),
    ("healthcheck: {disable: true}", "health.mode", "running"),
    ("healthcheck: {test: [NONE]}", "health.mode", "running"),
    ("deploy: {resources: {limits: {memory: 512M, cpus: '0.50', pids: 100}}}", "limits", (512 * 1024**2, 0.5, 100)),
    ("mem_limit: 1g\n    cpus: 1.5\n    pids_limit: 50", "limits", (1024**3, 1.5, 50)),
    ("deploy: {resources: {reservations: {memory: 64m}}}", "docker.mem_reservation", "64m"),
    ("stop_grace_period: 1m30s", "deploy.stop", 90.0),
    ("logging: {driver: json-file, options: {max-size: 5m, max-file: '7'}}", "log_files", (5 * 1024**2, 7)),
    ("tmpfs: [/tmp, '/run:size=64m']", "docker.tmpfs", {"/tmp": "", "/run": "size=64m"}),
    ("volumes: [{type: tmpfs, target: /t, tmpfs: {size: 10}}]", "docker.tmpfs", {"/t": "size=10"}),
    ("cap_drop: [ALL]\n    cap_add: [NET_ADMIN]", "docker", {"cap_drop": ["ALL"], "cap_add": ["NET_ADMIN"]}),
    ("extra_hosts: ['db:10.0.0.1', 'six=::1']", "docker.extra_hosts", {"db": "10.0.0.1", "six": "::1"}),
    ("extra_hosts: {db: 10.0.0.1}", "docker.extra_hosts", {"db": "10.0.0.1"}),
    ("sysctls: [net.core.somaxconn=1024]", "docker.sysctls", {"net.core.somaxconn": "1024"}),
    ("ulimits: {nproc: 65535, nofile: {soft: 1, hard: 2}}", "docker.ulimits", [{"name": "nproc", "soft": 65535, "hard": 65535}, {"name": "nofile", "soft": 1, "hard": 2}]),
    ("labels: [a.b=1.10, c]", "docker.labels", {"a.b": "1.10", "c": ""}),
    ("hostname: h\n    working_dir: /w\n    ipc: host\n    pid: host\n    shm_size: 64m", "docker", {"hostname": "h", "working_dir": "/w", "ipc_mode": "host", "pid_mode": "host", "shm_size": "64m"}),
    ("privileged: true\n    oom_score_adj: -5\n    memswap_limit: -1", "docker", {"privileged": True, "oom_score_adj": -5, "memswap_limit": -1}),
    ("restart: unless-stopped", "image", "reg/web"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "where", "wanted"), TAKEN, ids=lambda value: str(value)[:40])
def test_a_key_is_taken_over(tmp_path: Path, keys: str, where: str, wanted: object) -> None:
    web, written, said = service(tmp_path, f"    {keys}\n", E="from outside")
    assert "not taken over" not in said
    assert "hunter2" not in written + said
    found: Any = web
    for part in where.split("."):
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    if where == "health":
        found = (found.path, found.interval, found.timeout, found.failures, found.start)
    elif where == "limits":
        found = (found.memory, found.cpus, found.pids)
    elif where == "log_files":
        found = (found.max_size, found.max_files)
    assert found == wanted


NAMED = {
    "annotations": "{a: b}", "attach": "false", "blkio_config": "{weight: 300}", "cgroup": "host", "cgroup_parent": "m",
    "configs": "[c]", "container_name": "x", "cpu_count": "2", "cpu_shares": "50", "cpuset": "0,1", "credential_spec": "{file: f}",
    "depends_on": "{gone: {condition: service_healthy}}", "develop": "{watch: []}", "device_cgroup_rules": "['c 1:3 mr']",
    "env_file": "gone.env", "external_links": "[r]", "gpus": "all", "isolation": "default", "label_file": "l", "links": "[db]",
    "logging": "{driver: syslog}", "mac_address": "x", "mem_swappiness": "10", "network_mode": "host", "networks": "[back]",
    "oom_kill_disable": "true", "post_start": "[{command: x}]", "pre_stop": "[{command: x}]", "provider": "{type: x}",
    "pull_policy": "always", "restart": "'no'", "scale": "3", "secrets": "[s]", "stdin_open": "true", "tty": "true", "uts": "host",
    "volumes_from": "[db]", "build": "{context: ., args: {A: b}}", "anything_new": "1", "profiles": "[debug]", "extends": "{service: gone}",
}  # fmt: skip
NESTED = [
    ("labels: {traefik.http.routers.a.rule: Host(`a`), traefik.http.routers.a.middlewares: 'auth@file'}", "stand elsewhere: auth@file"),
    ("labels: {traefik.http.routers.a.rule: Host(`a`), traefik.http.routers.a.middlewares: s, traefik.http.middlewares.s.stripprefix.prefixes: /x}", "stripprefix /x is not taken over"),
    ("healthcheck: {test: 'curl http://x/', retries: 500}", "retries is not taken over: 500"), ("build: {context: /elsewhere}", "it must be a folder"),
    ("build: {context: ., args: {API_KEY: hunter2}}", "args API_KEY look like secrets"), ("build: {context: ., ssh: [default]}", "build.ssh (default)"),
    ("deploy: {mode: global}", "deploy.mode"), ("deploy: {placement: {constraints: [a]}}", "deploy.placement"),
    ("deploy: {replicas: 3}", "replicas: 3: bgmon runs one"), ("deploy: {restart_policy: {condition: any}}", "deploy.restart_policy"),
    ("deploy: {resources: {reservations: {cpus: '1'}}}", "deploy.resources.reservations.cpus"),
    ("deploy: {update_config: {parallelism: 2}}", "deploy.update_config"), ("healthcheck: {test: pg_isready}", "its test is a command"),
    ("healthcheck: {test: 'curl http://x/', start_interval: 1s}", "start_interval"), ("healthcheck: {odd: 1}", "healthcheck.odd"),
    ("healthcheck: wrong", "healthcheck (wrong)"), ("logging: {options: {tag: x}}", "logging.options.tag"),
    ("volumes: [/data]", "anonymous volume"), ("volumes: ['~/x:/y']", "home folder"), ("volumes: ['C:\\x:/y']", "Windows path"),
    ("volumes: [{type: npipe, source: a, target: b}]", "of type npipe"),
    ("volumes: [{type: volume, source: a, target: /b, volume: {nocopy: true}}]", "volumes.volume"),
    ("networks: {back: {aliases: [x]}}", "aliases"), ("command: []", "command: an empty one"), ("command: 'open \"quote'", "open quote"),
    ("stop_grace_period: soon", "stop_grace_period: not taken over"), ("env_file: {path: x.env, required: false}", "not required"),
    ("labels: [com.docker.compose.x=1, bgmon.project=other]", "bgmon.project"), ("mem_limit: 1k", "limits: not taken over"),
    ("ports: ['5432:5432']", "speaks no HTTP"), ("ports: [80, 81]", "only 80 is switched"), ("volumes: [./data:/d]", "on this machine"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "named"),
    [*((f"{key}: {value}", key) for key, value in NAMED.items()), *NESTED],
    ids=lambda value: value[:40],
)
def test_what_has_no_like_is_named_in_the_notes_and_at_its_place(tmp_path: Path, keys: str, named: str) -> None:
    (tmp_path / "My.Shop").mkdir()
    _, written, said = made(tmp_path, f"services:\n  web:\n    image: reg/web\n    {keys}\n  other: {{image: x}}\n")
    assert named in said
    block = written.partition("web:\n")[2].partition("  other:")[0]
    comment = " ".join(line.strip(" #") for line in block.splitlines() if line.lstrip().startswith("#"))
    assert named in comment


def test_the_file_s_own_keys_are_named_and_those_of_services_alone_are_not_enough(tmp_path: Path) -> None:
    _, written, said = made(
        tmp_path,
        "version: '3'\nx-env: &e {A: 1.10}\nmodels: {m: {}}\nservices: {web: {image: a, environment: {<<: *e, B: 2}}}\n",
    )
    assert "version, x-env: means nothing" in said
    assert "not taken over: models" in said
    assert "# not taken over: models" in written
    assert yaml.safe_load(written)["services"]["web"]["env"] == {"A": "1.10", "B": "2"}


@pytest.mark.parametrize(
    ("declared", "real"),
    [
        ("pg: ", "myshop_pg"), ("pg: {}", "myshop_pg"), ("pg: {name: old-data}", "old-data"), ("pg: {external: true}", "pg"),
        ("pg: {external: true, name: old-data}", "old-data"), ("pg: {external: {name: old-data}}", "old-data"),
        ("pg: {driver_opts: {type: nfs}}", "myshop_pg"), ("other: ", "myshop_pg"),
    ],
)  # fmt: skip
def test_a_volume_keeps_the_name_it_has_on_the_host(tmp_path: Path, declared: str, real: str) -> None:
    config, written, said = made(
        tmp_path,
        f"services:\n  db: {{image: pg, volumes: ['pg:/data:ro', {{type: volume, source: pg, target: /b}}]}}\nvolumes:\n  {declared}\n",
    )
    assert config.services["db"].volumes == (f"{real}:/data:ro", f"{real}:/b")
    assert f"pg is Compose's volume {real}" in said
    assert f"# volumes: pg is Compose's volume {real}" in written
    assert ("driver_opts" in said) == ("driver_opts" in declared)


@pytest.mark.parametrize(("name", "project"), [("name: Other_Name\n", "other_name"), ("", "from-env")])
def test_the_project_s_name_is_found_as_compose_finds_it(tmp_path: Path, name: str, project: str) -> None:
    (tmp_path / "My.Shop").mkdir()
    (tmp_path / "My.Shop" / ".env").write_text("COMPOSE_PROJECT_NAME=from-env\n")
    config, _, _ = made(tmp_path, f"{name}services: {{db: {{image: pg, volumes: ['pg:/d']}}}}\n")
    assert config.services["db"].volumes == (f"{project}_pg:/d",)


def test_networks_secrets_and_configs_that_are_there_are_used(tmp_path: Path) -> None:
    text = """\
services:
  web:
    image: a
    networks: [edge, back]
    secrets: [pw, {source: outside}]
    configs: [{source: conf, target: /etc/app.conf}]
networks: {edge: {external: true, name: proxynet}, back: {}}
secrets: {pw: {file: ./pw.txt}, outside: {external: true}}
configs: {conf: {file: conf/app.conf}}
"""
    config, _, said = made(tmp_path, text)
    here = (tmp_path / "My.Shop").resolve()
    assert config.services["web"].networks == ("proxynet",)
    assert config.services["web"].volumes == (
        f"{here}/pw.txt:/run/secrets/pw:ro",
        f"{here}/conf/app.conf:/etc/app.conf:ro",
    )
    assert "outside is no file" in said
    assert "back: Compose's own" in said


def test_env_files_are_read_and_secrets_in_them_are_only_named(tmp_path: Path) -> None:
    shop = tmp_path / "My.Shop"
    shop.mkdir()
    (shop / "a.env").write_text(
        "# comment\nexport A=1 # one\nB='two # $x'\nC=\"three\\n${D:-four}\"\nAPI_TOKEN=hunter2\nEMPTY=\nM='l1\nl2'\nOVER=a\nPASS\n"
    )
    (shop / "b.env").write_text("OVER=b\n")
    web, written, said = service(tmp_path, "    env_file: [a.env, {path: b.env}]\n    environment: {A: over}\n")
    assert web.env == {"A": "over", "B": "two # $x", "C": "three\nfour", "EMPTY": "", "M": "l1\nl2", "OVER": "b"}
    assert web.secrets == ("API_TOKEN", "PASS")
    assert "API_TOKEN, PASS became secrets" in said
    assert "hunter2" not in written + said


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "outside"), ("$A", "outside"), ("${A:-d}", "d"), ("${A-d}", "d"), ("${A:-}", ""), ("${A:?must}", "outside"),
        ("${A?}", "outside"), ("${A:+d}", ""), ("${KNOWN:+d}", "d"), ("${KNOWN:-d}", "kept"), ("${A:-${B:-c}}x", "cx"),
        ("${A:-a}b$$c$${d}", "ab$c${d}"), ("a$", "a$"), ("$1", "$1"), ("${", "${"), ("${A", "${A"), ("$${A}", "${A}"),
    ],
)  # fmt: skip
def test_variables_are_as_compose_would_fill_them(tmp_path: Path, text: str, value: str) -> None:
    (tmp_path / "My.Shop").mkdir()
    (tmp_path / "My.Shop" / ".env").write_text("KNOWN=whatever\n")
    web, _, said = service(tmp_path, f"    environment: {{V: '{text}'}}\n", A="outside", KNOWN="kept")
    assert web.env == {"V": value}
    assert ("bgmon reads no .env" in said) == (value in ("outside", "kept"))


def test_a_secret_s_default_is_not_written_down(tmp_path: Path) -> None:
    web, written, said = service(
        tmp_path,
        "    command: --requirepass ${REDIS_PASSWORD:-hunter2}\n    environment: {PASSWORD: '${PW:-hunter2}', X_KEY: '${OTHER}'}\n",
        REDIS_PASSWORD="s",
    )
    assert web.command == ("--requirepass", "s")
    assert web.secrets == ("PASSWORD", "X_KEY")
    assert "X_KEY from OTHER" in said
    assert "hunter2" not in written.replace("'${PW:-hunter2}'", "") + said


ROUTES: list[tuple[str, list[tuple[tuple[str, ...], str, bool]], str]] = [
    ("Host(`a.test`)", [(("a.test",), "/", False)], ""),
    ("Host(`a.test`, `b.test`)", [(("a.test", "b.test"), "/", False)], ""),
    ("Host(`a.test`) || Host(`b.test`)", [(("a.test", "b.test"), "/", False)], ""),
    ("Host(`a.test`) && PathPrefix(`/api`)", [(("a.test",), "/api", True)], ""),
    ("(Host(`a.test`) || Host(`b.test`)) && PathPrefix(`/api`, `/v2`)", [(("a.test",), "/api", True), (("a.test",), "/v2", False), (("b.test",), "/api", True), (("b.test",), "/v2", False)], ""),
    ("PathPrefix(`/only`)", [((), "/only", False)], ""),
    ("Host(`${DOMAIN}`)", [(("outside",), "/", False)], ""),
    ("HostRegexp(`{any:.+}.test`)", [], "HostRegexp"),
    ("Host(`a.test`) && !PathPrefix(`/x`)", [], "no like here"),
    ("Host(`a.test`) && Headers(`X`, `y`)", [], "no like here"),
    ("Host(`a.test`", [], "no like here"),
    ("Host(`a`) && Host(`b`)", [], "no like here"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "routes", "named"), ROUTES, ids=lambda value: str(value)[:50])
@pytest.mark.parametrize("form", ["list", "mapping"])
def test_traefik_s_labels_become_routes(tmp_path: Path, rule: str, routes: list[Any], named: str, form: str) -> None:
    labels = {
        "traefik.enable": "true",
        "traefik.http.routers.web.rule": rule,
        "traefik.http.routers.web.middlewares": "cut@docker,auth",
        "traefik.http.routers.web.tls.certresolver": "le",
        "traefik.http.middlewares.cut.stripprefix.prefixes": "/api",
        "traefik.http.middlewares.auth.basicauth.users": "admin:hunter2",
        "traefik.http.services.web.loadbalancer.server.port": "9999",
        "own": "kept",
    }
    given: object = labels if form == "mapping" else [f"{key}={value}" for key, value in labels.items()]
    text = yaml.safe_dump({"services": {"web": {"image": "a", "ports": ["80:3000"], "labels": given}}})
    config, written, said = made(tmp_path, text, DOMAIN="outside")
    web = config.services["web"]
    assert [(route.host, route.path, route.strip) for route in web.route] == routes
    assert web.port == 9999
    assert web.docker == {"labels": {"own": "kept"}}
    assert named in said
    assert "basicauth.users" in said
    assert "served over TLS" in said
    assert "hunter2" not in written + said


def test_a_service_that_traefik_does_not_serve_gets_no_route(tmp_path: Path) -> None:
    web, _, said = service(
        tmp_path, "    labels: {traefik.enable: false, traefik.http.routers.w.rule: 'Host(`a`)'}\n    expose: [80]\n"
    )
    assert web.route == ()
    assert "traefik.enable is false" in said


def test_names_that_bgmon_cannot_take_are_changed_everywhere(tmp_path: Path) -> None:
    config, written, said = made(
        tmp_path,
        "services:\n  proxy: {image: a, depends_on: [My_App]}\n  My_App: {image: b, depends_on: {my-app: {}}}\n  my-app: {image: c}\n  under_score.dot: {image: d}\n",
    )
    assert list(config.services) == ["proxy-service", "my-app-2", "my-app", "under_score.dot"]
    assert config.services["proxy-service"].depends_on == ("my-app-2",)
    assert config.services["my-app-2"].depends_on == ("my-app",)
    assert "proxy-service: was called proxy" in said
    assert "# was called My_App" in written


def test_services_that_compose_does_not_start_stand_there_as_comments(tmp_path: Path) -> None:
    config, written, said = made(
        tmp_path,
        "services:\n  web: {image: a, depends_on: [tool, none]}\n  tool: {image: b, profiles: [debug]}\n  none: {image: c, deploy: {replicas: 0}}\n",
    )
    assert list(config.services) == ["web"]
    assert config.services["web"].depends_on == ()
    assert "tool: profiles: Compose starts it with the profile debug alone" in said
    assert "tool, none stands here as a comment" in said
    shown = "\n".join(line[2:] for line in written.splitlines() if line.startswith("#   "))
    assert yaml.safe_load(shown)["tool"]["image"] == "b"


def test_extends_and_include_are_followed(tmp_path: Path) -> None:
    shop = tmp_path / "My.Shop"
    (shop / "sub").mkdir(parents=True)
    (shop / "base.yaml").write_text(
        "services:\n  base: {image: old, environment: {A: 1, B: 2}, volumes: ['x:/x'], command: [a], extends: {service: root}}\n  root: {user: '7'}\n"
    )
    (shop / "sub" / "more.yaml").write_text(
        "services:\n  db: {image: pg, volumes: ['./d:/d', 'pg:/p']}\nvolumes: {pg: {name: real}}\n"
    )
    config, _, said = made(
        tmp_path,
        "include: [sub/more.yaml, {path: gone.yaml, env_file: x}]\nservices:\n  web: {extends: {file: base.yaml, service: base}, image: new, environment: [B=3], volumes: ['y:/y'], command: [b]}\n",
    )
    web, db = config.services["web"], config.services["db"]
    assert (web.image, web.user, web.command) == ("new", "7", ("b",))
    assert web.env == {"A": "1", "B": "3"}
    assert web.volumes == ("myshop_x:/x", "myshop_y:/y")
    assert db.volumes == (f"{(shop / 'sub' / 'd').resolve()}:/d", "real:/p")
    assert "gone.yaml is not there" in said
    assert "env_file of gone.yaml is not followed" in said


def test_files_that_take_from_themselves_end(tmp_path: Path) -> None:
    config, _, said = made(tmp_path, "include: [compose.yaml]\nservices:\n  web: {image: a, extends: {service: web}}\n")
    assert config.services["web"].image == "a"
    assert "extends: web" in said
    assert "include: compose.yaml" in said


@pytest.mark.parametrize(
    "keys",
    [
        "ports: [99999, abc, 0, '', {}]", "ports: 80", "environment: 5", "volumes: {a: b}", "volumes: [{}, 5, '']", "labels: 5",
        "depends_on: web", "healthcheck: {interval: 5x, retries: 1000, test: 5}", "deploy: 5", "deploy: {resources: {limits: 5}}",
        "ulimits: 5", "ulimits: {a: {}}", "networks: 5", "secrets: 5", "env_file: [5, {}]", "logging: 5", "user: [1]", "command: 5",
        "extends: 5", "mem_limit: lots", "cpus: many", "pids_limit: -1", "environment: {'bad name': x, '': y}", "oom_score_adj: x",
        "internal: x", "healthcheck: {test: 'curl http://[::1/'}", "labels: {traefik.http.routers.a.rule: 'Host(``)'}\n    expose: [80]",
    ],
)  # fmt: skip
def test_nonsense_is_named_or_left_out_and_ends_in_no_traceback(tmp_path: Path, keys: str) -> None:
    config, _, said = made(tmp_path, f"services:\n  web:\n    image: reg/web\n    {keys}\n  other: {{image: x}}\n")
    assert set(config.services) == {"web", "other"}
    assert isinstance(said, str)


def test_what_is_no_compose_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    for text in ("a: 1\n", "services: {}\n", "services: 5\n", "[]\n", ""):
        file.write_text(text)
        with pytest.raises(ConfigError, match="no Compose file"):
            from_compose(file)
    with pytest.raises(UsageError, match="No such file"):
        from_compose(tmp_path / "missing.yaml")
    file.write_text("services: {web: {image: a, ports: !reset []}}\n")
    with pytest.raises(ConfigError) as caught:
        from_compose(file)
    assert "docker compose config" in caught.value.hint
