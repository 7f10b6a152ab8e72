"""What `bgmon deploy --json` told, for people who look at a pipeline: lines, a summary in Markdown, annotations."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.domain.printable import printable

_STEPS: Final = ("pull", "start", "gate", "switch", "canary", "bake", "drain", "stop", "wait")
_LAST: Final = {"deployed": "✅", "failed": "❌"}
_MARKS: Final = {**_LAST, "undone": "↩️"}
_BAD: Final = frozenset({"failed", "unknown", "kept"})  # states of hosts
_BOUNDS: Final = ("started", *_LAST)
_LONGEST: Final = 20_000  # characters of one cause; a summary may have a megabyte


@dataclass(slots=True)
class Outcome:
    """How one service ended on one host; `event` is empty while it is under way."""

    service: str
    host: str
    event: str = ""
    version: str = ""
    error: str = ""
    hint: str = ""
    exit: int = 0
    timings: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """Feed it the lines that came; `finish` once there are no more."""

    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    unchanged: bool = False
    states: dict[str, str] = field(default_factory=dict)  # of hosts, once a rollout has ended
    _texts: dict[str, str] = field(default_factory=dict)  # what was said of hosts last

    def feed(self, line: str) -> str:
        """The line as people read it; what is no event stays as it is."""
        try:
            event = json.loads(line)
        except ValueError:
            return _harmless(line)
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            return _harmless(line)
        kind = event["event"]
        host, service = str(event.get("host") or ""), str(event.get("service") or "")
        given = event.get("hosts")
        if kind == "unchanged":
            self.unchanged = True
        elif kind == "host":
            self._texts[host] = str(event.get("text") or event.get("state") or "")
        elif kind == "rollout-ended" and isinstance(given, dict):
            self.states = {str(name): str(state) for name, state in given.items()}
        elif kind in _BOUNDS:
            self._take(kind, service, event)
        text = str(event.get("text") or event.get("error") or kind)
        where = f"{host}: " if host else ""
        return _harmless(f"{where}{_LAST.get(kind, '·')} {service}  {text}" if service else f"{where}{text}")

    def _take(self, kind: str, service: str, event: dict[str, Any]) -> None:
        host = str(event.get("host") or "")
        outcome = self.outcomes.setdefault((service, host), Outcome(service, host))
        if kind not in _LAST:
            return
        outcome.event = kind
        outcome.version = str(event.get("version") or "")
        outcome.error, outcome.hint = str(event.get("error") or ""), str(event.get("hint") or "")
        code = event.get("exit")
        outcome.exit = (code if isinstance(code, int) and code > 0 else 1) if kind == "failed" else 0
        given = event.get("timings")
        outcome.timings = (
            {str(key): float(value) for key, value in given.items() if isinstance(value, int | float)}
            if isinstance(given, dict)
            else {}
        )

    def finish(self) -> int:
        """The exit code of what was reported: a deploy of which the end never came has failed."""
        for key, outcome in list(self.outcomes.items()):
            state = self.states.get(outcome.host, "")
            if state == "undone" and outcome.event == "deployed":
                outcome.event = "undone"
            elif state == "waiting" and not outcome.event:
                del self.outcomes[key]  # it was only made ready: another host failed first
            elif not outcome.event:
                outcome.event, outcome.exit = "failed", 1
                outcome.error = "its end was never told: the deploy was cut off"
                outcome.hint = "settle it with: bgmon deploy --resume"
        for host, state in self.states.items():
            known = any(outcome.host == host and outcome.event == "failed" for outcome in self.outcomes.values())
            if state in _BAD and not known:
                error = self._texts.get(host) or f"the host {state}"
                self.outcomes["", host] = Outcome("", host, "failed", error=error, exit=1)
        if not self.outcomes and not self.unchanged:
            return 1
        return max((outcome.exit for outcome in self.outcomes.values()), default=0)

    def markdown(self) -> str:
        """The summary. Texts of services stand in code blocks, where no markup counts."""
        if not self.outcomes:
            return f"### bgmon\n\n{'Nothing changed.' if self.unchanged else 'Nothing was reported.'}\n"
        rows = sorted(self.outcomes.values(), key=lambda one: (one.service, one.host))
        steps = [step for step in _STEPS if any(step in row.timings for row in rows)]
        heads = ["", "service", "host", "version", "seconds", *steps]
        lines = ["### bgmon", "", _row(heads), _row(["---"] * len(heads))]
        for row in rows:
            cells = [_MARKS.get(row.event, ""), row.service, row.host or "-", row.version or "-"]
            cells += [_seconds(row.timings.get(step)) for step in ("total", *steps)]
            lines.append(_row(cells))
        for row in rows:
            if row.error:
                where = f" on {_cell(row.host)}" if row.host else ""
                lines += ["", f"#### {_cell(row.service) or 'bgmon'}{where} failed", "", *_fenced(row.error)]
                lines += ["", f"Next: {_cell(row.hint)}"] if row.hint else []
        return "\n".join(lines) + "\n"

    def github_annotations(self) -> list[str]:
        """Workflow commands that GitHub shows beside the run."""
        made: list[str] = []
        for row in self.outcomes.values():
            where = f" on {row.host}" if row.host else ""
            name = row.service or "bgmon"
            if row.error:
                text = row.error + (f"\n-> {row.hint}" if row.hint else "")
                made.append(f"::error title={_property(f'{name}{where} failed')}::{_data(text)}")
            else:
                verb = "was taken back" if row.event == "undone" else "serves"
                text = f"{row.version} {verb}{where}, after {_seconds(row.timings.get('total'))} s"
                made.append(f"::notice title={_property(f'{row.service} is {row.event}')}::{_data(text)}")
        return made

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        rows = sorted(self.outcomes.values(), key=lambda one: (one.service, one.host))
        keys = ("service", "host", "event", "version", "error", "hint", "exit", "timings")
        return {"unchanged": self.unchanged, "services": [{key: getattr(row, key) for key in keys} for row in rows]}


def _harmless(text: str) -> str:
    """No line that a pipeline takes for a command (`::add-mask::`, `##[...]`): texts of services may hold any."""
    return "\n".join(f"| {line}" if re.match(r"\s*(?:::|##\[)", line) else line for line in _lines(text) or [""])


def _lines(text: str) -> list[str]:
    return [printable(line, 2_000) for line in text[:_LONGEST].splitlines()]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|~#])", r"\\\1", printable(" ".join(text.split()), 400))


def _fenced(text: str) -> list[str]:
    shown = _lines(text)
    longest = max((len(run) for line in shown for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *shown, fence]


def _data(text: str) -> str:
    return "\n".join(_lines(text)).replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
