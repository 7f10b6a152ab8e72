"""`init --from-kamal`: held against the real Kamal's reading of each file (tools/kamal_oracle.py wrote it down)."""

from __future__ import annotations

import copy
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.config.kamal import from_kamal
from monitor.config.loader import load_text
from monitor.config.schema import Config
from monitor.errors import ConfigError, UsageError

DATA = Path(__file__).parent.parent.parent / "data" / "kamal"
ANSWERS: dict[str, Any] = json.loads((DATA / "answers.json").read_text(encoding="utf-8"))
NAMES = sorted(ANSWERS)
RUBY = {"REGISTRY_USER": "deployer", "WEB_HOST": "10.0.0.9", "RAILS_ENV": "production", "RUBY_LINE_13": "2"}


class AnySecret(dict[str, str]):
    def get(self, key: str, default: Any = None) -> Any:
        del default
        return self.setdefault(key, f"secret-{key}")


def made(name: str) -> tuple[Config, str, str]:
    stem, _, destination = name.removesuffix(".yml").partition(".")
    text, notes = from_kamal(DATA / "files" / f"{stem}.yml", destination or None)
    return load_text(text, "bgmon.yml", AnySecret(RUBY)), text, "\n".join(notes)


def called(role: str) -> str:
    return "proxy-service" if role == "proxy" else role


def roles(name: str) -> Iterator[tuple[Any, Any, Config]]:
    """Kamal's answer and our section of each role that has hosts."""
    config, _, _ = made(name)
    for role, answer in ANSWERS[name]["roles"].items():
        if answer["hosts"]:
            yield answer, config.services[called(role)], config


def test_the_corpus_is_what_kamal_takes() -> None:
    assert len(NAMES) >= 20
    assert {path.name for path in (DATA / "files").iterdir()} == set(NAMES)
    assert [name for name in NAMES if "error" in ANSWERS[name]] == []


@pytest.mark.parametrize("name", NAMES)
def test_image_hosts_and_users_are_kamal_s(name: str) -> None:
    config, _, _ = made(name)
    answer = ANSWERS[name]["config"]
    ssh = answer["ssh_options"]
    for role, section, _ in roles(name):
        assert f"{section.image}:abc" == answer["absolute_image"]
        for host, name_here in zip(role["hosts"], section.hosts, strict=True):
            target = config.hosts[name_here].ssh
            assert target is not None
            assert f"{ssh['user']}@{host}" in target
            assert (f":{ssh['port']}" in target) == (str(ssh["port"]) != "22")


@pytest.mark.parametrize("name", NAMES)
def test_a_container_gets_the_environment_that_kamal_gives_it(name: str) -> None:
    _, text, said = made(name)
    for role, section, _ in roles(name):
        secret = set(section.secrets)
        plain = {key for key in role["clear"] if key in secret}
        if plain:
            assert "stood there in plain text" in said
            assert not any(role["clear"][key] in text for key in plain)
        aliased = {key for key, value in section.env.items() if value.startswith("secret-")}
        assert (secret - plain) | aliased == set(role["secrets"])
        env = {key: value for key, value in section.env.items() if key not in aliased}
        assert env == {key: value for key, value in role["clear"].items() if key not in plain}


@pytest.mark.parametrize("name", NAMES)
def test_what_the_proxy_does_is_kamal_s(name: str) -> None:
    for role, section, config in roles(name):
        proxy = role["proxy"]
        assert (section.port is not None) == (proxy is not None)
        if proxy is None:
            assert not section.route
            continue
        assert section.port == proxy["app_port"]
        paths = proxy["path-prefix"] or ["/"]
        assert [route.path for route in section.route] == paths
        for route in section.route:
            assert list(route.host) == proxy["host"]
            assert route.strip == (route.path != "/" and proxy.get("strip-path-prefix") is not False)
            assert (route.tls == "auto") == (proxy.get("tls") is True and "tls-certificate-path" not in proxy)
        assert section.health.path == proxy.get("health-check-path", "/up")
        for ours, theirs in (("interval", "health-check-interval"), ("timeout", "health-check-timeout")):
            if theirs in proxy:
                assert f"{getattr(section.health, ours):g}s" == proxy[theirs]
        assert f"{section.deploy.drain:g}s" == proxy["drain-timeout"]
        assert config.proxy.redirect_https == (proxy.get("tls-redirect") is not False)
        if "target-timeout" in proxy:
            assert f"{config.proxy.timeouts.server:g}s" == proxy["target-timeout"]


