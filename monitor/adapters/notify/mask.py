"""URLs of channels are secrets: this is how they are shown, and how they are told apart."""

from __future__ import annotations

import hashlib


def scheme_of(url: str) -> str:
    return url.partition("://")[0].lower()


def masked(url: str) -> str:
    """`slack://***`: everything behind the scheme may hold a token."""
    return f"{scheme_of(url)}://***"


def channel_id(url: str) -> str:
    """`scheme:hash`, the same over restarts."""
    return f"{scheme_of(url)}:{hashlib.sha256(url.encode()).hexdigest()[:16]}"
