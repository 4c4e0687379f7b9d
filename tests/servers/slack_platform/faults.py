"""What was called, and the answer to a client that asks too often."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from faults import Fault, Faults, Ration

__all__ = ["Call", "Fault", "Faults", "Ration", "too_many"]

Json = dict[str, Any]


@dataclass(slots=True)
class Call:
    """One request to a method; `at` and `answered` are monotonic times, `encoding` is json, form or query."""

    method: str
    parameters: Json
    token: str
    encoding: str
    at: float
    answered: float = 0.0
    status: int = 0
    reply: Json = field(default_factory=dict)

    @property
    def error(self) -> str:
        """The error code of the answer; empty when it went well or was never answered."""
        return str(self.reply.get("error", ""))


def too_many(method: str, seconds: float, times: int | None = 1, skip: int = 0) -> Fault:
    """The answer to a client that asks too often."""
    return Fault(method, "ratelimited", 429, {"Retry-After": str(math.ceil(seconds))}, times=times, skip=skip)
