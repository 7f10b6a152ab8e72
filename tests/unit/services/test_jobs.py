"""Jobs on fakes and a clock of their own: when they run, what is said when they do not, and who sees them through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from monitor.adapters.host.backups import BackupFolders
from monitor.adapters.prometheus.exposition import Exposition
from monitor.adapters.prometheus.jobs import JobsCollector
from monitor.adapters.state.totals import SqliteTotals
from monitor.domain import names
from monitor.domain.containers import Container, ContainerSpec
from monitor.domain.jobs import Job
from monitor.errors import BgmonError
from monitor.services.jobs import JobRunner, run_by_hand
from monitor.testing.alerts import FakeAlerts
from monitor.testing.engine_containers import Behaviour
from tests.support.deploys import World, world

BERLIN = ZoneInfo("Europe/Berlin")
COMMAND = ("report", "--all")


class Bench:
    """A deployed service, its job, and a daemon's rounds; `later` holds runs that are begun but get no turn."""

    def __init__(self, made: World, **changes: Any) -> None:
        self.world = made
        self.job = Job("nightly", "core", COMMAND, **{"schedule": "30 2 * * *", "zone": "Europe/Berlin", **changes})
        self.jobs = {"nightly": self.job}
        self.alerts = FakeAlerts()
        self.totals = SqliteTotals(made.database)
        self.backups = BackupFolders(made.folder / "backups")
        self.later: list[Callable[[], None]] = []
        self.inline = True
        self.ending = False
        self.daemon()
        self.does()

    def daemon(self) -> None:
        """Another daemon takes over."""
        self.ending = False
        self.runner = JobRunner(
            self.world.deps(cancelled=lambda: self.ending),
            lambda: self.jobs,
            self.alerts,
            self.totals,
            self.backups,
            start=self._start,
        )

    def _start(self, work: Callable[[], None]) -> None:
        if self.inline:
            work()
        else:
            self.later.append(work)

    def does(self, **behaviour: Any) -> None:
        self.world.engine.commands[COMMAND] = Behaviour(**{"exit_after": 2.0, "output": (b"all told",), **behaviour})

    def set(self, text: str) -> None:
        self.world.clock.set(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp())

    def until(self, text: str, every: float = 20.0) -> None:
        """Rounds until then."""
        end = datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()
        while self.world.clock.now() < end:
            self.runner.round()
            self.world.clock.advance(every)
        self.runner.round()

    @property
    def ran(self) -> list[str]:
        runs = reversed(self.world.tasks.runs(kind="job"))
        return [f"{datetime.fromtimestamp(run.started_at, BERLIN):%m-%d %H:%M} {run.result}" for run in runs]

    def said(self, what: str) -> list[str]:
        return [one.text for one in self.alerts.said if one.what == what]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with world() as made:
        made.deploy("v1")
        yield Bench(made)


def test_a_job_runs_once_a_day_through_both_changes_of_the_clocks(bench: Bench) -> None:
    bench.set("2026-03-28T02:00")
    bench.until("2026-03-30T03:00", every=55)
    assert bench.ran == ["03-28 02:30 done", "03-29 03:00 done", "03-30 02:30 done"]
    bench.set("2026-10-25T00:00")
    bench.daemon()
    bench.world.tasks.set_handled("nightly", bench.world.clock.now())
    bench.until("2026-10-26T03:00", every=55)
    assert bench.ran[3:] == ["10-25 02:30 done", "10-26 02:30 done"]
    assert bench.alerts.said == []


def test_a_run_has_what_the_service_has_and_leaves_nothing_behind(bench: Bench) -> None:
    bench.set("2026-11-27T02:00")
    bench.until("2026-11-27T03:00")
    (run,) = bench.world.tasks.runs(kind="job")
    active = bench.world.active()
    assert (run.result, run.output, run.version, run.command) == ("done", "all told", "v1", COMMAND)
    made = [spec for spec in bench.world.engine.specs.values() if spec.command == COMMAND]
    assert made == [] or made[0].image == active.image_id
    assert [c.id for c in bench.world.engine.containers({"bgmon.project": "shop"})] == [active.container]


def test_one_that_is_new_begins_with_its_next_run_and_says_nothing(bench: Bench) -> None:
    bench.set("2026-11-27T12:00")
    bench.until("2026-11-27T13:00")
    assert bench.ran == []
    assert bench.alerts.said == []


