"""What a pipeline shows of `bgmon deploy --json`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.render.ci.report import Report


def told(*events: dict[str, Any] | str) -> tuple[Report, str]:
    report = Report()
    lines = [report.feed(event if isinstance(event, str) else json.dumps(event)) for event in events]
    return report, "\n".join(lines)


STARTED = {"event": "started", "service": "core", "at": 1.0, "text": "deploy of abc", "deploy": "d1"}
DONE = {"event": "deployed", "service": "core", "text": "abc serves as green", "version": "abc", "timings": {"pull": 1.25, "gate": 2.0, "total": 4.5}}  # fmt: skip
BAD = {"event": "failed", "service": "search", "error": "green never got healthy\n| GET /health: 503", "hint": "look at the log", "exit": 1, "timings": {"gate": 60, "total": 61}}  # fmt: skip


def test_a_good_deploy_has_its_timings_in_the_summary() -> None:
    report, shown = told({"event": "changed", "service": "core", "text": "a changed"}, STARTED, DONE)
    assert report.finish() == 0
    assert "✅ core  abc serves as green" in shown
    text = report.markdown()
    assert "| ✅ | core | - | abc | 4.50 | 1.25 | 2.00 |" in text
    assert "failed" not in text
    assert report.github_annotations() == ["::notice title=core is deployed::abc serves, after 4.50 s"]


def test_a_failed_one_brings_its_cause_as_an_annotation_and_its_exit_code() -> None:
    report, _ = told(STARTED, DONE, BAD)
    assert report.finish() == 1
    text = report.markdown()
    assert (
        "#### search failed\n\n```text\ngreen never got healthy\n| GET /health: 503\n```\n\nNext: look at the log"
        in text
    )
    assert (
        report.github_annotations()[1]
        == "::error title=search failed::green never got healthy%0A| GET /health: 503%0A-> look at the log"
    )


def test_each_host_has_its_own_row() -> None:
    report, shown = told(*({**event, "host": "vps1"} for event in (STARTED, DONE)), {**STARTED, "host": "vps2"}, {**BAD, "service": "core", "exit": 4, "host": "vps2"})  # fmt: skip
    assert "vps1: ✅ core  abc serves as green" in shown
    assert report.finish() == 4
    rows = [(row["host"], row["event"]) for row in report.document()["services"]]
    assert rows == [("vps1", "deployed"), ("vps2", "failed")]


def test_a_deploy_of_which_the_end_never_came_has_failed() -> None:
    report, _ = told(STARTED)
    assert report.finish() == 1
    assert "cut off" in report.markdown()
    assert Report().finish() == 1
    assert "Nothing was reported" in Report().markdown()


def test_nothing_to_do_is_fine() -> None:
    report, _ = told({"event": "unchanged", "text": "nothing changed since main"})
    assert report.finish() == 0
    assert "Nothing changed." in report.markdown()


def test_an_error_before_any_service_counts() -> None:
    report, _ = told({"event": "failed", "error": "no bgmon.yml", "hint": "write one", "exit": 2})
    assert report.finish() == 2
    assert "#### bgmon failed" in report.markdown()


@pytest.mark.parametrize("evil", ["::add-mask::x", "  ::error::x", "##[command]x", "fine\n::stop-commands::x"])
def test_texts_of_services_are_no_commands_of_the_pipeline(evil: str) -> None:
    report, shown = told({**BAD, "error": evil, "text": evil}, evil)
    assert not any(line.lstrip().startswith(("::", "##[")) for line in shown.splitlines())
    (annotation,) = report.github_annotations()
    assert "\n" not in annotation


def test_no_markup_leaves_its_place() -> None:
    report, _ = told(
        {**DONE, "version": "a|b <img src=x>\n# head"}, {**BAD, "error": "``` ````\n</pre>", "hint": "[x](y)"}
    )
    text = report.markdown()
    assert r"a\|b \<img src=x\> \# head" in text
    assert "`````text\n``` ````\n</pre>\n`````" in text
    assert r"Next: \[x\](y)" in text


@pytest.mark.parametrize(
    "odd", ["", "null", "3", "[1]", '{"event": 3}', "{", '{"event": "deployed", "service": "x", "timings": [1]}']
)
def test_odd_lines_break_nothing(odd: str) -> None:
    report, _ = told(odd)
    report.finish()
    assert report.markdown().startswith("### bgmon")


def test_a_rollout_says_what_became_of_each_host() -> None:
    """vps1 was rolled back, vps2 fell silent, vps3 had only made itself ready."""
    states = {"vps1": "undone", "vps2": "unknown", "vps3": "waiting"}
    report, _ = told(
        {"event": "rollout", "rollout": "r1", "waves": [["vps1"], ["vps2", "vps3"]]},
        *({**event, "host": "vps1"} for event in (STARTED, DONE)),
        {**STARTED, "host": "vps3"},
        {"event": "host", "host": "vps2", "state": "unknown", "text": "vps2: ssh timed out"},
        {"event": "rollout-ended", "rollout": "r1", "ok": False, "hosts": states},
        {"event": "failed", "error": "vps2 fell silent", "hint": "bgmon deploy --rollout r1", "exit": 4},
    )
    assert report.finish() == 4
    rows = {(row["service"], row["host"]): row["event"] for row in report.document()["services"]}
    assert rows == {("core", "vps1"): "undone", ("", "vps2"): "failed", ("", ""): "failed"}
    text = report.markdown()
    assert "| ↩️ | core | vps1 | abc |" in text
    assert "ssh timed out" in text
    assert any("was taken back on vps1" in line for line in report.github_annotations())
