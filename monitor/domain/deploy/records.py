"""What is remembered of deploys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.names import Color
from monitor.domain.proxy.reach import LOOPBACK

Result = Literal["deployed", "failed", "aborted", "switched-back"]
RESULTS: Final[tuple[Result, ...]] = get_args(Result)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One committed line of a deploy's write-ahead journal."""

    step: str
    data: Mapping[str, Any]
    at: float


@dataclass(frozen=True, slots=True)
class DeployRecord:
    """One deploy, finished or not. `timings` are seconds per step."""

    id: str
    service: str
    kind: str
    image: str
    version: str
    who: str
    started_at: float
    finished_at: float | None = None
    result: Result | None = None
    reason: str = ""
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Release:
    """What a successful deploy left running. `spec` is the policy it was deployed with, secrets by name only.

    `address` and `port` are where it is reached from this host.
    """

    deploy: str
    service: str
    color: Color
    version: str
    image: str
    digest: str
    image_id: str
    port: int | None
    container: str
    spec: ServiceSpec
    at: float
    active: bool = True
    address: str = LOOPBACK


@dataclass(frozen=True, slots=True)
class ServiceFlags:
    maintenance: bool = False
    stopped_by: str = ""
    stopped_at: float | None = None


MOST_OF_ONE_IMAGE: Final = 10


def past(releases: Sequence[Release], keep: int) -> list[Release]:
    """Which of a service's releases, newest first, are to be forgotten.

    The active one stays, and of the others those of the newest `keep` images: deploying one image again and again must
    not push out what a rollback would go to.
    """
    active = [release.image_id for release in releases if release.active]
    kept: dict[str, int] = dict.fromkeys(active, 0)
    gone: list[Release] = []
    for release in releases:
        if release.active:
            continue
        if release.image_id not in kept and len(kept) < keep + len(set(active)):
            kept[release.image_id] = 0
        if release.image_id in kept and kept[release.image_id] < MOST_OF_ONE_IMAGE:
            kept[release.image_id] += 1
        else:
            gone.append(release)
    return gone
