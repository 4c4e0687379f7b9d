"""A circuit breaker: a server that keeps failing is left alone for a while, and then tried by one request."""

from __future__ import annotations

import time
from collections.abc import Callable

from adapters.generation import GenerationError

FAILURES = 5
SECONDS = 30.0


class CircuitOpenError(GenerationError):
    """The server is left alone at present, because it kept failing."""


class CircuitBreaker:
    """Opens after so many failures in a row, for so many seconds (Nygard, Release It!, chapter 5).

    Then one request is let through: when it succeeds the circuit closes, else it stays open as long again.
    """

    def __init__(
        self, failures: int = FAILURES, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._next_try = 0.0
        self._reason = ""

    @property
    def is_open(self) -> bool:
        """Whether a request would be refused now."""
        return self._has_opened and self._clock() < self._next_try

    def admit(self) -> None:
        """Let a request pass, or raise `CircuitOpenError`."""
        if self.is_open:
            wait = self._next_try - self._clock()
            raise CircuitOpenError(f"{self._reason} It is tried again in {max(1, round(wait))} s.")
        if self._has_opened:
            # This request tries the server; others wait for what comes of it.
            self._next_try = self._clock() + self._seconds

    def succeeded(self) -> bool:
        """Note an answer; true when it closes the circuit."""
        closes, self._failures = self._has_opened, 0
        return closes

    def failed(self, reason: str) -> bool:
        """Note a failure, in one line; true when it opens the circuit."""
        self._failures += 1
        if not self._has_opened:
            return False
        self._reason, self._next_try = reason, self._clock() + self._seconds
        return self._failures == self._most

    @property
    def _has_opened(self) -> bool:
        return self._failures >= self._most
