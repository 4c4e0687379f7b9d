"""What was fetched from a platform, remembered for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

Kept = TypeVar("Kept")


class Remembering(Generic[Kept]):
    """Values by key, each kept for some seconds; one that is being fetched is fetched once.

    Who gives up waiting does not stop the fetch: the next finds its result.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[tuple[str, ...], tuple[float, asyncio.Task[Kept]]] = {}

    async def get(self, key: tuple[str, ...], fetch: Callable[[], Awaitable[Kept]]) -> Kept:
        """The kept value, else what `fetch` gives; what it raises is raised and not kept."""
        until, task = self._kept.get(key, (0.0, None))
        if task is None or self._clock() >= until or _has_failed(task):
            task = asyncio.ensure_future(_awaited(fetch))
            task.add_done_callback(_has_failed)
            self._kept[key] = (self._clock() + self._seconds, task)
        return await asyncio.shield(task)

    def put(self, key: tuple[str, ...], value: Kept) -> None:
        """Keep a value that came by itself."""

        async def given() -> Kept:
            return value

        self._kept[key] = (self._clock() + self._seconds, asyncio.ensure_future(given()))

    def forget(self, key: tuple[str, ...]) -> None:
        """Fetch anew when next asked."""
        self._kept.pop(key, None)


async def _awaited(fetch: Callable[[], Awaitable[Kept]]) -> Kept:
    return await fetch()


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
