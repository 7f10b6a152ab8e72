"""Where internal names should point, and what is wrong with an answer."""

from __future__ import annotations

import pytest

from monitor.domain.internalnames import HostAddress, InternalName, internal_names, problem, record_name, zone_of

NAME = InternalName("core", "core.shop.internal", ("vps1", "vps2"), {"vps1": "10.0.0.1", "vps2": "10.0.0.2"})
OWNERS = {"10.0.0.1": "vps1", "10.0.0.2": "vps2", "10.0.0.3": "vps3"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (["10.0.0.1", "10.0.0.2"], ""),
        ([], "points nowhere"),
        (["10.0.0.1"], "does not point at vps2, which runs core"),
        (["10.0.0.1", "10.0.0.2", "10.0.0.3"], "points at vps3, where core does not run"),
        (["10.0.0.1", "10.0.0.9"], "points at 10.0.0.9, which is none of its hosts (a rebuilt machine?)"),
    ],
)
def test_problem(answer: list[str], expected: str) -> None:
    assert problem(NAME, answer, OWNERS) == expected


def test_of_a_host_whose_address_is_not_known_nothing_is_claimed() -> None:
    name = InternalName("core", "core.shop.internal", ("vps1", "vps9"), {"vps1": "10.0.0.1"})
    assert problem(name, ["10.0.0.1", "10.0.0.99"], OWNERS) == ""
    assert problem(name, ["10.0.0.99"], OWNERS) == "does not point at vps1, which runs core"


@pytest.mark.parametrize(
    ("address", "ssh", "expected"),
    [
        ("10.0.0.1", "root@vps1", "10.0.0.1"),
        (None, "root@10.0.0.1", "10.0.0.1"),
        (None, "ssh://root@10.0.0.1:2222", "10.0.0.1"),
        (None, "ssh://root@[fd00::1]:22", "fd00::1"),
        (None, "root@vps1.example.com", None),
        (None, None, None),
    ],
)
def test_known_address(address: str | None, ssh: str | None, expected: str | None) -> None:
    assert HostAddress(address, ssh).known == expected


def test_addresses_and_localhost_are_no_names() -> None:
    internal = {"a": ("10.0.0.1:80", ["x"]), "b": ("localhost:80", ["x"]), "c": ("C.Internal:80", ["x"])}
    made = internal_names(internal, {"x": HostAddress("10.0.0.1", None)})
    assert [(one.service, one.name, one.addresses) for one in made] == [("c", "c.internal", {"x": "10.0.0.1"})]


def test_zone_and_record() -> None:
    assert zone_of(["a.shop.internal", "b.shop.internal"]) == "shop.internal"
    assert zone_of(["a.internal", "b.c.internal"]) == "internal"
    assert record_name("b.c.internal", "internal") == "b.c"
    assert record_name("internal", "internal") == "@"
    with pytest.raises(ValueError, match="not in the zone"):
        record_name("b.example.com", "internal")
