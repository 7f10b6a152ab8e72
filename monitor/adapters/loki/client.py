"""Loki's HTTP API: the one place where httpx and Loki's answers become values or errors of ours."""

from __future__ import annotations

import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
import msgspec

from monitor import masking
from monitor.domain.digits import digits
from monitor.errors import SourceError, SourceUnreachable, UsageError
from monitor.ports.clock import Clock

TRIES: Final = 4
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
_LONG_QUERY: Final = 2000  # characters; longer ones go into the body, where no proxy cuts them off
_SHOWN: Final = 500
_RETRIED: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class LokiOptions:
    """How to reach Loki. Times are seconds."""

    url: str
    tenant: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    verify: bool = True
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class LokiSeries:
    """Labels and (unix seconds, value) pairs; an instant answer has one pair."""

    labels: Mapping[str, str]
    values: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    series: list[LokiSeries]
    warnings: list[str]


class TooManySeries(SourceError):
    """The answer would hold more series than Loki's limit; asking for fewer services helps."""


class _Metric(msgspec.Struct):
    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []


class _Data(msgspec.Struct):
    result: list[_Metric] | None = None
    resultType: str = ""  # noqa: N815 - Loki's name


class _Body(msgspec.Struct):
    data: _Data | None = None
    status: str = ""
    error: str = ""
    warnings: list[str] | None = None


def http_client(options: LokiOptions) -> httpx.Client:
    """Raises UsageError when certificates cannot be read."""
    headers = {"Accept": "application/json", "Cache-Control": "no-cache", "User-Agent": "bgmon"}
    if options.tenant:
        headers["X-Scope-OrgID"] = options.tenant
    if options.token:
        headers["Authorization"] = f"Bearer {options.token}"
    auth = httpx.BasicAuth(options.user, options.password or "") if options.user else None
    return httpx.Client(
        base_url=options.url.rstrip("/"),
        headers=headers,
        auth=auth,
        timeout=httpx.Timeout(options.timeout, connect=min(10.0, options.timeout)),
        verify=_tls(options),
        follow_redirects=False,
        trust_env=False,
    )


class LokiClient:
    """Safe from several threads. Retries 429 and 5xx with growing pauses, and nothing else."""

    def __init__(self, options: LokiOptions, clock: Clock) -> None:
        self._clock = clock
        self._options = options
        self._http = http_client(options)

    def instant(self, query: str, at_ns: int) -> QueryAnswer:
        return self._query("/loki/api/v1/query", {"query": query, "time": str(at_ns)})

    def range(self, query: str, start: int, end: int, step: int) -> QueryAnswer:
        """One value for each of `start`, `start + step`, ... `end`; unix seconds."""
        parameters = {"query": query, "start": str(start), "end": str(end), "step": f"{step}s"}
        return self._query("/loki/api/v1/query_range", parameters)

    def close(self) -> None:
        self._http.close()

    def _query(self, path: str, parameters: dict[str, str]) -> QueryAnswer:
        response = self._ask(path, parameters)
        body = self._body(response)
        series = []
        for item in (body.data.result if body.data else None) or []:
            pairs = item.values or ([item.value] if item.value else [])
            try:
                series.append(LokiSeries(item.metric, [(at, float(value)) for at, value in pairs]))
            except ValueError:
                raise SourceError(f"{self._where}: a value is no number: {pairs!r:.100}") from None
        return QueryAnswer(series, body.warnings or [])

    def _ask(self, path: str, parameters: dict[str, str]) -> httpx.Response:
        tries = 0
        while True:
            tries += 1
            response = self._send(path, parameters)
            if response.status_code not in _RETRIED or tries == TRIES:
                break
            self._clock.sleep(_pause(response, tries, self._clock.now()))
        if response.status_code == httpx.codes.OK:
            return response
        raise self._refusal(response)

    def _send(self, path: str, parameters: dict[str, str]) -> httpx.Response:
        try:
            if len(parameters["query"]) > _LONG_QUERY:
                return self._http.post(path, data=parameters)
            return self._http.get(path, params=parameters)
        except httpx.TimeoutException:
            raise SourceUnreachable(
                f"{self._where}: no answer within {self._options.timeout:g} s",
                hint="raise logs.timeout, or look at Loki's own load",
            ) from None
        except httpx.TransportError as error:
            raise SourceUnreachable(
                f"{self._where}: {error or type(error).__name__}", hint="is logs.url right, and does Loki run?"
            ) from None
        except (httpx.DecodingError, httpx.InvalidURL) as error:
            raise SourceError(f"{self._where}: {error}") from None

    def _body(self, response: httpx.Response) -> _Body:
        if "html" in response.headers.get("content-type", ""):
            raise SourceError(
                f"{self._where}: answered with a web page instead of JSON",
                hint="does a login page or another server stand at logs.url?",
            )
        try:
            body = msgspec.json.decode(response.content, type=_Body)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            raise SourceError(f"{self._where}: the answer is not Loki's: {error}") from None
        if body.status != "success":
            raise SourceError(f"{self._where}: {body.error or 'the answer does not say success'}")
        return body

    def _refusal(self, response: httpx.Response) -> SourceError:
        code = response.status_code
        text = response.text.strip()
        if "html" in response.headers.get("content-type", "") or text[:1] == "<":
            text = "a web page instead of Loki's answer"
        message = f"{self._where}: {code}: {masking.shown(text, _SHOWN) or response.reason_phrase}"
        if "maximum" in text and "series" in text and "reached" in text:
            return TooManySeries(message, hint="set logs.limits.series to Loki's max_query_series")
        if code in {401, 403}:
            return SourceError(message, hint="check logs.user and logs.password, logs.token and logs.tenant")
        if 300 <= code < 400:  # noqa: PLR2004
            return SourceError(message, hint=f"it redirects to {response.headers.get('location', '?')}; set logs.url")
        return SourceError(message)

    @property
    def _where(self) -> str:
        url = httpx.URL(self._options.url)
        return f"Loki at {url.copy_with(userinfo=b'')}"


def _pause(response: httpx.Response, tries: int, now: float) -> float:
    """What Retry-After asks for, else doubling; a tenth of chance keeps several daemons apart."""
    asked = response.headers.get("retry-after", "")
    if digits(asked):
        return min(float(asked), LONGEST_PAUSE)
    if asked:
        try:
            return float(min(max(0.0, parsedate_to_datetime(asked).timestamp() - now), LONGEST_PAUSE))
        except ValueError:
            pass
    return min(FIRST_PAUSE * 2.0 ** (tries - 1) * random.uniform(1, 1.1), LONGEST_PAUSE)  # noqa: S311


def _tls(options: LokiOptions) -> ssl.SSLContext | bool:
    if not options.url.startswith("https"):
        return True
    try:
        context = ssl.create_default_context(cafile=options.ca)
        if options.cert:
            context.load_cert_chain(options.cert, options.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"logs.tls: {error}", hint="the files must exist and hold PEM") from None
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
