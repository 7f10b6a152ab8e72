"""The catalogue of alert rules: the shipped files in alert-rules/, and a user's that add, replace, change or drop."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import AliasChoices, Field, field_validator, model_validator

from monitor.config.base import Duration, Model
from monitor.config.catalogue import load_catalogue, raise_for
from monitor.config.promql import problem_of_rule
from monitor.config.yamlfile import Document, dotted
from monitor.config.yamlfile import Path as KeyPath
from monitor.domain.alerting.conditions import Severity
from monitor.errors import Problem
from monitor.render.rules import PLACEHOLDERS, BurnRate, Catalogue, Compare, Rule, unknown_placeholders

_NAME: Final = r"^[A-Z][A-Za-z0-9]{0,79}$"
_RUNBOOK: Final = r"^[a-z0-9][a-z0-9-]{0,79}$"
_ACTION: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_KNOWN_ACTION: Final = re.compile(
    r'\s*(?:\$labels\.[a-zA-Z_][a-zA-Z0-9_]*|\$value(?:\s*\|\s*humanize(?:1024|Duration|Percentage)?)?|"[^"\\]*")\s*'
)


def _template(text: str) -> str:
    """Text with `{{ $labels.x }}`, `{{ $value }}` and a few filters in it: what all three engines understand alike."""
    for action in _ACTION.findall(text):
        if not _KNOWN_ACTION.fullmatch(action):
            raise ValueError(
                f"{{{{{action}}}}} is not understood by all engines: use {{{{ $labels.NAME }}}}, {{{{ $value }}}}, "
                "{{ $value | humanize }} (or humanizePercentage, humanizeDuration, humanize1024), "
                'or {{ "text" }}'
            )
    rest = _ACTION.sub("", text)
    if "{{" in rest or "}}" in rest:
        raise ValueError('{{ and }} must come in pairs; a literal one is written {{ "{{" }}')
    return text.strip()


class _Texts(Model):
    name: str = Field(pattern=_NAME)
    """CamelCase, as alert names are."""
    severity: Severity
    for_: Duration = Field(default=0.0, validation_alias=AliasChoices("for", "for_"), serialization_alias="for")
    """How long it must hold."""
    summary: str = Field(min_length=1)
    """One line, for the message's head."""
    description: str = Field(min_length=1)
    """What it means for the person on call."""
    runbook: str | None = Field(default=None, pattern=_RUNBOOK)
    """The page in docs/runbooks, without .md; the default is the rule's name in kebab-case."""

    @field_validator("summary", "description")
    @classmethod
    def _understood(cls, text: str) -> str:
        return _template(text)

    @property
    def page(self) -> str:
        return self.runbook or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", self.name).lower()


class RuleSection(_Texts):
    group: str = Field(default="custom", pattern=_RUNBOOK)
    promql: str | None = None
    """The query for Prometheus and Grafana, without the threshold."""
    logql: str | None = None
    """The same for Loki's ruler."""
    no_logql: str | None = None
    """Why there is no LogQL form."""
    compare: Compare = ">"
    threshold: float
    no_data: Literal["ok", "alerting"] = "ok"
    """What it means when the query gives nothing at all."""

    @field_validator("promql", "logql")
    @classmethod
    def _placeholders(cls, query: str | None) -> str | None:
        unknown = unknown_placeholders(query or "")
        if unknown:
            raise ValueError(f"%{{{unknown[0]}}} stands for nothing; known: {', '.join(PLACEHOLDERS)}")
        return query

    @model_validator(mode="after")
    def _some_query(self) -> RuleSection:
        if not self.promql and not self.logql:
            raise ValueError("a rule needs promql, logql, or both")
        if self.promql and not self.logql and not self.no_logql:
            raise ValueError("without logql, say in no_logql why logs cannot tell")
        return self

    def rule(self) -> Rule:
        return Rule(
            self.name, self.group, self.severity, self.promql, self.logql, self.no_logql or "", self.compare,
            self.threshold, self.for_, self.summary, self.description, self.page, self.no_data,
        )  # fmt: skip


