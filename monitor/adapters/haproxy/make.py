"""From the `proxy:` section to a driver."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from monitor.adapters.haproxy.container import ContainerRunner
from monitor.adapters.haproxy.driver import HAProxy
from monitor.adapters.haproxy.files import ProxyFiles
from monitor.adapters.haproxy.process import ProcessRunner
from monitor.config.proxy import ProxySection
from monitor.config.tls import TlsSection
from monitor.domain.deploy.spec import TlsFiles
from monitor.domain.proxy.peering import Peering
from monitor.domain.proxy.settings import ProxySettings, ProxyTimeouts
from monitor.ports.certificates import IssuedCertificates
from monitor.ports.engine import Engine
from monitor.ports.own import OwnContainers


def settings_of(section: ProxySection, peers: Peering | None = None) -> ProxySettings:
    return ProxySettings(
        listen=section.listen,
        tls_listen=section.tls_listen,
        tls=TlsFiles(section.tls.cert, section.tls.key) if isinstance(section.tls, TlsSection) else section.tls,
        redirect_https=section.redirect_https,
        internal_listen=section.internal_listen,
        timeouts=ProxyTimeouts(**section.timeouts.model_dump()),
        retries=section.retries,
        reuse_connections=section.reuse_connections,
        max_connections=section.max_connections,
        max_header=section.max_header,
        max_headers=section.max_headers,
        maintenance_page=section.maintenance_page,
        trusted=section.trusted,
        accept_proxy=section.accept_proxy,
        privileged=section.run == "container" or os.geteuid() == 0,
        peering=peers,
    )


def make_proxy(
    section: ProxySection,
    *,
    project: str,
    folder: Path,
    base: Path,
    issued: IssuedCertificates,
    engine: Callable[[], Engine],
    own: OwnContainers,
    peers: Peering | None = None,
) -> HAProxy:
    """The driver for one project on this host.

    Args:
        section: from bgmon.yml.
        project: whose proxy it is.
        folder: where its files and sockets are.
        base: what relative paths in bgmon.yml start from.
        issued: certificates got by ACME.
        engine: asked for only when the proxy runs in a container.
        own: the containers that bgmon made.
        peers: the other hosts' proxies.
    """
    files = ProxyFiles(folder, settings_of(section, peers), base, issued)
    if section.run == "process":
        return HAProxy(files, ProcessRunner(folder, section.binary))
    return HAProxy(files, ContainerRunner(engine(), own, project, folder, section.image))
