"""A Model Context Protocol server at a URL: each address is checked, each answer bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import httpx2

from knowledge.documents import KnowledgeError
from knowledge.sources.addresses import is_public
from knowledge.sources.http import RefusedError, any_address, checked_addresses, system_addresses
from knowledge.sources.mcp_connection import PATIENCE, McpConnection, Patience, Trace

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

_SECONDS_TO_CONNECT = 20.0


def http_connection(
    url: str,
    token: str | None = None,
    max_bytes: int = 50_000_000,
    allow_private: bool = False,
    patience: Patience = PATIENCE,
) -> McpConnection:
    """Make a connection to a server at a URL, with `token` as the bearer token.

    `max_bytes` bounds what a resource holds; an answer may be twice as long, for its encoding, and a
    megabyte. Raises `KnowledgeError` for a URL that is none, or that would send the token in clear.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        parsed = httpx2.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        raise KnowledgeError(f"The url {url!r} of an MCP server is no http or https URL.")
    if token and parsed.scheme == "http" and not allow_private:
        raise KnowledgeError(f"The url {url!r} of an MCP server would show its token; give one with https.")
    most = 2 * max_bytes + 1_000_000
    may_connect = any_address if allow_private else is_public
    return McpConnection(
        lambda trace: http_transport(
            url, token, most, 2 * patience.call, may_connect, system_addresses, trace
        ),
        patience,
        frozenset(filter(None, [token])),
    )


@asynccontextmanager
async def http_transport(
    url: str,
    token: str | None,
    max_bytes: int,
    idle_seconds: float,
    may_connect: Callable[[str], bool],
    resolve: Callable[[str, int], Sequence[str]],
    trace: Trace,
) -> AsyncIterator[TransportStreams]:
    """Speak with a server over streamable HTTP, with `token` as the bearer token.

    Redirects are followed within the URL's origin alone, as the SDK does it; proxies, cookies of others and
    `.netrc` are not used. An answer over `max_bytes` ends with an error, and `trace` says why.
    """
    from mcp.client.streamable_http import streamable_http_client

    headers = {"User-Agent": "Lorebot", "Accept-Encoding": "identity"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    async with (
        httpx2.AsyncClient(
            transport=_CheckedTransport(max_bytes, may_connect, resolve, trace),
            headers=headers,
            timeout=httpx2.Timeout(_SECONDS_TO_CONNECT, read=idle_seconds),
            trust_env=False,
        ) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=max_bytes) as streams,
    ):
        yield streams


class _CheckedTransport(httpx2.AsyncBaseTransport):
    """Connects to addresses that were checked, and to nothing else, as `WebClient` does."""

    def __init__(
        self,
        max_bytes: int,
        may_connect: Callable[[str], bool],
        resolve: Callable[[str, int], Sequence[str]],
        trace: Trace,
    ) -> None:
        self._max_bytes = max_bytes
        self._may_connect = may_connect
        self._resolve = resolve
        self._trace = trace
        self._network = httpx2.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the first checked address that can be reached."""
        host, port = request.url.host, request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            addresses = await anyio.to_thread.run_sync(
                checked_addresses, host, port, self._may_connect, self._resolve, abandon_on_cancel=True
            )
        except RefusedError as error:
            self._trace.refusal = f"is not asked: {error}".rstrip(".")
            raise
        except OSError as error:
            raise httpx2.ConnectError(f"{host} has no address") from error
        failure: httpx2.TransportError = httpx2.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                response = await self._network.handle_async_request(_pinned(request, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
            else:
                self._trace.status = response.status_code if response.is_error else None
                if response.headers.get("content-encoding", "identity").lower() != "identity":
                    await response.aclose()
                    self._trace.refusal = "packs its answers, which was not asked for"
                    raise httpx2.RemoteProtocolError(self._trace.refusal)
                assert isinstance(response.stream, httpx2.AsyncByteStream)
                bounded = _Bounded(response.stream, self._max_bytes, self._trace)
                return httpx2.Response(
                    response.status_code,
                    headers=response.headers,
                    stream=bounded,
                    extensions=response.extensions,
                )
        raise failure

    async def aclose(self) -> None:
        """Close the connections."""
        await self._network.aclose()


def _pinned(request: httpx2.Request, address: str) -> httpx2.Request:
    """The same request to this address; the name stays in the header Host and in what TLS verifies."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends with an error where it gets longer than it may."""

    def __init__(self, body: httpx2.AsyncByteStream, max_bytes: int, trace: Trace) -> None:
        self._body = body
        self._max_bytes = max_bytes
        self._trace = trace

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for part in self._body:
            received += len(part)
            if received > self._max_bytes:
                self._trace.refusal = f"sends an answer of more than {self._max_bytes / 1e6:,.0f} MB"
                raise httpx2.StreamError(self._trace.refusal)
            yield part

    async def aclose(self) -> None:
        await self._body.aclose()
