"""What counts as healthy: from a policy and an answer to yes, or to why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.proxy.reach import LOOPBACK

DEFAULT_PATH: Final = "/health"
_SHOWN: Final = 120
Clean = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What a probe got.

    `status` is 0 when there was no answer, and `error` says why. The names of `headers` are in lower case.
    `unreadable` says why an answer's body could not be turned into text. `seconds` is how long it took.
    """

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    error: str = ""
    seconds: float = 0.0
    unreadable: str = ""


def probe_url(policy: HealthPolicy, port: int, address: str = LOOPBACK) -> str:
    """Where a container is asked for its health."""
    host = f"[{address}]" if ":" in address else address
    return f"{policy.scheme}://{host}:{port}{policy.path or '/'}"


def effective_policy(policy: HealthPolicy, *, port: int | None, healthcheck: bool) -> HealthPolicy:
    """The policy with `auto` decided.

    By HTTP where a path is named, else by the image's own HEALTHCHECK, else by HTTP where there is a port, else by
    staying up.
    """
    if policy.mode != "auto":
        mode = policy.mode
    elif policy.path is not None:
        mode = "http"
    elif healthcheck:
        mode = "docker"
    else:
        mode = "running" if port is None else "http"
    return replace(policy, mode=mode, path=policy.path or DEFAULT_PATH)


def as_it_is(text: str) -> str:
    return text


def shortfall(policy: HealthPolicy, answer: ProbeAnswer, clean: Clean = as_it_is) -> str:
    """Why this answer does not count as healthy; empty when it does.

    `clean` takes secrets out of what the service said, before it is cut to what is shown.
    """
    if not answer.status:
        return clean(answer.error)
    if not any(_in_range(answer.status, item) for item in policy.status):
        hint = ""
        location = dict(answer.headers).get("location")
        if location is not None:
            hint = f" to {clean(location)[:_SHOWN]} (not followed: name the final path, or set health.headers.Host)"
        return f"status {answer.status} is not {' or '.join(policy.status)}{hint}"
    given = dict(answer.headers)
    for name, wanted in policy.expect_headers.items():
        value = given.get(name.lower())
        if value != wanted:
            return clean(f"header {name} is {value!r}, not {wanted!r}")
    if policy.body is not None and answer.unreadable:
        return clean(answer.unreadable)
    if policy.body is not None and policy.body not in answer.body:
        return f"the body does not hold {clean(policy.body)[:_SHOWN]!r}"
    return ""


def failing(policy: HealthPolicy, answer: ProbeAnswer, clean: Clean = as_it_is) -> str:
    """Why this answer does not count as healthy, and what it was; empty when it does. `clean` as for `shortfall`."""
    problem = shortfall(policy, answer, clean)
    return f"{problem} ({describe(answer, clean)})" if problem and answer.status else problem


def _in_range(status: int, item: str) -> bool:
    low, _, high = item.partition("-")
    return int(low) <= status <= int(high or low)


def describe(answer: ProbeAnswer, clean: Clean = as_it_is) -> str:
    """One line for people: status or error, time, and the body's first line; `clean` as for `shortfall`."""
    milliseconds = round(answer.seconds * 1000)
    if not answer.status:
        return f"{clean(answer.error)} ({milliseconds} ms)"
    lines = answer.body.strip().splitlines()
    return f"{answer.status} in {milliseconds} ms" + (f": {clean(lines[0])[:_SHOWN]}" if lines else "")
