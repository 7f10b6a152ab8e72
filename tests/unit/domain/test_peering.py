"""Which hosts a proxy hands requests on to."""

from __future__ import annotations

from monitor.domain.proxy.peering import Peer, peering

ADDRESSES = {"a": "10.0.0.1", "b": "10.0.0.2", "c": "fd00::3"}
PLACED = {"core": ("a", "b", "c"), "mail": ("b",), "cron": ("a",), "here": ()}


def test_a_host_hands_on_to_the_others_and_serves_its_own() -> None:
    made = peering(7300, ADDRESSES, PLACED, {"a"})
    assert made is not None
    assert made.listen == "10.0.0.1:7300"
    assert made.allowed == ("10.0.0.2", "fd00::3")
    assert made.served == ("core", "cron")
    assert made.others == {
        "core": (Peer("b", "10.0.0.2:7300"), Peer("c", "[fd00::3]:7300")),
        "mail": (Peer("b", "10.0.0.2:7300"),),
    }


def test_nothing_without_a_port_or_on_a_machine_that_is_no_host() -> None:
    assert peering(None, ADDRESSES, PLACED, {"a"}) is None
    assert peering(7300, ADDRESSES, PLACED, {"laptop"}) is None
