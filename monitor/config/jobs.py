"""`jobs:` of bgmon.yml."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field

from monitor.config.base import Duration, Model, Name, as_argv
from monitor.domain.jobs import schedule_problem


def time_zone(value: str) -> str:
    """Raises ValueError for a zone that this machine does not know, where it knows any."""
    known = available_timezones()
    if value not in known | {"UTC"} and known:  # a machine may come without the list
        close = difflib.get_close_matches(value, known, n=1)
        more = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{value!r} is no time zone, such as Europe/Berlin{more}")
    return value


def schedule(value: str) -> str:
    """Raises ValueError for what is none."""
    problem = schedule_problem(value)
    if problem:
        raise ValueError(problem)
    return value


class JobSection(Model):
    like: Name
    """The service whose running image, environment, secrets, volumes, networks and limits it has."""
    command: Annotated[tuple[str, ...], BeforeValidator(as_argv), Field(min_length=1)]
    """What runs; one string runs through a shell."""
    schedule: Annotated[str, AfterValidator(schedule)]
    """When, as in a crontab: `0 3 * * *`, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."""
    zone: Annotated[str, AfterValidator(time_zone)] = "UTC"
    """The time zone of the schedule, such as `Europe/Berlin`."""
    timeout: Duration = Field(default=3600.0, gt=0)
    """How long one run may take; then it is stopped and has failed."""
    overlap: Literal["forbid", "allow"] = "forbid"
    """What becomes of a run while the one before is under way; `forbid` leaves it out and says so."""
    retries: int = Field(default=0, ge=0, le=10)
    """How often a run that failed is tried again."""
    pause: Duration = 30.0
    """How long before the first retry; twice as long before each further one."""
    missed: Literal["run", "skip"] = "run"
    """What becomes of runs while no daemon was there: one run makes up for all of them, or none."""
    host: Name | None = None
    """The host that runs it, where the service has several; the default is the service's first."""
