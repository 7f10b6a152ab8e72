"""Which services a change is about, and how their images are built."""

from __future__ import annotations

import pytest

from monitor.domain.ci.build import ImageBuild, commands
from monitor.domain.ci.changes import Built, touched, why_changed

FILES = ["README.md", "deploy/bgmon.yml", "services/core/app.py", "services/core-extra/x", "shared/lib.py", "go.mod"]


@pytest.mark.parametrize(
    ("paths", "folder", "wanted"),
    [
        (["."], "", FILES),
        (["services/core"], "", ["services/core/app.py"]),
        (["./services/core/"], "", ["services/core/app.py"]),
        (["../services/core", "../go.mod"], "deploy", ["services/core/app.py", "go.mod"]),
        (["."], "deploy", ["deploy/bgmon.yml"]),
        (["*.md"], "", ["README.md"]),
        (["services/*/app.py"], "", ["services/core/app.py"]),
        (["services/co*"], "", ["services/core/app.py", "services/core-extra/x"]),
        (["nowhere"], "", []),
        ([], "", []),
    ],
)
def test_files_belong_to_paths(paths: list[str], folder: str, wanted: list[str]) -> None:
    assert touched(FILES, paths, folder) == wanted


def test_the_context_counts_where_no_paths_are_named_and_the_dockerfile_always() -> None:
    assert Built("services/core").watched() == ("services/core",)
    assert Built(".", ("services/core",), "docker/core").watched() == ("services/core", "./docker/core")
    assert Built("web", ("web/src",)).watched() == ("web/src", "web/Dockerfile")


@pytest.mark.parametrize(
    ("files", "before", "now", "wanted"),
    [
        (["a"], {}, {}, "a changed"),
        (["a", "b", "c"], None, {}, "a and 2 more changed"),
        ([], None, {"image": "x"}, "is new in bgmon.yml"),
        ([], {"image": "x", "env": {"A": "1"}}, {"image": "x", "port": "1"}, "its section of bgmon.yml changed (env, port)"),
        ([], "odd", {"image": "x"}, "its section of bgmon.yml changed"),
        ([], {"image": "x"}, {"image": "x"}, ""),
    ],
)  # fmt: skip
def test_why_a_service_changed(files: list[str], before: object, now: object, wanted: str) -> None:
    assert why_changed(files, before, now) == wanted


FULL = ImageBuild(
    service="core", repository="reg/core", tag="abc", context="services/core", dockerfile="docker/Dockerfile",
    target="run", args={"V": "a b"}, platforms=("linux/amd64", "linux/arm64"), secrets=("NPM_TOKEN",), revision="0123",
)  # fmt: skip


def test_buildx_pushes_and_keeps_its_cache_in_the_registry() -> None:
    (made,) = commands(FULL, builder="buildx", push=True, cache=True)
    assert made == [
        "docker", "buildx", "build", "--push", "--tag", "reg/core:abc", "--file", "services/core/docker/Dockerfile",
        "--target", "run", "--build-arg", "V=a b", "--secret", "id=NPM_TOKEN,env=NPM_TOKEN",
        "--platform", "linux/amd64,linux/arm64", "--label", "org.opencontainers.image.revision=0123",
        "--cache-from", "type=registry,ref=reg/core:buildcache",
        "--cache-to", "type=registry,ref=reg/core:buildcache,mode=max,ignore-error=true", "services/core",
    ]  # fmt: skip


def test_without_a_push_the_image_is_loaded_and_the_cache_only_read() -> None:
    (made,) = commands(ImageBuild("core", "reg/core", "abc", ".", cache="reg/cache:core"), builder="buildx", push=False, cache=True)  # fmt: skip
    assert "--load" in made
    assert "type=registry,ref=reg/cache:core" in made
    assert "--cache-to" not in made
    (bare,) = commands(ImageBuild("core", "reg/core", "abc", "."), builder="buildx", push=False, cache=False)
    assert bare == ["docker", "buildx", "build", "--load", "--tag", "reg/core:abc", "."]


def test_the_plain_builder_builds_and_then_pushes() -> None:
    made = commands(ImageBuild("core", "reg/core", "abc", "."), builder="plain", push=True, cache=True)
    assert made == [["docker", "build", "--tag", "reg/core:abc", "."], ["docker", "push", "reg/core:abc"]]
