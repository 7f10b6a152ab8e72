"""Runs a user's template in a child process that cannot take long, grow large or see the environment's secrets."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

from monitor.adapters.templates.child import CPU_SECONDS, MEMORY_BYTES
from monitor.render.sandbox import Build, Job, TemplateFault

_CHILD: Final = "monitor.adapters.templates.child"
_WALL_SECONDS: Final = 20.0  # a busy machine may give the child little of its time; a loop ends by CPU time long before
_KEPT: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE")


def render_limited(build: Build, arguments: Sequence[Any], jobs: Sequence[Job]) -> list[str]:
    """As render.sandbox.render_here, within the limits.

    Raises:
        TemplateFault: the template is wrong, or wanted more than it gets.
    """
    names = ", ".join(dict.fromkeys(name for name, _ in jobs))
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            # -P: a folder `monitor` where bgmon was started is not ours.
            [sys.executable, "-P", "-m", _CHILD],
            input=pickle.dumps((build, tuple(arguments), list(jobs))),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_WALL_SECONDS,
            check=False,
            env={key: os.environ[key] for key in _KEPT if key in os.environ},
        )
    except subprocess.TimeoutExpired:
        raise TemplateFault(f"{names}: took longer than {_WALL_SECONDS:.0f} s", exhausted=True) from None
    except OSError as error:
        raise TemplateFault(f"{names}: no process could be started for it: {error.strerror}") from None
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise TemplateFault(f"{names}: took more than {CPU_SECONDS} s of CPU time", exhausted=True)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise TemplateFault(
            f"{names}: ended its process with code {done.returncode}; it may have {CPU_SECONDS} s of CPU time and "
            f"{MEMORY_BYTES // 1024**2} MiB of memory",
            exhausted=True,
        ) from None
    if "error" in answer:
        raise TemplateFault(answer["error"], exhausted=bool(answer["exhausted"]))
    return [str(text) for text in answer["texts"]]
