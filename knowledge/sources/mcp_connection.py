"""Calls to a Model Context Protocol server from code that blocks: one connection, kept while it is used."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from knowledge.documents import KnowledgeError

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client._transport import TransportStreams

_MOST_CHARACTERS = 200
_SECONDS_TO_CLOSE = 10.0
_CLOSED = "has closed the connection"

Answer = TypeVar("Answer")


class NoAnswerError(KnowledgeError):
    """The server cannot be reached or does not answer; the message follows the server's name."""


class LostError(NoAnswerError):
    """The connection has ended; another one may get an answer."""


class AnsweredError(KnowledgeError):
    """The server answered with an error; `code` is JSON-RPC's, the message follows the server's name."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds is waited: for the connection, for one call, and for the next call."""

    connect: float
    call: float
    idle: float


PATIENCE = Patience(connect=60.0, call=60.0, idle=30.0)


@dataclass(slots=True)
class Trace:
    """What a transport saw of a server, which the SDK's errors do not tell.

    `refusal` is why it was left, `status` that of its last answer over HTTP if it was an error, `words` the
    end of what it wrote for people.
    """

    refusal: str = ""
    status: int | None = None
    words: str = ""


Transport = Callable[[Trace], AbstractAsyncContextManager["TransportStreams"]]


class McpConnection:
    """Calls a server by the official SDK (https://py.sdk.modelcontextprotocol.io), one call at a time.

    The connection is made by the first call. It is closed when no other follows for a while, by `close`, and
    at the end of the interpreter; one that is lost is made anew by the next call. What the server says of
    itself is shortened, and `secrets` are struck out of it.
    """

    def __init__(self, transport: Transport, patience: Patience, secrets: frozenset[str]) -> None:
        self._transport = transport
        self._patience = patience
        self._secrets = secrets
        self._lock = threading.Lock()
        self._session: _Session | None = None

    def call(self, ask: Callable[[Client], Awaitable[Answer]]) -> Answer:
        """Give what `ask` gives for the connected client. Raises `NoAnswerError` or `AnsweredError`."""
        with self._lock:
            is_fresh = self._session is None
            try:
                return self._call(ask)
            except LostError:
                if is_fresh:
                    raise
                return self._call(ask)  # It was idle for too long, or has ended since the last call.

    def close(self) -> None:
        """Close the connection and end the server's process, if it has one."""
        with self._lock:
            self._leave()

    def _call(self, ask: Callable[[Client], Awaitable[Answer]]) -> Answer:
        session = self._session = self._session or _Session(self._transport, self._patience)
        try:
            return session.call(ask)
        except Exception as error:
            if session.is_connected and not session.trace.refusal and (code := _code_of_answer(error)):
                raise AnsweredError(self._reason(error, session), code) from error
            self._leave()
            cause = _cause(session.failure) or error
            is_final = session.trace.refusal or isinstance(error, TimeoutError)
            raise (NoAnswerError if is_final else LostError)(self._reason(cause, session)) from error

    def _leave(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.stop()

    def _reason(self, error: Exception, session: _Session) -> str:
        """Say in words that follow the server's name why there is no answer, or what is wrong with it."""
        from pydantic import ValidationError

        trace = session.trace
        if trace.refusal:
            return self._cleaned(trace.refusal)
        if isinstance(error, TimeoutError):
            seconds = self._patience.call if session.is_connected else self._patience.connect
            return f"does not answer within {seconds:g} s"
        if trace.status is not None:
            wants = "; it wants a token (token_env)" if trace.status in (401, 403) else ""
            return f"answers with status {trace.status}{wants}"
        if isinstance(error, ValidationError):
            return "answers with what is not MCP"
        if isinstance(error, KnowledgeError):
            return self._cleaned(str(error))
        if _is_closing(error):
            last = next((line for line in reversed(trace.words.splitlines()) if line.strip()), "")
            return f"{_CLOSED}: {self._cleaned(last)}" if last else _CLOSED
        what = "answers with an error" if _is_error_of_mcp(error) else "cannot be reached"
        return f"{what}: {self._cleaned(str(error) or type(error).__name__)}"

    def _cleaned(self, text: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "…")
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        short = line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}…"
        return short.rstrip(".")


