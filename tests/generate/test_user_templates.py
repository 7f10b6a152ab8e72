"""Templates of users are a stranger's code: they reach nothing, and neither their time nor their size is unbounded."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from monitor.adapters.notify.messages import Messages
from monitor.adapters.templates.limited import render_limited
from monitor.config.sources import load_sources
from monitor.domain.alerting.conditions import Condition
from monitor.domain.alerting.open_alerts import Message, MessageLine
from monitor.errors import GenerateError, NotifyError
from monitor.ports.notify import Outgoing
from monitor.render.render_all import render_all
from monitor.render.sandbox import MOST_CHARACTERS, Runner, TemplateFault, render_here
from monitor.render.shippers import shipper_templates
from tests.support.generated import full_site, shipped

PACKAGE = Path(__file__).parents[2] / "monitor"

ESCAPES = [
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ meta.__globals__ }}",
    "{{ meta.__code__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'] }}",
    "{{ namespace.__init__ }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ (host|attr('__class__')).__mro__ }}",
    "{{ '{0.__class__.__mro__}'.format(host) }}",
    "{{ '%s'|format(host).__class__ }}",
    "{% set x = [] %}{{ x.append(1) }}",
    "{% set d = {} %}{{ d.update(a=1) }}",
    "{{ [1]|map('attr', '__class__')|list|first|string ~ nothing }}",
]

# Each of these would take hours, or all memory.
BOMBS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}xxxxxxxxxxxxxxxx{% endfor %}{% endfor %}",
    "{{ range(10**9)|list }}",
    "{{ 'x' * 10**11 }}",
    "{{ 10 ** (10 ** 9) }}",
    "{{ [0] * 10**11 }}",
    "{{ '%99999999999d' % 1 }}",
    "{{ 'x'.center(10**11) }}",
    "{{ 'x'|center(10**11) }}",
    "{{ '{:>99999999999}'.format(1) }}",
    "{{ lipsum(n=10**9) }}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% for a in [[[1]]] recursive %}{{ loop([[1]]) }}{% endfor %}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    "{{ ('x' * 9999)|replace('x', 'x' * 9999)|replace('x', 'x' * 9999) }}",
    "{% include 'promtail.yaml.j2' %}",
    "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}",
    "{% if 1 %}" * 5000,
]


def render(text: str) -> str:
    (made,) = render_limited(shipper_templates, [{"promtail.yaml.j2": text}], [("promtail.yaml.j2", {"host": "vps1"})])
    return made


@pytest.mark.parametrize("text", ESCAPES)
@pytest.mark.parametrize("run", [render_here, render_limited], ids=["here", "limited"])
def test_no_template_reaches_python(text: str, run: Runner) -> None:
    with pytest.raises(TemplateFault, match=r"promtail\.yaml\.j2: ") as caught:
        run(shipper_templates, [{"promtail.yaml.j2": text}], [("promtail.yaml.j2", {"host": "vps1"})])
    assert "uid=" not in str(caught.value)


@pytest.mark.parametrize("text", BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_ends_in_one_line(text: str) -> None:
    with pytest.raises(TemplateFault, match=r"^promtail\.yaml\.j2: ") as caught:
        render(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_is_allowed_still_works() -> None:
    text = "{% macro m(x) %}<{{ x|upper }}>{% endmacro %}{% for i in range(3) %}{{ m(host) }}{{ meta('a.b') }}{% endfor %}{{ {'a': 'ü'}|tojson }}"
    assert render(text) == "<VPS1>__meta_docker_container_label_a_b" * 3 + '{"a": "ü"}'
    assert len(render("x" * MOST_CHARACTERS)) == MOST_CHARACTERS
    with pytest.raises(TemplateFault, match="gives more than"):
        render("{% for i in range(99999) %}0123456789abcdef{% endfor %}")


def test_the_process_of_a_template_does_not_get_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLACK_URL", "s3cr3t")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monitor").mkdir()
    (tmp_path / "monitor" / "__init__.py").write_text("raise SystemExit('a stranger was imported')")
    (text,) = render_limited(shipper_templates, [{"all": _EnvironmentOfTheChild()}], [("all", {})])
    assert "s3cr3t" not in text
    assert "PATH" in text


class _EnvironmentOfTheChild:
    """Stands for an escape from the sandbox: it becomes what the child sees."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("str(dict(__import__('os').environ))",)


def test_a_shipper_template_of_the_user_s_is_refused_and_the_shipped_ones_need_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = full_site(tmp_path)
    (tmp_path / "promtail.yaml.j2").write_text("{{ cycler.__init__.__globals__ }}")
    section = type("Section", (), {"dashboards": None, "rules": None, "promtail": "."})
    sources = load_sources(section, tmp_path)  # type: ignore[arg-type]
    assert sources.own_shippers == {"promtail.yaml.j2"}
    with pytest.raises(GenerateError, match=r"promtail\.yaml\.j2: access to attribute"):
        render_all(site, sources, render_limited)

    def refuse(*_: object) -> list[str]:
        raise AssertionError

    assert "promtail/promtail.yaml" in render_all(site, shipped(), refuse).files


def outgoing() -> Outgoing:
    return Outgoing(
        "k", Message(0.0, (MessageLine("firing", Condition("crash-loop", "core", "page", "it loops"), 0.0),))
    )


def test_a_notify_template_that_hangs_is_left_out_until_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    template = tmp_path / "title.text.j2"
    template.write_text("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    messages = Messages("shop", "vps1", tmp_path)
    with pytest.raises(NotifyError, match="CPU time"):
        messages.check(outgoing())
    assert "core" in messages.render(outgoing(), "text").body
    assert caplog.text.count("until a file in the folder changes") == 1
    assert "core" in messages.render(outgoing(), "text").body
    assert caplog.text.count("until a file in the folder changes") == 1  # not tried again
    template.write_text("mine: {{ project }}")
    assert messages.render(outgoing(), "text").title == "mine: shop"


def test_only_shipped_templates_are_rendered_outside_of_the_sandbox() -> None:
    """These two render bgmon's own files; they have a package's or a fixed folder's loader."""
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module == "jinja2"
        and {name.name for name in node.names} & {"Environment", "Template"}
    }
    assert users == {"render/haproxytext.py", "adapters/web/page.py"}


def test_no_process_of_ours_takes_modules_from_the_folder_it_is_started_in() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.List | ast.Tuple) and node.elts and ast.unparse(node.elts[0]) == "sys.executable":
                assert ast.unparse(node.elts[1]) == "'-P'", f"{path}:{node.lineno}"