def test_what_was_missed_while_no_daemon_ran_is_said_and_made_up_for_once(bench: Bench) -> None:
    bench.set("2026-11-27T12:00")
    bench.runner.round()
    bench.set("2026-11-30T09:00")
    bench.daemon()
    bench.until("2026-11-30T09:05")
    assert bench.ran == ["11-30 09:00 done"]
    assert bench.said("told") == ["job nightly: 3 runs did not begin in time: no daemon was there; it runs now"]
    assert bench.totals.of(names.METRIC_JOB_MISSED) == {("nightly",): 3.0}


def test_missed_runs_may_be_left_out() -> None:
    with world() as made:
        made.deploy("v1")
        bench = Bench(made, missed="skip")
        bench.set("2026-11-27T12:00")
        bench.runner.round()
        bench.set("2026-11-28T09:00")
        bench.daemon()
        bench.until("2026-11-29T03:00")
        assert bench.ran == ["11-29 02:30 done"]
        assert bench.said("told") == [
            "job nightly: the run of 2026-11-28 02:30 did not begin in time: no daemon was there; the next one is as planned"
        ]


def test_a_run_is_left_out_while_the_one_before_is_under_way_unless_both_may_run(bench: Bench) -> None:
    for overlap, begun in (("forbid", 1), ("allow", 2)):
        bench.later.clear()
        bench.inline = False
        bench.jobs = {"nightly": replace(bench.job, schedule="0 * * * *", overlap=overlap)}  # type: ignore[arg-type]
        bench.daemon()
        bench.set("2026-11-27T01:30")
        bench.world.tasks.set_handled("nightly", bench.world.clock.now())
        bench.until("2026-11-27T03:10")
        assert len(bench.later) == begun
    assert bench.said("told") == [
        "job nightly: the run of 2026-11-27 03:00 was left out: the one of 2026-11-27 02:00 is under way"
    ]


def test_one_that_fails_is_tried_again_and_then_alerts_until_it_is_well() -> None:
    with world() as made:
        made.deploy("v1")
        bench = Bench(made, retries=2, pause=60.0)
        bench.does(exit_code=3, output=(b"no disk for t0p-s3cret",))
        bench.set("2026-11-27T02:00")
        bench.until("2026-11-27T02:40")
        assert [each[6:] for each in bench.ran] == ["02:30 failed", "02:31 failed", "02:33 failed"]
        assert bench.said("fired") == ["job nightly failed 3 times in a row: it ended with exit code 3"]
        detail = bench.alerts.open["job-failed", "nightly"].detail
        assert "no disk for" in detail
        assert "t0p-s3cret" not in detail
        assert f"bgmon tasks --output {made.tasks.runs()[0].id}" in detail
        bench.does()
        bench.until("2026-11-28T02:40")
        assert bench.said("resolved") == ["job nightly is done"]
        assert bench.totals.of(names.METRIC_JOB_RUNS) == {("nightly", "failed"): 3.0, ("nightly", "done"): 1.0}


def test_one_that_does_not_end_is_stopped_and_has_failed() -> None:
    with world() as made:
        made.deploy("v1")
        bench = Bench(made, timeout=30.0)
        bench.does(exit_after=None)
        bench.set("2026-11-27T02:00")
        bench.until("2026-11-27T02:40")
        assert [each[-9:] for each in bench.ran] == ["timed out"]
        assert bench.said("fired") == ["job nightly failed: it did not end within 30 s and was stopped"]


def test_a_service_that_is_not_deployed_has_no_image_for_its_job() -> None:
    with world() as made:
        bench = Bench(made)
        bench.set("2026-11-27T02:00")
        bench.until("2026-11-27T02:40")
        assert bench.said("fired") == [
            "job nightly failed: it could not run: core is not deployed here: there is no image to run it in"
        ]


def test_one_that_takes_longer_than_usual_is_said_while_it_runs(bench: Bench) -> None:
    bench.set("2026-11-20T12:00")
    bench.until("2026-11-26T03:00", every=50)
    assert len(bench.ran) == 6
    bench.inline = False
    bench.until("2026-11-27T02:30:40")
    assert bench.said("fired") == []
    bench.until("2026-11-27T02:35")
    assert bench.said("fired") == ["job nightly takes longer than usual: 80 s by now"]
    bench.later.pop()()
    assert bench.said("resolved") == ["it has ended"]


