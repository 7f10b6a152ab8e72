"""This user's logins of registries, as Docker keeps them."""

from __future__ import annotations

import base64
import warnings

import docker.errors
from docker import auth

from monitor import masking
from monitor.adapters.docker.errors import one_line
from monitor.errors import UsageError


def login(registry: str) -> str:
    """`user:password` in base64, for another host's config.json.

    Raises:
        UsageError: there is none, or one that cannot be passed on.
    """
    log_in = f"log in here first: docker login {registry}"
    try:
        with warnings.catch_warnings():  # the SDK warns of a missing helper, and then raises
            warnings.simplefilter("ignore")
            found = auth.load_config().resolve_authconfig(registry) or {}
    except (docker.errors.DockerException, ValueError, KeyError) as error:
        raise UsageError(f"no login for {registry}: {one_line(str(error))}", hint=log_in) from error
    user = found.get("username") or found.get("Username")
    password = found.get("password") or found.get("Password")
    if found.get("IdentityToken") or found.get("identitytoken"):
        raise UsageError(f"the login for {registry} is a token of this machine's", hint="use one with a password")
    if not user or not password:
        raise UsageError(f"no login for {registry} here", hint=log_in)
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    masking.learn({f"the login for {registry}": str(password), f"the login for {registry}, encoded": encoded})
    return encoded
