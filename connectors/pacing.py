"""Sending what is new at a bounded rate, beside the work that makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class Pacer:
    """Calls `send` after each `wake`, never more often than every so many seconds, in a task of its own."""

    def __init__(self, send: Callable[[], Awaitable[None]], every_seconds: float) -> None:
        self._send = send
        self._every = every_seconds
        self._wake, self._stopped = asyncio.Event(), asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def wake(self) -> None:
        """There is something new."""
        self._wake.set()
        if self._sender is None:
            self._sender = asyncio.create_task(self._keep_sending())

    async def stop(self) -> None:
        """Send nothing more, after what is being sent; raises what `send` raised."""
        self._stopped.set()
        self._wake.set()
        if self._sender is not None:
            await self._sender

    async def _keep_sending(self) -> None:
        while not self._stopped.is_set():
            await self._wake.wait()
            self._wake.clear()
            await self._send()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._stopped.wait()