class _Session:
    """One connection, in an event loop and a thread of its own."""

    def __init__(self, transport: Transport, patience: Patience) -> None:
        self.trace = Trace()
        self.failure: BaseException | None = None
        self._transport = transport
        self._patience = patience
        self._lock = threading.Lock()
        self._is_idle = False
        self._used_at = time.monotonic()
        self._begun = threading.Event()
        self._opened: Future[Client] = Future()
        self._thread = threading.Thread(target=self._run, daemon=True, name="lorebot-mcp")
        self._thread.start()
        atexit.register(self.stop)

    @property
    def is_connected(self) -> bool:
        return self._opened.done() and self._opened.exception() is None

    def call(self, ask: Callable[[Client], Awaitable[Answer]]) -> Answer:
        """Raises what `ask` raises, `TimeoutError`, `LostError`, and whatever ended the connection."""
        with self._lock:
            if self._is_idle or not self._thread.is_alive():
                raise LostError(_CLOSED)
            client = self._opened.result(self._patience.connect + _SECONDS_TO_CLOSE)
            waiting = asyncio.run_coroutine_threadsafe(self._limited(ask, client), self._loop)
            try:
                return waiting.result(self._patience.call + _SECONDS_TO_CLOSE)
            except concurrent.futures.CancelledError:
                raise LostError(_CLOSED) from None
            finally:
                self._used_at = time.monotonic()

    def stop(self) -> None:
        """Close the connection, whatever it is doing."""
        self._begun.wait(_SECONDS_TO_CLOSE)
        with suppress(RuntimeError):  # The loop is closed already.
            self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join(2 * _SECONDS_TO_CLOSE)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self.failure = error
            if not self._opened.done():
                self._opened.set_exception(_cause(error) or LostError(_CLOSED))
        finally:
            atexit.unregister(self.stop)

    async def _serve(self) -> None:
        """Connect, and stay connected until no call comes for a while."""
        self._loop, serving = asyncio.get_running_loop(), asyncio.current_task()
        assert serving is not None
        self._serving = serving
        self._begun.set()

        import anyio
        from mcp import Client
        from mcp_types import Implementation

        # The SDK logs the server's mistakes with stack traces; here each becomes an error of one line.
        logging.getLogger("mcp").setLevel(logging.CRITICAL)
        with anyio.fail_after(self._patience.connect) as limit:
            async with Client(
                self._transport(self.trace),
                client_info=Implementation(name="lorebot", version="1"),
                cache=None,
            ) as client:
                limit.deadline = math.inf
                self._opened.set_result(client)
                idle = asyncio.Event()
                self._watch(idle)
                try:
                    await idle.wait()
                finally:
                    limit.deadline = anyio.current_time() + _SECONDS_TO_CLOSE

    def _watch(self, idle: asyncio.Event) -> None:
        """Set the event when there is no call, and was none for a while."""
        if time.monotonic() - self._used_at > self._patience.idle and self._lock.acquire(blocking=False):
            self._is_idle = True
            self._lock.release()
            idle.set()
        else:
            self._loop.call_later(self._patience.idle / 4, self._watch, idle)

    async def _limited(self, ask: Callable[[Client], Awaitable[Answer]], client: Client) -> Answer:
        import anyio

        with anyio.fail_after(self._patience.call):
            return await ask(client)


def _cause(error: BaseException | None) -> Exception | None:
    """The error that began it, inside the groups that task groups make; None for a mere cancellation."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := _cause(inner))), None)
    return error if isinstance(error, Exception) else None


def _is_error_of_mcp(error: Exception) -> bool:
    from mcp import MCPError

    return isinstance(error, MCPError)


def _is_closing(error: Exception) -> bool:
    """Whether an error is the SDK's own for a connection that ended; servers use its code for others."""
    from mcp_types import CONNECTION_CLOSED

    return getattr(error, "code", None) == CONNECTION_CLOSED and str(error) == "Connection closed"


def _code_of_answer(error: Exception) -> int | None:
    """The code of an error that the server answered with; None when it did not answer."""
    from mcp_types import INVALID_REQUEST
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return INVALID_REQUEST
    if _is_error_of_mcp(error) and not _is_closing(error):
        return int(getattr(error, "code", 0))
    return None
