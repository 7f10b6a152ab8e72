"""Pipelines that `bgmon ci init` writes, by the judges of their providers; what changed, by a real git repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.cli.main import main
from monitor.render.ci.pipeline import PROVIDERS

ROOT = Path(__file__).parent.parent.parent
CHECK = Path(sys.executable).with_name("check-jsonschema")
ZIZMOR = Path(sys.executable).with_name("zizmor")

HOSTS = "hosts: {vps1: {ssh: deploy@vps1.example.com}, vps2: {ssh: deploy@vps2.example.com}}\n"
# Every kind of registry, variables, secrets, a service that is not built.
FULL = f"""\
project: shop
{HOSTS}services:
  core: {{image: ghcr.io/acme/core, port: 3000, build: services/core, hosts: [vps1, vps2], secrets: [DATABASE_URL]}}
  search:
    image: europe-west1-docker.pkg.dev/acme/shop/search
    build: {{context: services/search, paths: [services/search, shared], secrets: [NPM_TOKEN], args: {{V: "${{VERSION}}"}}}}
    hosts: [vps1]
  web: {{image: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/web, build: web, hosts: [vps1]}}
  api: {{image: "reg.example.com:5000/api", build: api, hosts: [vps1]}}
  site: {{image: registry.gitlab.com/acme/site, build: site, hosts: [vps1]}}
  job: {{image: acme/job, build: job, hosts: [vps1]}}
  redis: {{image: "redis:7", hosts: [vps1]}}
notify: {{urls: ["${{SLACK_URL}}"]}}
"""
PLAIN = f"project: shop\n{HOSTS}services:\n  core: {{image: ghcr.io/acme/core, hosts: [vps1], build: .}}\n"
NOT_BUILT = f"project: shop\n{HOSTS}services:\n  redis: {{image: 'redis:7', hosts: [vps1]}}\n"
# A variable of which no placeholder is right.
UNCHECKABLE = f"project: shop\n{HOSTS}services:\n  core: {{image: reg/core, hosts: ['${{WHERE}}'], build: .}}\n"
SITES = {"full": FULL, "plain": PLAIN, "not built": NOT_BUILT, "uncheckable": UNCHECKABLE}


def git(folder: Path, *words: str) -> str:
    author = {
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@t",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@t",
    }
    environ = {**os.environ, **author, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["git", *words], cwd=folder, env=environ, capture_output=True, text=True, check=True
    ).stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x", "--allow-empty")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    return folder


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return call


@pytest.fixture(params=sorted(SITES))
def site(request: pytest.FixtureRequest, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with bgmon.yml in its root, or for `plain` in a folder, and generated files beside it."""
    folder = repository / "deploy" if request.param == "plain" else repository
    folder.mkdir(exist_ok=True)
    (folder / "monitoring").mkdir()
    (folder / "bgmon.yml").write_text(SITES[request.param])
    monkeypatch.chdir(folder)
    monkeypatch.setenv("WHERE", "vps1")
    return repository


def judged(*words: str | Path) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_provider_s_own_schema_knows_every_key(site: Path, run: Run) -> None:
    for provider in PROVIDERS:
        code, _, err = run("ci", "init", provider)
        assert code == 0, err
    judged(CHECK, "--builtin-schema", "vendor.github-workflows", *sorted((site / ".github/workflows").iterdir()))
    judged(CHECK, "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", site / ".gitlab/bgmon.yml")
    judged(CHECK, "--builtin-schema", "vendor.cloudbuild", *sorted(site.glob("cloudbuild*.yaml")))
    judged("sh", "-n", site / "ci/bgmon.sh")


@pytest.mark.tools
def test_zizmor_and_actionlint_find_nothing(site: Path, run: Run) -> None:
    assert run("ci", "init", "github")[0] == 0
    workflows = sorted((site / ".github/workflows").iterdir())
    assert [path.name for path in workflows] == ["bgmon-rollback.yml", "bgmon.yml"]
    judged(ZIZMOR, "--offline", "--quiet", "--no-config", "--persona", "auditor", *workflows)
    judged(ROOT / "tools/actionlint.sh", *workflows)


@pytest.mark.tools
def test_the_judges_would_find_something(repository: Path, run: Run) -> None:
    (repository / "bgmon.yml").write_text(FULL)
    assert run("ci", "init", "github")[0] == 0
    path = repository / ".github/workflows/bgmon.yml"
    text = path.read_text()
    path.write_text(text.replace("needs.plan.outputs.deploy", "needs.plan.outputs.typo"))
    assert subprocess.run([ROOT / "tools/actionlint.sh", path], capture_output=True, check=False).returncode == 1
    path.write_text(text.replace("08c6903cd8c0fde910a37f88322edcfb5dd907a8", "v5"))
    words: list[str | Path] = [ZIZMOR, "--offline", "--quiet", "--no-config", path]
    assert subprocess.run(words, capture_output=True, check=False).returncode > 1


