"""How long a broken connection is waited for before it is tried again.

Full jitter, from https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import uniform
from typing import Literal

from discord.backoff import ExponentialBackoff


@dataclass(frozen=True, slots=True)
class Pacing:
    """How connections are made anew, in seconds: the longest pause, how long a connection must have lived for
    the next pause to be short again, and how far apart Discord wants new sessions.
    """

    longest_pause: float = 20.0
    steady: float = 60.0
    sessions_apart: float = 5.0


PACING = Pacing()


class Pauses(ExponentialBackoff[Literal[False]]):
    """Pauses that double with each attempt up to a bound, and begin anew after a connection that lived.

    discord.py's own double up to 17 minutes, and forget after 34 minutes without any break.
    """

    def __init__(self, pacing: Pacing) -> None:
        super().__init__()
        self._pacing = pacing
        self._attempts = 0
        self._since: float | None = None

    def began(self) -> None:
        """There is a connection."""
        self._since = time.monotonic()

    def went_on(self) -> None:
        """A session was resumed: the next break is no part of this one."""
        self._attempts = 0
        self.began()

    def broke_off(self) -> None:
        """The connection ended."""
        if self._since is not None and time.monotonic() - self._since >= self._pacing.steady:
            self._attempts = 0
        self._since = None

    def delay(self) -> float:
        """The seconds to wait before the next attempt."""
        self.broke_off()
        self._attempts += 1
        # A connection may be tried more often than a power of two can be computed.
        most = min(2.0 ** min(self._attempts, 32), self._pacing.longest_pause)
        return uniform(0, most)  # noqa: S311
