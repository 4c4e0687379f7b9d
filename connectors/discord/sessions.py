"""When a new session may begin.

Discord allows 1,000 in a day, and resets the token of a bot that begins more:
https://docs.discord.com/developers/events/gateway#session-start-limit-object
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from discord.shard import SessionStartLimits

from connectors.log import Log

# The share of a day's sessions after which they are spread, and the one that is kept for other processes.
_PLENTY = 0.5
_KEPT = 0.01

Limits = Callable[[], Awaitable[SessionStartLimits]]


class SessionsShortError(Exception):
    """So many of the day's sessions are used that the next has to wait."""


class Sessions:
    """The turns of the new sessions of a process, over all its connections; `apart` is in seconds.

    Until half of the day's are used, they are as far `apart` as Discord wants them. Then each waits for twice
    its share of the rest of the day, and the last hundredth is kept: a gateway that refuses them all day long
    does not cost the token.
    """

    def __init__(self, apart: float, log: Log) -> None:
        self._apart = apart
        self._log = log
        self._last = time.monotonic() - apart

    async def turn(self, limits: Limits) -> None:
        """Wait until there are sessions enough to begin one, be it for minutes."""
        while (seconds := self._until_next(found := await limits())) > self._apart:
            self._log.warning("discord: a session has to wait", reason=_short(found), again_in=round(seconds))
            await asyncio.sleep(seconds)

    async def check(self, limits: Limits) -> None:
        """Raise `SessionsShortError` when the next session should have to wait longer than Discord wants."""
        if self._until_next(found := await limits()) > self._apart:
            raise SessionsShortError(_short(found))

    async def begin(self) -> None:
        """Wait as long as Discord wants, and count a session as begun."""
        await asyncio.sleep(self._last + self._apart - time.monotonic())
        self._last = time.monotonic()

    def _until_next(self, limits: SessionStartLimits) -> float:
        rest = limits.reset_after / 1_000
        if limits.remaining <= _KEPT * limits.total:
            return rest
        is_plenty = limits.remaining > _PLENTY * limits.total
        apart = self._apart if is_plenty else max(self._apart, 2 * rest / limits.remaining)
        return self._last + apart - time.monotonic()


def _short(limits: SessionStartLimits) -> str:
    return f"{limits.remaining} of the {limits.total} sessions that Discord allows in a day are left"
