"""What a task works on, from a platform's event to the reply: its reference stands in the log and in chat."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that is done for a person; `reference` is 8 hex digits, `began` on the monotonic clock."""

    reference: str
    began: float


_current: ContextVar[Request | None] = ContextVar("request", default=None)


@contextmanager
def working_on(reference: str) -> Iterator[Request]:
    """Have everything in the block, and every task that it starts, know what it is done for."""
    request = _current.get()
    if request is None or request.reference != reference:
        request = Request(reference, time.monotonic())
    token = _current.set(request)
    try:
        yield request
    finally:
        _current.reset(token)


def current_request() -> Request | None:
    """What this task works on; None outside `working_on`."""
    return _current.get()


def current_reference() -> str:
    """The reference of what this task works on, else a new one."""
    request = _current.get()
    return new_reference() if request is None else request.reference


def new_reference() -> str:
    """A reference for what no platform delivered under a key."""
    return secrets.token_hex(4)


def reference_of(key: str) -> str:
    """The reference of a delivery: the same in every process that takes it up."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]
