"""Twenty configurations that differ: what is generated for each is taken by promtool, amtool and Grafana's LogQL grammar, and
a real Prometheus and a real Alertmanager start with it.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from monitor.config.channels import Unspoken, targets
from monitor.render.notices import notices
from monitor.render.render_all import GeneratedFiles, render_all
from tests.generate.test_logql import all_logql
from tests.support.apprise_urls import apprise_urls
from tests.support.generated import ROOT, shipped, site_from, write
from tests.support.ports import free_port
from tests.support.wait import wait_until

pytestmark = [pytest.mark.tools, pytest.mark.xdist_group("varied")]

SLACK: Final = "https://hooks.slack.com/services/T0AAA/B0BBB/s3cr3tslack"
# Receivers that Debian's Alertmanager 0.25 does not know yet; the one in compose.yaml does.
NEWER: Final = {"msteams_configs", "msteamsv2_configs", "jira_configs", "rocketchat_configs"}
NEWER_FILES: Final = {"bot_token_file", "webhook_url_file", "token_file", "user_key_file", "url_file"}
EVERY_CHANNEL: Final = list(apprise_urls())

VARIED: Final[dict[str, str]] = {
    "least": "project: p\nservices: {a: {image: x}}\n",
    "odd names": "project: a.b-c_d\nservices: {a.b: {image: x, port: 1}, a-b: {image: x, port: 1}, a_b: {image: x, port: 1}}\n",
    "longest names": f"project: {'p' * 63}\nservices: {{{'s' * 63}: {{image: x, port: 1, slo: {{availability: 99.9}}}}}}\n",
    "objectives": "project: p\nservices: {a: {image: x, port: 1, slo: {availability: 99.99, latency: {threshold: 100ms, target: 99.5}}}}\n",
    "objective without latency": "project: p\nservices: {a: {image: x, port: 1, slo: {availability: 95}}, b: {image: x, port: 1}}\n",
    "tiny threshold": (
        "project: p\nservices: {a: {image: x, port: 1, logs: {buckets: [0.0001, 0.01]}, slo: {latency: {threshold: 100us, target: 99}}}}\n"
    ),
    "many services": "project: p\nservices:\n" + "".join(f"  s{n}: {{image: x, port: {n + 1}}}\n" for n in range(150)),
    "hosts": (
        "project: p\nhosts: {vps1: {ssh: 'root@vps1.internal'}, vps2: {ssh: 'ssh://d@10.0.0.2:2222'}}\n"
        "watch: {listen: '0.0.0.0:9180', token: 0123456789abcdef}\n"
        "services: {a: {image: x, port: 1, hosts: [vps1]}, b: {image: x, hosts: [vps1, vps2]}}\n"
    ),
    "targets": (
        "project: p\nhosts: {vps1: {ssh: 'root@a'}}\nservices: {a: {image: x, hosts: [vps1]}}\ngenerate: {targets: {vps1: '[fd00::1]:9180'}}\n"
    ),
    "watch with tls": (
        "project: p\nservices: {a: {image: x, port: 1}}\n"
        "watch: {listen: '0.0.0.0:9443', token: 0123456789abcdef, tls: {cert: /etc/c.pem, key: /etc/k.pem}}\n"
    ),
    "own json log": (
        "project: p\nservices: {a: {image: x, port: 1, logs: {source: app, format: json, status: '[\"status-code\"]', duration: '[\"@took\"]', unit: ms}}}\n"
    ),
    "presets": "project: p\nservices:\n"
    + "".join(
        f"  {name}: {{image: x, port: 1, logs: {{source: app, format: {name}}}}}\n"
        for name in ("traefik", "traefik-json", "ingress-nginx", "apache-vhost", "haproxy-http", "envoy", "gunicorn", "uvicorn", "morgan", "rails", "caddy")
    ),
    "a server's own format": (
        "project: p\nservices:\n  a:\n    image: x\n    port: 1\n    logs:\n      source: app\n"
        "      format: '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent $request_time'\n"
    ),
    "routes, only and counts": (
        "project: p\nservices:\n  a:\n    image: x\n    port: 1\n    logs:\n      source: app\n      format: json\n      only: {event: request}\n"
        "      routes: ['/api/users/:id', '/health']\n      count: {errors: {level: error}, slow: {contains: took too long}}\n"
    ),
    "mutes": (
        "project: p\nservices: {a: {image: x, port: 1}}\nnotify: {urls: ['${SLACK}']}\ngenerate:\n  mute:\n"
        "    - {name: nights, severities: [ticket], times: ['22:00-07:00'], location: America/Argentina/Buenos_Aires}\n"
        "    - {name: ends, severities: [ticket, info], weekdays: [saturday, sunday], location: Etc/GMT+5}\n"
    ),
    "nobody is told": "project: p\nservices: {a: {image: x, port: 1}}\ngenerate: {notify_by: none, shipper: promtail}\n",
    "channels that nothing can carry": (
        "project: p\nservices: {a: {image: x, port: 1}}\nnotify: {urls: ['ntfy://topic-of-ours/', 'mqtt://localhost/topic']}\n"
    ),
    "severities": (
        "project: p\nservices: {a: {image: x, port: 1}}\nnotify:\n  urls:\n    - {url: '${SLACK}', min_severity: page, name: on call}\n"
        "    - {url: 'tgram://123456789:abcdefghijklmnopqrstuvwxyz_12345678/-100123', name: 'on-call \"2\"'}\n"
    ),
    "servers elsewhere": (
        "project: p\nservices: {a: {image: x, port: 1}}\nlogs: {source: loki, url: 'https://loki.example.com/base'}\n"
        "generate: {prometheus: {url: 'https://prom.example.com', uid: abc}, grafana: {url: 'https://g.example.com', default: true},"
        " retention: {logs: 7d, metrics: 90d}, runbooks: 'https://wiki.example.com/runbooks'}\n"
    ),
    "every channel": "project: p\nservices: {a: {image: x, port: 1}}\nnotify:\n  urls:\n"
    + "".join(f"    - {{url: {json.dumps(url)}, name: {json.dumps(f'{kind} {n}')}}}\n" for n, (kind, url) in enumerate(EVERY_CHANNEL)),
}  # fmt: skip


def test_there_are_twenty() -> None:
    assert len(VARIED) == 20
    assert len(EVERY_CHANNEL) > 130


def rendered(text: str, folder: Path) -> GeneratedFiles:
    return render_all(site_from(text, folder, {"SLACK": SLACK}), shipped())


def both(text: str) -> Iterator[tuple[str, str]]:
    """The configuration as it is, and with Alertmanager as the one who tells; where it says who does, once."""
    yield "grafana", text
    if "notify_by" not in text:
        section = "generate:" in text
        more = re.sub(r"^generate: \{", "generate: {notify_by: alertmanager, ", text, flags=re.MULTILINE)
        more = re.sub(r"^generate:\n", "generate:\n  notify_by: alertmanager\n", more, flags=re.MULTILINE)
        yield "alertmanager", more if section else text + "generate: {notify_by: alertmanager}\n"


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@contextlib.contextmanager
def started(folder: Path, *command: str) -> Iterator[str]:
    """The address of a server that is told where to listen."""
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], cwd=folder, stdout=log, stderr=log)
    try:
        wait_until(lambda: _ready(process, folder, address), timeout=60, what=f"{command[0]} is ready")
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


def _ready(process: subprocess.Popen[bytes], folder: Path, address: str) -> bool:
    assert process.poll() is None, (folder / "log").read_text()[-2000:]
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://{address}/-/ready", timeout=5, trust_env=False).status_code == httpx.codes.OK
    return False


def known_to_debian(folder: Path, secrets: Path) -> set[str]:
    """Take out of alertmanager.yml what 0.25 has no receiver for, and let secrets be read from `secrets`; what was taken."""
    path = folder / "alertmanager.yml"
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    taken: set[str] = set()
    for receiver in document["receivers"]:
        for kind in [kind for kind in receiver if kind in NEWER]:
            taken.add(kind)
            del receiver[kind]
        for settings in (setting for kind, many in receiver.items() if kind != "name" for setting in many):
            for key in NEWER_FILES & set(settings):
                del settings[key]
                settings[key.removesuffix("_file")] = "https://hooks.example.com/x"
    text = yaml.safe_dump(document)
    secrets.mkdir(exist_ok=True)
    for name in set(re.findall(r"/run/secrets/(\w+)", text)):
        (secrets / name).write_text("https://hooks.example.com/x")
    path.write_text(text.replace("/run/secrets/", f"{secrets}/"))
    return taken


def with_secrets(folder: Path, secrets: Path) -> None:
    """Let prometheus.yml find its token in `secrets`."""
    secrets.mkdir(exist_ok=True)
    (secrets / "bgmon_token").write_text("0123456789abcdef")
    path = folder / "prometheus.yml"
    path.write_text(path.read_text().replace("/run/secrets/", f"{secrets}/"))


@pytest.mark.parametrize("name", VARIED)
def test_what_is_generated_is_taken_by_those_who_read_it(name: str, tmp_path: Path) -> None:
    for teller, text in both(VARIED[name]):
        out = write(rendered(text, tmp_path / teller / "in"), tmp_path / teller / "out")
        with_secrets(out / "prometheus", tmp_path / "secrets")
        run(out / "prometheus", "promtool", "check", "config", "prometheus.yml")
        run(
            out / "prometheus",
            "promtool",
            "check",
            "rules",
            *(str(path) for path in (out / "prometheus/rules").iterdir()),
        )
        if teller == "alertmanager":
            assert known_to_debian(out / "alertmanager", tmp_path / "secrets") <= NEWER
            run(out / "alertmanager", "amtool", "check-config", "alertmanager.yml")
            command = (
                "prometheus-alertmanager",
                "--config.file=alertmanager.yml",
                "--storage.path=data",
                "--cluster.listen-address=",
            )
            with started(out / "alertmanager", *command) as url:
                told = httpx.get(f"{url}/api/v2/receivers", trust_env=False).json()
                assert {"name": "nobody"} in told
    with started(out / "prometheus", "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data") as url:
        groups = httpx.get(f"{url}/api/v1/rules", trust_env=False).json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) > 10
        assert [rule["name"] for rule in rules if rule["health"] == "err"] == []


def test_every_logql_query_is_one_by_grafana_s_grammar(tmp_path: Path) -> None:
    queries = [
        {"name": f"{name}: {query['name']}", "query": query["query"]}
        for number, (name, text) in enumerate(VARIED.items())
        for query in all_logql(rendered(text, tmp_path / str(number)))
    ]
    assert len(queries) > 500
    folder = tmp_path / "queries"
    folder.mkdir()
    (folder / "queries.json").write_text(json.dumps(queries))
    run(ROOT, "tools/logql-test.sh", str(folder))


def test_every_channel_is_carried_or_said_not_to_be(tmp_path: Path) -> None:
    site = site_from(VARIED["every channel"], tmp_path, {})
    said = {where for where, _ in notices(site)}
    carried = {contact.label for contact in site.contacts}
    assert carried
    for number, (kind, url) in enumerate(EVERY_CHANNEL):
        if isinstance(targets(url), Unspoken):
            assert f"notify.urls[{number}]" in said, kind
            assert f"{kind} {number}" not in carried
        else:
            assert any(label.startswith(f"{kind} {number}") for label in carried), kind
