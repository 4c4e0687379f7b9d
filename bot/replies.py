"""Replies of one adapter to many prompts, several under way at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from adapters.generation import GenerationRequest, Generator, Message

TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Replies:
    """What was said to each prompt, and the seconds that all of it took together."""

    texts: tuple[str, ...]
    seconds: float


async def replies(
    generator: Generator,
    adapter: str,
    prompts: Sequence[tuple[Message, ...]],
    max_new_tokens: int,
    on_reply: Callable[[], None],
) -> Replies:
    """Let `adapter` reply to every prompt.

    `on_reply` is called after each and may raise, which ends the work. Raises `GenerationError`.
    """
    places = asyncio.Semaphore(TOGETHER)

    async def reply(prompt: tuple[Message, ...]) -> str:
        async with places:
            request = GenerationRequest(prompt, adapter, max_new_tokens)
            async with aclosing(generator.stream(request)) as pieces:
                text = "".join([piece async for piece in pieces])
            on_reply()
            return text.strip()

    began = time.monotonic()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reply(prompt)) for prompt in prompts]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return Replies(tuple(task.result() for task in tasks), time.monotonic() - began)
