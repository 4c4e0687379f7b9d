"""Generation on a server with the OpenAI-compatible API: vLLM, llama.cpp, Ollama, TGI, or a hosted model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from adapters.generation import BASE, AdapterVersion, GenerationError, GenerationRequest, Message

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionMessageParam

_CHARACTERS_A_TOKEN = 4


class RemoteGenerator:
    """A `Generator` that asks a chat completions endpoint (https://platform.openai.com/docs/api-reference/chat).

    The untouched model answers: `model` is its name on that server. What is sent is the messages, and
    nothing else.
    """

    def __init__(self, url: str, model: str, key: str | None, timeout_seconds: float) -> None:
        """`url` ends before `/chat/completions`; servers without a key are given none."""
        self._url = url
        self._model = model
        self._key = key
        self._timeout = timeout_seconds
        self._client: AsyncOpenAI | None = None

    @property
    def model(self) -> str:
        """The model's name on its server."""
        return self._model

    @property
    def ready(self) -> bool:
        """A server has nothing to load."""
        return True

    @property
    def queue_number(self) -> int:
        """None that we know of: the server keeps its own queue."""
        return 0

    def resolve(self, adapter: str) -> AdapterVersion:
        """The untouched model; raises `GenerationError` for any adapter."""
        if adapter != BASE:
            raise GenerationError(f"{self._model} at {self._url} has no adapter {adapter!r}; use {BASE}.")
        return AdapterVersion(BASE, "", "")

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Yield the answer as the server sends it. Raises `GenerationError` that names the server."""
        from openai import APIError

        self.resolve(request.adapter)
        messages = cast(
            "list[ChatCompletionMessageParam]",
            [{"role": message.role, "content": message.content} for message in request.messages],
        )
        try:
            stream = await self._connected().chat.completions.create(
                model=self._model,
                messages=messages,
                max_tokens=request.max_new_tokens,
                stop=list(request.stop) or None,
                temperature=0.0,
                stream=True,
            )
            async with stream:
                async for chunk in stream:
                    if chunk.choices and (piece := chunk.choices[0].delta.content):
                        yield piece
        except APIError as error:
            raise GenerationError(
                f"The model {self._model} at {self._url} did not answer ({error.message.splitlines()[0]}); "
                "check its address, name and key in the settings."
            ) from error

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """About how many tokens the prompt takes: the server alone knows its tokenizer."""
        return sum(len(message.content) for message in messages) // _CHARACTERS_A_TOKEN

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            with suppress(RuntimeError):  # its event loop is gone, and its connections with it
                await self._client.close()

    def _connected(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import AsyncOpenAI

            # The library insists on some key; a server that wants none ignores it.
            self._client = AsyncOpenAI(
                base_url=self._url, api_key=self._key or "none", timeout=self._timeout, max_retries=1
            )
        return self._client
