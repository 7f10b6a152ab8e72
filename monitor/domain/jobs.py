"""Jobs: commands by a schedule, and which of their runs are due.

Schedules are cron's, and cronsim reads them as Debian's cron does: the days of month and week together unless one of
them begins with *, Sunday as 0 or 7. When the clocks change, a time that does not exist runs right after the gap, and
one that comes twice runs once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from statistics import median
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.domain.deploy.tasks import TaskRun

Overlap = Literal["forbid", "allow"]
Missed = Literal["run", "skip"]

LATE: Final = 60.0
"""Seconds after which a run that did not begin counts as missed."""
COUNTED: Final = 1000
"""More missed runs than that are not counted one by one."""
_FIELDS: Final = 5
_NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_USUAL_OF: Final = 10
_LEAST_FOR_USUAL: Final = 5
_SLOW_FACTOR: Final = 3.0
_SLOW_LEAST: Final = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """A command that runs by a schedule, in the image and the environment of the service `like`.

    `timeout` and `pause` are in seconds; `pause` comes before the first retry and doubles with each.
    `host` is the one host that runs it; None where the project has no hosts.
    """

    name: str
    like: str
    command: tuple[str, ...]
    schedule: str
    zone: str = "UTC"
    timeout: float = 3600.0
    overlap: Overlap = "forbid"
    retries: int = 0
    pause: float = 30.0
    missed: Missed = "run"
    host: str | None = None
    keep: int | None = None
    """Of a backup: how many good ones are kept."""

    def is_run_by(self, here: set[str], local: set[str]) -> bool:
        """Whether a machine of these names runs it; `local` are the hosts without an ssh address."""
        return self.host is None or self.host in here or self.host in local


@dataclass(frozen=True, slots=True)
class Due:
    """A run that is to begin: the moment it was planned for, and how many before it never began."""

    at: float
    missed: int = 0
    many: bool = False
    """There were more than COUNTED; `missed` is then COUNTED."""

    def is_late(self, now: float) -> bool:
        return now - self.at > LATE


@dataclass(frozen=True, slots=True)
class JobView:
    """How a job is doing on this host. Times are unix seconds; `last` and `last_good` are its newest runs."""

    job: Job
    next_at: float
    running_since: float | None
    last: TaskRun | None
    last_good: TaskRun | None


def backup_name(accessory: str) -> str:
    """What the job is called that backs an accessory up."""
    return f"{accessory}-backup"


def schedule_problem(schedule: str) -> str:
    """What is wrong with it; empty when nothing is.

    >>> schedule_problem("0 3 * * *"), schedule_problem("0 25 * * *")
    ('', "'0 25 * * *' is no schedule: bad hour")
    """
    text = _NAMED.get(schedule.lower(), schedule)
    if len(text.split()) != _FIELDS:
        return (
            f"{schedule!r} is no schedule: write minute, hour, day of month, month and day of week, such as 0 3 * * *"
        )
    try:
        next(CronSim(text, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        return f"{schedule!r} is no schedule: {str(error)[:1].lower()}{str(error)[1:]}"
    except StopIteration:
        return f"{schedule!r} never comes"
    return ""


def moments(job: Job, after: float) -> Iterator[float]:
    """Unix seconds of every planned run after `after`, in order."""
    start = datetime.fromtimestamp(after, ZoneInfo(job.zone))
    yield from (moment.timestamp() for moment in CronSim(_NAMED.get(job.schedule.lower(), job.schedule), start))


def next_moment(job: Job, after: float) -> float:
    return next(moments(job, after))


def due(job: Job, handled: float, now: float) -> Due | None:
    """The last planned run of (handled, now], with the number of those before it; None when there is none.

    One run makes up for all that were missed: what a job does is due once, however long nobody was there to do it.
    """
    planned: list[float] = []
    for moment in takewhile(lambda at: at <= now, moments(job, handled)):
        planned.append(moment)
        if len(planned) > COUNTED:
            # One that comes every minute was missed for a day or longer: the rest is not counted, only its end found.
            return Due(_last_before(job, now), COUNTED, many=True)
    return Due(planned[-1], len(planned) - 1) if planned else None


def _last_before(job: Job, now: float) -> float:
    start = datetime.fromtimestamp(now + 1, ZoneInfo(job.zone))
    return float(next(CronSim(_NAMED.get(job.schedule.lower(), job.schedule), start, reverse=True)).timestamp())


def resumed_at(handled: float, now: float) -> float:
    """From where a job goes on: a clock that was set back far must not keep it from running until it catches up."""
    return now if handled > now + LATE else handled


def slow_after(seconds: Sequence[float]) -> float | None:
    """How long a run may take before it takes longer than usual, out of the last good runs, newest first.

    Three times their median, and a minute more at least; None while there are too few to say what is usual.
    """
    known = seconds[:_USUAL_OF]
    if len(known) < _LEAST_FOR_USUAL:
        return None
    usual = median(known)
    return max(usual * _SLOW_FACTOR, usual + _SLOW_LEAST)
