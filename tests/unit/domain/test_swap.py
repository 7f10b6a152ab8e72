"""What is done about a deploy that was cut off at each step of its journal."""

from __future__ import annotations

import pytest

from monitor.domain.deploy.records import JournalEntry
from monitor.domain.deploy.swap import ORDER, advance, recovery


def journal(*steps: str) -> list[JournalEntry]:
    return [JournalEntry(step, {}, 0.0) for step in steps]


@pytest.mark.parametrize("step", ["begin", "pull", "create", "gate", "canary", "switch", "bake"])
def test_an_unproven_release_is_undone_while_blue_runs(step: str) -> None:
    steps = ORDER[: ORDER.index(step) + 1]
    assert recovery(journal(*steps), blue_can_serve=True, green_runs=True) == "undo"


@pytest.mark.parametrize("step", ["drain", "retire"])
@pytest.mark.parametrize("blue_runs", [True, False])
def test_a_proven_release_is_finished(step: str, blue_runs: bool) -> None:
    steps = ORDER[: ORDER.index(step) + 1]
    assert recovery(journal(*steps), blue_can_serve=blue_runs, green_runs=True) == "finish"


@pytest.mark.parametrize(
    ("step", "decision"),
    [("gate", "undo"), ("canary", "undo"), ("switch", "finish"), ("bake", "finish")],
)
def test_without_blue_the_only_color_that_has_the_traffic_keeps_it(step: str, decision: str) -> None:
    steps = ORDER[: ORDER.index(step) + 1]
    assert recovery(journal(*steps), blue_can_serve=False, green_runs=True) == decision


@pytest.mark.parametrize("step", ["drain", "retire"])
def test_a_proven_release_that_died_is_undone_while_blue_is_there(step: str) -> None:
    steps = ORDER[: ORDER.index(step) + 1]
    assert recovery(journal(*steps), blue_can_serve=True, green_runs=False) == "undo"
    assert recovery(journal(*steps), blue_can_serve=False, green_runs=False) == "finish"


def test_nothing_written_is_nothing_done() -> None:
    assert recovery([], blue_can_serve=False, green_runs=False) == "undo"


def test_a_step_out_of_order_is_an_illegal_move() -> None:
    advance("gate", "switch")
    advance("create", "create")  # again, with another port
    with pytest.raises(ValueError, match="cannot go from 'switch' to 'gate'"):
        advance("switch", "gate")


def test_an_unknown_step_is_not_guessed_about() -> None:
    with pytest.raises(ValueError, match="newer bgmon"):
        recovery(journal("create", "teleport"), blue_can_serve=True, green_runs=True)
