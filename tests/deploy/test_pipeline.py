"""The pipeline for any shell, run as it is written: a git repository, a registry with a login, a host over ssh."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from tests.support.registry import Registry
from tests.support.sshd import sshd
from tests.support.stage import Stage

pytestmark = [pytest.mark.engine, pytest.mark.proxy, pytest.mark.tools]


@pytest.fixture
def swept(docker_client: docker.DockerClient) -> Iterator[list[str]]:
    """Repositories whose images go once no container uses them."""
    repositories: list[str] = []
    yield repositories
    for repository in repositories:
        for image in docker_client.images.list(name=repository):
            docker_client.images.remove(image.id, force=True)


@pytest.fixture
def pipeline(  # noqa: PLR0917 - fixtures; the first goes last
    swept: list[str],
    stage: Stage, tmp_path: Path, free_port: Callable[[], int], registry: Registry, logged_in: Path,
) -> Iterator[Stage]:  # fmt: skip
    """A repository with one service that is built, and one that is not, whose only host is reached over ssh."""
    bin_folder = Path(sys.executable).parent
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    far = {"BGMON_STATE_DIR": str(tmp_path / "state"), "DOCKER_HOST": os.environ["DOCKER_HOST"], "PATH": path}
    far["DOCKER_CONFIG"] = str(logged_in)
    with sshd(tmp_path / "ssh", free_port, far) as server:
        host = {"ssh": server.target, "options": server.options, "program": str(bin_folder / "bgmon")}
        stage.config["hosts"] = {"vps1": host}
        repository = f"{registry.address}/{stage.project}"
        stage.service(hosts=["vps1"], image=repository, build={"context": "core"}, deploy={"bake": "0s", "drain": "1s"})
        (stage.folder / "core").mkdir()
        (stage.folder / "core" / "Dockerfile").write_text("FROM bgmon-example/shop:v1\nCOPY note /note\n")
        (stage.folder / ".gitignore").write_text("*\n!core\n!core/*\n!bgmon.yml\n!ci\n!ci/*\n")
        git(stage, "init", "-q", "-b", "main")
        swept.append(repository)
        yield stage


def environ(stage: Stage) -> dict[str, str]:
    who = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    near = {"PATH": path, "HOME": str(stage.folder / "home"), "BGMON_STATE_DIR": str(stage.folder / "near")}
    return {**os.environ, **who, **near, "DOCKER_BUILDKIT": "0"}


def git(stage: Stage, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=stage.folder, env=environ(stage), capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def push(stage: Stage, note: str) -> str:
    """What a push would bring: another commit."""
    (stage.folder / "core" / "note").write_text(note)
    git(stage, "add", "-A")
    git(stage, "commit", "-q", "-m", note)
    return git(stage, "rev-parse", "HEAD")


def script(stage: Stage, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "ci/bgmon.sh", *words], cwd=stage.folder, env=environ(stage), capture_output=True, text=True, check=False
    )


def test_a_push_builds_and_deploys_what_changed_and_a_rollback_goes_back(pipeline: Stage) -> None:
    stage = pipeline
    made = subprocess.run(["bgmon", "ci", "init", "generic"], cwd=stage.folder, env=environ(stage), capture_output=True, text=True, check=False)  # fmt: skip
    assert made.returncode == 0, made.stderr
    first = push(stage, "1")
    assert script(stage, "check").returncode == 0
    done = script(stage, "deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "core: is not deployed on vps1" in done.stdout
    assert served(stage) == first
    summary = (stage.folder / "bgmon-summary.md").read_text()
    assert f"| ✅ | core | vps1 | {first} |" in summary

    again = script(stage, "deploy")
    assert again.returncode == 0, again.stderr
    assert "nothing changed since deployed" in again.stdout

    second = push(stage, "2")
    done = script(stage, "deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"core/note changed since {first[:12]}, which vps1 runs" in done.stdout
    assert served(stage) == second

    back = script(stage, "rollback", "core", "vps1")
    assert back.returncode == 0, back.stdout + back.stderr
    assert served(stage) == first


def test_a_release_that_is_refused_fails_the_pipeline_and_is_tried_again_by_the_next(pipeline: Stage) -> None:
    stage = pipeline
    stage.service(health={"path": "/health", "start": "2s"})
    assert subprocess.run(["bgmon", "ci", "init", "generic"], cwd=stage.folder, env=environ(stage), capture_output=True, check=False).returncode == 0  # fmt: skip
    first = push(stage, "1")
    assert script(stage, "deploy").returncode == 0
    (stage.folder / "core" / "Dockerfile").write_text("FROM bgmon-example/shop:v3\nCOPY note /note\n")
    push(stage, "2")
    refused = script(stage, "deploy")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "#### core on vps1 failed" in (stage.folder / "bgmon-summary.md").read_text()
    assert served(stage) == first
    (stage.folder / "core" / "Dockerfile").write_text("FROM bgmon-example/shop:v2\nCOPY note /note\n")
    third = push(stage, "2")
    assert script(stage, "deploy").returncode == 0
    assert served(stage) == third


def served(stage: Stage) -> str | None:
    active = stage.app().store.active("core")
    return active.version if active else None
