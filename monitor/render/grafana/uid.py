"""Uids of boards and data sources: stable, legal in Grafana (letters, digits, - and _; 40 at most), and unique."""

from __future__ import annotations

import hashlib
import re
from typing import Final

LONGEST: Final = 40
_SLUG: Final = 24
_LEGAL: Final = re.compile(r"[a-z0-9_-]+")


def board_uid(project: str, name: str) -> str:
    """`bgmon-shop--core`, or with a hash when the names do not fit.

    Names neither begin nor end with a dash, so a readable uid can only be split in one way; one with a hash never
    holds two dashes in a row.

    >>> board_uid("shop", "core")
    'bgmon-shop--core'
    >>> board_uid("shop", "a.b")
    'bgmon-shop-a-b-95d3ef73da'
    """
    uid = f"{uid_prefix(project)}{name}"
    if is_plain(project, name):
        return uid
    slug = re.sub(r"[^a-z0-9]+", "-", f"{project}-{name}")[:_SLUG].strip("-")
    digest = hashlib.sha256(f"{project}/{name}".encode()).hexdigest()[:10]
    return f"bgmon-{slug}-{digest}"[:LONGEST]


def uid_prefix(project: str) -> str:
    """What stands before the service's name in a readable uid."""
    return f"bgmon-{project}--"


def is_plain(project: str, name: str) -> bool:
    uid = f"{uid_prefix(project)}{name}"
    return len(uid) <= LONGEST and _LEGAL.fullmatch(uid) is not None and "--" not in project and "--" not in name


def folder_title(project: str) -> str:
    return f"bgmon {project}"


def folder_uid(title: str) -> str:
    """The uid of the folder of that title; with a hash when the title does not fit."""
    plain = title.replace(" ", "-")
    if len(plain) <= LONGEST and _LEGAL.fullmatch(plain) and plain.count("-") == title.count(" "):
        return plain
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower())[:_SLUG].strip("-")
    return f"{slug}-{hashlib.sha256(title.encode()).hexdigest()[:10]}"


def source_uid(project: str, kind: str) -> str:
    """The uid of a project's own data source of that kind.

    >>> source_uid("shop", "loki")
    'bgmon-shop-loki'
    >>> source_uid("a.b", "loki")
    'bgmon-a-b-2e7336dc8e-loki'
    """
    plain = f"bgmon-{project}-{kind}"
    if len(plain) <= LONGEST and _LEGAL.fullmatch(plain):
        return plain
    slug = re.sub(r"[^a-z0-9]+", "-", project)[:10].strip("-")
    return f"bgmon-{slug}-{hashlib.sha256(project.encode()).hexdigest()[:10]}-{kind}"
