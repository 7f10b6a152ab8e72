"""Why something failed, in words."""

from __future__ import annotations

import signal
from typing import Final

from monitor.domain.containers import CheckResult

_SIGNALLED: Final = 128
_LAST_SIGNAL: Final = 64
_OUTPUT_SHOWN: Final = 300
_COULD_NOT_START: Final = {
    125: "the engine could not run it",
    126: "its command could not be run (not executable?)",
    127: "its command was not found",
}


def signal_name(number: int) -> str:
    """`SIGKILL` for 9; `signal 42` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


EXIT_LABELS: Final = ("oom", "start", "unknown", "signal", "error", "clean")


def exit_label(code: int, *, oom: bool = False, error: str = "") -> str:
    """A short class for metrics: `oom`, `signal`, `start`, `error`, `clean` or `unknown` (a negative code)."""
    if oom:
        return "oom"
    if error or code in _COULD_NOT_START:
        return "start"
    if code < 0:
        return "unknown"
    if _SIGNALLED < code <= _SIGNALLED + _LAST_SIGNAL:
        return "signal"
    return "error" if code else "clean"


def exit_words(
    code: int, *, oom: bool = False, error: str = "", ran: float | None = None, memory: int | None = None
) -> str:
    """How a container ended: exit code, signal, out of memory, or why it could not start.

    Exit 137 alone does not say "out of memory": only the engine's flag (or the cgroup's count) does.

    >>> exit_words(137, ran=90)
    'killed by SIGKILL (exit code 137) after 1 min 30 s'
    >>> exit_words(137, oom=True, memory=67108864)
    'out of memory: it hit its limit of 64 MiB (exit code 137)'
    >>> exit_words(1, ran=0.4)
    'exited with code 1 after 0.4 s'
    """
    after = f" after {span(ran)}" if ran is not None and ran >= 0 else ""
    if oom:
        limit = f": it hit its limit of {size(memory)}" if memory else ""
        return f"out of memory{limit} (exit code {code}){after}"
    if error:
        return f"could not start: {error}"
    if code in _COULD_NOT_START:
        return f"could not start: {_COULD_NOT_START[code]} (exit code {code})"
    if code < 0:
        return f"ended while nobody watched{after}"
    if _SIGNALLED < code <= _SIGNALLED + _LAST_SIGNAL:
        return f"killed by {signal_name(code - _SIGNALLED)} (exit code {code}){after}"
    return f"exited with code {code}{after}"


def check_words(health: str, last: CheckResult | None) -> str:
    """What Docker's health check says, with the exit code and output of its last run.

    >>> check_words("unhealthy", CheckResult(1, "wget: server returned error: 503"))
    "Docker's health check says unhealthy (exit code 1: wget: server returned error: 503)"
    >>> check_words("starting", None)
    "Docker's health check says starting"
    """
    text = f"Docker's health check says {health}"
    if last is None or not (last.exit_code or last.output.strip()):
        return text
    output = " / ".join(line.strip() for line in last.output.splitlines() if line.strip())
    shown = output if len(output) <= _OUTPUT_SHOWN else f"{output[: _OUTPUT_SHOWN - 3]}..."
    return f"{text} (exit code {last.exit_code}{f': {shown}' if shown else ', without output'})"


def kill_words(count: int, memory: int | None = None) -> str:
    """How many processes the kernel killed in a container that lives on.

    >>> kill_words(1, 67108864)
    'the kernel killed a process in it for want of memory (its limit is 64 MiB)'
    >>> kill_words(3)
    'the kernel killed 3 processes in it for want of memory'
    """
    what = "a process" if count == 1 else f"{count} processes"
    limit = f" (its limit is {size(memory)})" if memory else ""
    return f"the kernel killed {what} in it for want of memory{limit}"


def span(seconds: float) -> str:
    """`0.4 s`, `12 s`, `1 min 30 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds, tenths matter
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (secs, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def size(count: int) -> str:
    """`64 MiB`, `1.5 GiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:  # noqa: PLR2004
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} GiB"
