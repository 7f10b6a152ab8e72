"""Self-signed certificates in files."""

from __future__ import annotations

import subprocess
from pathlib import Path

from monitor.domain.deploy.spec import TlsFiles


def certificate(folder: Path, name: str) -> TlsFiles:
    """A self-signed one, certificate and key in two files."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
        cwd=folder, check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return TlsFiles(f"{name}.crt", f"{name}.key")
