"""A deploy that kills itself with SIGKILL at a chosen point of its journal.

    python -m tests.support.killed_deploy TAG STEP before|after

`after` dies as soon as the step stands in the journal, before it acts; `before` dies when everything up to the step was
done but the step is not written yet.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from monitor.bootstrap import build
from monitor.services.deploy.deployer import deploy
from monitor.services.deploy.deps import DeployRequest


class FatalStore:
    """The real store, but for one moment."""

    def __init__(self, store: Any, step: str, moment: str) -> None:
        self._store = store
        self._step = step
        self._moment = moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def note(self, deploy_id: str, step: str, data: Mapping[str, Any], at: float) -> None:
        if step == self._step and self._moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        self._store.note(deploy_id, step, data, at)
        if step == self._step:
            os.kill(os.getpid(), signal.SIGKILL)

    def finish(self, *arguments: Any, **keywords: Any) -> None:
        if self._step == "finish" and self._moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        self._store.finish(*arguments, **keywords)
        if self._step == "finish":
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    tag, step, moment = sys.argv[1:]
    app = build(None)
    deps = app.deps(lambda _event: None)
    deps = replace(deps, store=FatalStore(app.store, step, moment))
    deploy(deps, DeployRequest(spec=app.specs["core"], image=f"bgmon-example/shop:{tag}", version=tag))


if __name__ == "__main__":
    main()
