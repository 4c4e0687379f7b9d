"""Several processes share an index and answer from it; one of them keeps it current."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from knowledge.documents import KnowledgeError
from knowledge.postgres import SessionLock, holder_of, lock_key

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

# How soon another process takes over, and how long one that has lost the lead may go on.
_LOOK_SECONDS = 1.0
_AFTER_FAILURE_SECONDS = 5.0

Service = Callable[[], Coroutine[None, None, None]]

_KEY = lock_key("lead", "")


class Leadership:
    """Who leads is who holds an advisory lock, on a connection of its own; safe for many threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock: SessionLock | None = None
        self._turn = threading.Lock()

    def seek(self) -> bool:
        """Lead if nobody does. Raises `KnowledgeError` when the database cannot be used."""
        with self._turn:
            if self._lock is None:
                self._lock = SessionLock.try_to_take(self._engine, _KEY)
            return self._lock is not None

    def holds(self) -> bool:
        """Whether this process leads; asks the database. A lead that is lost has to be sought anew."""
        with self._turn:
            if self._lock is not None and not self._lock.is_held():
                self._lock = None
            return self._lock is not None

    def step_down(self) -> None:
        """Let another lead."""
        with self._turn:
            if self._lock is not None:
                self._lock.release()
            self._lock = None

    def leader(self) -> str:
        """Who leads and since when, as `holder_of` says it; empty when nobody does."""
        with self._engine.connect() as connection:
            return holder_of(connection, _KEY) or ""


class Leading:
    """Runs a service in this process while it leads, and ends it when it leads no more."""

    def __init__(
        self, leadership: Leadership, make: Callable[[], Service], log: FilteringBoundLogger
    ) -> None:
        """`make` blocks, and makes the service anew for each time of leading."""
        self._leadership = leadership
        self._make = make
        self._log = log

    async def run(self) -> None:
        """Seek to lead until cancelled. A database that is away is waited for."""
        is_waiting = False
        try:
            while True:
                try:
                    if await asyncio.to_thread(self._leadership.seek):
                        is_waiting = False
                        await self._lead()
                    elif not is_waiting:
                        is_waiting = True
                        leader = await asyncio.to_thread(self._leadership.leader)
                        self._log.info("another process keeps the index current", leader=leader)
                    await asyncio.sleep(_LOOK_SECONDS)
                except (KnowledgeError, ExceptionGroup) as error:
                    self._log.warning("the index is not kept current for now", error=str(_knowledge(error)))
                    await asyncio.to_thread(self._leadership.step_down)
                    await asyncio.sleep(_AFTER_FAILURE_SECONDS)
        finally:
            await asyncio.to_thread(self._leadership.step_down)

    async def _lead(self) -> None:
        """Run the service until it fails or another may lead. Raises what it raises."""
        self._log.info("this process keeps the index current")
        running = asyncio.create_task((await asyncio.to_thread(self._make))())
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=_LOOK_SECONDS)
                if not await asyncio.to_thread(self._leadership.holds):
                    self._log.warning("lost the lead, for the connection to the database broke")
                    return
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def _knowledge(error: Exception) -> KnowledgeError:
    """What lies in groups of one error; raises any other."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, KnowledgeError):
        raise error
    return error
