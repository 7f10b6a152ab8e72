"""The swap: green beside blue, judged, switched in, proven; then blue drains and goes.

Read `Swap.run` first. Each step is journaled before it acts (see domain/deploy/swap.py); what goes wrong up to the
end of the bake is undone by the same code that a recovery uses (undo.py), and what comes after it is finished by it
(finish.py).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from monitor.config.compile import spec_to_json
from monitor.domain.deploy.bake import lost_container
from monitor.domain.deploy.records import DeployRecord, Release, Result
from monitor.domain.deploy.swap import Step, advance
from monitor.domain.mask import mask
from monitor.domain.names import Color, other
from monitor.errors import BakeFailed, BgmonError, Conflict, DeployFailed, HookFailed
from monitor.services.deploy.candidate import Candidate, answer_to_name, let_restart, make
from monitor.services.deploy.deps import DeployDeps, DeployRequest
from monitor.services.deploy.finish import announce, finish
from monitor.services.deploy.gate import pass_gate, policy_for
from monitor.services.deploy.images import fetch
from monitor.services.deploy.judge import Judge, blue_baseline
from monitor.services.deploy.networks import introduce
from monitor.services.deploy.preflight import preflight, ready_proxy
from monitor.services.deploy.recover import recover_service
from monitor.services.deploy.traffic import TrafficControl
from monitor.services.deploy.undo import undo

_PORT_TRIES = 5
_STOPPABLE: frozenset[Step] = frozenset({"pull", "create", "gate", "canary"})
_LONGEST_REASON = 8000  # of BGMON_ERROR: the kernel takes 128 KiB a variable, a reader far less


class Swap:
    """One deploy. Raises what `deploy` says."""

    def __init__(self, deps: DeployDeps, order: DeployRequest) -> None:
        self._deps = deps
        self._order = order
        self._spec = replace(order.spec, image=order.image)
        self._traffic = TrafficControl(deps, self._spec)
        self._timings: dict[str, float] = {}
        self._secrets: dict[str, str] = {}
        self._architecture = ""
        self._switched = False
        self._side = ThreadPoolExecutor(max_workers=2)
        self._proxy_ready: Future[None] | None = None
        self._rehearsed: Future[None] | None = None
        self._before_stop: list[Future[None]] = []
        self._before_end: list[Future[None]] = []
        self._last: Step | None = None
        self._began = deps.clock.monotonic()
        started = deps.clock.now()
        self._record = DeployRecord(
            id=f"{self._spec.name}-{started * 1000:.0f}",
            service=self._spec.name,
            kind=order.kind,
            image=order.image,
            version=order.version,
            who=deps.who,
            started_at=started,
        )

    def run(self) -> Release:
        deps, order = self._deps, self._order
        with deps.locks.acquire(self._spec.name, wait=order.wait, purpose=f"{order.kind} of {order.version}"):
            for line in recover_service(deps, self._spec.name):
                deps.tell("recovered", self._spec.name, line)
            return self.run_locked()

    def run_locked(self) -> Release:
        """For a caller that holds the service's lock and has settled cut-off deploys."""
        deps, order = self._deps, self._order
        blue = deps.store.active(self._spec.name)
        color: Color = other(blue.color) if blue is not None else "blue"
        with self._timed("preflight"):
            self._architecture = preflight(deps, self._spec, color, blue).architecture
            given = order.secrets
            self._secrets = dict(given) if given is not None else deps.secrets.resolve(self._spec.secrets)
        with self._side:
            return self._swap(blue, color)

    def _swap(self, blue: Release | None, color: Color) -> Release:
        deps, secrets = self._deps, self._secrets
        deps.store.begin(self._record)
        self._note("begin", {})
        deps.tell("started", self._spec.name, f"{self._record.kind} of {self._record.version}", deploy=self._record.id)
        green: Candidate | None = None
        try:
            self._hook("pre-deploy", None, blue)
            # While the engine pulls and starts, the proxy is looked after: neither needs the other yet.
            if self._spec.proxied or (blue is not None and blue.port is not None):
                self._proxy_ready = self._side.submit(ready_proxy, deps)
            green = self._pull(color)
            green, container = self._start(green, secrets)
            self._prove(green, container, blue, secrets)
        except BaseException as error:
            self._failed(error, green, blue)
            raise
        try:
            release = finish(
                deps,
                self._spec,
                green,
                blue,
                container=container,
                timings=self._timings,
                began=self._began,
                note=self._note,
                before_stop=lambda: self._last_look(container),
                before_end=lambda: _settle(self._before_end),
            )
        except BakeFailed as error:
            self._failed(error, green, blue)
            raise
        with contextlib.suppress(DeployFailed):  # the release stands; the hook's failure is told
            self._hook("post-deploy", green, blue)
        deps.tell(
            "deployed",
            self._spec.name,
            f"{green.version} serves as {green.color}",
            version=green.version,
            color=green.color,
            image=green.image,
            digest=green.pinned,
            port=green.port,
            deploy=green.deploy,
            timings=self._timings,
        )
        return release

    def _pull(self, color: Color) -> Candidate:
        self._note("pull", {"image": self._order.image})
        with self._timed("pull"):
            order = self._order
            image = fetch(
                self._deps,
                self._spec.name,
                order.pinned or order.image,
                order.pull,
                architecture=self._architecture,
                shown=order.image,
            )
        return Candidate(
            deploy=self._record.id,
            service=self._spec.name,
            color=color,
            version=self._order.version,
            image=self._order.image,
            pinned=image.pinned,
            image_id=image.id,
            port=None,
            spec=spec_to_json(self._spec),
            recorded=True,
        )

    def _start(self, green: Candidate, secrets: Mapping[str, str]) -> tuple[Candidate, str]:
        """Start the container. A port that a stranger takes between our look and the start is given up for another."""
        deps = self._deps
        deps.secrets.keep(green.deploy, secrets)
        avoid: frozenset[int] = frozenset()
        with self._timed("start"):
            for attempt in range(_PORT_TRIES):
                port = self._traffic.reserve(green.color, green.version, avoid=avoid)
                green = replace(green, port=port)
                self._note("create", green.note())
                self._rehearsed = self._side.submit(self._rehearse, green.color)
                try:
                    container = make(deps, green, self._spec, secrets)
                except Conflict:
                    if port is None or deps.host.port_free(port) or attempt == _PORT_TRIES - 1:
                        raise
                    deps.tell("warning", green.service, f"port {port} was taken by somebody else; trying another")
                    for made in deps.own.made(deploy=green.deploy):
                        deps.own.remove(made.id)
                    avoid |= {port}
                else:
                    break
        deps.tell("created", green.service, f"green is {green.color}", color=green.color, port=port, image=green.pinned)
        return green, container

    def _rehearse(self, color: Color) -> None:
        """Let the proxy check the configuration of after the switch while green starts, not while blue waits to go."""
        if self._proxy_ready is not None:
            self._proxy_ready.result()
            self._traffic.validate_config(color)

    def _awaited_rehearsal(self) -> bool:
        """Whether that took a while. Raises ProxyError when the proxy would refuse the configuration."""
        if self._rehearsed is None:
            return False
        waited = not self._rehearsed.done()
        self._rehearsed.result()
        return waited

    def _prove(self, green: Candidate, container: str, blue: Release | None, secrets: Mapping[str, str]) -> None:
        """Gate, smoke hook, canary, switch, bake.

        All that can be done beforehand is: once the gate is passed, the switch follows within milliseconds.
        """
        deps, spec, traffic = self._deps, self._spec, self._traffic
        if self._proxy_ready is not None:
            self._proxy_ready.result()
        earlier = traffic.counters(blue.color) if blue is not None else None
        policy = policy_for(deps, spec, green.image_id)
        traffic.stage(green.color, green.port, green.version)
        judge = Judge(
            deps=deps,
            spec=spec,
            policy=policy,
            traffic=traffic,
            container=container,
            color=green.color,
            port=green.port,
            before=traffic.counters(green.color),
        )
        gate = functools.partial(pass_gate, deps, spec, policy, container=container, port=green.port, secrets=secrets)
        self._note("gate", {})
        with self._timed("gate"):
            gate()
        deps.tell("healthy", spec.name, "green is healthy")
        hooked = self._hook("pre-switch", green, blue)
        if spec.networks:
            answer_to_name(deps.engine, container, spec)
            gate()
        if self._awaited_rehearsal() or hooked:
            self._still_runs(container)
        share = 0.0
        if blue is not None and spec.deploy.canary:
            share = blue_baseline(spec, traffic, blue.color, earlier)
            self._canary(judge, share)
        self._switch(green, container)
        self._note("bake", {})
        if blue is not None and spec.deploy.bake.for_ > 0:
            if not spec.deploy.canary:  # blue is only finishing what it had
                share = blue_baseline(spec, traffic, blue.color, earlier)
            seconds = spec.deploy.bake.for_
            deps.tell("baking", spec.name, f"watching green for {seconds:g} s", seconds=seconds)
            with self._timed("bake"):
                judge.observe(seconds, "bake", blue_share=share, window_from=deps.clock.now())
            self._still_runs(container)

    def _last_look(self, container: str) -> None:
        """Blue goes after this. Raises BakeFailed when green died meanwhile, and what could not be done for it."""
        _settle(self._before_stop + [work for work in self._before_end if work.done()])
        self._still_runs(container)

    def _still_runs(self, container: str) -> None:
        """Raises BakeFailed when green died since it was last looked at."""
        lost = lost_container(self._deps.engine.inspect(container), 0)
        if lost:
            raise BakeFailed(f"green was healthy, and then {lost}")

    def _canary(self, judge: Judge, blue_share: float) -> None:
        if not self._spec.proxied:
            return
        with self._timed("canary"):
            for step in self._spec.deploy.canary:
                self._note("canary", {"weight": step.weight})
                self._traffic.split(judge.color, step.weight)
                self._deps.tell("canary", self._spec.name, f"{step.weight}% to green", weight=step.weight)
                judge.observe(step.for_, f"canary at {step.weight}%", blue_share=blue_share)

    def _switch(self, green: Candidate, container: str) -> None:
        deps = self._deps
        self._check_cancelled("switch")
        with self._timed("switch"):
            self._switched = True
            before = deps.clock.monotonic()
            self._traffic.switch(green.color, lambda: self._tell_switched(green, deps.clock.monotonic() - before))
            # The engine takes its time to join a network, the proxy to check a file; only blue's end has to wait for
            # them: until then, a proxy that restarts may come back with blue.
            self._before_stop += [
                self._side.submit(introduce, deps, self._spec.name, container),
                self._side.submit(self._traffic.save_config),
            ]
            self._before_end.append(self._side.submit(let_restart, deps.engine, container))
            self._note("switch", {"to": green.color})

    def _tell_switched(self, green: Candidate, seconds: float) -> None:
        text = f"all new requests to {green.color}" if self._spec.proxied else f"{green.color} takes over"
        self._deps.tell("switched", green.service, text, seconds=seconds)

    def _failed(self, error: BaseException, green: Candidate | None, blue: Release | None) -> None:
        """Undo, record and tell. What cannot be undone now stays in the journal, for the next command."""
        deps, service = self._deps, self._spec.name
        reason = str(error) or type(error).__name__
        switched = self._switched or self._last in ("canary", "switch", "bake")
        self._timings["total"] = deps.clock.monotonic() - self._began
        try:
            self._side.shutdown()  # whatever it does for green ends before green does
            undo(deps, self._spec, green, blue, switched=switched)
        except BgmonError as second:
            deps.tell("warning", service, f"could not clean up yet ({second}); the next command or the daemon will")
        else:
            result: Result = "switched-back" if switched else "failed"
            deps.store.finish(self._record.id, result, at=deps.clock.now(), reason=reason, timings=self._timings)
            deps.secrets.drop(self._record.id)
        if isinstance(error, BgmonError):
            error.deploy, error.timings = self._record.id, dict(self._timings)
        with contextlib.suppress(DeployFailed):
            self._hook("on-failure", green, blue, BGMON_ERROR=reason.replace("\0", "")[:_LONGEST_REASON])
        announce(deps, service, self._record.id)

    def _hook(self, name: str, green: Candidate | None, blue: Release | None, **more: str) -> bool:
        """Whether there was such a hook. Raises HookFailed."""
        deps = self._deps
        environ = {
            "BGMON_HOOK": name,
            "BGMON_PROJECT": deps.project,
            "BGMON_SERVICE": self._spec.name,
            "BGMON_DEPLOY": self._record.id,
            "BGMON_KIND": self._record.kind,
            "BGMON_VERSION": self._record.version,
            "BGMON_IMAGE": self._order.image,
            "BGMON_WHO": deps.who,
            "BGMON_PREVIOUS_VERSION": blue.version if blue is not None else "",
            **more,
        }
        if green is not None:
            environ |= {"BGMON_COLOR": green.color, "BGMON_DIGEST": green.pinned}
            environ |= {"BGMON_CONTAINER": f"{deps.project}-{green.service}-{green.color}"}
        if green is not None and green.port is not None:
            environ |= {"BGMON_PORT": str(green.port), "BGMON_URL": f"http://127.0.0.1:{green.port}"}
        with self._timed(name):
            try:
                output = deps.hooks.run(name, environ, timeout=self._spec.deploy.hook_timeout)
            except HookFailed as error:
                masked = HookFailed(self._masked(str(error)), hint=error.hint)
                if name in ("post-deploy", "on-failure"):
                    deps.tell("warning", self._spec.name, str(masked))
                raise masked from None
        if output is None:
            self._timings.pop(name, None)
            return False
        deps.tell("hook", self._spec.name, f"hook {name} is done", hook=name, output=self._masked(output))
        return True

    def _masked(self, text: str) -> str:
        return mask(text, self._secrets.values())

    def _note(self, step: Step, data: Mapping[str, object]) -> None:
        advance(self._last, step)
        if step in _STOPPABLE:
            self._check_cancelled(step)
        self._deps.store.note(self._record.id, step, data, self._deps.clock.now())
        self._last = step

    def _check_cancelled(self, step: Step) -> None:
        if self._deps.cancelled():
            raise DeployFailed(f"interrupted before {step}")

    @contextlib.contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = self._deps.clock.monotonic()
        try:
            yield
        finally:
            taken = self._deps.clock.monotonic() - began
            self._timings[step] = round(self._timings.get(step, 0.0) + taken, 6)


def _settle(works: list[Future[None]]) -> None:
    """Wait for what is still to be done. Raises what went wrong there."""
    for work in works:
        work.result()
