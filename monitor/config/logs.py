"""The `logs:` sections: where request metrics come from, globally and per service."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from monitor.config.base import Duration, Model
from monitor.config.logmatch import ConditionText, condition
from monitor.domain.logs.events import MOST as MOST_EVENTS
from monitor.domain.logs.events import Event, EventRule
from monitor.domain.logs.formats import PRESETS
from monitor.domain.logs.ownformat import dialect
from monitor.domain.logs.rules import LogRule, default_fields, format_of, rule_problem
from monitor.domain.names import LOKI_LABELS

_SERVICE = "service"
_READ_FROM_LINES = ("code", "le", "event", "route", "method", "took", "path", "status", "duration", "project", "kind")
_LABEL: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*")


EventName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class ServiceLogs(Model):
    """How the requests of one service are read out of a log."""

    source: Literal["proxy", "app", "off"] = "proxy"
    """`proxy`: the proxy's access log; `app`: the service's own output, in `format`; `off`: no request metrics."""
    format: str = "json"
    """`json`, `logfmt`, `regex`, a server's layout (`nginx`, `ingress-nginx`, `apache-vhost`, `caddy`, `traefik`,
    `traefik-json`, `haproxy-http`, `envoy`, `gunicorn`, `uvicorn`, `morgan`, `rails`), or the format string that the
    server itself has: nginx's `log_format`, Apache's `LogFormat`, gunicorn's `access_log_format`."""
    status: str | None = None
    """The field with the HTTP status, `status` by default. In JSON, `a.b` is inside of an object; `["a.b"]` a name."""
    duration: str | None = None
    """The field with the duration, `duration` by default."""
    unit: Literal["s", "ms", "us", "ns", "duration"] | None = None
    """The duration's unit, seconds by default; `duration` reads Go's form, such as 12ms."""
    regex: str | None = None
    """With `format: regex`: RE2 with groups named as the fields, for instance `(?P<status>[0-9]+)`."""
    path: str | None = None
    """The field with the request's path, to leave out health checks; `path` by default."""
    ignore: tuple[str, ...] | None = None
    """Paths of requests to leave out; the service's health path by default."""
    only: ConditionText | None = None
    """Which lines are requests: text that they hold, or `{field: value}`, `{contains: text}`, `{matches: RE2}`; all of
    several must hold. A value may be a list, and end in `*`. What is no request is in no count."""
    count: dict[EventName, ConditionText] = {}
    """Lines of the service's own output to count by a name, requests or not: `{errors: {level: error}}`. Conditions are
    written as for `only`; `format` says how its lines are read, whatever the `source` of its requests."""
    routes: tuple[str, ...] = ()
    """Patterns of paths to tell apart by a `route` label: `/users/:id`, `/static/*`; at most 100. The first that fits
    counts, everything else is `other`."""
    methods: bool = False
    """Tell routes apart by a `method` label as well."""
    buckets: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Upper bounds of the histogram in seconds, rising; empty takes the default ones. An SLO's threshold is one."""

    @field_validator("format")
    @classmethod
    def _known_format(cls, text: str) -> str:
        if text not in PRESETS and not dialect(text):
            known = ", ".join(PRESETS)
            raise ValueError(
                f"{text!r} is no format; there are {known}, and the server's own: with $status or %>s in it"
            )
        return text

    @model_validator(mode="after")
    def _fits(self) -> ServiceLogs:
        if self.source != "app":
            own = () if self.count else ("format", "regex")
            for name in (*own, "status", "duration", "unit", "path", "only"):
                if name in self.model_fields_set:
                    raise ValueError(f"{name} describes a service's own log: add `source: app`")
        if self.methods and not self.routes:
            raise ValueError("methods tell routes apart: give routes")
        if (self.format == "regex") != (self.regex is not None):
            raise ValueError("format: regex and a regex go together")
        problem = rule_problem(self._rule(), self._groups()) or self._events_problem()
        if problem:
            raise ValueError(problem)
        return self

    def _events_problem(self) -> str:
        events = self.events()
        if events is None:
            return ""
        if len(events.events) > MOST_EVENTS:
            return f"count: {len(events.events)} events, {MOST_EVENTS} are allowed"
        problem = rule_problem(replace(events.reading, status=""), self._groups())
        return problem and f"count: {problem}"

    def events(self) -> EventRule | None:
        """What is counted in its own lines; None for nothing."""
        if not self.count:
            return None
        return EventRule(
            tuple(Event(name, condition(text)) for name, text in self.count.items()), self.format, self.regex or ""
        )

    def _groups(self) -> frozenset[str] | None:
        if self.regex is None:
            return None
        from monitor.domain.logs.text import compile_re2, group_numbers  # re2 is slow to load

        try:
            return frozenset(group_numbers(compile_re2(self.regex)))
        except ValueError as error:
            raise ValueError(f"regex: it is no RE2 pattern: {error}") from None

    def _rule(self) -> LogRule:
        return self.rule(health_path=None, slo_threshold=None)

    def rule(self, *, health_path: str | None, slo_threshold: float | None) -> LogRule:
        """The plain rule, with what the rest of the service's section adds to it."""
        format_ = "access" if self.source != "app" else self.format
        status, duration, unit, path = default_fields(format_)
        optional = format_ == "regex"
        groups = self._groups() if optional else None
        if groups is not None:
            duration = duration if duration in groups else None
            path = path if path in groups else None
        ignore = self.ignore if self.ignore is not None else (health_path,) if health_path else ()
        buckets = with_threshold(self.buckets or LogRule().buckets, slo_threshold)
        return LogRule(
            format=format_,
            status=self.status or status,
            duration=self.duration or duration,
            unit=self.unit or unit,
            path=self.path or path,
            ignore=tuple(item.partition("?")[0] for item in ignore),
            regex=self.regex or "",
            buckets=buckets,
            routes=self.routes,
            method=(format_of(format_).method or "method") if self.routes and self.methods else None,
            only=format_of(format_).only if self.only is None else condition(self.only),
        )


