"""Accessories as policies: what they become, and what is refused."""

from __future__ import annotations

import pytest

from monitor.config.compile import jobs, service_specs
from monitor.config.loader import load_text
from monitor.errors import ConfigError

TEXT = """\
project: shop
hosts: {vps1: {}}
services:
  core: {image: core, port: 3000, depends_on: [db], hosts: [vps1]}
accessories:
  db:
    image: postgres:17
    hosts: [vps1]
    env: {POSTGRES_PASSWORD: "${DB_PASSWORD}"}
    volumes: [pgdata:/var/lib/postgresql/data]
    limits: {memory: 1g}
    health: {command: [pg_isready, -U, postgres]}
    stop: 1m
    backup: {command: "pg_dumpall -U postgres > /backup/all.sql", schedule: "0 4 * * *", zone: Europe/Berlin, keep: 14}
"""
VALUES = {"DB_PASSWORD": "pencil-and-paper"}


def test_an_accessory_is_a_service_that_is_never_swapped() -> None:
    config = load_text(TEXT, "bgmon.yml", VALUES)
    assert list(config.services) == ["core"]
    spec = service_specs(config)["db"]
    assert (spec.image, spec.port, spec.hosts, spec.keeps_data) == ("postgres:17", None, ("vps1",), True)
    assert (spec.deploy.order, spec.deploy.stop, spec.deploy.bake.for_) == ("stop-first", 60, 0)
    assert spec.heal.rollback_window == 0
    assert spec.health.mode == "docker"
    assert spec.docker["healthcheck"]["test"] == ["CMD", "pg_isready", "-U", "postgres"]
    assert (spec.env, spec.sealed) == ({}, {"POSTGRES_PASSWORD": "${DB_PASSWORD}"})
    assert not service_specs(config)["core"].keeps_data


def test_its_backup_is_a_job() -> None:
    job = jobs(load_text(TEXT, "bgmon.yml", VALUES))["db-backup"]
    assert (job.like, job.keep, job.host, job.zone) == ("db", 14, "vps1", "Europe/Berlin")
    assert job.command == ("/bin/sh", "-c", "pg_dumpall -U postgres > /backup/all.sql")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  db:\n", "  core:\n", "accessories.core: there is a service of that name"),
        ("    hosts: [vps1]\n", "    hosts: [vps2]\n", "accessories.db.hosts: 'vps2' is not under hosts"),
        ('"0 4 * * *"', '"0 4 * *"', "accessories.db.backup.schedule: '0 4 * *' is no schedule"),
        ("    image: postgres:17\n", "", "accessories.db.image: is missing"),
        ("    stop: 1m\n", "    port: 5432\n", "accessories.db.port: unknown key"),
        ("depends_on: [db]", "depends_on: [dbs]", "services.core.depends_on: 'dbs' is no other service"),
        ("accessories:", 'jobs: {db-backup: {like: core, command: x, schedule: "@daily"}}\naccessories:', "jobs.db-backup: there is a service or a backup of that name"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigError) as caught:
        load_text(TEXT.replace(old, new), "bgmon.yml", VALUES)
    assert message in str(caught.value)
