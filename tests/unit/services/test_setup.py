"""Another machine is brought to a wanted state: what is there is left alone, what is missing is done and looked at again."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from monitor.domain.hostsetup import Step
from monitor.errors import UnreachableError, UsageError
from monitor.ports.shells import Answer
from monitor.services.fleet.setup import Outcome, Setup, deployed
from monitor.testing.hosts import FakeHosts, FakeShell


@dataclass
class Machine:
    """`has` are the steps that are as wanted; `do NAME` brings one about, `has NAME` asks."""

    has: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    read: dict[str, bytes] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, script: str, data: bytes, root: bool) -> Answer:
        del root
        verb, _, name = script.partition(" ")
        if verb == "facts":
            return Answer(0, "system=debian\nuid=0\n")
        self.read[script] = data
        if verb == "has":
            return Answer(0 if name in self.has else 1)
        if name in self.broken:
            return Answer(100, "", "E: Unable to locate package")
        self.has.add(name)
        return Answer(0)

    def setup(self, *, dry_run: bool = False, hosts: FakeHosts | None = None) -> tuple[Setup, FakeShell]:
        shell = FakeShell(self.answer)
        fake = hosts or FakeHosts(lambda *_: 0)
        made = Setup(
            "vps1", shell, fake, "facts", lambda step, state, _text: self.told.append((step, state)), dry_run=dry_run
        )
        return made, shell


def step(name: str, **more: object) -> Step:
    return Step(**{"name": name, "text": f"get {name}", "check": f"has {name}", "change": f"do {name}", **more})  # type: ignore[arg-type]


def run(machine: Machine, *steps: Step, dry_run: bool = False, hosts: FakeHosts | None = None) -> Outcome:
    return machine.setup(dry_run=dry_run, hosts=hosts)[0].run([lambda _facts: steps])


def test_what_is_missing_is_done_once() -> None:
    machine = Machine({"docker"})
    first = run(machine, step("python"), step("docker"))
    assert first.changed == ["get python"]
    assert machine.told == [("python", "begin"), ("python", "changed"), ("docker", "ok")]
    second = run(machine, step("python"), step("docker"))
    assert (second.changed, second.error) == ([], None)


def test_a_dry_run_changes_nothing_and_says_what_would_be() -> None:
    machine = Machine()
    setup, shell = machine.setup(dry_run=True)
    outcome = setup.run([lambda _facts: [step("python", root=True), step("docker")]])
    assert outcome.changed == ["get python", "get docker"]
    assert machine.has == set()
    assert not any(root for _, root in shell.ran), "root is not asked for to look"


def test_root_is_used_for_the_change_alone() -> None:
    setup, shell = Machine().setup()
    setup.run([lambda _facts: [step("python", root=True), step("state")]])
    assert [script for script, root in shell.ran if root] == ["do python"]


def test_a_step_that_fails_ends_the_work_and_keeps_the_account_of_the_rest() -> None:
    machine = Machine(broken={"docker"})
    outcome = run(machine, step("python"), step("docker"), step("proxy"))
    assert outcome.changed == ["get python"]
    assert "vps1: docker: exit code 100: E: Unable to locate package" in str(outcome.error)
    assert outcome.error is not None
    assert outcome.error.hint
    assert "proxy" not in machine.has


def test_a_change_that_brings_nothing_about_is_an_error() -> None:
    outcome = run(Machine(), step("python", change="do other"))
    assert "not as wanted" in str(outcome.error)


def test_a_group_holds_for_a_new_connection() -> None:
    setup, shell = Machine().setup()
    setup.run([lambda _facts: [step("group", renews=True)]])
    assert shell.renewed == 1


def test_secrets_come_by_standard_input_to_check_and_change() -> None:
    machine = Machine()
    run(machine, step("login", data=lambda: b"secret", check_reads=True), step("bgmon", data=lambda: b"archive"))
    assert machine.read["has login"] == machine.read["do login"] == b"secret"
    assert (machine.read["has bgmon"], machine.read["do bgmon"]) == (b"", b"archive")


def test_what_follows_a_change_is_done_only_after_one() -> None:
    reload = step("proxy", check=None, after=("bgmon",))
    assert run(Machine({"bgmon"}), step("bgmon"), reload).changed == []
    assert run(Machine(), step("bgmon"), reload).changed == ["get bgmon", "get proxy"]


def test_the_host_is_asked_anew_before_each_stage() -> None:
    setup, shell = Machine().setup()
    setup.run([lambda _facts: [step("python")], lambda _facts: [step("bgmon")]])
    assert [script for script, _ in shell.ran] == [
        "facts",
        "has python",
        "do python",
        "has python",
        "facts",
        "has bgmon",
        "do bgmon",
        "has bgmon",
    ]


def test_bgmons_own_commands_run_there_and_in_a_dry_run_only_on_a_host_that_has_it() -> None:
    hosts = FakeHosts(lambda _host, argv, *_: 0 if argv[1] == "boot" or ("vps1", ("proxy", "boot")) in hosts.ran else 4)
    proxy = step("proxy", check=("proxy", "status"), change=("proxy", "boot"))
    assert run(Machine(), step("bgmon"), proxy, dry_run=True, hosts=hosts).changed == ["get bgmon", "get proxy"]
    assert hosts.ran == [], "there is no bgmon there to be asked"
    assert run(Machine({"bgmon"}), step("bgmon"), proxy, hosts=hosts).error is None
    assert hosts.ran == [
        ("vps1", (verb, what)) for verb, what in (("proxy", "status"), ("proxy", "boot"), ("proxy", "status"))
    ]


def test_a_plan_may_refuse_a_host() -> None:
    def refuse(_facts: object) -> list[Step]:
        raise UsageError("vps1: its python3 is 3.9")

    outcome = Machine().setup()[0].run([refuse])
    assert "3.9" in str(outcome.error)


def test_a_note_is_told_once_the_step_is_done() -> None:
    machine = Machine()
    outcome = run(machine, step("daemon", note="nothing starts it"))
    assert outcome.notes == ["nothing starts it"]
    assert machine.told[-1] == ("daemon", "skipped")


def test_which_services_are_deployed_is_the_hosts_own_word() -> None:
    def answer(_host: str, _argv: object, on_piece: object, _stop: object) -> int:
        on_piece("out", '{"services": [{"name": "core", "version": "v1"}, {"name": "web", "version": null}]}')  # type: ignore[operator]
        return 0

    assert deployed(FakeHosts(answer), "vps1") == ["core"]
    with pytest.raises(UnreachableError, match="no status"):
        deployed(FakeHosts(lambda *_: 4), "vps1")
