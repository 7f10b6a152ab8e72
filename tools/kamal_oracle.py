# ruff: noqa: E501 - Ruby
"""What the real Kamal makes of the files in tests/data/kamal/files, written beside them: tests compare with it.

    python -m tools.kamal_oracle            write tests/data/kamal/answers.json anew
    python -m tools.kamal_oracle --check    exit 1 when they are not what Kamal says

Kamal is Debian's ruby-kamal, in a root file system of sid of its own (tools/suites.py has the folder). `kamal config`
gives hosts, image, builder, accessories and logging; what it does not print (env, commands, options, the proxy) is asked
of the same configuration by Ruby. Needs root and mmdebstrap, and runs for some minutes the first time.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import suites  # noqa: E402

DATA = ROOT / "tests" / "data" / "kamal"
ASK = r"""
require "kamal"
require "json"
require "ostruct"
class Kamal::Secrets # no file of secrets is there: every secret has one value
  def [](key) = "secret-#{key}"
  def key?(key) = true
end
answers = {}
ARGV.each do |name|
  begin
    destination = name[/\A[^.]+\.(\w+)\.yml\z/, 1]
    file = destination ? name.sub(".#{destination}.yml", ".yml") : name
    config = Kamal::Configuration.create_from(config_file: Pathname.new(file), destination: destination, version: "abc")
    roles = config.roles.to_h do |role|
      env = role.hosts.empty? ? nil : role.env(role.primary_host)
      [ role.name.to_s, {
        hosts: role.hosts, cmd: role.cmd, options: role.option_args, labels: role.label_args, logging: role.logging_args,
        clear: env ? env.clear.transform_values(&:to_s) : {}, secrets: env ? env.secrets_io.string.lines.map { |l| l[/\A[^=]+/] }.select { |l| l =~ /\A\w+\z/ } : [],
        proxy: role.running_proxy? ? role.proxy.deploy_options.merge(app_port: role.proxy.app_port) : nil,
        stop: role.stop_args } ]
    end
    answers[name] = { config: JSON.parse(Kamal::Utils.redacted(config.to_h).to_json), roles: roles,
      aliases: config.aliases.keys, accessories: config.accessories.map { |a| a.name } }
  rescue StandardError => error
    answers[name] = { error: "#{error.class}: #{error.message.lines.first.strip}" }
  end
end
puts JSON.pretty_generate(answers)
"""


def kamal() -> Path:
    """The root file system with Kamal in it."""
    return suites.ensure("sid", name="kamal", packages="ruby-kamal", witness="usr/bin/kamal")


def answers() -> dict[str, Any]:
    """What Kamal says of every file."""
    root = kamal()
    work = root / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(DATA / "files", work)
    (root / "ask.rb").write_text(ASK)
    names = sorted(path.name for path in work.glob("*.yml"))
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "VERSION": "abc", **ENVIRON}
    done = subprocess.run(
        ["chroot", str(root), "sh", "-c", 'cd /work && exec ruby /ask.rb "$@"', "sh", *names],
        capture_output=True, text=True, check=False, env=environ,
    )  # fmt: skip
    if done.returncode:
        raise suites.SuiteError(f"ruby: {done.stderr[-600:]}")
    made: dict[str, Any] = json.loads(done.stdout)
    for name in names:
        if "error" in made[name]:
            continue
        file, destination = split(name)
        words = ["kamal", "config", "-c", file, *(["-d", destination] if destination else [])]
        shown = subprocess.run(
            ["chroot", str(root), "sh", "-c", 'cd /work && exec "$@"', "sh", *words],
            capture_output=True, text=True, check=False, env=environ,
        )  # fmt: skip
        if shown.returncode:
            raise suites.SuiteError(f"{name}: {shown.stderr[-300:]}{shown.stdout[-300:]}")
        made[name]["kamal config"] = shown.stdout.splitlines()
    return made


def split(name: str) -> tuple[str, str | None]:
    """The base file, and the destination that a file's name says: `deploy-x.staging.yml`."""
    stem, _, destination = name.removesuffix(".yml").partition(".")
    return (f"{stem}.yml", destination) if destination else (name, None)


ENVIRON = {"REGISTRY_USER": "deployer", "WEB_HOST": "10.0.0.9", "RAILS_ENV": "production"}


def main(arguments: list[str]) -> int:
    found = answers()
    target = DATA / "answers.json"
    # Ruby shows where in memory some objects are.
    text = re.sub(r":0x[0-9a-f]+>", ">", json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)) + "\n"
    if arguments == ["--check"]:
        same = target.read_text(encoding="utf-8") == text
        print("the answers are Kamal's" if same else "Kamal says something else than tests/data/kamal/answers.json")
        return 0 if same else 1
    target.write_text(text, encoding="utf-8")
    for name, answer in found.items():
        print(name, answer.get("error", "ok"))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except suites.SuiteError as problem:
        print(f"kamal_oracle: {problem}", file=sys.stderr)
        sys.exit(1)
