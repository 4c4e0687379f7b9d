"""HTTP for addresses that others choose: checked, pinned, bounded in size, time and redirects."""

from __future__ import annotations

import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpcore
import httpx

from knowledge.documents import KnowledgeError
from knowledge.sources.addresses import is_public

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_URL_CHARACTERS = 4_000
_MEANINGS = {
    401: ": it asks for a login, and Lorebot has none; let its address read without one",
    403: ": it refuses Lorebot; allow its address or its User-Agent there",
    404: ": it is not there; check the address",
    410: ": it is gone for good",
    429: ": it is asked too often; let it rest for longer between two requests",
}


class FetchError(KnowledgeError):
    """No answer came; another attempt may get one."""


class RefusedError(KnowledgeError):
    """An address or URL that is not asked."""


class TooLargeError(KnowledgeError):
    """The answer is over the limit; `size` is in bytes where the server told it."""

    def __init__(self, message: str, size: int | None) -> None:
        super().__init__(message)
        self.size = size


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: `url` is the one that gave it, after redirects; the names in `headers` are lower-case."""

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes


def system_addresses(host: str, port: int) -> tuple[str, ...]:
    """Resolve a host by the system's resolver. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[4][0]) for address in found))


def any_address(_address: str) -> bool:
    """Allow every address."""
    return True


def follow_all(_url: str) -> bool:
    """Follow every redirect."""
    return True


def follow_none(_url: str) -> bool:
    """Follow no redirect."""
    return False


@dataclass(frozen=True, slots=True)
class Request:
    """A URL to get, of which the body may have `max_bytes`, packed and unpacked.

    A redirect to a URL that `may_follow` denies is returned as it came, without a body.
    """

    url: str
    max_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict)
    may_follow: Callable[[str], bool] = follow_all


def checked_addresses(
    host: str,
    port: int,
    may_connect: Callable[[str], bool],
    resolve: Callable[[str, int], Sequence[str]],
) -> tuple[str, ...]:
    """Resolve a host to the addresses that may be connected to. Raises `RefusedError` for none, `OSError`."""
    addresses = resolve(host, port)
    allowed = tuple(address for address in addresses if may_connect(address))
    if not allowed:
        found = ", ".join(addresses[:3]) or "nothing"
        raise RefusedError(
            f"{host} leads to {found}, which is not a public address; to read it all the same, set "
            "allow_private."
        )
    return allowed


class WebClient:
    """Gets URLs over http and https, one at a time.

    A host is resolved here, each address is checked with `may_connect`, and the connection is made to the
    checked address itself: what the name resolves to a moment later does not matter (DNS rebinding,
    https://owasp.org/www-community/attacks/Server_Side_Request_Forgery). As every connection is made this
    way, those after a redirect are checked as well. Certificates are verified against the name. Proxies,
    cookies and credentials in URLs are not used.
    """

    def __init__(
        self,
        user_agent: str,
        may_connect: Callable[[str], bool] = is_public,
        resolve: Callable[[str, int], Sequence[str]] = system_addresses,
        idle_seconds: float = 20.0,
        total_seconds: float = 120.0,
    ) -> None:
        """`idle_seconds` bounds one wait for the network, `total_seconds` one answer with its redirects."""
        self._user_agent = user_agent
        self._idle_seconds = idle_seconds
        self._total_seconds = total_seconds
        self._backend = _CheckedBackend(may_connect, resolve)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=4,
            keepalive_expiry=15.0,
            network_backend=self._backend,
        )

    def get(self, request: Request) -> Response:
        """Get a URL.

        Raises `RefusedError` for other schemes and forbidden addresses, `TooLargeError`, and `FetchError`
        for whatever the network or the server does wrong. A status is not an error.
        """
        self._backend.deadline = time.monotonic() + self._total_seconds
        hop = request
        for _hop in range(_MOST_REDIRECTS + 1):
            response = self._get_once(hop)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or not location:
                return response
            target = joined(hop.url, location)
            if target is None or not request.may_follow(target):
                return response
            hop = replace(request, url=target)
        raise FetchError(f"{request.url} redirects more than {_MOST_REDIRECTS} times.")

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _get_once(self, request: Request) -> Response:
        url = request.url
        parsed = _checked_url(url)
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self._idle_seconds)
        asked: dict[bytes | str, bytes | str] = {
            "Host": parsed.netloc.decode("ascii"),
            "User-Agent": self._user_agent,
            "Accept-Encoding": "gzip, deflate",
        }
        asked.update(request.headers.items())
        target = httpcore.URL(
            scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path
        )
        try:
            with self._pool.stream("GET", target, headers=asked, extensions={"timeout": timeouts}) as answer:
                found = _headers(answer.headers)
                parts = () if answer.status in _REDIRECTS else answer.iter_stream()
                return Response(url, answer.status, found, _body(url, found, parts, request.max_bytes))
        except (httpcore.TimeoutException, TimeoutError):
            raise FetchError(f"{url} does not answer in time.") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as error:
            reason = str(error.__cause__ or error) or type(error).__name__
            raise FetchError(f"{url} cannot be reached: {reason.rstrip('.')}.") from error


