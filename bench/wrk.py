"""wrk in the background, with an exact account of what broke."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

# wrk's own report leaves counters out that are zero, and rounds; its script hook has them all.
_REPORT = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,' ..
    '"status":%d,"micros":%d,"p50":%d,"p99":%d}\\n',
    summary.requests, e.connect, e.read, e.write, e.timeout, e.status, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Report:
    """Answers that came, and requests that broke: no or half an answer, or an error status."""

    requests: int
    connect: int
    read: int
    write: int
    timeout: int
    status: int
    micros: int
    p50: int
    p99: int

    @property
    def broken(self) -> int:
        return self.connect + self.read + self.write + self.timeout + self.status

    @property
    def rate(self) -> float:
        return self.requests / (self.micros / 1e6)


class Wrk:
    """One thread, `connections` keep-alive connections, until `stop` or for `seconds`."""

    def __init__(self, url: str, *, connections: int = 32, seconds: int = 600) -> None:
        self._script = Path(tempfile.mkstemp(suffix=".lua")[1])
        self._script.write_text(_REPORT)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "-s", str(self._script), url]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._script.unlink(missing_ok=True)

    def stop(self) -> Report:
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> Report:
        output, _ = self._process.communicate(timeout=660)
        line = next(line for line in output.splitlines() if line.startswith("RESULT "))
        return Report(**json.loads(line.removeprefix("RESULT ")))
