"""Memory that nothing uses goes back."""

from __future__ import annotations

import subprocess
import sys

# Cycles in threads, many times over: what each round leaves is garbage, and must not add up.
SCRIPT = """
import gc, re, sys, threading
from monitor.adapters.host.memory import Tidy, limit_arenas

limit_arenas()
tidy = Tidy()

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

def work():
    for _ in range(2000):
        one = {"text": bytearray(2000)}
        one["itself"] = one

gc.disable()  # as between two full collections
sizes = []
for _ in range(6):
    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if sys.argv[1] == "tidy":
        tidy()
    sizes.append(anonymous())
print(sizes[-1] - sizes[0])
"""


def growth(how: str) -> float:
    """MB over five rounds."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_garbage_in_cycles_is_freed_and_given_back_to_the_host() -> None:
    assert growth("tidy") < 8
    assert growth("untouched") > 60  # or the test would show nothing
