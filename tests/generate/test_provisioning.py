"""Grafana's provisioning files, and what the same channels become in Alertmanager."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.config.contacts import environment
from monitor.config.loader import load_text
from monitor.errors import ConfigError
from monitor.render.grafana_alerts import escaped, grafana_text
from monitor.render.render_all import GeneratedFiles, render_all
from tests.support.generated import CHANNELS, FULL, full_site, shipped, shop, site_from, write

ALERTING = "grafana/provisioning/alerting/"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> GeneratedFiles:
    return render_all(full_site(tmp_path_factory.mktemp("full")), shipped())


@pytest.fixture(scope="module")
def to_alertmanager(tmp_path_factory: pytest.TempPathFactory) -> GeneratedFiles:
    return render_all(full_site(tmp_path_factory.mktemp("full"), notify_by="alertmanager"), shipped())


def load(rendered: GeneratedFiles, path: str) -> Any:
    return yaml.safe_load(rendered.files[path])


def rules_of(rendered: GeneratedFiles) -> list[dict[str, Any]]:
    return [rule for group in load(rendered, ALERTING + "rules.yaml")["groups"] for rule in group["rules"]]


def test_no_generated_file_holds_a_secret(full: GeneratedFiles, to_alertmanager: GeneratedFiles) -> None:
    for rendered in (full, to_alertmanager):
        for path, text in rendered.files.items():
            assert "s3cr3t" not in text, path
            assert "0123456789abcdef" not in text, path


def test_the_variables_of_contact_points_are_those_of_bgmon_yml_and_env_prints_them(full: GeneratedFiles) -> None:
    used = set(re.findall(r"(?<!\$)\$\{(\w+)\}", full.files[ALERTING + "contact-points.yaml"]))
    texts = yaml.safe_load(FULL)["notify"]["urls"]
    config = load_text(FULL, "bgmon.yml", CHANNELS)
    values = environment(config.notify, [item["url"] if isinstance(item, dict) else item for item in texts])
    assert set(values) == used | {"MAIL_URL_PASSWORD"}  # Grafana's mail server is its own; Alertmanager needs it
    assert values == {
        "MAIL_URL_PASSWORD": "s3cr3tmail",
        "SLACK_URL": "https://hooks.slack.com/services/T0AAA/B0BBB/s3cr3tslack",
        "DISCORD_URL_HTTPS": "https://discord.com/api/webhooks/4444/s3cr3tdiscord",
        "TEAMS_URL": "https://x.webhook.office.com/webhookb2/s3cr3tteams",
        "TELEGRAM_URL_HTTPS": "123:s3cr3ttelegram",
        "HOOK_URL_HTTPS": "https://hooks.example.com/s3cr3thook",
        "BGMON_NOTIFY_8": "https://plain.example.com/s3cr3tplain",
    }


def test_contact_points_by_severity(full: GeneratedFiles) -> None:
    points = load(full, ALERTING + "contact-points.yaml")["contactPoints"]
    kinds = {point["name"]: [receiver["type"] for receiver in point["receivers"]] for point in points}
    assert kinds == {
        "bgmon-shop-page": ["slack", "discord", "teams", "telegram", "webhook", "email", "webhook"],
        "bgmon-shop-ticket": ["slack", "teams", "telegram", "webhook", "email", "webhook"],
        "bgmon-shop-info": ["slack", "telegram", "webhook", "email", "webhook"],
    }
    settings = {receiver["type"]: receiver["settings"] for receiver in points[0]["receivers"]}
    assert settings["telegram"]["chatid"] == "-100200"
    assert settings["email"]["addresses"] == "oncall@example.com"
    assert settings["slack"]["url"] == "${SLACK_URL}"
    assert "notify.urls[6] (ntfy://)" in full.files[ALERTING + "contact-points.yaml"]


def test_each_rule_tells_the_contact_point_of_its_severity_and_stays_quiet_when_asked(full: GeneratedFiles) -> None:
    quiet = {"ticket": ["bgmon-shop-nights", "bgmon-shop-weekends"], "page": None}
    for rule in rules_of(full):
        settings = rule["notification_settings"]
        assert settings["receiver"] == f"bgmon-shop-{rule['labels']['severity']}"
        assert settings.get("mute_time_intervals") == quiet[rule["labels"]["severity"]]
        assert {"grafana_folder", "alertname"} <= set(settings["group_by"])
        assert (settings["group_wait"], settings["repeat_interval"], rule["isPaused"]) == ("10s", "4h", False)


def test_mute_timings_never_cross_midnight(full: GeneratedFiles) -> None:
    nights, weekends = load(full, ALERTING + "mute-timings.yaml")["muteTimes"]
    assert nights["time_intervals"][0]["times"] == [
        {"start_time": "22:00", "end_time": "24:00"},
        {"start_time": "00:00", "end_time": "07:00"},
    ]
    assert nights["time_intervals"][0]["location"] == "Europe/Berlin"
    assert weekends["time_intervals"][0]["weekdays"] == ["saturday", "sunday"]


def test_rules_have_the_form_that_grafana_wants(full: GeneratedFiles) -> None:
    known = {"bgmon-shop-prometheus", "bgmon-shop-loki"}
    assert {
        source["uid"] for source in load(full, "grafana/provisioning/datasources/bgmon.yaml")["datasources"]
    } == known
    seen: set[str] = set()
    for rule in rules_of(full):
        assert re.fullmatch(r"[a-z0-9-]{1,40}", rule["uid"])
        assert rule["uid"] not in seen
        seen.add(rule["uid"])
        assert set(rule) <= {
            "uid",
            "title",
            "condition",
            "for",
            "noDataState",
            "execErrState",
            "isPaused",
            "labels",
            "annotations",
            "data",
            "notification_settings",
        }
        assert rule["noDataState"] in ("OK", "Alerting", "NoData")
        query, threshold = rule["data"]
        assert (query["refId"], query["datasourceUid"] in known, threshold["datasourceUid"]) == ("A", True, "__expr__")
        assert query["model"]["refId"] == "A"
        assert query["model"]["instant"] is True
        assert query["relativeTimeRange"] == {"from": 600, "to": 0}
    assert seen == set(full.names["rules"])


def test_boards_and_rules_lie_in_folders_of_different_titles(full: GeneratedFiles) -> None:
    boards = {provider["folder"] for provider in load(full, "grafana/provisioning/dashboards/bgmon.yaml")["providers"]}
    assert boards.isdisjoint(group["folder"] for group in load(full, ALERTING + "rules.yaml")["groups"])


def test_a_dollar_sign_reaches_grafana_where_it_should(full: GeneratedFiles) -> None:
    """Grafana puts ${VAR} in everywhere but in query models, and $VAR in titles, labels and settings."""
    for rule in rules_of(full):
        outside = [rule["title"], *rule["labels"].values(), rule["notification_settings"]["receiver"]]
        assert not any("$" in text for text in outside)
        assert not any("${" in text for text in rule["annotations"].values())
    templates = load(full, ALERTING + "templates.yaml")["templates"]
    assert "$" not in templates[0]["template"]
    assert grafana_text("costs ${PRICE} or $5: {{ $value | humanize }}, {{$value}}, {{ $labels.x }}") == (
        'costs {{ "$" }}{PRICE} or $5: {{ $values.A.Value | humanize }}, {{ $values.A.Value}}, {{ $labels.x }}'
    )


def test_with_alertmanager_as_the_voice_grafana_s_rules_are_paused_and_nobody_is_told_twice(
    to_alertmanager: GeneratedFiles,
) -> None:
    assert all(rule["isPaused"] and "notification_settings" not in rule for rule in rules_of(to_alertmanager))
    assert load(to_alertmanager, "prometheus/prometheus.yml")["alerting"]["alertmanagers"][0]["static_configs"] == [
        {"targets": ["127.0.0.1:9093"]}
    ]
    assert load(to_alertmanager, "loki/loki.yaml")["ruler"]["alertmanager_url"] == "http://127.0.0.1:9093"
    assert "alertmanager" in load(to_alertmanager, "compose.yaml")["services"]


def test_with_grafana_as_the_voice_no_other_engine_has_one(full: GeneratedFiles) -> None:
    assert "alerting" not in load(full, "prometheus/prometheus.yml")
    assert "alertmanager_url" not in load(full, "loki/loki.yaml")["ruler"]
    assert "alertmanager" not in load(full, "compose.yaml")["services"]


# Of Alertmanager 0.28, the version in compose.yaml; Debian's amtool is of 0.25 and does not know them all.
RECEIVER_KEYS = {
    "slack_configs": {"api_url_file", "send_resolved", "title", "text"},
    "discord_configs": {"webhook_url_file", "send_resolved", "title", "message"},
    "msteamsv2_configs": {"webhook_url_file", "send_resolved", "title", "text"},
    "telegram_configs": {"bot_token_file", "chat_id", "send_resolved", "message", "parse_mode"},
    "email_configs": {
        "auth_username",
        "auth_password_file",
        "to",
        "from",
        "smarthost",
        "require_tls",
        "send_resolved",
        "headers",
        "text",
    },
    "webhook_configs": {"url_file", "send_resolved"},
}


def test_alertmanager_tells_the_same_channels_with_secrets_from_files(to_alertmanager: GeneratedFiles) -> None:
    document = load(to_alertmanager, "alertmanager/alertmanager.yml")
    receivers = {receiver["name"]: receiver for receiver in document["receivers"]}
    page = receivers["bgmon-shop-page"]
    assert {kind: len(configs) for kind, configs in page.items() if kind != "name"} == {
        "slack_configs": 1, "discord_configs": 1, "msteamsv2_configs": 1, "telegram_configs": 1, "email_configs": 1, "webhook_configs": 2,
    }  # fmt: skip
    for kind, configs in page.items():
        for config in configs if kind != "name" else ():
            assert set(config) == RECEIVER_KEYS[kind]
    assert page["slack_configs"][0]["api_url_file"] == "/run/secrets/slack_url"
    mounted = load(to_alertmanager, "compose.yaml")["services"]["alertmanager"]["secrets"]
    files = {
        text.rpartition("/")[2]
        for text in re.findall(r"/run/secrets/\w+", to_alertmanager.files["alertmanager/alertmanager.yml"])
    }
    assert files == set(mounted)


@pytest.mark.tools
def test_amtool_accepts_the_sample_project_and_every_channel_that_it_knows(tmp_path: Path) -> None:
    known = {"SLACK_URL": CHANNELS["SLACK_URL"], "MAIL_URL": CHANNELS["MAIL_URL"]}
    some = re.sub(r"^    - .*\$\{(?!SLACK|MAIL).*\n|^    - .*in the file.*\n", "", FULL, flags=re.MULTILINE)
    site = site_from(some + "  notify_by: alertmanager\n", tmp_path / "some", known)
    for name, rendered in (("shop", shop()), ("some", render_all(site, shipped()))):
        folder = write(rendered, tmp_path / name / "out") / "alertmanager"
        done = subprocess.run(
            ["amtool", "check-config", folder / "alertmanager.yml"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 templates" in done.stdout


@pytest.mark.tools
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["project=shop", "severity=page", "service=core"], "bgmon-shop-page"),
        (["project=shop", "severity=ticket"], "bgmon-shop-ticket"),
        (["project=other", "severity=page"], "nobody"),
    ],
)
def test_alertmanager_routes_by_severity(tmp_path: Path, labels: list[str], receiver: str) -> None:
    text = FULL[: FULL.index("notify:")] + 'notify: {urls: ["${SLACK_URL}"]}\ngenerate: {notify_by: alertmanager}\n'
    folder = write(render_all(site_from(text, tmp_path, CHANNELS), shipped()), tmp_path / "out") / "alertmanager"
    done = subprocess.run(
        ["amtool", "config", "routes", "test", "--config.file", folder / "alertmanager.yml", *labels],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == receiver, done.stderr


def test_a_password_in_a_url_is_refused_or_left_out(tmp_path: Path) -> None:
    services = "project: p\nservices: {a: {image: x}}\n"
    with pytest.raises(ConfigError, match=r"generate\.loki\.url: holds a user or password"):
        site_from(services + 'generate: {loki: "http://u:${PW}@loki:3100"}\n', tmp_path, {"PW": "s3cr3t"})
    text = services + 'logs: {source: loki, url: "http://u:${PW}@loki:3100"}\n'
    rendered = render_all(site_from(text, tmp_path, {"PW": "s3cr3t"}), shipped())
    assert load(rendered, "promtail/promtail.yaml")["clients"][0]["url"] == "http://loki:3100/loki/api/v1/push"
    assert not any("s3cr3t" in text for text in rendered.files.values())


def test_dollar_signs_that_are_no_reference_are_doubled_where_grafana_puts_variables_in() -> None:
    assert escaped("a$b@example.com;${SLACK_URL}/$x") == "a$$b@example.com;${SLACK_URL}/$$x"
