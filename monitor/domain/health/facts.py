"""What a decision of the watchdog is made of, and what it can decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from monitor.domain.alerting.conditions import ConditionKind, Severity
from monitor.domain.containers import Container
from monitor.domain.deploy.spec import HealPolicy, HealthPolicy
from monitor.domain.health.stop_detection import StopIntent
from monitor.domain.health.watch import Watch


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the record says is to run. `previous` is the version a rollback would bring back, empty without one."""

    deploy: str
    version: str = ""
    at: float = 0.0
    previous: str = ""


@dataclass(frozen=True, slots=True)
class HealthVerdict:
    """What the probes of the current life say, once enough of them agree."""

    ok: bool
    at: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Death:
    """A `die` event. `code` is what the process left behind; -1 when nobody saw it."""

    at: float
    code: int = -1
    oom: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known about one service at one moment.

    `deaths` are those reported by events since the last look. `intent` is what a person was seen to want since the
    container's last start. `strain` says why it counts as degraded, `blocked_by` names a service it depends on that
    is itself down. `host_acts` is how many acts the host's budget still allows, `outage` when the engine was last away,
    `oom_kills` how many processes the kernel killed in it since it started. `signalled` is when somebody last sent it a
    signal that usually ends nothing: a stop by it is told for certain only by the event that may come after the death.
    """

    wanted: Wanted
    container: Container | None = None
    health: HealthPolicy = field(default_factory=HealthPolicy)
    heal: HealPolicy = field(default_factory=HealPolicy)
    locked: bool = False
    stopped_by: str = ""
    stopped_at: float | None = None
    verdict: HealthVerdict | None = None
    deaths: tuple[Death, ...] = ()
    intent: StopIntent | None = None
    strain: str = ""
    blocked_by: str = ""
    host_acts: int = 1_000
    outage: tuple[float, float] | None = None
    oom_kills: int | None = None
    memory: int | None = None
    signalled: float | None = None


How = Literal["start", "restart", "recreate", "rollback"]
RESTART_REASONS: Final[tuple[str, ...]] = (*get_args(How), "docker")  # the last: by the engine's restart policy


@dataclass(frozen=True, slots=True)
class Heal:
    """The one act on the service itself; at most one in a decision."""

    how: How
    reason: str


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """Change the container's restart policy: `no` takes a crash loop over from Docker, anything else gives it back."""

    policy: str


@dataclass(frozen=True, slots=True)
class RememberStop:
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class ForgetStop:
    pass


@dataclass(frozen=True, slots=True)
class Fire:
    kind: ConditionKind
    severity: Severity
    summary: str


@dataclass(frozen=True, slots=True)
class Resolve:
    """All that was fired about the service is over; so is its incident."""

    note: str
    kinds: tuple[ConditionKind, ...] = ()


@dataclass(frozen=True, slots=True)
class NoteIncident:
    """A line in the open incident."""

    text: str


@dataclass(frozen=True, slots=True)
class CountExit:
    cause: str


@dataclass(frozen=True, slots=True)
class CountKills:
    count: int


@dataclass(frozen=True, slots=True)
class CountRestart:
    reason: str


Action = (
    Heal | SetPolicy | RememberStop | ForgetStop | Fire | Resolve | NoteIncident | CountExit | CountKills | CountRestart
)


@dataclass(frozen=True, slots=True)
class Decision:
    watch: Watch
    actions: tuple[Action, ...] = ()
