"""Lines of the access log that HAProxy cannot write are counted, and said by whoever is asked."""

from __future__ import annotations

import os

import pytest

from monitor.domain.proxy.routes import Slot
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream
from tests.support.wait import wait_until

pytestmark = [pytest.mark.proxy]

_PIPE = 65_536  # bytes that a pipe of Linux holds


def test_what_a_reader_does_not_take_is_counted(world: ProxyWorld, servers: list[Upstream]) -> None:
    """Its log is a pipe that nobody reads: the answers come all the same, and the status says what is missing."""
    log = world.folder / "proxy" / "access.log"
    log.parent.mkdir(exist_ok=True)
    os.mkfifo(log)
    reader = os.open(log, os.O_RDWR)
    try:
        world.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"))])
        wait_until(lambda: world.get()[0] == 200)
        assert world.driver.status().lost_lines == 0
        path = f"/{'x' * 4000}"
        answers = [world.get(path)[0] for _ in range(2 * _PIPE // len(path))]
        assert answers == [200] * len(answers)
        status = world.driver.status()
        assert 0 < status.lost_lines <= len(answers)
        assert str(status.lost_lines) in status.detail
    finally:
        os.close(reader)
