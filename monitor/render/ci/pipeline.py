"""A pipeline's files for each provider, out of templates with `[[ ]]`, since providers use braces themselves."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import jinja2

Provider = Literal["github", "gitlab", "cloudbuild", "generic"]
PROVIDERS: Final[tuple[Provider, ...]] = ("github", "gitlab", "cloudbuild", "generic")
HEAD: Final = "Made by `bgmon ci init"

# By commit, since a tag can be moved; Dependabot and Renovate keep both current.
ACTIONS: Final = {
    "checkout": "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0",
    "buildx": "docker/setup-buildx-action@e468171a9de216ec08956ac3ada2f0791b6bd435 # v3.11.1",
    "login": "docker/login-action@184bdaa0721073962dff0199f1fb9940f07167d1 # v3.5.0",
    "google": "google-github-actions/auth@7c6bc770dae815cd3e89ee6cdf493a5fab2cc093 # v3.0.0",
    "amazon": "aws-actions/configure-aws-credentials@a03048d87541d1d9fcf2ecf528a4a65ba9bd7838 # v5.0.0",
}
_FILES: Final[dict[Provider, dict[str, str]]] = {
    "github": {
        ".github/workflows/bgmon.yml": "github.yml.j2",
        ".github/workflows/bgmon-rollback.yml": "github-rollback.yml.j2",
    },
    "gitlab": {".gitlab/bgmon.yml": "gitlab.yml.j2"},
    "cloudbuild": {"cloudbuild.yaml": "cloudbuild.yaml.j2", "cloudbuild.rollback.yaml": "cloudbuild-rollback.yaml.j2"},
    "generic": {"ci/bgmon.sh": "generic.sh.j2"},
}


@dataclass(frozen=True, slots=True)
class Registry:
    """Where the images are, and who lets a pipeline in."""

    host: str
    kind: Literal["github", "gitlab", "google", "amazon", "other"]
    region: str = ""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a pipeline is made of.

    Args:
        config: bgmon.yml, seen from the root of the repository.
        branch: what is deployed when it is pushed.
        requirement: what pip installs.
        services: every service.
        hosts: those with an ssh address.
        registries: of the images that are built.
        variables: what `${...}` in bgmon.yml stands for.
        secrets: values that the services get.
        build_variables: what builds need of the environment.
        placeholders: values of `variables` with which bgmon.yml can be checked without any secret; None when it cannot.
        generated: whether the repository holds generated files.
    """

    config: str
    branch: str
    requirement: str
    services: tuple[str, ...]
    hosts: tuple[str, ...]
    registries: tuple[Registry, ...] = ()
    variables: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    build_variables: tuple[str, ...] = ()
    placeholders: dict[str, str] | None = None
    generated: bool = False

    @property
    def folder(self) -> str:
        """Where bgmon.yml is, seen from the root of the repository; empty for the root itself."""
        return self.config.rpartition("/")[0]


def pipeline_files(pipeline: Pipeline, provider: Provider) -> dict[str, str]:
    """The files by their paths in the repository."""
    values: dict[str, Any] = {
        "p": pipeline,
        "head": f"{HEAD} {provider}`; yours to change. Once more: bgmon ci init {provider} --force.",
        "actions": ACTIONS,
        "env": tuple(dict.fromkeys((*pipeline.variables, *pipeline.secrets))),
        "known": tuple(dict.fromkeys((*pipeline.variables, *pipeline.secrets, *pipeline.build_variables))),
        "foreign": any(registry.kind != "gitlab" for registry in pipeline.registries),
        "kinds": {registry.kind for registry in pipeline.registries},
    }
    return {path: _template(name).render(values) for path, name in _FILES[provider].items()}


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,  # noqa: S701 - no HTML; every value that is not ours goes through a filter below
        undefined=jinja2.StrictUndefined,
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    quoted: Callable[[str], str] = functools.partial(json.dumps, ensure_ascii=False)
    made.filters["q"] = quoted  # a JSON text is a YAML text
    return made


def _template(name: str) -> jinja2.Template:
    return _environment().get_template(name)
