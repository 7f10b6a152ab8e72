"""What keeps certificates, for the daemon and for `bgmon certs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from monitor.adapters.certificates.reach import HttpReach
from monitor.adapters.haproxy.make import settings_of
from monitor.adapters.host.clock import SystemClock
from monitor.adapters.host.hooks import HookFolder
from monitor.bootstrap.proxy import live_proxy
from monitor.domain.proxy.table import automatic, certificates
from monitor.errors import CertificateError
from monitor.services.certificates import CertificateKeeper, KeeperDeps, Wanted

if TYPE_CHECKING:
    from monitor.bootstrap.resources import Resources
    from monitor.bootstrap.wiring import Wiring
    from monitor.ports.alerts import Alerts
    from monitor.ports.certificates import Authority

DNS_HOOK: Final = "dns-01"
_HOOK_TIMEOUT: Final = 600.0


def make_keeper(
    resources: Resources, current: Callable[[], Wiring], alerts: Alerts | None = None, *, staging: bool = False
) -> CertificateKeeper:
    """The keeper of this project's certificates.

    Args:
        resources: the project on this host.
        current: bgmon.yml as it is now.
        alerts: whom it tells, if anybody.
        staging: ask the ACME server that gives certificates for tests alone.
    """

    def authority() -> Authority:
        from monitor.adapters.certificates.authority import AcmeAuthority  # half a second, when one is due

        section = current().config.proxy.acme
        return AcmeAuthority(
            section.staging if staging else section.directory,
            accounts=resources.certificates,
            email=section.email,
            ca=str(resources.folder / section.ca) if section.ca is not None else None,
        )

    def wanted() -> Wanted:
        wiring = current()
        routes, settings = wiring.routes(), settings_of(wiring.config.proxy)
        return Wanted(automatic(routes, settings), certificates(routes, settings))

    def reach(host: str, path: str, expected: str) -> str:
        return HttpReach()(host, path, expected) if current().config.proxy.acme.precheck else ""

    def dns(action: str, name: str, value: str) -> None:
        hooks = HookFolder(resources.folder / ".bgmon" / "hooks", resources.folder)
        environ = {"BGMON_DNS_ACTION": action, "BGMON_DNS_NAME": name, "BGMON_DNS_VALUE": value}
        if hooks.run(DNS_HOOK, environ, timeout=_HOOK_TIMEOUT) is None:
            raise CertificateError(
                "a wildcard is proven by a DNS record", hint=f"make the hook .bgmon/hooks/{DNS_HOOK}: docs/https.md"
            )

    return CertificateKeeper(
        KeeperDeps(
            store=resources.certificates,
            authority=authority,
            proxy=live_proxy(current),
            routes=lambda: current().routes(),
            wanted=wanted,
            reach=reach,
            dns=dns,
            locks=resources.locks,
            clock=SystemClock(),
        ),
        alerts,
    )