def test_a_run_goes_on_without_its_daemon_and_the_next_one_sees_it_through(bench: Bench) -> None:
    bench.does(exit_after=600.0)
    bench.set("2026-11-27T02:00")
    bench.inline = False
    bench.until("2026-11-27T02:30")
    clock, sleep = bench.world.clock, bench.world.clock.sleep

    def end_meanwhile(seconds: float) -> None:
        sleep(seconds)
        bench.ending = True

    clock.sleep = end_meanwhile  # type: ignore[method-assign]
    bench.later.pop()()
    clock.sleep = sleep  # type: ignore[method-assign]
    (run,) = bench.world.tasks.unfinished("job")
    assert len(bench.world.engine.containers({"bgmon.project": "shop"})) == 2
    bench.inline = True
    bench.daemon()
    bench.runner.round()
    assert [one.result for one in bench.world.tasks.runs(kind="job")] == ["done"]
    assert bench.world.tasks.run(run.id).output == "all told"  # type: ignore[union-attr]
    assert len(bench.world.engine.containers({"bgmon.project": "shop"})) == 1


def test_a_run_whose_container_is_gone_was_cut_off_and_has_failed(bench: Bench) -> None:
    bench.does(exit_after=600.0)
    bench.set("2026-11-27T02:00")
    bench.inline = False
    bench.until("2026-11-27T02:30")
    bench.ending = True
    bench.later.pop()()
    for container in bench.world.engine.containers({"bgmon.project": "shop"}):
        if container.id != bench.world.active().container:
            bench.world.engine.stop(container.id, 0)
            bench.world.engine.remove(container.id)
    bench.inline = True
    bench.daemon()
    bench.runner.round()
    assert bench.said("fired") == ["job nightly failed: it was cut off"]


def test_metrics_begin_at_zero_and_tell_the_last_run_and_the_next(bench: Bench) -> None:
    exposition = Exposition([JobsCollector(bench.totals, bench.runner.views)], now=bench.world.clock.monotonic)
    bench.set("2026-11-27T02:00")
    bench.runner.round()
    text = exposition.render().decode()
    for result in ("done", "failed", "timed out", "cut off"):
        assert f'bgmon_job_runs_total{{name="nightly",result="{result}"}} 0.0' in text
    assert 'bgmon_job_missed_total{name="nightly"} 0.0' in text
    bench.until("2026-11-27T02:40")
    text = exposition.render().decode()
    assert 'bgmon_job_runs_total{name="nightly",result="done"} 1.0' in text
    assert 'bgmon_job_running{name="nightly"} 0.0' in text
    run = bench.world.tasks.runs()[0]
    assert run.finished_at is not None
    value = next(line for line in text.splitlines() if line.startswith("bgmon_job_last_success_timestamp_seconds{"))
    assert float(value.split()[-1]) == pytest.approx(run.finished_at)
    value = next(line for line in text.splitlines() if line.startswith("bgmon_job_next_timestamp_seconds{"))
    assert datetime.fromtimestamp(float(value.split()[-1]), BERLIN).isoformat()[:16] == "2026-11-28T02:30"


def test_a_command_by_hand_tells_its_lines_and_keeps_its_end(bench: Bench) -> None:
    run = run_by_hand(bench.world.deps(), "core", COMMAND, timeout=60.0)
    assert (run.kind, run.name, run.result, run.exit_code) == ("run", "run", "done", 0)
    assert bench.world.told("output") == ["all told"]
    with pytest.raises(BgmonError, match="other is not deployed here"):
        run_by_hand(bench.world.deps(), "other", COMMAND, timeout=60.0)


def test_a_backup_gets_a_folder_and_only_good_ones_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with world() as made:
        made.deploy("v1")
        bench = Bench(made, keep=2)
        create = made.engine.create
        writes = True

        def writing(spec: ContainerSpec) -> Container:
            (volume,) = (one for one in spec.volumes if one.endswith(":/backup"))
            if writes:
                (Path(volume.partition(":")[0]) / "dump.sql").write_text("INSERT")
            return create(spec)

        monkeypatch.setattr(made.engine, "create", writing)
        bench.set("2026-11-20T12:00")
        bench.until("2026-11-24T03:00", every=50)
        kept = sorted(path.name for path in (made.folder / "backups" / "core").iterdir())
        assert [name[:13] for name in kept] == ["20261123T0130", "20261124T0130"]
        writes = False
        bench.until("2026-11-25T03:00", every=50)
        assert bench.ran[-1] == "11-25 02:30 failed"
        assert bench.said("fired") == ["job nightly failed: it ended with exit code 0"]
        assert "nothing was written to /backup" in bench.alerts.open["job-failed", "nightly"].detail
        assert sorted(path.name for path in (made.folder / "backups" / "core").iterdir()) == kept
