"""Visiting a web server as a guest: its robots.txt, its pace, another attempt when it is busy."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

import httpx
from protego import Protego

from knowledge.sources.addresses import is_public
from knowledge.sources.http import (
    FetchError,
    Request,
    Response,
    TooLargeError,
    WebClient,
    any_address,
    said_by,
)

# RFC 9309, section 2.5: at least this much of a robots.txt is read.
_MOST_ROBOTS_BYTES = 512_000
_BUSY = (408, 425, 429)
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a guest waits, in seconds.

    `delay_seconds` lie between two requests, or as many as a Crawl-delay asks for, up to 30; `retry_seconds`
    before the one further attempt after a failure. The others are those of `WebClient`.
    """

    delay_seconds: float = 0.5
    retry_seconds: float = 2.0
    idle_seconds: float = 20.0
    total_seconds: float = 120.0


class PoliteClient:
    """Gets pages with a pause between them, and only those that robots.txt allows (RFC 9309).

    Made anew for each run, since it reads each robots.txt once.
    """

    def __init__(self, user_agent: str, allow_private: bool, timing: Timing) -> None:
        """`allow_private` lets servers be in one's own network."""
        self.agent = user_agent.partition("/")[0].strip()
        self._client = WebClient(
            user_agent,
            any_address if allow_private else is_public,
            idle_seconds=timing.idle_seconds,
            total_seconds=timing.total_seconds,
        )
        self._timing = timing
        self._robots: dict[str, Protego] = {}
        self._last_request = 0.0

    def get(self, request: Request) -> Response:
        """Get a URL as `WebClient` does, with a second attempt when the first one fails.

        Raises also `FetchError` for a status that says that the server is busy or broken.
        """
        pause = self._timing.retry_seconds
        with suppress(FetchError):
            response = self._once(request)
            if not _is_transient(response.status):
                return response
            pause = _asked_pause(response, pause)
        time.sleep(pause)
        response = self._once(request)
        if _is_transient(response.status):
            raise FetchError(said_by(request.url, response.status))
        return response

    def may_fetch(self, url: str) -> bool:
        """Whether robots.txt of the URL's server allows it. Raises `FetchError` when that cannot be had."""
        return bool(self._rules(url).can_fetch(url, self.agent))

    def sitemaps(self, url: str) -> tuple[str, ...]:
        """Give the sitemaps that robots.txt of the URL's server names."""
        return tuple(self._rules(url).sitemaps)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _once(self, request: Request) -> Response:
        rules = self._robots.get(_origin(request.url))
        asked = rules and rules.crawl_delay(self.agent)
        delay = min(max(self._timing.delay_seconds, asked or 0.0), _LONGEST_PAUSE_SECONDS)
        time.sleep(max(0.0, self._last_request + delay - time.monotonic()))
        try:
            return self._client.get(request)
        finally:
            self._last_request = time.monotonic()

    def _rules(self, url: str) -> Protego:
        origin = _origin(url)
        if origin not in self._robots:
            try:
                response = self.get(Request(f"{origin}/robots.txt", _MOST_ROBOTS_BYTES))
            except TooLargeError as error:
                raise FetchError(f"{origin}/robots.txt is too large to be one.") from error
            # RFC 9309, section 2.3.1.3: where there is none, all is allowed.
            text = response.content.decode(errors="replace") if response.status == 200 else ""
            self._robots[origin] = Protego.parse(text)
        return self._robots[origin]


def _origin(url: str) -> str:
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"


def _is_transient(status: int) -> bool:
    return status >= 500 or status in _BUSY


def _asked_pause(response: Response, otherwise: float) -> float:
    asked = response.headers.get("retry-after", "")
    return min(float(asked), _LONGEST_PAUSE_SECONDS) if asked.isascii() and asked.isdigit() else otherwise