def with_threshold(buckets: tuple[float, ...], threshold: float | None) -> tuple[float, ...]:
    """The bounds with the SLO's threshold among them."""
    return tuple(sorted({*buckets, threshold})) if threshold else buckets


class LogLimits(Model):
    """Loki's own limits, where they are not its defaults."""

    series: int = Field(default=500, ge=20)
    """`max_query_series`: services are split over several queries to stay below."""
    range: Duration = Field(default=30 * 86400.0, gt=0)
    """`max_query_length`: how far one query may reach."""


class LogsTls(Model):
    ca: str | None = None
    """Certificates to trust, PEM; the system's by default."""
    cert: str | None = None
    """Our own certificate, PEM."""
    key: str | None = None
    verify: bool = True
    """`false` trusts whoever answers."""


class LogsSection(Model):
    source: Literal["docker", "loki"] = "docker"
    url: str | None = Field(default=None, pattern=r"^https?://")
    """Where Loki answers, for instance http://loki:3100."""
    tenant: str | None = None
    """Sent as X-Scope-OrgID."""
    user: str | None = None
    password: SecretStr | None = None
    """`${VAR}`, never the password itself."""
    token: SecretStr | None = None
    """A bearer token, as `${VAR}`."""
    tls: LogsTls = LogsTls()
    timeout: Duration = Field(default=60.0, gt=0)
    window: Duration = 60.0
    """Requests are counted in windows of this length."""
    delay: Duration = 60.0
    """How long after its end a window is asked for, so that lines have arrived."""
    overlap: int = Field(default=3, ge=0, le=60)
    """How many past windows are asked again, so that lines that came later still count, once."""
    catch_up: Duration = 86400.0
    """How far back windows are counted after a time without bgmon."""
    host: str | None = None
    """Count the streams of this `host` label alone. Needed where daemons of several hosts run the same service."""
    labels: dict[str, str] = {}
    """Stream labels that select the log instead of `project` and `kind`."""
    service_label: str = Field(default="service", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The stream label that tells services apart, where somebody else's shipper has another one, such as `app`."""
    limits: LogLimits = LogLimits()

    @field_validator("labels")
    @classmethod
    def _label_names(cls, labels: dict[str, str]) -> dict[str, str]:
        for name in labels:
            if not _LABEL.fullmatch(name) or name == _SERVICE:
                raise ValueError(f"{name!r} cannot select streams; labels are named like {', '.join(LOKI_LABELS[:2])}")
        return labels

    @model_validator(mode="after")
    def _complete(self) -> LogsSection:
        if self.service_label in {*self.labels, *_READ_FROM_LINES}:
            raise ValueError(f"service_label: {self.service_label!r} is a label for something else")
        if self.source == "loki" and not self.url:
            raise ValueError("source: loki needs its url")
        if self.token and (self.user or self.password):
            raise ValueError("give either a token, or user and password")
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password go together")
        if bool(self.tls.cert) != bool(self.tls.key):
            raise ValueError("tls: cert and key go together")
        if self.window < 1 or self.window != int(self.window):
            raise ValueError("window: whole seconds")
        return self
