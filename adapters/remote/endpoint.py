"""Where a model is served, how long it may take, and what its failures mean."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from adapters.generation import GenerationError

if TYPE_CHECKING:
    from httpx import AsyncClient
    from openai import APIStatusError

_LONGEST_REASON = 200
_TRANSIENT = frozenset({408, 409, 425, 429})
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds until the connection stands, until the first text is there, and between two pieces of text."""

    connect: float = 5.0
    first_token: float = 30.0
    idle: float = 15.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A chat completions endpoint; `url` ends before `/chat/completions`.

    `model` is the name of the untouched model there. Servers without a key are given none. A request is sent
    again up to `retries` times, all within the time for the first token.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeouts: Timeouts = Timeouts()
    retries: int = 2

    @property
    def root(self) -> str:
        """The server's URL without the API's version, below which some keep what the API does not know."""
        return self.url.rstrip("/").removesuffix("/v1")

    @property
    def headers(self) -> dict[str, str]:
        """The key, for what is asked beside the API."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def one_line(self, text: str) -> str:
        """What a server said as one short line, without the key, which some repeat."""
        return one_line(text, self.key)


def one_line(text: str, secret: str | None) -> str:
    """Text from outside as one short line, without a secret and without what steers a terminal."""
    kept = text.replace(secret, "…") if secret else text
    line = "".join(letter if letter.isprintable() else " " for letter in kept)
    return " ".join(line.split())[:_LONGEST_REASON]


async def open_client(seconds: float, headers: Mapping[str, str]) -> AsyncClient:
    """A client for what is asked beside the API, directly and not through a proxy."""
    from httpx import AsyncClient

    # Reading the certificates takes long enough to hold up everything else.
    return await asyncio.to_thread(AsyncClient, timeout=seconds, headers=headers, trust_env=False)


class ServerError(GenerationError):
    """A server did not answer, or not wholly; the message is one line.

    `status` is that of HTTP, None where no answer came. `retry_after` are the seconds that the server asks to
    wait. A transient failure may be gone when the request is sent again.
    """

    def __init__(self, message: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def is_transient(self) -> bool:
        return self.status is None or self.status in _TRANSIENT or self.status >= 500

    @property
    def is_unknown_model(self) -> bool:
        return self.status == _NOT_FOUND


def did_not_answer(
    endpoint: Endpoint, reason: str, status: int | None = None, retry_after: float | None = None
) -> ServerError:
    """The failure of a request in words that name the server, the reason and the fix."""
    return ServerError(
        f"The model {endpoint.model} at {endpoint.url} did not answer ({endpoint.one_line(reason)}); "
        "check its address, name and key in the settings.",
        status,
        retry_after,
    )


def server_error(endpoint: Endpoint, error: Exception) -> ServerError:
    """What the client library raised, or found unreadable, as one kind of failure."""
    from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

    if isinstance(error, TimeoutError | APITimeoutError):
        return did_not_answer(endpoint, "it cannot be reached in time")
    if isinstance(error, APIStatusError):
        reason = f"{error.status_code}: {said_by(error)}"
        return did_not_answer(endpoint, reason, error.status_code, _retry_after(error))
    if isinstance(error, APIConnectionError):
        return did_not_answer(
            endpoint, f"the connection failed: {error.__cause__ or 'nothing listens there'}"
        )
    if isinstance(error, APIError):
        return did_not_answer(endpoint, error.message)
    return did_not_answer(endpoint, f"what it sent is no chat completion: {error}")


def said_by(error: APIStatusError) -> str:
    """The reason in the body, in whichever of the usual places it stands."""
    body = error.body
    if isinstance(body, dict):
        for key in ("message", "error", "detail"):
            if isinstance(said := body.get(key), str):
                return said
    return error.message


def _retry_after(error: APIStatusError) -> float | None:
    """The seconds that `Retry-After` asks for (RFC 9110, 10.2.3): a number, or a date."""
    header = error.response.headers.get("retry-after")
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
