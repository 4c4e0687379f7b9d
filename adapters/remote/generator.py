"""The port of generation on a server."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from adapters.generation import AdapterVersion, GenerationRequest, Message
from adapters.remote.breaker import CircuitOpenError
from adapters.remote.budget import CHARACTERS_A_TOKEN, Budget
from adapters.remote.chat import ChatRequest, ChatServer, Usage
from adapters.remote.endpoint import ServerError
from adapters.remote.events import Listener, ServerEvent
from adapters.remote.voices import VoicePath

_TOKENS_A_MESSAGE = 8


class RemoteGenerator:
    """A `Generator` that asks a server, which voices reach on `voices`.

    What is sent is the messages, and the voice's name or examples. `budget` limits what a day may cost.
    """

    def __init__(self, server: ChatServer, voices: VoicePath, listener: Listener, budget: Budget) -> None:
        self._server = server
        self._voices = voices
        self._listener = listener
        self._budget = budget

    @property
    def model(self) -> str:
        """The untouched model's name on its server."""
        return self._server.endpoint.model

    @property
    def ready(self) -> bool:
        """A server has nothing to load."""
        return True

    @property
    def queue_number(self) -> int:
        """None that we know of: the server keeps its own queue."""
        return 0

    @property
    def is_left_alone(self) -> bool:
        """Whether a request would be refused at once, because the server kept failing."""
        return self._server.is_left_alone

    def resolve(self, adapter: str) -> AdapterVersion:
        """The version that `adapter` names now. Raises `GenerationError` when it cannot speak there."""
        return self._voices.resolve(adapter)

    async def start(self) -> None:
        """Nothing is to be loaded."""

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Yield the answer as the server sends it; closing the generator closes the connection.

        A server that has forgotten the voice, as after a restart, is told it once more. Raises
        `GenerationError` that names the server.
        """
        has_begun = False
        for _ in range(2):
            try:
                async with aclosing(self._speak(request)) as pieces:
                    async for piece in pieces:
                        has_begun = True
                        yield piece
            except ServerError as error:
                if has_begun or not error.is_unknown_model or not self._voices.forget(request.adapter):
                    raise
            else:
                return

    async def check(self, adapter: str) -> None:
        """Let one token be written in a voice, which is published for it. Raises `GenerationError`."""
        request = GenerationRequest((Message("user", "Hello"),), adapter, max_new_tokens=1)
        async with aclosing(self.stream(request)) as pieces:
            async for _ in pieces:
                pass

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        """About how many tokens the prompt takes: the server alone knows its tokenizer."""
        return sum(len(one.content) // CHARACTERS_A_TOKEN + _TOKENS_A_MESSAGE for one in messages)

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()

    async def _speak(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        async with self._voices.speaking(request.adapter, request.messages) as spoken:
            asked = ChatRequest(
                spoken.model, spoken.messages, request.max_new_tokens, request.stop, spoken.extra
            )
            most = Usage(self.count_tokens(spoken.messages), request.max_new_tokens)
            async with self._budget.charging(most) as charge:
                try:
                    async with aclosing(self._server.stream(asked, charge.be_told)) as pieces:
                        async for piece in pieces:
                            charge.hear(piece)
                            yield piece
                except (ServerError, CircuitOpenError) as error:
                    if isinstance(error, CircuitOpenError) or error.status is not None:
                        charge.be_refused()
                    raise
                finally:
                    used = charge.usage
                    if used.reply_tokens:
                        told = ServerEvent(
                            "used",
                            self.model,
                            voice=spoken.model,
                            prompt_tokens=used.prompt_tokens,
                            reply_tokens=used.reply_tokens,
                        )
                        self._listener(told)
