"""Generated files for tests: of the sample project, or of any bgmon.yml given as text."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from monitor.config.contacts import channel_texts
from monitor.config.loader import load_file
from monitor.config.site import site_of
from monitor.config.sources import load_sources
from monitor.render.render_all import GeneratedFiles, Sources, render_all
from monitor.render.site import Site

ROOT = Path(__file__).parent.parent.parent
SHOP = ROOT / "examples/shop/bgmon.yml"

CHANNELS = {
    "SLACK_URL": "https://hooks.slack.com/services/T0AAA/B0BBB/s3cr3tslack",
    "DISCORD_URL": "discord://4444/s3cr3tdiscord",
    "TEAMS_URL": "https://x.webhook.office.com/webhookb2/s3cr3tteams",
    "TELEGRAM_URL": "tgram://123:s3cr3ttelegram/-100200",
    "HOOK_URL": "jsons://hooks.example.com/s3cr3thook",
    "MAIL_URL": "mailtos://me:s3cr3tmail@example.com?to=oncall@example.com",
    "NTFY_URL": "ntfy://s3cr3tntfy",
}
# Everything on: several hosts, every kind of channel, mute timings, a token.
FULL = """\
project: shop
hosts: {vps1: {ssh: deploy@vps1.internal}, vps2: {ssh: deploy@vps2.internal}}
services:
  core:
    image: shop
    port: 3000
    route: {path: /}
    slo: {availability: 99.9, latency: {threshold: 250ms, target: 99}}
  search: {image: shop, port: 3000, slo: {availability: 99.5}}
  worker: {image: shop}
watch: {listen: "0.0.0.0:9180", token: 0123456789abcdef}
notify:
  group: 10s
  repeat: 4h
  urls:
    - "${SLACK_URL}"
    - {url: "${DISCORD_URL}", min_severity: page}
    - {url: "${TEAMS_URL}", min_severity: ticket}
    - "${TELEGRAM_URL}"
    - "${HOOK_URL}"
    - "${MAIL_URL}"
    - "${NTFY_URL}"
    - {url: "https://plain.example.com/s3cr3tplain", name: in the file}
generate:
  mute:
    - {name: nights, severities: [ticket], times: ["22:00-07:00"], location: Europe/Berlin}
    - {name: weekends, severities: [ticket, info], weekdays: [saturday, sunday]}
"""


def site_from(text: str, folder: Path, environ: Mapping[str, str] | None = None) -> Site:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "bgmon.yml"
    file.write_text(text, encoding="utf-8")
    return site_of(load_file(file, environ or {}), channel_texts(file))


def full_site(folder: Path, **changes: object) -> Site:
    return replace(site_from(FULL, folder, CHANNELS), **changes)  # type: ignore[arg-type]


@functools.cache
def shipped() -> Sources:
    return load_sources(load_file(SHOP, {}).generate, SHOP.parent)


def shop() -> GeneratedFiles:
    return render_all(site_of(load_file(SHOP, {}), channel_texts(SHOP)), shipped())


def write(rendered: GeneratedFiles, folder: Path) -> Path:
    for path, text in rendered.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder
