"""The process that renders a user's templates: its parent's pickled request on stdin, an answer as JSON on stdout."""

from __future__ import annotations

import json
import math
import os
import pickle
import resource
import sys
from typing import Final

from monitor.render.sandbox import TemplateFault, render_here

CPU_SECONDS: Final = 2
MEMORY_BYTES: Final = 512 * 1024 * 1024


def main() -> None:
    """Take the limits on, then read what is to be done: compiling a template can already take forever."""
    request = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the parent, and texts of templates are only texts
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    _limit()
    try:
        answer: dict[str, object] = {"texts": render_here(*request)}
    except TemplateFault as fault:
        answer = {"error": str(fault), "exhausted": fault.exhausted}
    except MemoryError:
        answer = {"error": "needs too much memory", "exhausted": True}
    except Exception as error:  # noqa: BLE001 - the environment itself could not be made
        answer = {"error": f"{type(error).__name__}: {error}"[:300], "exhausted": False}
    json.dump(answer, answers)
    answers.flush()


def _limit() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime) + CPU_SECONDS
    for what, soft, hard in (
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        highest = resource.getrlimit(what)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)  # noqa: PLW2901 - never above what we were given
        resource.setrlimit(what, (soft, hard))


if __name__ == "__main__":
    main()
