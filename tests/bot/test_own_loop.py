"""A service in an event loop of its own keeps nothing else waiting."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bot.own_loop import in_own_loop
from knowledge.documents import KnowledgeError

_LONG_SECONDS = 30.0


async def test_while_a_service_blocks_its_loop_others_go_on() -> None:
    blocked, others_went_on = threading.Event(), threading.Event()
    was_let_go: list[bool] = []

    async def block() -> None:
        blocked.set()
        was_let_go.append(others_went_on.wait(_LONG_SECONDS))

    running = asyncio.create_task(in_own_loop(block))
    await asyncio.to_thread(blocked.wait)
    others_went_on.set()
    await running
    assert was_let_go == [True]


async def test_a_service_that_is_cancelled_ends_in_its_own_time() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def run() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    running = asyncio.create_task(in_own_loop(run))
    await asyncio.to_thread(begun.wait)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()


async def test_what_a_service_raises_is_raised() -> None:
    async def fail() -> None:
        raise KnowledgeError("The schedule cannot be read.")

    with pytest.raises(KnowledgeError, match=r"The schedule cannot be read\."):
        await in_own_loop(fail)
