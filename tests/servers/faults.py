"""What is to go wrong on a local platform, as a test orders it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any


@dataclass(slots=True)
class Fault:
    """How calls go wrong: `skip` go well first, then `times` (None: all) fail.

    `lost` is a connection that ends without an answer: before the call is done, or after.
    """

    method: str
    error: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    times: int | None = 1
    skip: int = 0
    seconds: float = 0.0
    lost: str = ""

    @property
    def is_delay(self) -> bool:
        """Whether the call is only slow."""
        return not (self.error or self.lost or self.status != 200)


@dataclass(slots=True)
class Ration:
    """How many calls of a method are let through within so many seconds."""

    method: str
    calls: int
    seconds: float
    times: deque[float] = field(default_factory=deque)

    def left(self, now: float) -> int:
        """How many are let through at once."""
        while self.times and now - self.times[0] >= self.seconds:
            self.times.popleft()
        return self.calls - len(self.times)

    def wait(self, now: float) -> float:
        """Take one; or the seconds until the next is let through."""
        if self.left(now) <= 0:
            return self.seconds - (now - self.times[0])
        self.times.append(now)
        return 0.0


class Faults:
    """The orders of a test, in the order given. A method may be a pattern such as `chat.*`.

    `too_many` makes the answer to a call beyond its ration, from the method and the seconds to wait.
    """

    def __init__(self, too_many: Callable[[str, float], Fault]) -> None:
        self._too_many = too_many
        self._orders: list[Fault] = []
        self._rations: list[Ration] = []

    def ration(self, ration: Ration) -> None:
        """Let no more calls through than this."""
        self._rations.append(ration)

    def ration_of(self, method: str) -> Ration | None:
        """The ration that a method is under."""
        return next((ration for ration in self._rations if fnmatchcase(method, ration.method)), None)

    def order(self, fault: Fault) -> None:
        """Let a fault wait for its calls."""
        self._orders.append(fault)

    def clear(self) -> None:
        """Forget what is left."""
        self._orders.clear()
        self._rations.clear()

    def take(self, method: str) -> Iterator[Fault]:
        """The faults of a call: every delay, and the first of the others unless its turn is yet to come."""
        for ration in self._rations:
            if fnmatchcase(method, ration.method) and (wait := ration.wait(time.monotonic())):
                yield self._too_many(method, wait)
                return
        decided = False
        for fault in list(self._orders):
            if not fnmatchcase(method, fault.method) or (decided and not fault.is_delay):
                continue
            decided = decided or not fault.is_delay
            if fault.skip:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if not fault.times:
                    self._orders.remove(fault)
            yield fault
