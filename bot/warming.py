"""Loads the models before the first question needs them, until that succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from adapters.generation import GenerationError
from connectors.log import Log
from knowledge.documents import KnowledgeError

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0


class Warming:
    """`missing` says why the models are not loaded; it is empty once they were."""

    def __init__(
        self, load: Callable[[], Awaitable[None]], log: Log, first_pause: float = FIRST_PAUSE_SECONDS
    ) -> None:
        self._load = load
        self._log = log
        self._first_pause = first_pause
        self.missing = "the models are being loaded"

    async def run(self) -> None:
        """Load them; after a failure again, later each time."""
        pause = self._first_pause
        while self.missing:
            try:
                await self._load()
            except (KnowledgeError, GenerationError) as error:
                self.missing = str(error)
                self._log.error("the models are not ready", error=str(error), again_in=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                self.missing = ""
                self._log.info("the models are ready")
