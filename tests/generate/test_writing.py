"""`bgmon generate` on a folder: what it writes, what it leaves alone, what it says."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.adapters.host.outfolder import DiskFolder
from monitor.cli.main import main
from monitor.services.generate.generator import DELETIONS
from monitor.services.generate.manifest import FILE

BGMON = Path(sys.executable).with_name("bgmon")
CONFIG = """\
project: shop
services:
  core: {image: shop, port: 3000, slo: {availability: 99.9}}
  search: {image: shop, port: 3000}
"""


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "monitoring"
        self.config(CONFIG)

    def config(self, text: str) -> None:
        (self.folder / "bgmon.yml").write_text(text, encoding="utf-8")

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> Done:
        """The command, in this process: it is run very often here."""
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        before = dict(os.environ)
        os.environ.update(env or {})
        try:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main(["generate", *arguments])
        except SystemExit as ended:
            out.flush()
            return Done(int(ended.code or 0), out.buffer.getvalue().decode(), err.getvalue())
        finally:
            os.environ.clear()
            os.environ.update(before)
        raise AssertionError("main always exits")

    def json(self, *arguments: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run(*arguments, "--json").stdout)
        return document

    def stamps(self) -> dict[str, tuple[int, int]]:
        return {
            str(path.relative_to(self.out)): (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in self.out.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def written(project: Project) -> Project:
    assert project.run().returncode == 0
    return project


def test_a_second_run_writes_nothing(written: Project) -> None:
    before = written.stamps()
    document = written.json()
    assert set(document["counts"]) == {"same"}
    assert written.stamps() == before


def test_only_what_changed_is_written(written: Project) -> None:
    before = written.stamps()
    written.config(CONFIG.replace("99.9", "99.5"))
    changed = {file["path"] for file in written.json()["files"] if file["fate"] == "changed"}
    assert "prometheus/rules/recording.yml" in changed
    assert "loki/loki.yaml" not in changed
    after = written.stamps()
    assert {path for path in before if before[path] != after[path]} == changed | {FILE}


def test_files_can_be_read_by_servers_that_run_as_other_users_and_say_who_made_them(written: Project) -> None:
    for path in written.out.rglob("*"):
        assert path.stat().st_mode & 0o444 == 0o444
        if path.is_file() and path.suffix != ".json":
            assert "DO NOT EDIT" in path.read_text()[:200], path


def test_check_and_diff_and_dry_run_write_nothing(project: Project) -> None:
    for flag, code in (("--check", 1), ("--diff", 0), ("--dry-run", 0)):
        assert project.run(flag).returncode == code
        assert not project.out.exists()


def test_check_shows_the_drift_and_fails(written: Project) -> None:
    assert written.run("--check").returncode == 0
    written.config(CONFIG.replace("99.9", "99.5"))
    done = written.run("--check")
    assert done.returncode == 1
    assert "changed: prometheus/rules/recording.yml" in done.stdout
    assert (
        '-    expr: bgmon:slo_total:rate5m{project="shop", slo="availability", service=~"core"} * 0 + 0.999'
        in done.stdout
    )
    assert (
        '+    expr: bgmon:slo_total:rate5m{project="shop", slo="availability", service=~"core"} * 0 + 0.995'
        in done.stdout
    )


def test_only_some_families(project: Project) -> None:
    project.run("--only", "prometheus,compose")
    assert {path.partition("/")[0] for path in project.stamps()} == {"prometheus", "compose.yaml", FILE}
    project.run("--only", "loki")
    assert project.json("--dry-run", "--only", "prometheus")["counts"] == {"same": 5}
    done = project.run("--only", "prometeus")
    assert (done.returncode, "prometeus" in done.stderr) == (2, True)


def test_a_file_edited_by_hand_stays_until_forced(written: Project) -> None:
    path = written.out / "loki/loki.yaml"
    path.write_text("mine\n")
    (written.out / "compose.yaml").unlink()
    done = written.run()
    assert done.returncode == 1
    assert "loki/loki.yaml: was edited by hand" in done.stderr
    assert "--force" in done.stderr
    assert path.read_text() == "mine\n"
    assert not (written.out / "compose.yaml").exists()  # all or nothing
    assert written.run("--check").returncode == 1
    assert written.run("--force").returncode == 0
    assert path.read_text() != "mine\n"
    assert (written.out / "compose.yaml").exists()


def test_a_foreign_file_in_the_way_is_never_touched(project: Project) -> None:
    path = project.out / "compose.yaml"
    path.parent.mkdir()
    path.write_text("services: {}\n")
    for flags in ((), ("--force",)):
        done = project.run(*flags)
        assert done.returncode == 1
        assert "compose.yaml: is there and was not made by bgmon" in done.stderr
        assert path.read_text() == "services: {}\n"


def test_foreign_files_beside_ours_stay(written: Project) -> None:
    theirs = written.out / "grafana/dashboards/mine.json"
    theirs.write_text("{}")
    written.config(CONFIG.replace("  search: {image: shop, port: 3000}\n", ""))
    document = written.json()
    assert {"path": "grafana/dashboards/search.json", "fate": "gone"} in document["files"]
    assert theirs.exists()
    assert not (written.out / "grafana/dashboards/search.json").exists()


def test_what_vanished_but_was_edited_is_left_and_forgotten(written: Project) -> None:
    path = written.out / "grafana/dashboards/search.json"
    path.write_text("{}")
    written.config(CONFIG.replace("  search: {image: shop, port: 3000}\n", ""))
    done = written.run()
    assert done.returncode == 0
    assert "left alone: grafana/dashboards/search.json" in done.stdout
    assert path.read_text() == "{}"
    assert "grafana/dashboards/search.json" not in json.loads((written.out / FILE).read_text())["files"]


def drop(project: Project, *rules: str) -> None:
    (project.folder / "rules").mkdir(exist_ok=True)
    (project.folder / "rules/own.yaml").write_text(f"drop: [{', '.join(rules)}]\n")
    project.config(CONFIG + "generate: {rules: rules}\n")


def tombs(project: Project) -> list[str]:
    path = project.out / DELETIONS
    return [item["uid"] for item in yaml.safe_load(path.read_text())["deleteRules"]] if path.exists() else []


def test_rules_that_vanished_get_tombstones_that_stay_until_the_rule_is_back(written: Project) -> None:
    uids = {
        rule["title"]: rule["uid"]
        for group in yaml.safe_load((written.out / "grafana/provisioning/alerting/rules.yaml").read_text())["groups"]
        for rule in group["rules"]
    }
    assert tombs(written) == []
    drop(written, "NoTraffic")
    written.run()
    assert tombs(written) == [uids["NoTraffic"]]
    written.run()
    assert tombs(written) == [uids["NoTraffic"]]
    drop(written, "NoTraffic", "CrashLoop")
    written.run()
    assert set(tombs(written)) == {uids["NoTraffic"], uids["CrashLoop"]}
    written.config(CONFIG)
    written.run()
    assert tombs(written) == []
    assert not (written.out / DELETIONS).exists()


def test_contact_points_and_mute_timings_get_tombstones_too(written: Project) -> None:
    env = {"SLACK_URL": "https://hooks.slack.com/services/T/B/secret"}
    written.config(CONFIG + 'notify: {urls: ["${SLACK_URL}"]}\ngenerate: {mute: [{name: nights}]}\n')
    assert written.run(env=env).returncode == 0
    written.config(CONFIG)
    written.run()
    document = yaml.safe_load((written.out / DELETIONS).read_text())
    assert len(document["deleteContactPoints"]) == 3
    assert document["deleteMuteTimes"] == [{"orgId": 1, "name": "bgmon-shop-nights"}]


def test_another_family_alone_leaves_grafana_s_names_as_they_are(written: Project) -> None:
    drop(written, "NoTraffic")
    written.run("--only", "prometheus")
    assert tombs(written) == []
    written.run()
    assert len(tombs(written)) == 1


def test_env_prints_the_variables_and_nothing_else(project: Project) -> None:
    project.config(CONFIG + 'notify: {urls: ["${SLACK_URL}"]}\n')
    done = project.run("--env", env={"SLACK_URL": "https://hooks.slack.com/services/T/B/it's"})
    assert done.stdout == "SLACK_URL='https://hooks.slack.com/services/T/B/it'\\''s'\n"
    assert not project.out.exists()


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, '{"format": ' + "1" * 5000 + "}", "null", '{"format": 1, "files": []}']
)
def test_a_damaged_manifest_is_said_so(written: Project, text: str) -> None:
    (written.out / FILE).write_text(text)
    done = written.run()
    assert (done.returncode, "is damaged" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_a_manifest_cannot_name_files_elsewhere(written: Project) -> None:
    victim = written.out.parent / "victim"
    victim.write_text("precious")
    manifest = json.loads((written.out / FILE).read_text())
    manifest["files"]["../victim"] = hashlib.sha256(b"precious").hexdigest()
    manifest["inputs"] = ""
    (written.out / FILE).write_text(json.dumps(manifest))
    done = written.run()
    assert (done.returncode, "leads out of" in done.stderr) == (1, True)
    assert victim.read_text() == "precious"


def test_a_run_that_was_cut_off_is_finished_by_the_next_even_when_the_wish_has_changed(written: Project) -> None:
    """The manifest names what is about to be written, so that it is known as ours."""
    before = json.loads((written.out / FILE).read_text())
    board = written.out / "grafana/dashboards/core.json"
    old = board.read_bytes()
    written.config(CONFIG.replace("99.9", "99.5"))
    assert written.run().returncode == 0
    after = json.loads((written.out / FILE).read_text())["files"]
    pending = {path: known for path, known in after.items() if before["files"][path] != known}
    (written.out / FILE).write_text(json.dumps({**before, "pending": pending}))  # as a run leaves it that dies now
    board.write_bytes(old)  # which it had not come to
    written.config(CONFIG.replace("99.9", "99"))
    assert written.run().returncode == 0
    assert "0.99\n" in (written.out / "prometheus/rules/recording.yml").read_text()
    assert "pending" not in json.loads((written.out / FILE).read_text())


@pytest.fixture
def read_only(written: Project) -> Iterator[Project]:
    """Even for root, by a mount of its own; without the right to mount, by the folder's mode."""
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", written.out], capture_output=True, check=False
        ).returncode
        == 0
    )
    if not mounted:
        assert os.geteuid() != 0, "root that may not mount cannot make a folder read-only"
        written.out.chmod(0o555)
    yield written
    if mounted:
        subprocess.run(["umount", written.out], check=True)
    else:
        written.out.chmod(0o755)


def test_a_read_only_folder_is_an_error_that_names_it(read_only: Project) -> None:
    if os.geteuid() != 0:
        (read_only.folder / "bgmon.yml").write_text(CONFIG.replace("99.9", "99.5"))
    done = read_only.run()
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "--out" in done.stderr


def test_two_runs_at_once_wait_for_each_other(project: Project) -> None:
    runs = [
        subprocess.Popen([BGMON, "generate", "--json"], cwd=project.folder, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert sorted(next(iter(json.loads(text)["counts"])) for text in outputs) == ["new", "same", "same"]
    assert project.run("--check").returncode == 0


def test_a_run_that_never_ends_keeps_others_out(project: Project) -> None:
    with DiskFolder(project.out).lock(wait=0):
        done = project.run("--wait", "0")
    assert (done.returncode, "another bgmon generate is at work" in done.stderr) == (3, True)


def test_two_processes_write_the_same_bytes_the_manifest_too(project: Project) -> None:
    contents = []
    for seed in ("1", "2"):
        out = project.folder / f"out{seed}"
        subprocess.run(
            [BGMON, "generate", "--out", out],
            cwd=project.folder,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        )
        contents.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert contents[0] == contents[1]