@pytest.mark.parametrize("name", NAMES)
def test_commands_options_labels_and_times_are_kamal_s(name: str) -> None:
    _, _, said = made(name)
    for role, section, _ in roles(name):
        assert list(section.command) == shlex.split(role["cmd"] or "")
        if role["stop"]:
            assert section.deploy.stop == float(role["stop"][1])
        labels = dict(item.partition("=")[::2] for item in role["labels"][1::2])
        own = {key: value.strip('"') for key, value in labels.items() if key not in ("service", "role", "destination")}
        given = section.docker.get("labels", {})
        assert {key: given.get(key) for key in own} == own
        logging = dict(item.replace('"', "").partition("=")[::2] for item in role["logging"] if "=" in item)
        if "syslog" in str(role["logging"]):
            assert "driver syslog" in said
        elif logging.get("max-size") != "10m":
            assert section.log_files.max_size == int(logging["max-size"].removesuffix("m")) * 1024**2
    for volume in ANSWERS[name]["config"]["volume_args"][1::2]:
        assert all(volume in section.volumes for _, section, _ in roles(name)), volume


def test_options_of_docker_run_become_keys() -> None:
    config, _, said = made("options.yml")
    web = config.services["web"]
    assert (web.limits.memory, web.limits.cpus, web.limits.pids) == (512 * 1024**2, 0.5, 100)
    assert (web.user, web.init, web.read_only, web.networks, web.volumes) == (
        "1000:1000",
        True,
        True,
        ("back",),
        ("/data:/data:ro",),
    )
    assert web.docker == {
        "cap_drop": ["ALL"], "cap_add": ["NET_ADMIN", "SYS_TIME"], "hostname": "app", "shm_size": "64m",
        "extra_hosts": {"db": "10.0.0.5", "host.docker.internal": "host-gateway"}, "stop_signal": "SIGQUIT",
        "sysctls": {"net.core.somaxconn": "1024"}, "tmpfs": {"/tmp": "size=64m", "/run": ""}, "labels": {"a.b": "c"},
        "ulimits": [{"name": "nofile", "soft": 1024, "hard": 2048}, {"name": "nproc", "soft": 100, "hard": 100}],
    }  # fmt: skip
    assert "options.publish (127.0.0.1:9000:9000), options.gpus (all)" in said


def test_the_builder_becomes_build() -> None:
    config, _, said = made("builder.yml")
    build = config.services["web"].build
    assert build is not None
    assert (build.context, build.dockerfile, build.target) == ("services/web", "Dockerfile.production", "app")
    assert build.args == {"RUBY_VERSION": "3.3", "NODE_ENV": "production"}
    assert (build.platforms, build.secrets) == (("linux/amd64", "linux/arm64"), ("GITHUB_TOKEN", "NPM_TOKEN"))
    assert build.cache == "acme/built-cache"
    for key in ("builder.cache.options", "builder.ssh", "builder.provenance", "builder.sbom", "builder.driver"):
        assert key in said
    packed, _, said = made("pack.yml")
    assert packed.services["web"].build is None
    assert "buildpacks are not taken over" in said


def test_no_secret_that_stands_there_is_written_or_said() -> None:
    _, text, said = made("plain-secret.yml")
    assert "hunter2" not in text + said
    assert "SECRET_KEY_BASE, DATABASE_URL" in said
    assert "ssh.key_data" in said


def test_ruby_is_never_run(tmp_path: Path) -> None:
    config, _, said = made("erb.yml")
    assert config.services["web"].image == "deployer/ruby"
    assert "<%= 1 + 1 %> is Ruby, which is not run: set ${RUBY_LINE_13}" in said
    assert '${RAILS_ENV} has the default "staging" there' in said
    path = tmp_path / "deploy.yml"
    witness = tmp_path / "witness"
    path.write_text(
        f"service: a\nimage: <%= File.write({str(witness)!r}, '') %>\nservers: [10.0.0.1]\nregistry: {{server: x}}\n"
    )
    from_kamal(path)
    assert not witness.exists()
    path.write_text("service: a\n<% if true %>\nimage: b\n<% end %>\n")
    with pytest.raises(ConfigError) as refused:
        from_kamal(path)
    assert [problem.line for problem in refused.value.problems] == [2, 4]
    assert "erb config/deploy.yml" in refused.value.hint


