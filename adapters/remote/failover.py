"""When the model on a server cannot answer: the local one does, or nobody, and the evidence is quoted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from adapters.generation import BASE, AdapterVersion, GenerationError, GenerationRequest, Message
from adapters.local import LocalGenerator
from adapters.remote.events import Listener, ServerEvent
from adapters.remote.generator import RemoteGenerator


class FailoverGenerator:
    """A `Generator` that asks a server, and where it fails before its first word the model of this process.

    Without a `local` model nobody speaks then. What a server has begun is never taken up by another model.
    `stand_in` speaks locally where the server's model would speak without an adapter.
    """

    def __init__(
        self, remote: RemoteGenerator, local: LocalGenerator | None, stand_in: str, listener: Listener
    ) -> None:
        self.remote = remote
        self._local = local
        self._stand_in = stand_in
        self._listener = listener

    @property
    def model(self) -> str:
        """The model on the server, which answers unless `GenerationRequest.on_speaker` tells another."""
        return self.remote.model

    @property
    def ready(self) -> bool:
        """Whether the model that would answer now can do so at once."""
        return self._local.ready if self._local and self.remote.is_left_alone else True

    @property
    def queue_number(self) -> int:
        """That of the local model while the server is left alone."""
        return self._local.queue_number if self._local and self.remote.is_left_alone else 0

    def resolve(self, adapter: str) -> AdapterVersion:
        """The version as it speaks on the server. Raises `GenerationError`."""
        return self.remote.resolve(adapter)

    async def start(self) -> None:
        """Nothing is loaded: the local model is when it is needed for the first time."""

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Yield what the server says, or else what the local model says. Raises `GenerationError`."""
        has_begun = False
        try:
            async with aclosing(self.remote.stream(request)) as pieces:
                async for piece in pieces:
                    has_begun = True
                    yield piece
            return
        except GenerationError as error:
            self._listener(ServerEvent("failed over", self.remote.model, str(error)))
            if has_begun or self._local is None:
                raise
        async with aclosing(self._speak_locally(self._local, request)) as pieces:
            async for piece in pieces:
                yield piece

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """About how many tokens the prompt takes."""
        return self.remote.count_tokens(messages)

    async def close(self) -> None:
        """Close the connections; whoever made the local model closes it."""
        await self.remote.close()

    async def _speak_locally(
        self, local: LocalGenerator, request: GenerationRequest
    ) -> AsyncGenerator[str, None]:
        adapter = self._stand_in if request.adapter == BASE else request.adapter
        version = await asyncio.to_thread(local.resolve, adapter)
        async with aclosing(local.stream(replace(request, adapter=adapter))) as pieces:
            has_begun = False
            async for piece in pieces:
                if not has_begun and request.on_speaker:
                    request.on_speaker(local.model, version)
                has_begun = True
                yield piece
