"""Keeps certificates: gets them by ACME, renews them in time, has the proxy show them, and tells of those that end.

Every answer to an ACME server goes through the proxy; what is got is written to disk before the proxy is told of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from monitor.domain.alerting.conditions import Condition, Severity
from monitor.domain.certificates import (
    ASK_AGAIN,
    Attempts,
    CertificateFacts,
    CertificateState,
    due,
    failed,
    renew_at,
    severity,
)
from monitor.domain.proxy.routes import ServiceRoute
from monitor.domain.proxy.table import Certificate
from monitor.errors import AuthorityUnreachable, BgmonError, CertificateError, LockedError, UnreachableError
from monitor.ports.alerts import Alerts
from monitor.ports.certificates import Authority, CertificateStore, DnsHook, Reachable
from monitor.ports.clock import Clock
from monitor.ports.deploys import Locks
from monitor.ports.proxy import Proxy
from monitor.services.deploy.traffic import PROXY_LOCK

log = logging.getLogger(__name__)

CHALLENGE_PATH: Final = "/.well-known/acme-challenge/"
_LOCK: Final = "@certificates"
_LOCK_WAIT: Final = 60.0
_LONGEST_QUIET: Final = 3600.0  # other names may have limits of their own


@dataclass(frozen=True, slots=True)
class Wanted:
    """What bgmon.yml wants: hosts with a certificate by ACME, each with its service, and a person's own files."""

    automatic: Mapping[str, str]
    own: Sequence[Certificate]


@dataclass(frozen=True, slots=True)
class KeeperDeps:
    """`wanted` and `routes` say what bgmon.yml says now. `reach` is asked before the ACME server tries a name."""

    store: CertificateStore
    authority: Callable[[], Authority]
    proxy: Proxy
    routes: Callable[[], Sequence[ServiceRoute]]
    wanted: Callable[[], Wanted]
    reach: Reachable
    dns: DnsHook
    locks: Locks
    clock: Clock


class _HttpProof:
    """Answers through the proxy, and sees first whether the name leads here."""

    def __init__(self, deps: KeeperDeps, host: str) -> None:
        self._deps = deps
        self._host = host

    def __call__(self, answers: Mapping[str, str]) -> None:
        deps = self._deps
        with deps.locks.acquire(PROXY_LOCK, wait=_LOCK_WAIT, purpose=f"proving {self._host}"):
            deps.proxy.set_challenges(answers)
        for token, answer in answers.items():
            problem = deps.reach(self._host, CHALLENGE_PATH + token, answer)
            if problem:
                raise CertificateError(problem)


class _DnsProof:
    def __init__(self, hook: DnsHook) -> None:
        self._hook = hook
        self._made: list[tuple[str, str]] = []

    def __call__(self, answers: Mapping[str, str]) -> None:
        while self._made:
            self._hook("cleanup", *self._made.pop())
        for name, value in answers.items():
            self._made.append((name, value))
            self._hook("present", name, value)