def said_by(url: str, status: int) -> str:
    """Word an answer that is not the wanted one, with what an admin can do about it."""
    return f"{url} answers with status {status}{_MEANINGS.get(status, '')}."


def joined(base: str, reference: str) -> str | None:
    """Make an absolute URL of a reference on the page `base`; None when it is no http(s) URL."""
    try:
        url = httpx.URL(base).join(reference.strip())
    except (httpx.InvalidURL, ValueError):
        return None
    is_web = url.scheme in ("http", "https") and url.host and len(str(url)) <= _MOST_URL_CHARACTERS
    return str(url.copy_with(fragment=None)) if is_web else None


def _headers(lines: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in lines:
        key, value = name.decode("latin-1").lower(), text.decode("latin-1")
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def _checked_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise RefusedError(f"{url[:200]!r} is not a URL.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise RefusedError(f"{url[:200]} is not an http or https URL.")
    if parsed.userinfo:
        raise RefusedError(f"A URL of {parsed.host} holds a user or password, which is not sent.")
    return parsed


def _body(url: str, headers: Mapping[str, str], parts: Iterable[bytes], max_bytes: int) -> bytes:
    told = headers.get("content-length", "")
    size = int(told) if told.isascii() and told.isdigit() else None
    if size is not None and size > max_bytes:
        raise TooLargeError(f"{url} is larger than {max_bytes:,} bytes.", size)
    content = bytearray()
    for part in _unpacked(url, headers.get("content-encoding", ""), parts, max_bytes):
        content += part
        if len(content) > max_bytes:
            raise TooLargeError(f"{url} is larger than {max_bytes:,} bytes.", None)
    return bytes(content)


def _unpacked(url: str, encoding: str, parts: Iterable[bytes], limit: int) -> Iterable[bytes]:
    """Unpack gzip and deflate, never more than `limit` bytes and one at once (RFC 9110, section 8.4.1)."""
    kind = encoding.strip().lower()
    if kind in ("", "identity"):
        yield from parts
        return
    if kind not in ("gzip", "x-gzip", "deflate"):
        raise FetchError(f"{url} is packed in a way that was not asked for ({encoding[:40]}).")
    inflate = None
    try:
        for part in parts:
            # Some servers send deflate without the zlib header that the RFC wants (its low half is 8).
            is_bare = kind == "deflate" and part[:1] and part[0] & 0x0F != 8
            inflate = inflate or zlib.decompressobj(-zlib.MAX_WBITS if is_bare else zlib.MAX_WBITS | 32)
            yield inflate.decompress(part, limit + 1)
    except zlib.error as error:
        raise FetchError(f"{url} is packed wrongly ({error}).") from error
    if inflate and not inflate.eof:
        raise FetchError(f"{url} ended before its end.")


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, and to nothing else; nothing lasts beyond `deadline`."""

    def __init__(
        self, may_connect: Callable[[str], bool], resolve: Callable[[str, int], Sequence[str]]
    ) -> None:
        self.deadline = 0.0
        self._may_connect = may_connect
        self._resolve = resolve
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in checked_addresses(host, port, self._may_connect, self._resolve):
            try:
                stream = self._network.connect_tcp(
                    address, port, self.left(timeout), local_address, socket_options
                )
                return _TimedStream(stream, self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        raise RefusedError("A local socket is no web address.")

    def left(self, timeout: float | None) -> float:
        """Give the seconds that one wait may take. Raises `httpcore.TimeoutException` when none are left."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("the whole answer takes too long")
        return seconds if timeout is None else min(seconds, timeout)


class _TimedStream(httpcore.NetworkStream):
    """A connection on which each wait ends by the deadline: bytes that drip cannot hold up a run."""

    def __init__(self, stream: httpcore.NetworkStream, backend: _CheckedBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._backend.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._backend.left(timeout))
        return _TimedStream(stream, self._backend)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
