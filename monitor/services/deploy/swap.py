"""The swap: the candidate beside the active container, judged, given the traffic, proven; then the active one goes.

Read `Swap._swap` first. Each step is journaled before it acts (journal.py, domain/deploy/swap.py). What goes wrong up
to the end of the bake is undone by the code that a recovery uses (undo.py); what comes after it is finished by it
(finish.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from monitor import masking
from monitor.domain.deploy.bake import lost_container
from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.names import Color, other
from monitor.domain.sealing import needed
from monitor.errors import BakeFailed, BgmonError, GateFailed
from monitor.services.deploy.background import Background, ProxyPreparation
from monitor.services.deploy.candidate import Candidate, answer_to_name, let_restart
from monitor.services.deploy.deps import DeployDeps, DeployRequest
from monitor.services.deploy.finish import announce, finish
from monitor.services.deploy.gate import pass_gate, policy_for
from monitor.services.deploy.hold import STOP_FIRST_HINT, Hold, shared_volume, wanted
from monitor.services.deploy.hooks import HookRunner
from monitor.services.deploy.journal import Journal, new_record
from monitor.services.deploy.judge import Judge, active_baseline
from monitor.services.deploy.launch import Launcher, pull
from monitor.services.deploy.locked import changing
from monitor.services.deploy.networks import introduce
from monitor.services.deploy.preflight import preflight
from monitor.services.deploy.release import release
from monitor.services.deploy.traffic import TrafficControl
from monitor.services.deploy.undo import undo


class Swap:
    """One deploy. Raises what `deployer.deploy` says."""

    def __init__(self, deps: DeployDeps, request: DeployRequest) -> None:
        self._deps = deps
        self._request = request
        self._spec = replace(request.spec, image=request.image)
        self._traffic = TrafficControl(deps, self._spec)
        self._journal = Journal(deps, new_record(deps, request))
        self._background = Background()
        self._proxy = ProxyPreparation(deps, self._traffic, self._background)
        self._hold: Hold | None = None  # with order: stop-first

    def run(self) -> Release:
        request = self._request
        purpose = f"{request.kind} of {request.version}"
        with changing(self._deps, self._spec.name, purpose, wait=request.wait):
            return self.run_locked()

    def run_locked(self) -> Release:
        """For a caller that is `changing` the service already."""
        deps, given = self._deps, self._request.secrets
        active = deps.store.active(self._spec.name)
        color: Color = other(active.color) if active is not None else "blue"
        with self._journal.timed("preflight"):
            architecture = preflight(deps, self._spec, color, active).architecture
            secrets = dict(given) if given is not None else deps.secrets.resolve(needed(self._spec))
        masking.learn(secrets)
        hooks = HookRunner(deps, self._spec, self._journal, active)
        with self._background:
            return self._swap(active, color, architecture, hooks, secrets)

    def _swap(
        self, active: Release | None, color: Color, architecture: str, hooks: HookRunner, secrets: Mapping[str, str]
    ) -> Release:
        deps, spec, journal = self._deps, self._spec, self._journal
        journal.begin()
        record = journal.record
        deps.tell("started", spec.name, f"{record.kind} of {record.version}", deploy=record.id)
        candidate: Candidate | None = None
        try:
            hooks.run("pre-deploy", None)
            if spec.proxied or (active is not None and active.port is not None):
                self._proxy.begin()
            candidate = pull(deps, self._request, journal, color, architecture=architecture)
            self._meet("pulled")
            self._release(candidate, secrets)
            if active is not None and wanted(deps, self._request, active):
                self._hold = Hold(deps, spec, journal, active)
            candidate, container = self._launch(candidate, secrets)
            self._prove(candidate, container, active, hooks)
            if self._meet("proven"):
                self._still_runs(container)
        except BaseException as error:
            self._failed(error, candidate, active, hooks)
            raise
        try:
            release = finish(
                deps,
                spec,
                candidate,
                active,
                container=container,
                journal=journal,
                before_stop=lambda: self._last_look(container),
                before_end=self._background.settle_before_end,
            )
        except BakeFailed as error:
            self._failed(error, candidate, active, hooks)
            raise
        hooks.run("post-deploy", candidate)
        self._tell_deployed(candidate)
        return release

    def _meet(self, at: str) -> bool:
        """Wait for those it is deployed together with; whether there are any."""
        deps, together = self._deps, self._deps.together
        if together is None:
            return False
        within = math.inf if self._hold is None else self._hold.left()
        with self._journal.timed("together"):
            together.meet(self._spec.name, at, cancelled=deps.cancelled, within=within)
        return True

    def _release(self, candidate: Candidate, secrets: Mapping[str, str]) -> None:
        """With the new image and secrets, while the old version serves; a rollback has run its own long ago."""
        if self._spec.deploy.release is None or self._request.kind != "deploy" or not self._request.release:
            return
        self._journal.note("release")
        with self._journal.timed("release"):
            release(self._deps, self._spec, candidate.version, candidate.pinned, secrets, deploy=candidate.deploy)

    def _launch(self, candidate: Candidate, secrets: Mapping[str, str]) -> tuple[Candidate, str]:
        deps = self._deps
        deps.secrets.keep(candidate.deploy, secrets)
        launcher = Launcher(
            deps, self._spec, self._journal, secrets, noted=lambda: self._proxy.validate(candidate.color)
        )
        with self._journal.timed("start"):
            candidate, container = launcher.create(candidate)
        if self._hold is not None:
            self._proxy.await_ready()
            self._proxy.await_validated()
            self._hold.begin(candidate)
        with self._journal.timed("start"):
            candidate, container = launcher.start(candidate, container, step="create" if self._hold is None else "hold")
        deps.tell(
            "created",
            candidate.service,
            f"candidate created in slot {candidate.color}",
            color=candidate.color,
            port=candidate.port,
            address=candidate.address,
            image=candidate.pinned,
        )
        return candidate, container

    def _prove(self, candidate: Candidate, container: str, active: Release | None, hooks: HookRunner) -> None:
        """Gate, smoke hook, canary, switch, bake.

        All that can be done beforehand is: once the gate is passed, the switch follows within milliseconds.
        """
        deps, spec, traffic = self._deps, self._spec, self._traffic
        self._proxy.await_ready()
        earlier = traffic.counters(active.color) if active is not None else None
        policy = policy_for(deps, spec, candidate.image_id)
        traffic.stage(candidate)
        judge = Judge(deps, spec, policy, traffic, container, candidate, before=traffic.counters(candidate.color))
        self._journal.note("gate")
        with self._journal.timed("gate"):
            self._pass_gate(policy, candidate, container)
        deps.tell("healthy", spec.name, "candidate healthy")
        hooked = hooks.run("pre-switch", candidate, within=math.inf if self._hold is None else self._hold.left())
        if spec.networks:
            answer_to_name(deps.engine, container, spec)
            self._pass_gate(policy, candidate, container)
        waited = self._proxy.await_validated()
        if self._meet("healthy") or waited or hooked:
            self._still_runs(container)
        share = 0.0
        if active is not None and spec.deploy.canary:
            share = active_baseline(spec, traffic, active.color, earlier)
            self._canary(judge, share)
        self._switch(candidate, container)
        self._journal.note("bake")
        seconds = spec.deploy.bake.for_
        if active is not None and seconds > 0:
            if not spec.deploy.canary:  # the active slot is only finishing what it had
                share = active_baseline(spec, traffic, active.color, earlier)
            deps.tell("baking", spec.name, f"watching the candidate for {seconds:g} s", seconds=seconds)
            with self._journal.timed("bake"):
                judge.observe(seconds, "bake", active_share=share, window_from=deps.clock.now())
            self._still_runs(container)

    def _pass_gate(self, policy: HealthPolicy, candidate: Candidate, container: str) -> None:
        hold = self._hold
        bounded = policy if hold is None else hold.bounded(policy)
        try:
            pass_gate(self._deps, self._spec, bounded, container=container, at=candidate)
        except GateFailed as error:
            if hold is not None:
                error.hint = "; ".join(filter(None, (error.hint, hold.hint())))
            raise

    def _canary(self, judge: Judge, active_share: float) -> None:
        if not self._spec.proxied:
            return
        with self._journal.timed("canary"):
            for step in self._spec.deploy.canary:
                self._journal.note("canary", {"weight": step.weight})
                self._traffic.split(judge.candidate.color, step.weight)
                text = f"{step.weight}% of new requests to {judge.candidate.color}"
                self._deps.tell("canary", self._spec.name, text, weight=step.weight)
                judge.observe(step.for_, f"canary at {step.weight}%", active_share=active_share)

    def _switch(self, candidate: Candidate, container: str) -> None:
        deps, engine, journal = self._deps, self._deps.engine, self._journal
        journal.check_cancelled("switch")
        with journal.timed("switch"):
            journal.switched = True
            before = deps.clock.monotonic()
            self._traffic.switch(
                candidate.color, lambda: self._tell_switched(candidate, deps.clock.monotonic() - before)
            )
            # Until these have ended, a proxy that restarts may come back with the active slot.
            self._background.before_stop(lambda: introduce(deps, self._spec.name, container))
            self._background.before_stop(self._traffic.save_config)
            self._background.before_end(lambda: let_restart(engine, container))
            journal.note("switch", {"to": candidate.color})

    def _last_look(self, container: str) -> None:
        """Before the active container is stopped. Raises BakeFailed, and what went wrong in the background."""
        self._background.settle_before_stop()
        self._still_runs(container)

    def _still_runs(self, container: str) -> None:
        """Raises BakeFailed when the candidate died since it was last looked at."""
        lost = lost_container(self._deps.engine.inspect(container), 0)
        if lost:
            raise BakeFailed(f"the candidate was healthy, and then {lost}")

    def _failed(
        self, error: BaseException, candidate: Candidate | None, active: Release | None, hooks: HookRunner
    ) -> None:
        """Undo, record and tell. What cannot be undone now stays in the journal, for the next command."""
        deps, journal = self._deps, self._journal
        reason = masking.clean(str(error) or type(error).__name__)
        volume = shared_volume(self._spec, active)
        if isinstance(error, GateFailed | BakeFailed) and self._hold is None and volume:
            error.hint = "; ".join(filter(None, (error.hint, STOP_FIRST_HINT.format(volume=volume))))
        journal.total()
        try:
            self._background.close()  # whatever it does for the candidate ends before the candidate does
            undo(deps, self._spec, candidate, active, switched=journal.switched, held=journal.held)
            if self._hold is not None and journal.held and "wait" not in journal.timings:
                self._hold.measure()
        except BgmonError as second:
            text = f"could not clean up yet ({second}); the next command or the daemon will"
            deps.tell("warning", self._spec.name, text)
        else:
            journal.failed(reason)
        if isinstance(error, BgmonError):
            error.deploy, error.timings = journal.record.id, dict(journal.timings)
        hooks.run("on-failure", candidate, error=reason)
        announce(deps, self._spec.name, journal.record.id)

    def _tell_switched(self, candidate: Candidate, seconds: float) -> None:
        text = f"traffic moved to {candidate.color}" if self._spec.proxied else f"{candidate.color} takes over"
        if self._hold is not None:
            seconds = self._hold.measure()
            text += f"; requests waited {seconds:.1f} s at most"
        self._deps.tell("switched", candidate.service, text, seconds=seconds)

    def _tell_deployed(self, candidate: Candidate) -> None:
        self._deps.tell(
            "deployed",
            candidate.service,
            f"{candidate.version} serves in slot {candidate.color}",
            version=candidate.version,
            color=candidate.color,
            image=candidate.image,
            digest=candidate.pinned,
            port=candidate.port,
            address=candidate.address,
            deploy=candidate.deploy,
            timings=self._journal.timings,
        )
