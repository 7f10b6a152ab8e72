"""A deploy's hooks: what each is told in its environment, and what is told of its output, secrets masked."""

from __future__ import annotations

import math
from typing import Final

from monitor import masking
from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.names import container_name
from monitor.errors import HookFailed
from monitor.services.deploy.candidate import Candidate
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.journal import Journal

_ONLY_TOLD: Final = frozenset({"post-deploy", "on-failure"})  # they come too late to fail the deploy
_LONGEST_REASON: Final = 8000  # characters of BGMON_ERROR: the kernel takes 128 KiB a variable, a reader far less


class HookRunner:
    """Runs the hooks of one deploy."""

    def __init__(self, deps: DeployDeps, spec: ServiceSpec, journal: Journal, active: Release | None) -> None:
        self._deps = deps
        self._spec = spec
        self._journal = journal
        self._active = active

    def run(
        self, name: str, candidate: Candidate | None, *, error: str | None = None, within: float = math.inf
    ) -> bool:
        """Whether there is such a hook.

        Args:
            name: which.
            candidate: what is told of it, once it is known.
            error: why the deploy failed, for `on-failure`.
            within: seconds that it may take, where that is less than deploy.hook_timeout.

        Raises:
            HookFailed: of a hook that may refuse the deploy; of another one it is only told.
        """
        deps = self._deps
        environ = self._environ(name, candidate)
        timeout = min(self._spec.deploy.hook_timeout, within)
        if error is not None:
            environ["BGMON_ERROR"] = masking.shown(error.replace("\0", ""), _LONGEST_REASON)
        try:
            with self._journal.timed(name):
                output = deps.hooks.run(name, environ, timeout=timeout)
        except HookFailed as failure:
            masked = HookFailed(masking.clean(str(failure)), hint=failure.hint)
            if name not in _ONLY_TOLD:
                raise masked from None
            deps.tell("warning", self._spec.name, str(masked))
            return True
        if output is None:
            self._journal.timings.pop(name, None)
            return False
        deps.tell("hook", self._spec.name, f"hook {name} is done", hook=name, output=masking.clean(output))
        return True

    def _environ(self, name: str, candidate: Candidate | None) -> dict[str, str]:
        record = self._journal.record
        environ = {
            "BGMON_HOOK": name,
            "BGMON_PROJECT": self._deps.project,
            "BGMON_SERVICE": record.service,
            "BGMON_DEPLOY": record.id,
            "BGMON_KIND": record.kind,
            "BGMON_VERSION": record.version,
            "BGMON_IMAGE": record.image,
            "BGMON_WHO": record.who,
            "BGMON_PREVIOUS_VERSION": self._active.version if self._active is not None else "",
        }
        if candidate is None:
            return environ
        environ |= {
            "BGMON_COLOR": candidate.color,
            "BGMON_DIGEST": candidate.pinned,
            "BGMON_CONTAINER": container_name(self._deps.project, candidate.service, candidate.color),
        }
        if candidate.port is not None:
            environ |= {
                "BGMON_ADDRESS": candidate.address,
                "BGMON_PORT": str(candidate.port),
                "BGMON_URL": f"http://{candidate.address}:{candidate.port}",
            }
        return environ
