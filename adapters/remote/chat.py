"""Chat completions over HTTP: streamed, timed, sent again before the first token, guarded by a breaker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from adapters.generation import Message
from adapters.remote.breaker import CircuitBreaker
from adapters.remote.endpoint import Endpoint, ServerError, did_not_answer, said_by, server_error
from adapters.remote.events import Listener, ServerEvent

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
    from tenacity import RetryCallState

_JITTER_SECONDS = 0.25
_LONGEST_WAIT = 5.0
# No tokenizer's tokens are longer on average; who sends more does not keep to the limit.
_CHARACTERS_A_TOKEN = 32
# What an answer can do without.
_DISPENSABLE = frozenset({"max_tokens", "temperature", "stream_options"})


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one answer."""

    prompt_tokens: int
    reply_tokens: int


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked of a server: `model` is the name there, `extra` are fields that only some know."""

    model: str
    messages: tuple[Message, ...]
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)


class ChatServer:
    """One endpoint (https://platform.openai.com/docs/api-reference/chat) and how it has been doing.

    `outages` counts how often it did not answer at all: it may have been started anew since.
    """

    def __init__(self, endpoint: Endpoint, breaker: CircuitBreaker, listener: Listener) -> None:
        self.endpoint = endpoint
        self.outages = 0
        self._breaker = breaker
        self._listener = listener
        self._client: AsyncOpenAI | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._left_out: set[str] = set()

    @property
    def is_left_alone(self) -> bool:
        """Whether a request would be refused because the server kept failing."""
        return self._breaker.is_open

    async def stream(
        self, request: ChatRequest, on_usage: Callable[[Usage], None]
    ) -> AsyncGenerator[str, None]:
        """Yield the answer as it comes; closing the generator closes the connection.

        `on_usage` is told the server's own count, where it gives one. Raises `ServerError`, and
        `CircuitOpenError` without asking.
        """
        self._breaker.admit()
        reply: _Reply | None = None
        try:
            piece, reply = await self._begin(request, on_usage)
            while piece is not None:
                yield piece
                piece = await reply.next(self._now() + self.endpoint.timeouts.idle, "it has stopped half-way")
            self._succeeded()
        except ServerError as error:
            self._failed(error)
            raise
        except GeneratorExit:
            self._succeeded()  # who listened had enough
            raise
        finally:
            if reply is not None:
                await reply.close()

    async def first_token(self, request: ChatRequest) -> dict[str, float]:
        """The log-probabilities of the five most probable first tokens of an answer, in nats.

        Raises `ServerError`, also when the server does not tell them.
        """
        client = await self._connected()
        from openai import APIError

        try:
            async with asyncio.timeout(self.endpoint.timeouts.first_token):
                completion = await client.chat.completions.create(
                    model=request.model,
                    messages=_messages(request),
                    max_tokens=request.max_new_tokens,
                    temperature=0.0,
                    logprobs=True,
                    top_logprobs=5,
                    extra_body=dict(request.extra),
                )
            content = completion.choices[0].logprobs.content  # type: ignore[union-attr]
            found = {one.token: float(one.logprob) for one in content[0].top_logprobs}  # type: ignore[index]
        except (APIError, TimeoutError) as error:
            raise server_error(self.endpoint, error) from error
        except (AttributeError, IndexError, TypeError, ValueError):
            found = {}
        if not found:
            raise ServerError(
                f"{self.endpoint.url} tells no log-probabilities of {request.model}, by which a voice is "
                'told from the base; let the server give them, or set publishing.mode to "examples".',
                200,
            )
        return found

    async def models(self) -> tuple[str, ...]:
        """The names of the models that the server lists. Raises `ServerError`."""
        client = await self._connected()
        from openai import APIError

        try:
            async with asyncio.timeout(self.endpoint.timeouts.first_token):
                return tuple([str(model.id) async for model in client.models.list()])
        except (APIError, TimeoutError, AttributeError, TypeError, ValueError) as error:
            raise server_error(self.endpoint, error) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            with suppress(RuntimeError):  # its event loop is gone, and its connections with it
                await self._client.close()

    async def _begin(
        self, request: ChatRequest, on_usage: Callable[[Usage], None]
    ) -> tuple[str | None, _Reply]:
        """The first piece of an answer, None when it is empty, and what follows it."""
        client = await self._connected()
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_before_delay

        allowed = self.endpoint.timeouts.first_token
        deadline = self._now() + allowed
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, ServerError) and error.is_transient),
            wait=_wait,
            stop=stop_after_attempt(self.endpoint.retries + 1) | stop_before_delay(allowed),
            before_sleep=self._tell_retry,
            reraise=True,
        )
        return await retrying(self._send, client, request, on_usage, deadline)

    async def _send(
        self, client: AsyncOpenAI, request: ChatRequest, on_usage: Callable[[Usage], None], deadline: float
    ) -> tuple[str | None, _Reply]:
        late = f"it has not begun within {self.endpoint.timeouts.first_token:g} s"
        try:
            async with asyncio.timeout_at(deadline):
                stream = await self._open(client, request)
        except TimeoutError as error:
            raise did_not_answer(self.endpoint, late) from error
        reply = _Reply(stream, self.endpoint, request.max_new_tokens * _CHARACTERS_A_TOKEN, on_usage)
        try:
            return await reply.next(deadline, late), reply
        except BaseException:
            await reply.close()
            raise

    async def _open(self, client: AsyncOpenAI, request: ChatRequest) -> AsyncStream[ChatCompletionChunk]:
        """Send a request. An option that the server refuses by name, as some do, is left out from then on."""
        from openai import APIError, BadRequestError, UnprocessableEntityError

        while True:
            try:
                stream = await client.chat.completions.create(
                    model=request.model, messages=_messages(request), stream=True, **self._options(request)
                )
            except (BadRequestError, UnprocessableEntityError) as error:
                named = {option for option in _DISPENSABLE if option in said_by(error)} - self._left_out
                if not named:
                    raise server_error(self.endpoint, error) from error
                self._left_out |= named
            except APIError as error:
                raise server_error(self.endpoint, error) from error
            else:
                return cast("AsyncStream[ChatCompletionChunk]", stream)

    def _options(self, request: ChatRequest) -> dict[str, Any]:
        options = {
            "max_tokens": request.max_new_tokens,
            "temperature": 0.0,
            "stream_options": {"include_usage": True},
        }
        kept = {name: value for name, value in options.items() if name not in self._left_out}
        if "max_tokens" not in kept:
            kept["max_completion_tokens"] = request.max_new_tokens
        if request.stop:
            kept["stop"] = list(request.stop)
        return {**kept, "extra_body": dict(request.extra)}

    async def _connected(self) -> AsyncOpenAI:
        """The client of this event loop: connections belong to the loop that made them."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            # Loading the library and its certificates takes long enough to hold up everything else.
            self._client, self._loop = await asyncio.to_thread(_client_of, self.endpoint), loop
        return self._client

    def _tell_retry(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._note_outage(error)
        self._listener(ServerEvent("retried", self.endpoint.model, str(error)))

    def _note_outage(self, error: BaseException | None) -> None:
        if isinstance(error, ServerError) and error.status is None:
            self.outages += 1

    def _failed(self, error: ServerError) -> None:
        self._note_outage(error)
        self._listener(ServerEvent("failed", self.endpoint.model, str(error)))
        if error.is_transient and self._breaker.failed(str(error)):
            self._listener(ServerEvent("circuit opened", self.endpoint.model, str(error)))

    def _succeeded(self) -> None:
        if self._breaker.succeeded():
            self._listener(ServerEvent("circuit closed", self.endpoint.model))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class _Reply:
    """The pieces of one streamed answer."""

    def __init__(
        self,
        stream: AsyncStream[ChatCompletionChunk],
        endpoint: Endpoint,
        most_characters: int,
        on_usage: Callable[[Usage], None],
    ) -> None:
        self._stream = stream
        self._endpoint = endpoint
        self._left = most_characters
        self._on_usage = on_usage
        self._finished = False

    async def next(self, deadline: float, late: str) -> str | None:
        """The next piece, None at the end. Raises `ServerError` when it is `late`, missing, or none."""
        from openai import APIError

        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(self._stream, None)
                piece = "" if chunk is None else self._read(chunk)
            except TimeoutError as error:
                raise did_not_answer(self._endpoint, late) from error
            except (APIError, AttributeError, IndexError, TypeError, ValueError) as error:
                raise server_error(self._endpoint, error) from error
            if chunk is None:
                self._check_end()
                return None
            if piece:
                self._left -= len(piece)
                return piece if self._left >= 0 else None

    async def close(self) -> None:
        """Close the connection, which ends the server's work."""
        await self._stream.close()

    def _read(self, chunk: Any) -> str:
        """The text of a chunk; servers send others that only tell the role, the end, or the usage."""
        if chunk.usage is not None:
            self._on_usage(Usage(int(chunk.usage.prompt_tokens), int(chunk.usage.completion_tokens)))
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self._finished = self._finished or choice.finish_reason is not None
        content = choice.delta.content
        if content is not None and not isinstance(content, str):
            raise TypeError("its content is no text")
        return content or ""

    def _check_end(self) -> None:
        if not self._finished:
            raise did_not_answer(self._endpoint, "it broke off before its end")


def _client_of(endpoint: Endpoint) -> AsyncOpenAI:
    from openai import AsyncOpenAI, Timeout

    times = endpoint.timeouts
    return AsyncOpenAI(
        base_url=endpoint.url,
        # The library insists on some key; a server that wants none ignores it.
        api_key=endpoint.key or "none",
        timeout=Timeout(max(times.first_token, times.idle), connect=times.connect),
        max_retries=0,
    )


def _messages(request: ChatRequest) -> list[ChatCompletionMessageParam]:
    return cast(
        "list[ChatCompletionMessageParam]",
        [{"role": message.role, "content": message.content} for message in request.messages],
    )


def _wait(state: RetryCallState) -> float:
    """What the server asks for, else a random time up to one that doubles.

    Full jitter, from https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    from tenacity import wait_random_exponential

    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ServerError) and error.retry_after is not None:
        return error.retry_after
    return wait_random_exponential(multiplier=_JITTER_SECONDS, max=_LONGEST_WAIT)(state)
