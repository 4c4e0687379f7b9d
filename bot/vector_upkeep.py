"""Keeps what the Chroma server holds current between syncs: one that lost it, or came back, gets it again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from connectors.log import Log

_SECONDS = 60.0


class VectorUpkeep:
    """Runs until it is cancelled; what is under way then ends when the index is closed.

    Syncs bring the index up to date themselves; while one is on there is nothing to do here.
    """

    def __init__(
        self,
        catch_up: Callable[[], None],
        is_syncing: Callable[[], bool],
        log: Log,
        seconds: float = _SECONDS,
    ) -> None:
        """`catch_up` and `is_syncing` block; they are called every so many seconds."""
        self._catch_up = catch_up
        self._is_syncing = is_syncing
        self._log = log
        self._seconds = seconds

    async def run(self) -> None:
        """Look after it again and again."""
        while True:
            await asyncio.sleep(self._seconds)
            await asyncio.to_thread(self._look)

    def _look(self) -> None:
        try:
            if not self._is_syncing():
                self._catch_up()
        except Exception as error:
            self._log.warning("vectors not looked after", error=f"{type(error).__name__}: {error}")
