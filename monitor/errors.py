"""Every error bgmon raises on purpose, as one tree.

    BgmonError                        exit 1
    ├── UsageError                    exit 2   the command line or the files it names are wrong
    │   └── ConfigError               exit 2   bgmon.yml, with every problem found
    ├── LockedError                   exit 3   somebody else changes this service now
    ├── UnreachableError              exit 4   a thing we depend on does not answer
    │   ├── EngineUnreachable
    │   ├── ProxyUnreachable
    │   ├── AuthorityUnreachable               the ACME server
    │   ├── SourceUnreachable                  the log source (Loki), or Prometheus
    │   └── GrafanaUnreachable
    ├── EngineError                   exit 1   the Docker engine answered, and said no
    │   ├── NotFound
    │   ├── Conflict                           a name or a port is taken
    │   └── PullFailed
    ├── ProxyError                    exit 1   the proxy answered, and said no
    ├── CertificateError              exit 1   a certificate cannot be used, or was not given
    ├── SourceError                   exit 1   the log source answered, and said no
    ├── StateError                    exit 1   the state file is unusable
    ├── DeployFailed                  exit 1   green was refused or switched back; blue serves
    │   ├── HookFailed
    │   ├── GateFailed
    │   └── BakeFailed
    ├── NotifyError                   exit 1   a chat message could not be delivered
    ├── GenerateError                 exit 1   generated files differ or cannot be written
    └── GrafanaError                  exit 1   Grafana answered, and said no
        └── BoardMoved                         somebody else saved meanwhile, or another board has that title

`str(error)` is what the user reads; `hint` says what to do next. Neither ever holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass


class BgmonError(Exception):
    """The root. `exit_code` is what the command line returns for it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.deploy = ""  # the deploy that ended so, with the seconds of its steps; for reports
        self.timings: dict[str, float] = {}


class UsageError(BgmonError):
    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration file; `line` counts from 1, 0 means the whole file."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(UsageError):
    def __init__(self, problems: list[Problem], *, hint: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems), hint=hint)
        self.problems = problems


class LockedError(BgmonError):
    exit_code = 3


class UnreachableError(BgmonError):
    exit_code = 4


class EngineUnreachable(UnreachableError):
    pass


class ProxyUnreachable(UnreachableError):
    pass


class AuthorityUnreachable(UnreachableError):
    pass


class SourceUnreachable(UnreachableError):
    pass


class GrafanaUnreachable(UnreachableError):
    pass


class EngineError(BgmonError):
    pass


class NotFound(EngineError):
    pass


class Conflict(EngineError):
    pass


class PullFailed(EngineError):
    pass


class ProxyError(BgmonError):
    pass


class SourceError(BgmonError):
    pass


class CertificateError(BgmonError):
    """`retry_after` is the wait in seconds that an ACME server asked for."""

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class StateError(BgmonError):
    pass


class DeployFailed(BgmonError):
    pass


class HookFailed(DeployFailed):
    pass


class ReleaseCommandFailed(DeployFailed):
    pass


class GateFailed(DeployFailed):
    pass


class BakeFailed(DeployFailed):
    pass


class NotifyError(BgmonError):
    """A channel said no, or nothing.

    `retry_after` is the wait in seconds that it asked for; `permanent`: it will never take this one; `unsure`: it
    gave no answer, so that the message may have arrived.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retry_after: float | None = None,
        permanent: bool = False,
        unsure: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        self.permanent = permanent
        self.unsure = unsure


class GenerateError(BgmonError):
    pass


class GrafanaError(BgmonError):
    pass


class BoardMoved(GrafanaError):
    pass
