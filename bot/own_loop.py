"""An event loop of its own, for a service that may block it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from bot.leading import Service


async def in_own_loop(service: Service) -> None:
    """Run a service in an event loop and a thread of its own, where it keeps nothing else waiting.

    When this is cancelled, so is the service, and it is waited for. Raises what the service raises.
    """
    begun: Future[Callable[[], object]] = Future()

    async def cancellable() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # it runs
        begun.set_result(lambda: loop.call_soon_threadsafe(task.cancel))
        with suppress(asyncio.CancelledError):
            await service()

    thread = ThreadPoolExecutor(1, "own-loop")
    running = asyncio.wrap_future(thread.submit(asyncio.run, cancellable()))
    thread.shutdown(wait=False)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        cancel = await asyncio.wrap_future(begun)
        cancel()
        await running
        raise
