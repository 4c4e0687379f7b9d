"""What the local platforms share: faults to order, conditions to wait for, and being served."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Generic, TypeVar

from aiohttp import web
from faults import Fault, Faults, Ration

Result = TypeVar("Result")
Served = TypeVar("Served", bound="Platform")
Kept = TypeVar("Kept")


class Platform(ABC):
    """A platform that a test holds in its hands. Methods of the platform may be given as patterns."""

    url: str
    faults: Faults
    changed: asyncio.Event

    @abstractmethod
    def application(self) -> web.Application:
        """The server's application."""

    @abstractmethod
    def last_calls(self) -> list[str]:
        """What was asked last, for the message when something does not happen."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection."""

    def ration(self, method: str, calls: int, seconds: float) -> None:
        """Answer 429 to what exceeds so many calls within so many seconds."""
        self.faults.ration(Ration(method, calls, seconds))

    def delay(self, method: str, seconds: float, times: int | None = None) -> None:
        """Answer calls of a method late."""
        self.faults.order(Fault(method, seconds=seconds, times=times))

    def lose(self, method: str, when: str = "before", times: int | None = 1, skip: int = 0) -> None:
        """Cut the connection of the next calls `before` they are done or `after`."""
        assert when in ("before", "after")
        self.faults.order(Fault(method, lost=when, times=times, skip=skip))

    def heal(self) -> None:
        """Forget every order of what is to go wrong."""
        self.faults.clear()

    async def until(self, condition: Callable[[], Any], seconds: float = 30.0) -> None:
        """Wait for a condition of the world.

        Raises:
            AssertionError: when it does not hold in time; the message tells the last calls.
        """
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds:g} s; last calls: {self.last_calls()}")
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), 0.02)
            except TimeoutError:
                continue


@asynccontextmanager
async def serving(platform: Served) -> AsyncIterator[Served]:
    """Serve a platform on 127.0.0.1 in the running event loop."""
    runner = web.AppRunner(platform.application(), shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    platform.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield platform
    finally:
        await platform.close()
        await runner.cleanup()


@asynccontextmanager
async def disturbing(disturb: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run what disturbs, while the block runs."""
    task = asyncio.create_task(disturb())
    try:
        yield
    finally:
        task.cancel()


class Threaded(Generic[Kept]):
    """A platform in a thread of its own, for clients that block: `do` runs an act there."""

    def __init__(self, platform: Kept, loop: asyncio.AbstractEventLoop) -> None:
        self.platform = platform
        self._loop = loop

    def do(self, act: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine of the platform to its end."""
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(60)


@contextmanager
def threaded(served: AbstractAsyncContextManager[Kept]) -> Iterator[Threaded[Kept]]:
    """Serve a platform in a thread, for a program that blocks or has its own event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        platform = asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result(30)
        yield Threaded(platform, loop)
    finally:
        asyncio.run_coroutine_threadsafe(served.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
