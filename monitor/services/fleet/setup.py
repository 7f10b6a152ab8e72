"""Bringing another machine to a wanted state, step by step: what is missing is done, and looked at again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from monitor.domain.hostsetup import HostFacts, Step, StepState, facts
from monitor.errors import BgmonError, UnreachableError
from monitor.ports.hosts import Hosts
from monitor.ports.shells import Shell
from monitor.services.fleet.lines import Document

Plan = Callable[[HostFacts], Sequence[Step]]
"""The steps of one stage; the host is asked anew before each, since the one before may have changed it."""

Tell = Callable[[str, StepState, str], None]
"""Is told a step, how far it is, and a text for people."""

_SAID: Final = 600  # characters of what a failed command said


@dataclass
class Outcome:
    """What came of one host: the texts of what was changed (or would be), and why it ended early."""

    changed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: BgmonError | None = None
    _names: set[str] = field(default_factory=set)

    def did(self, step: Step) -> None:
        self.changed.append(step.text)
        self._names.add(step.name)

    def has_done(self, names: Sequence[str]) -> bool:
        return any(name in self._names for name in names)


class Setup:
    """One host's.

    Args:
        host: its name under `hosts`.
        shell: a shell there.
        hosts: commands of bgmon's there.
        question: the script that tells the facts.
        tell: is told of each step.
        dry_run: nothing is changed; what would be is told.
    """

    def __init__(self, host: str, shell: Shell, hosts: Hosts, question: str, tell: Tell, *, dry_run: bool) -> None:
        self._host = host
        self._shell = shell
        self._hosts = hosts
        self._question = question
        self._tell = tell
        self._dry_run = dry_run

    def facts(self) -> HostFacts:
        """Raises UnreachableError."""
        return facts(self._shell.run(self._question).out)

    def run(self, stages: Sequence[Plan]) -> Outcome:
        """Never raises BgmonError: it is in the outcome, with what was changed before it."""
        outcome = Outcome()
        try:
            for stage in stages:
                for step in stage(self.facts()):
                    self._one(step, outcome)
        except BgmonError as error:
            outcome.error = error
        return outcome

    def _one(self, step: Step, outcome: Outcome) -> None:
        data = step.data() if step.data is not None and step.check_reads else b""
        if step.after and not outcome.has_done(step.after):
            self._tell(step.name, "ok", "nothing to do")
        elif self._is_done(step, data, outcome):
            self._tell(step.name, "ok", "as wanted")
        elif self._dry_run:
            outcome.did(step)
            self._tell(step.name, "would", step.text)
        else:
            self._change(step, data, outcome)
        if step.note:
            outcome.notes.append(step.note)
            self._tell(step.name, "skipped", step.note)

    def _change(self, step: Step, data: bytes, outcome: Outcome) -> None:
        self._tell(step.name, "begin", step.text)
        if step.data is not None and not step.check_reads:
            data = step.data()
        code, said = self._do(step.change, data, root=step.root, adopt=step.adopt)
        if code:
            self._fail(step, f"exit code {code}: {said}", code)
        if step.renews:
            self._shell.renew()
        outcome.did(step)
        if step.check is not None and not self._is_done(step, data, outcome):
            self._fail(step, "it was done, and is not as wanted all the same", 1)
        self._tell(step.name, "changed", step.text)

    def _is_done(self, step: Step, data: bytes, outcome: Outcome) -> bool:
        if step.check is None:
            return False
        if not isinstance(step.check, str) and self._dry_run and outcome.changed:
            return False  # bgmon may not be there yet to be asked
        return self._do(step.check, data if step.check_reads else b"", root=False, adopt=False)[0] == 0

    def _do(self, what: str | tuple[str, ...], data: bytes, *, root: bool, adopt: bool) -> tuple[int, str]:
        if isinstance(what, str):
            answer = self._shell.run(what, data, root=root)
            return answer.code, (answer.err or answer.out).strip()[-_SAID:]
        document = Document()
        code = self._hosts.run(self._host, what, document.piece, adopt=adopt)
        return code, "".join(document.said).strip()[-_SAID:]

    def _fail(self, step: Step, why: str, code: int) -> None:
        self._tell(step.name, "failed", why)
        kind = UnreachableError if code == UnreachableError.exit_code else BgmonError
        raise kind(
            f"{self._host}: {step.name}: {why}",
            hint="mend it and run the command again: what is done is not done twice",
        )


def deployed(hosts: Hosts, host: str) -> list[str]:
    """The services that have a version there. Raises UnreachableError when the host does not say."""
    document = Document()
    hosts.run(host, ("status", "--json"), document.piece)
    found = document.value()
    if not isinstance(found, dict) or "services" not in found:
        raise UnreachableError(f"{host}: no status: {''.join(document.said)[-_SAID:]}")
    return [str(row["name"]) for row in found["services"] if row.get("version") is not None]
