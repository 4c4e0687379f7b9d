"""Models that stand in for the worst, and one that writes down what another is asked and says."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from adapters.generation import AdapterVersion, GenerationRequest, Generator, Message


class Obedient:
    """Says whatever the attack in hand wants said, in every request, as if it had read and believed it.

    `{prompt}` in that is the whole prompt. Every line ends with a citation of the best evidence.
    """

    model = "obedient"
    ready = True
    queue_number = 0

    def __init__(self) -> None:
        self.says = ""

    def resolve(self, adapter: str) -> AdapterVersion:
        """Any adapter at all."""
        name, _, version = adapter.partition("@")
        return AdapterVersion(name, version, "")

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Obey."""
        prompt = "\n".join(message.content for message in request.messages)
        text = self.says.replace("{prompt}", prompt)
        yield text if text.endswith(("]", "`", ")")) else f"{text} [1]"

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """None that matter."""
        return 0

    async def close(self) -> None:
        """Nothing to do."""


class Overheard:
    """A generator that passes everything on to `inner` and keeps what it was asked and what it said."""

    def __init__(self, inner: Generator) -> None:
        self._inner = inner
        self.requests: list[GenerationRequest] = []
        self.said: list[str] = []

    @property
    def model(self) -> str:
        """The model's name."""
        return self._inner.model

    @property
    def ready(self) -> bool:
        """Whether it can speak at once."""
        return self._inner.ready

    @property
    def queue_number(self) -> int:
        """The place in the queue."""
        return self._inner.queue_number

    def resolve(self, adapter: str) -> AdapterVersion:
        """The version of an adapter."""
        return self._inner.resolve(adapter)

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Yield what the model says."""
        self.requests.append(request)
        self.said.append("")
        async with aclosing(self._inner.stream(request)) as pieces:
            async for piece in pieces:
                self.said[-1] += piece
                yield piece

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """The prompt's length."""
        return self._inner.count_tokens(messages)

    async def close(self) -> None:
        """Close the model."""
        await self._inner.close()