class CertificateKeeper:
    """Blocking; safe beside a `bgmon certs` of another process, since both take a lock."""

    def __init__(self, deps: KeeperDeps, alerts: Alerts | None = None) -> None:
        self._deps = deps
        self._alerts = alerts
        self._told: set[str] = set()
        self._first = True
        self._quiet_until = 0.0

    def round(self) -> None:
        """Look at every certificate once, get those that are due, tell of those that end."""
        wanted = self._deps.wanted()
        if not wanted.automatic and not wanted.own and not self._told and not self._first:
            return
        try:
            with self._deps.locks.acquire(_LOCK, wait=0, purpose="renewing certificates"):
                for host in wanted.automatic:
                    if self._deps.clock.now() < self._quiet_until or not self._look(host):
                        break  # who is not there, or wants us to wait, is not asked for the next name at once
        except LockedError:
            return  # a person is at it
        self._show(wanted)
        self._tell()
        self._first = False

    def renew(self, host: str) -> CertificateState:
        """Get a certificate now, whatever was tried before. Raises what `Authority.issue` does, and LockedError."""
        with self._deps.locks.acquire(_LOCK, wait=_LOCK_WAIT, purpose=f"renewing the certificate of {host}"):
            wanted = self._wanted(host)
            try:
                self._issue(host)
            except (CertificateError, AuthorityUnreachable) as error:
                self._failed(host, error)
                raise
        self._show(wanted)
        return self._automatic(host, wanted.automatic[host])

    def test(self, host: str) -> None:
        """Go the whole way to a certificate and drop it. Raises as `renew`."""
        with self._deps.locks.acquire(_LOCK, wait=_LOCK_WAIT, purpose=f"testing the certificate of {host}"):
            self._wanted(host)
            self._get(host)

    def states(self) -> list[CertificateState]:
        """Every certificate of bgmon.yml, in order of name."""
        wanted = self._deps.wanted()
        found = [self._automatic(host, service) for host, service in wanted.automatic.items()]
        found += [self._own(certificate) for certificate in wanted.own]
        return sorted(found, key=lambda state: state.name)

    # -- one name --

    def _look(self, host: str) -> bool:
        """Get the host's certificate if it is due. False when the authority is not to be asked for another now."""
        now = self._deps.clock.now()
        facts, attempts = self._facts(host), self._deps.store.attempts(host)
        if facts is not None and not due(facts, attempts, now) and now >= attempts.ask_at:
            attempts = self._asked(host, attempts)
        if not due(facts, attempts, now):
            return True
        try:
            self._issue(host)
        except BgmonError as error:
            log.warning("no certificate for %s: %s", host, error)
            self._failed(host, error)
            wait = error.retry_after if isinstance(error, CertificateError) else None
            if wait is not None:
                self._quiet_until = now + min(wait, _LONGEST_QUIET)
            return wait is None and not isinstance(error, UnreachableError)
        return True

    def _issue(self, host: str) -> None:
        pem = self._get(host)
        self._deps.store.save(host, pem)
        self._deps.store.remember(host, Attempts(issued_at=self._deps.clock.now()))
        log.info("%s has a new certificate", host)

    def _get(self, host: str) -> bytes:
        prove = _DnsProof(self._deps.dns) if host.startswith("*.") else _HttpProof(self._deps, host)
        return self._deps.authority().issue(host, prove=prove)

    def _wanted(self, host: str) -> Wanted:
        wanted = self._deps.wanted()
        if host not in wanted.automatic:
            raise CertificateError(
                f"{host} gets no certificate by ACME", hint="`tls: auto` on its route in bgmon.yml does that"
            )
        return wanted

    def _failed(self, host: str, error: BgmonError) -> None:
        store, now = self._deps.store, self._deps.clock.now()
        retry_after = error.retry_after if isinstance(error, CertificateError) else None
        text = f"{error} ({error.hint})" if error.hint else str(error)
        store.remember(host, failed(store.attempts(host), text, now, retry_after))

    def _asked(self, host: str, attempts: Attempts) -> Attempts:
        """Ask the server when it would like a certificate renewed; one that does not answer changes nothing."""
        store, now = self._deps.store, self._deps.clock.now()
        pem = store.read(host)
        assert pem is not None
        try:
            at, ask_at = self._deps.authority().renewal(pem)
            attempts = replace(attempts, renew_at=at, ask_at=ask_at)
        except BgmonError as error:
            log.info("%s could not be asked about: %s", host, error)
            attempts = replace(attempts, ask_at=now + ASK_AGAIN)
        store.remember(host, attempts)
        return attempts

    def _facts(self, host: str) -> CertificateFacts | None:
        pem = self._deps.store.read(host)
        if pem is None:
            return None
        try:
            facts = self._deps.store.facts(pem)
        except CertificateError:
            return None
        return facts if facts.covers(host) else None

    def _automatic(self, host: str, service: str) -> CertificateState:
        facts, attempts = self._facts(host), self._deps.store.attempts(host)
        at = renew_at(facts, attempts) if facts is not None else None
        return CertificateState(host, service, "auto", facts, at, attempts.error, attempts.next_try)

    def _own(self, certificate: Certificate) -> CertificateState:
        files, service = certificate.files, certificate.service
        try:
            facts = self._deps.store.facts(self._deps.store.own(files.cert, files.key))
        except CertificateError as error:
            return CertificateState(files.cert, service, "file", None, error=str(error))
        missing = [host for host in certificate.hosts if not facts.covers(host.rstrip("."))]
        wrong = f"it is not for {', '.join(missing)}" if missing else ""
        return CertificateState(files.cert, service, "file", facts, error=wrong)

    # -- the proxy and people --

    def _show(self, wanted: Wanted) -> None:
        if not wanted.automatic and not wanted.own:
            return
        deps = self._deps
        try:
            with deps.locks.acquire(PROXY_LOCK, wait=_LOCK_WAIT, purpose="loading certificates"):
                deps.proxy.load_certificates(deps.routes())
        except BgmonError as error:
            log.warning("the proxy did not take its certificates: %s", error)

    def _tell(self) -> None:
        """One condition a service, so that a silence or a filter for the service holds for its certificates too."""
        if self._alerts is None:
            return
        now = self._deps.clock.now()
        states = self.states()
        wrong: dict[str, list[tuple[Severity, str]]] = {}
        for state in states:
            grade, text = _verdict(state, now)
            if grade is not None:
                wrong.setdefault(state.service, []).append((grade, text))
        for service, found in wrong.items():
            grave: Severity = "page" if any(grade == "page" for grade, _ in found) else "ticket"
            detail = "\n".join(text for _, text in found)
            summary = found[0][1] if len(found) == 1 else f"{len(found)} certificates need attention"
            self._alerts.fire(Condition("certificate", service, grave, summary, detail), now)
        services = {state.service for state in states} | self._told
        for service in services - wrong.keys():
            if service in self._told or self._first:
                self._alerts.resolve("certificate", service, now, "its certificates are in order")
        self._told = set(wrong)


def _verdict(state: CertificateState, now: float) -> tuple[Severity | None, str]:
    """How grave it is, and in words; None while nothing is wrong."""
    if state.facts is None:
        what = f"{state.name} has no certificate" if state.source == "auto" else f"{state.name} cannot be used"
        return ("ticket" if state.error else None), f"{what}: {state.error}"
    grade = severity(state.facts, now)
    left = (state.facts.not_after - now) / 86400
    text = f"the certificate of {state.name} " + (f"ends in {left:.1f} days" if left > 0 else "has ended")
    if state.error and state.source == "file":
        return grade or "ticket", f"the certificate of {state.name} is a wrong one: {state.error}"
    if state.error:
        text += f"; it could not be renewed: {state.error}"
    elif state.source == "file":
        text += "; renew the file, the proxy takes it over by itself"
    return grade, text
