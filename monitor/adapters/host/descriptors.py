"""File descriptors: as many as the host allows, and a share of them for each purpose."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

ENOUGH: Final = 65_536  # more would only make a leak take longer to show
MOST_VISITORS: Final = 256


def raise_limit() -> int:
    """Lift this process's soft limit towards its hard one, and return what is allowed now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], ENOUGH)


def for_visitors(limit: int) -> int:
    """How many connections the daemon's HTTP side may hold: a quarter at most; engine and probes have the rest.

    >>> for_visitors(1024), for_visitors(65_536), for_visitors(256)
    (256, 256, 64)
    """
    return max(8, min(MOST_VISITORS, limit // 4))
