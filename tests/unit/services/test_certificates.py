"""What keeps certificates: whom it asks, when, and what it tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.adapters.host.locks import FileLocks
from monitor.domain.certificates import DAY, CertificateFacts
from monitor.domain.deploy.spec import TlsFiles
from monitor.domain.proxy.table import Certificate
from monitor.errors import AuthorityUnreachable, CertificateError, HookFailed
from monitor.services.certificates import CertificateKeeper, KeeperDeps, Wanted
from monitor.testing.alerts import FakeAlerts
from monitor.testing.certificates import FakeAuthority, FakeCertificates, as_pem
from monitor.testing.clock import FakeClock
from monitor.testing.proxy import FakeProxy


class Scene:
    def __init__(self, folder: Path, *hosts: str) -> None:
        self.store, self.clock, self.proxy, self.alerts = FakeCertificates(), FakeClock(), FakeProxy(), FakeAlerts()
        self.authority = FakeAuthority(self.clock.now)
        self.hosts = dict.fromkeys(hosts, "core")
        self.own: list[Certificate] = []
        self.locks = FileLocks(folder)
        self.hook: list[tuple[str, str]] = []
        self.hook_fails = False
        self.problems: dict[str, str] = {}
        self.proxy.boot([])
        self.keeper = CertificateKeeper(
            KeeperDeps(
                store=self.store,
                authority=lambda: self.authority,
                proxy=self.proxy,
                routes=list,
                wanted=lambda: Wanted(self.hosts, self.own),
                reach=lambda host, _path, _expected: self.problems.get(host, ""),
                dns=self._dns,
                locks=self.locks,
                clock=self.clock,
            ),
            self.alerts,
        )

    def _dns(self, action: str, name: str, value: str) -> None:
        del value
        self.hook.append((action, name))
        if self.hook_fails and action == "present":
            raise HookFailed("hook dns-01 ended with exit code 1")

    def file(self, path: str, *names: str, days: float = 90.0, life: float = 90.0, hosts: tuple[str, ...] = ()) -> None:
        end = self.clock.now() + days * DAY
        self.store.files[path] = as_pem(CertificateFacts(names, end - life * DAY, end))
        self.own = [Certificate(TlsFiles(path), hosts, "own")]


def test_nothing_is_asked_again_before_it_is_due(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "a.test", "b.test")
    for _ in range(3):
        scene.keeper.round()
    assert scene.authority.asked == ["a.test", "b.test"]
    assert scene.proxy.challenges == {}
    scene.clock.advance(60 * DAY + 1)
    scene.keeper.round()
    assert scene.authority.asked == ["a.test", "b.test"] * 2
    assert scene.alerts.said == []


def test_the_server_is_asked_when_it_wishes_a_renewal(tmp_path: Path) -> None:
    """At most every six hours, and its wish comes before our own time."""
    scene = Scene(tmp_path, "a.test")
    scene.keeper.round()
    scene.authority.wish = scene.clock.now() + 2 * DAY
    for _ in range(8):
        scene.keeper.round()
        scene.clock.advance(3600)
    assert scene.authority.looked == 2
    scene.clock.advance(2 * DAY)
    scene.keeper.round()
    assert scene.authority.asked == ["a.test"] * 2


def test_a_rate_limit_quiets_all_names_for_an_hour_and_this_one_for_as_long_as_asked(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "a.test", "b.test")
    scene.authority.refuse["a.test"] = CertificateError("too many", retry_after=2 * DAY)
    for _ in range(3):
        scene.keeper.round()
    assert scene.authority.asked == ["a.test"]
    scene.clock.advance(3601)
    scene.keeper.round()
    assert scene.authority.asked == ["a.test", "b.test"]
    scene.clock.advance(2 * DAY - 3700)
    scene.keeper.round()
    assert scene.authority.asked == ["a.test", "b.test"]
    scene.authority.refuse.clear()
    scene.clock.advance(100)
    scene.keeper.round()
    assert scene.authority.asked == ["a.test", "b.test", "a.test"]


def test_a_server_that_is_down_is_tried_for_one_name_a_round(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "a.test", "b.test")
    down = AuthorityUnreachable("it does not answer")
    scene.authority.refuse = {"a.test": down, "b.test": down}
    scene.keeper.round()
    assert scene.authority.asked == ["a.test"]
    (said,) = scene.alerts.said
    assert (said.what, said.kind, said.service) == ("fired", "certificate", "core")
    assert said.text == "a.test has no certificate: it does not answer"


def test_a_name_that_leads_elsewhere_does_not_hold_up_the_next(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "a.test", "b.test")
    scene.problems["a.test"] = "a.test does not resolve"
    scene.keeper.round()
    assert scene.authority.asked == ["a.test", "b.test"]
    assert [state.error for state in scene.keeper.states()] == ["a.test does not resolve", ""]
    assert scene.proxy.challenges == {}
    scene.problems.clear()
    scene.clock.advance(301)
    scene.keeper.round()
    assert scene.alerts.kinds("resolved") == ["certificate"]


def test_a_renewal_that_fails_is_told_of_14_days_before_the_end(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "a.test")
    scene.keeper.round()
    scene.authority.refuse["a.test"] = CertificateError("no")
    for _ in range(15):
        scene.clock.advance(DAY * 5)
        scene.keeper.round()
    assert scene.alerts.said == [], "75 of 90 days, with tries for 15"
    assert len(scene.authority.asked) > 3
    scene.clock.advance(DAY * 2)
    scene.keeper.round()
    grades = [scene.alerts.open["certificate", "core"].severity]
    assert "ends in 13.0 days; it could not be renewed: no" in scene.alerts.said[0].text
    scene.clock.advance(DAY * 20)
    scene.keeper.round()
    assert [*grades, scene.alerts.open["certificate", "core"].severity] == ["ticket", "page"]
    assert "has ended" in scene.alerts.open["certificate", "core"].summary


@pytest.mark.parametrize(
    ("days", "life", "severity"), [(15, 90, None), (13, 90, "ticket"), (2, 90, "page"), (2, 7, None), (-1, 90, "page")]
)
def test_own_files_are_told_of_as_well(days: float, life: float, severity: str | None, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.file("own.pem", "own.test", days=days, life=life, hosts=("own.test",))
    scene.keeper.round()
    found = scene.alerts.open.get(("certificate", "own"))
    assert (found.severity if found is not None else None) == severity


def test_own_files_that_are_gone_or_for_others(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.file("own.pem", "*.own.test", hosts=("a.own.test", "own.test"))
    scene.keeper.round()
    summary = scene.alerts.open["certificate", "own"].summary
    assert summary == "the certificate of own.pem is a wrong one: it is not for own.test"
    del scene.store.files["own.pem"]
    scene.keeper.round()
    assert "own.pem cannot be used: own.pem: No such file" in scene.alerts.open["certificate", "own"].summary
    scene.file("own.pem", "*.own.test", "own.test", hosts=("a.own.test", "own.test"))
    scene.keeper.round()
    assert not scene.alerts.open
    scene.own = []
    scene.keeper.round()
    assert scene.alerts.kinds("resolved") == ["certificate"]


def test_an_alert_of_an_earlier_daemon_is_ended(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "a.test")
    scene.authority.refuse["a.test"] = CertificateError("no")
    scene.keeper.round()
    again = CertificateKeeper(scene.keeper._deps, scene.alerts)
    scene.authority.refuse.clear()
    scene.clock.advance(301)
    again.round()
    assert not scene.alerts.open


def test_a_record_that_was_made_is_taken_away_whatever_happens(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "*.a.test")
    scene.hook_fails = True
    scene.keeper.round()
    assert scene.hook == [("present", "_acme-challenge.a.test"), ("cleanup", "_acme-challenge.a.test")]
    assert "hook dns-01 ended with exit code 1" in scene.keeper.states()[0].error


def test_a_test_changes_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "a.test")
    scene.keeper.test("a.test")
    assert scene.store.issued == {}
    with pytest.raises(CertificateError, match="gets no certificate by ACME"):
        scene.keeper.test("b.test")


def test_two_do_not_renew_at_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "a.test")
    with scene.locks.acquire("@certificates", wait=0, purpose="a person"):
        scene.keeper.round()
    assert scene.authority.asked == []


def test_a_proxy_that_is_down_loses_no_certificate(tmp_path: Path) -> None:
    """It cannot be proven then; one that was got is shown once the proxy is there."""
    scene = Scene(tmp_path, "a.test")
    scene.proxy.reachable = False
    scene.keeper.round()
    assert scene.store.issued == {}
    assert "does not answer" in scene.keeper.states()[0].error
    scene.proxy.reachable = True
    scene.clock.advance(301)
    scene.keeper.round()
    assert ("load_certificates", "") in scene.proxy.calls
    assert scene.store.issued
