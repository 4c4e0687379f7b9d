"""Group commit: what is asked for while one transaction is written goes into the next one together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Generic[Item, Result]):
    """Hands items to a blocking function, as many at a time as have come meanwhile; for one event loop.

    `write` runs in `executor` and returns one result for each item of its batch. What it raises is raised to
    all who wait for that batch. An item is written also when who waits for it is cancelled.
    """

    def __init__(
        self, write: Callable[[Sequence[Item]], Sequence[Result]], executor: Executor, most: int = 500
    ) -> None:
        self._write = write
        self._executor = executor
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """Write an item, and return its result."""
        written: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await written

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                items = [item for item, _ in batch]
                try:
                    results = await loop.run_in_executor(self._executor, self._write, items)
                except Exception as error:
                    for _, written in batch:
                        if not written.done():
                            written.set_exception(error)
                else:
                    for (_, written), result in zip(batch, results, strict=True):
                        if not written.done():
                            written.set_result(result)
        finally:
            self._writing = None
