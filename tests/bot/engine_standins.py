"""Language models that say what a test needs, in place of the real one."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from adapters.generation import AdapterVersion, GenerationRequest, Message


class Silent:
    """A model that says nothing, so that the evidence is quoted."""

    model = "silent"
    ready = True
    queue_number = 0

    def resolve(self, adapter: str) -> AdapterVersion:
        return AdapterVersion(adapter, "", "")

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        for piece in ():
            yield piece

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        return 0

    async def close(self) -> None:
        pass
