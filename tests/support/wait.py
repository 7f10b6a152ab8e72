"""Waiting for what happens elsewhere, with a deadline instead of a sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def has_passed(deadline: float) -> bool:
    """Whether it is `deadline`, in seconds of the monotonic clock."""
    return time.monotonic() >= deadline


def wait_until(look: Callable[[], Value], *, timeout: float = 20.0, every: float = 0.05, what: str = "") -> Value:
    """The first truthy value of `look`, which is asked every `every` seconds.

    Raises:
        AssertionError: `timeout` seconds went by; the message holds `what` and the last value.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {what or 'the condition'} (last value: {value!r})")
        time.sleep(every)