@pytest.mark.parametrize("text", ["", "[]", "services: {web: {image: a}}", "service: [", "service: a"])
def test_what_is_no_kamal_file_is_an_error_or_an_empty_project(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deploy.yml"
    path.write_text(text)
    if text == "service: a":
        assert "services: {}" in from_kamal(path)[0]
        return
    with pytest.raises(ConfigError):
        from_kamal(path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        from_kamal(tmp_path / "deploy.yml")
    with pytest.raises(UsageError, match=r"hello\.staging\.yml: No such file"):
        from_kamal(DATA / "files" / "hello.yml", "staging")


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from paths_of(item, (*path, key))
    elif isinstance(value, list) and len(value) > 1:
        for index, item in enumerate(value):
            yield (*path, index)
            yield from paths_of(item, (*path, index))


def without(data: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(data)
    place = changed
    for part in path[:-1]:
        place = place[part]
    del place[path[-1]]
    return changed


@pytest.mark.parametrize("name", [name for name in NAMES if name != "dest.staging.yml"])
def test_no_key_is_lost_without_a_word(tmp_path: Path, name: str) -> None:
    """Whatever is taken out of the file changes the outcome: each key does something here, or is named."""
    path = tmp_path / name
    raw = (DATA / "files" / name).read_text(encoding="utf-8").replace("<%# a comment of Ruby's %>", "")
    for expression, value in (
        ('<%= ENV["REGISTRY_USER"] %>', "u"),
        ("<%= ENV['REGISTRY_USER'] %>", "u"),
        ('<%= ENV.fetch("WEB_HOST") %>', "10.0.0.9"),
        ('<%= ENV.fetch("RAILS_ENV", "staging") %>', "x"),
        ("<%= 1 + 1 %>", "2"),
    ):
        raw = raw.replace(expression, value)
    data = yaml.safe_load(raw)

    def outcome(given: Any) -> Any:
        path.write_text(yaml.dump(given, Dumper=Plain))
        try:
            return from_kamal(path)
        except ConfigError as error:
            return str(error)

    whole = outcome(data)
    silent = [path_ for path_ in paths_of(data) if not path_[0].startswith("x-") or len(path_) == 1]
    silent = [path_ for path_ in silent if outcome(without(data, path_)) == whole]
    assert {(name, ".".join(map(str, path_))) for path_ in silent} == {item for item in SAME if item[0] == name}


# What means nothing to Kamal either, where it stands: defaults, and what is said twice.
SAME = {
    ("accessories.yml", "accessories.postgres.options.restart"), ("anchors.yml", "servers.jobs.env.clear.LOG_LEVEL"),
    ("everything.yml", "require_destination"), ("everything.yml", "servers.spare.hosts"),
    ("flat-env.yml", "image"), ("options.yml", "servers.web.options.restart"), ("proxy-full.yml", "readiness_delay"),
    ("role-env.yml", "logging.driver"), ("role-env.yml", "servers.workers.logging.driver"),
}  # fmt: skip


class Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def test_the_command_writes_the_file_and_says_what_it_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from monitor.cli.main import cli

    monkeypatch.chdir(tmp_path)
    source = os.fspath(DATA / "files" / "dest.yml")
    done = CliRunner().invoke(cli, ["init", "--from-kamal", source, "--destination", "staging"])
    assert done.exit_code == 0, done.output
    assert "note: " in done.output
    assert "staging.example.com" in (tmp_path / "bgmon.yml").read_text()
    for wrong in (["--destination", "x"], ["--from-kamal", source, "--from-compose", source]):
        assert CliRunner().invoke(cli, ["init", *wrong]).exit_code != 0


def test_the_commands_of_the_page_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/moving-in.md, line by line; `bgmon doctor` needs an engine and is only there."""
    from click.testing import CliRunner

    from monitor.cli.main import COMMANDS, cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "deploy.yml").write_text((DATA / "files" / "rails.yml").read_text())
    (tmp_path / "compose.yaml").write_text("services: {web: {image: reg/web, ports: ['80:80']}}\n")
    page = (DATA.parent.parent.parent / "docs" / "moving-in.md").read_text(encoding="utf-8")
    lines = [shlex.split(line)[1:] for line in page.splitlines() if line.startswith("    bgmon ")]
    assert ["init", "--from-kamal", "config/deploy.yml"] in lines
    for words in lines:
        assert words[0] in COMMANDS
        if words[0] == "doctor":
            continue
        if words[0] == "init":
            (tmp_path / "bgmon.yml").unlink(missing_ok=True)
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, (words, done.output)