def test_no_secret_is_where_pull_requests_run_and_each_action_is_pinned(repository: Path, run: Run) -> None:
    import yaml

    (repository / "bgmon.yml").write_text(FULL)
    run("ci", "init", "github")
    text = (repository / ".github/workflows/bgmon.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    assert "secrets." not in json.dumps(jobs["check"])
    assert "environment" not in jobs["check"]
    assert jobs["check"]["env"] == {
        "VERSION": "placeholder-version",
        "SLACK_URL": "https://hooks.slack.com/services/T00000000/B00000000/placeholder",
    }
    assert "SSH_KEY" not in json.dumps(jobs["build"])
    assert {"NPM_TOKEN", "VERSION", "BUILD_SERVICES"} == set(jobs["build"]["steps"][-1]["env"])
    assert jobs["build"]["permissions"] == {"contents": "read", "packages": "write", "id-token": "write"}
    assert jobs["deploy"]["permissions"] == {"contents": "read"}
    for line in text.splitlines():
        if "uses:" in line:
            assert len(line.partition("@")[2].split()[0]) == 40, line
            assert " # v" in line


def test_a_service_without_a_host_cannot_be_deployed_by_a_pipeline(repository: Path, run: Run) -> None:
    (repository / "bgmon.yml").write_text("project: shop\nservices: {core: {image: x}, web: {image: y}}\n")
    code, _, err = run("ci", "init", "github")
    assert code == 2
    assert "core, web has no host" in err
    assert not (repository / ".github").exists()


@pytest.mark.parametrize(("variable", "value", "kept"), [
    ("SLACK_URL", "https://hooks.slack.com/services/T0AAA/B0BBB/s3cr3t", True),
    ("CHAT_URL", "mailtos://me:s3cr3t@example.com?to=oncall@example.com", False),
])  # fmt: skip
def test_generated_files_are_checked_where_placeholders_make_the_same(  # noqa: PLR0917 - fixtures and cases
    repository: Path, run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, kept: bool
) -> None:
    (repository / "bgmon.yml").write_text(f'{PLAIN}notify: {{urls: ["${{{variable}}}"]}}\n')
    monkeypatch.setenv(variable, value)
    assert run("generate")[0] == 0
    code, out, _ = run("ci", "init", "generic", "--json")
    assert code == 0
    assert ("bgmon generate --check" in (repository / "ci/bgmon.sh").read_text()) == kept
    assert any("is left out" in note for note in json.loads(out)["notes"]) != kept


def test_what_is_there_is_not_written_over(repository: Path, run: Run) -> None:
    (repository / "bgmon.yml").write_text(PLAIN)
    (repository / "cloudbuild.yaml").write_text("mine")
    code, _, err = run("ci", "init", "cloudbuild")
    assert code == 2
    assert "cloudbuild.yaml is there already" in err
    assert (repository / "cloudbuild.yaml").read_text() == "mine"
    assert not (repository / "cloudbuild.rollback.yaml").exists()
    code, out, _ = run("ci", "init", "cloudbuild", "--force", "--json")
    assert code == 0
    assert json.loads(out)["files"] == ["cloudbuild.rollback.yaml", "cloudbuild.yaml"]
    code, out, _ = run("ci", "init", "generic", "--dry-run")
    assert "# --- ci/bgmon.sh" in out
    assert not (repository / "ci").exists()


@pytest.mark.parametrize("option", [("--branch", 'x"; rm'), ("--install", "bgmon; id")])
def test_no_option_becomes_a_command(repository: Path, run: Run, option: tuple[str, str]) -> None:
    (repository / "bgmon.yml").write_text(PLAIN)
    code, _, err = run("ci", "init", "github", *option)
    assert code == 2
    assert "misread" in err


CHANGES = """\
project: shop
services:
  core: {image: reg/core, build: services/core}
  search: {image: reg/search, build: {context: ., paths: [services/search, shared], dockerfile: docker/search}}
  redis: {image: "redis:7"}
"""


@pytest.fixture
def history(repository: Path) -> Path:
    for name in ("services/core/app.py", "services/search/app.py", "shared/lib.py", "docker/search", "README.md"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("1")
    (repository / "bgmon.yml").write_text(CHANGES)
    commit(repository)
    return repository


@pytest.mark.parametrize(
    ("file", "text", "wanted"),
    [
        ("README.md", "2", {}),
        ("services/core/app.py", "2", {"core": "services/core/app.py changed"}),
        ("services/core/new.py", "2", {"core": "services/core/new.py changed"}),
        ("shared/lib.py", "2", {"search": "shared/lib.py changed"}),
        ("docker/search", "2", {"search": "docker/search changed"}),
        ("bgmon.yml", CHANGES.replace("redis:7", "redis:8"), {"redis": "its section of bgmon.yml changed (image)"}),
        ("bgmon.yml", f"# a comment\n{CHANGES}", {}),
        ("bgmon.yml", f"{CHANGES}  mail: {{image: mail}}\n", {"mail": "is new in bgmon.yml"}),
    ],
)
@pytest.mark.parametrize("committed", [True, False])
def test_what_changed_since_a_revision(  # noqa: PLR0917 - fixtures and cases
    history: Path, run: Run, file: str, text: str, wanted: object, committed: bool
) -> None:
    (history / file).write_text(text)
    if committed:
        commit(history)
    since = "HEAD~1" if committed else "HEAD"
    code, out, err = run("ci", "changed", "--since", since, "--tag", "abc", "--json")
    assert code == 0, err
    assert json.loads(out)["changed"] == wanted
    code, out, _ = run("deploy", "--changed-since", since, "--tag", "abc", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["changed"] == wanted
    assert set(json.loads(out)["plan"]) == set(wanted)  # type: ignore[call-overload]


def test_only_what_is_built_has_the_tag(history: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (history / "bgmon.yml").write_text(CHANGES.replace("redis:7", "redis:8"))
    (history / "services/core/app.py").write_text("2")
    for name in ("plain", "github"):
        if name == "github":
            monkeypatch.setenv("GITHUB_OUTPUT", "out-github")
        code, out, _ = run("ci", "changed", "--since", "HEAD", "--tag", "abc", "--output", f"out-{name}")
        assert code == 0
        assert "core: services/core/app.py changed" in out
    assert Path("out-plain").read_text() == "build=core\ndeploy='core=reg/core:abc redis=redis:8'\n"
    assert Path("out-github").read_text() == "build=core\ndeploy=core=reg/core:abc redis=redis:8\n"
    _, out, _ = run("deploy", "--changed-since", "HEAD", "--tag", "abc", "--dry-run")
    assert "reg/core:abc" in out
    assert "redis:8" in out
    assert "redis:abc" not in out
    _, out, _ = run("deploy", "redis", "--changed-since", "HEAD", "--tag", "abc", "--dry-run")
    assert "reg/core" not in out


def test_nothing_changed_is_fine_and_said(history: Path, run: Run) -> None:
    assert run("deploy", "--changed-since", "HEAD")[:2] == (0, "nothing changed since HEAD\n")
    code, out, _ = run("deploy", "--changed-since", "HEAD", "--json")
    assert (code, json.loads(out)["event"]) == (0, "unchanged")
    assert json.loads(run("deploy", "--changed-since", "HEAD", "--dry-run", "--json")[1]) == {"plan": {}, "changed": {}}


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "HEAD~9"])
def test_a_revision_that_is_not_here_is_an_error(history: Path, run: Run, revision: str) -> None:
    code, _, err = run("ci", "changed", f"--since={revision}")
    assert code == 2
    assert "is no commit of this clone" in err


def test_without_git_it_is_said(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "bgmon.yml").write_text(CHANGES)
    code, _, err = run("ci", "changed", "--since", "main")
    assert code == 2
    assert "not a git repository" in err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install git" in run("ci", "changed", "--since", "main")[2]


def test_what_was_never_deployed_changed_since_what_is_deployed(history: Path, run: Run) -> None:
    code, out, err = run("ci", "changed", "--since", "deployed", "--json")
    assert code == 0, err
    assert set(json.loads(out)["changed"].values()) == {"is not deployed on this machine"}


def test_build_prints_what_it_would_run(history: Path, run: Run) -> None:
    head = git(history, "rev-parse", "HEAD")
    code, out, _ = run("build", "--all", "--push", "--dry-run")
    assert code == 0
    assert f"docker buildx build --push --tag reg/core:{head}" in out
    assert "--file docker/search" in out
    judged("sh", "-nc", out)
    (history / "services/core/app.py").write_text("2")
    code, out, _ = run("build", "--changed-since", "HEAD", "--dry-run", "--json")
    (only,) = json.loads(out)["builds"]
    assert (only["service"], only["image"]) == ("core", f"reg/core:{head}-dirty")
    assert not any("revision" in word for word in only["commands"][0])


def test_build_needs_only_the_variables_of_images(history: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = CHANGES.replace("reg/core,", "'${REG}/core', env: {A: '${B}'},") + 'notify: {urls: ["${SLACK_URL}"]}\n'
    (history / "bgmon.yml").write_text(text)
    code, _, err = run("build", "core", "--tag", "abc", "--dry-run")
    assert code == 2
    assert "${REG} is not set" in err
    assert "SLACK_URL" not in err
    monkeypatch.setenv("REG", "reg.example.com")
    assert "reg.example.com/core:abc" in run("build", "core", "--tag", "abc", "--dry-run")[1]


SECRET_ARGS = """
project: shop
services:
  core:
    image: reg/core
    build:
      context: .
      args: {NPM_TOKEN: "${FIRST}", MIRROR: "${SOME_URL}", WITH: "x-${API_KEY}", "VERSION": "${VERSION}"}
"""


def test_a_build_shows_no_secret_of_its_arguments_and_docker_reads_them_from_its_environment(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = {"FIRST": "npm-4711", "SOME_URL": "https://me:pw-4712@mirror/", "API_KEY": "key-4713"}
    for name, value in {**values, "VERSION": "1.2"}.items():
        monkeypatch.setenv(name, value)
    (repository / "bgmon.yml").write_text(SECRET_ARGS)
    commit(repository)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/argv\nenv >{tmp_path}/env\necho "arg $NPM_TOKEN"\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")

    plain, as_json, real = (
        subprocess.run(
            [sys.executable, "-m", "monitor", "build", "core", "--tag", "abc", *more],
            capture_output=True,
            text=True,
            check=True,
        )
        for more in (["--dry-run"], ["--dry-run", "--json"], [])
    )

    shown = "".join(done.stdout + done.stderr for done in (plain, as_json, real)) + (tmp_path / "argv").read_text()
    assert [secret for secret in ("npm-4711", "pw-4712", "key-4713") if secret in shown] == []
    assert "arg [masked]" in real.stdout
    assert "--build-arg NPM_TOKEN --build-arg MIRROR --build-arg WITH --build-arg VERSION=1.2" in plain.stdout
    assert "# from the environment: NPM_TOKEN, MIRROR, WITH" in plain.stdout
    assert json.loads(as_json.stdout)["builds"][0]["environment"] == ["NPM_TOKEN", "MIRROR", "WITH"]
    assert "build.args.NPM_TOKEN holds a secret and can be read in the image" in real.stderr
    environ = (tmp_path / "env").read_text().splitlines()
    assert {"NPM_TOKEN=npm-4711", "MIRROR=https://me:pw-4712@mirror/", "WITH=x-key-4713"} <= set(environ)


def test_one_image_of_several_services_is_built_once(repository: Path, run: Run) -> None:
    (repository / "bgmon.yml").write_text(
        "project: shop\nservices:\n  web: {image: reg/app, build: .}\n  jobs: {image: reg/app, build: .}\n"
    )
    commit(repository)
    _, out, _ = run("build", "--all", "--dry-run")
    assert out.count("docker buildx build") == 1
    assert "# jobs: reg/app:" in out


def test_the_commands_of_the_page_do_what_it_says(history: Path, run: Run) -> None:
    """docs/ci.md, each line that needs no engine, as it is written."""
    import shlex

    text = (ROOT / "docs" / "ci.md").read_text()
    (history / "services/core/app.py").write_text("2")
    commit(history)
    lines = [line.strip().partition("  #")[0] for line in text.splitlines() if line.startswith("    bgmon ")]
    alone = [line for line in lines if "|" not in line and "--push" not in line and "ci init" not in line]
    assert len(alone) >= 3
    for line in alone:
        code, out, err = run(*shlex.split(line)[1:])
        assert code == 0, (line, err)
        assert "core" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((), "which service?"), (("redis",), "redis has no `build`"), (("nope",), "there is no service 'nope'")],
)
def test_build_says_what_it_cannot_build(history: Path, run: Run, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = run("build", *arguments)
    assert code == 2
    assert said in err


def test_a_report_passes_the_exit_code_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    events = [
        {"event": "started", "service": "core", "text": "deploy of abc"},
        {"event": "failed", "service": "core", "error": "green never got healthy", "hint": "look", "exit": 1},
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{json.dumps(event)}\n" for event in events)))
    code, out, _ = run("ci", "report", "--summary", str(tmp_path / "summary.md"), "--annotations", "github")
    assert code == 1
    assert "❌ core  green never got healthy" in out
    assert "::error title=core failed::green never got healthy%0A-> look" in out
    assert "#### core failed" in (tmp_path / "summary.md").read_text()
    monkeypatch.setattr("sys.stdin", io.StringIO('{"event": "unchanged", "text": "nothing changed"}\n'))
    code, out, err = run("ci", "report", "--json", "--summary", str(tmp_path / "gone" / "x"))
    assert (code, json.loads(out)) == (0, {"unchanged": True, "services": []})
    assert "No such file" in err
