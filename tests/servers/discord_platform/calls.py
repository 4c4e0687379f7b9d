"""What was called, and the answers that a test orders."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from faults import Fault

from .rules import ERRORS
from .world import Json


@dataclass(slots=True)
class Call:
    """One request, `method` being for example `POST /channels/1/messages`; times are monotonic.

    `files` are the names of what was uploaded with it.
    """

    method: str
    query: Json
    body: Json | list[Json]
    files: tuple[str, ...] = ()
    at: float = field(default_factory=time.monotonic)
    answered: float = 0.0
    status: int = 0
    reply: Any = None

    @property
    def error(self) -> int:
        """Discord's code of the error; 0 when it went well or was never answered."""
        return int(self.reply.get("code", 0)) if isinstance(self.reply, dict) and self.status >= 400 else 0


def too_many(
    method: str, seconds: float, *, is_global: bool = False, times: int | None = 1, skip: int = 0
) -> Fault:
    """The answer to a client that asks too often."""
    headers = {"Retry-After": str(max(1, round(seconds))), "Via": "1.1 google"}
    headers["X-RateLimit-Scope"] = "global" if is_global else "user"
    if is_global:
        headers["X-RateLimit-Global"] = "true"
    fields = {"retry_after": seconds, "global": is_global}
    return Fault(method, "You are being rate limited.", 429, headers, fields, times=times, skip=skip)


def refusal(method: str, code: int, status: int, times: int | None, skip: int) -> Fault:
    """An answer with one of Discord's codes, or a bare status."""
    known_status, message = ERRORS.get(code, (400, "Refused"))
    if not code:
        return Fault(method, status=status, times=times, skip=skip)
    return Fault(method, message, status or known_status, fields={"code": code}, times=times, skip=skip)