class BurnSection(_Texts):
    factor: float = Field(gt=0)
    long: Duration = Field(gt=0)
    short: Duration = Field(gt=0)
    min_requests: int = Field(ge=0)
    """In the long window; fewer say nothing."""

    def burn(self) -> BurnRate:
        return BurnRate(
            self.name, self.severity, self.factor, self.long, self.short, self.min_requests, self.for_, self.summary,
            self.description, self.page,
        )  # fmt: skip


class ChangeSection(Model):
    severity: Severity | None = None
    threshold: float | None = None
    for_: Duration | None = Field(default=None, validation_alias=AliasChoices("for", "for_"), serialization_alias="for")


class RuleFile(Model):
    rules: tuple[RuleSection, ...] = ()
    """New rules; one with a known name replaces it."""
    burn_rates: tuple[BurnSection, ...] = ()
    """How fast an error budget may be spent."""
    change: dict[str, ChangeSection] = {}
    """Another threshold, time or severity for a known rule."""
    drop: tuple[str, ...] = ()
    """Known rules that are not wanted."""


def load_rules(*folders: Path) -> Catalogue:
    """The catalogue of all folders.

    Raises:
        ConfigError: with every problem: file, line, key, and the nearest valid key.
    """
    rules: dict[str, Rule] = {}
    burns: dict[str, BurnRate] = {}
    problems: list[Problem] = []
    loaded = load_catalogue(RuleFile, *folders)
    for document, file in loaded:
        seen: set[str] = set()
        for kind, section, path in _sections(file):
            if section.name in seen:
                problems.append(_problem(document, (*path, "name"), f"{section.name} stands here a second time"))
            seen.add(section.name)
            refused = problem_of_rule(section.promql) if kind == "rules" and section.promql else ""
            if refused:
                problems.append(_problem(document, (*path, "promql"), refused))
            _forget(section.name, rules, burns)
            if kind == "rules":
                rules[section.name] = section.rule()
            else:
                burns[section.name] = section.burn()
    for document, file in loaded:
        for name, change in file.change.items():
            problems += _changed(document, name, change, rules, burns)
    for document, file in loaded:
        for index, name in enumerate(file.drop):
            if name not in rules and name not in burns:
                problems.append(_problem(document, ("drop", index), _unknown(name, rules, burns)))
            _forget(name, rules, burns)
    raise_for(problems)
    return Catalogue(tuple(rules.values()), tuple(burns.values()))


def _sections(file: RuleFile) -> list[tuple[str, Any, KeyPath]]:
    found: list[tuple[str, Any, KeyPath]] = [("rules", item, ("rules", at)) for at, item in enumerate(file.rules)]
    return found + [("burn_rates", item, ("burn_rates", at)) for at, item in enumerate(file.burn_rates)]


def _forget(name: str, rules: dict[str, Rule], burns: dict[str, BurnRate]) -> None:
    rules.pop(name, None)
    burns.pop(name, None)


def _changed(
    document: Document, name: str, change: ChangeSection, rules: dict[str, Rule], burns: dict[str, BurnRate]
) -> list[Problem]:
    values = {key: value for key, value in dict(change).items() if value is not None}
    if name in rules:
        rules[name] = replace(rules[name], **values)
    elif name in burns:
        if "threshold" in values:
            values["factor"] = values.pop("threshold")
        burns[name] = replace(burns[name], **values)
    else:
        return [_problem(document, ("change", name), _unknown(name, rules, burns))]
    return []


def _unknown(name: str, rules: dict[str, Rule], burns: dict[str, BurnRate]) -> str:
    close = difflib.get_close_matches(name, [*rules, *burns], n=1)
    return f"there is no rule {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")


def _problem(document: Document, path: KeyPath, message: str) -> Problem:
    return Problem(document.file, document.line(path), dotted(path), message)
