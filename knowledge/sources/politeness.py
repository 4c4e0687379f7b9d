"""Visiting a web server as a guest: its robots.txt, its pace, another attempt when it is busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import httpx
from protego import Protego

from knowledge.sources.http import FetchError, Response, TooLargeError, WebClient, follow_all

# RFC 9309, section 2.5: at least this much of a robots.txt is read.
_MOST_ROBOTS_BYTES = 512_000
_BUSY = (408, 425, 429)
_LONGEST_PAUSE_SECONDS = 30.0


class PoliteClient:
    """Gets pages with a pause between them, and only those that robots.txt allows (RFC 9309).

    Made anew for each run, since it reads each robots.txt once.
    """

    def __init__(
        self, client: WebClient, user_agent: str, delay_seconds: float, retry_seconds: float
    ) -> None:
        """`delay_seconds` lie between two requests, or as many as a Crawl-delay asks for, up to 30;
        `retry_seconds` before the one further attempt after a failure.
        """
        self.agent = user_agent.partition("/")[0].strip()
        self._client = client
        self._delay_seconds = delay_seconds
        self._retry_seconds = retry_seconds
        self._robots: dict[str, Protego] = {}
        self._last_request = 0.0

    def get(
        self,
        url: str,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        may_follow: Callable[[str], bool] = follow_all,
    ) -> Response:
        """Get a URL as `WebClient` does, with a second attempt when the first one fails.

        Raises also `FetchError` for a status that says that the server is busy or broken.
        """
        pause = self._retry_seconds
        with suppress(FetchError):
            response = self._once(url, max_bytes, headers, may_follow)
            if not _is_transient(response.status):
                return response
            pause = _asked_pause(response, self._retry_seconds)
        time.sleep(pause)
        response = self._once(url, max_bytes, headers, may_follow)
        if _is_transient(response.status):
            raise FetchError(f"{url} answers with status {response.status}.")
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

    def _once(
        self,
        url: str,
        max_bytes: int,
        headers: Mapping[str, str] | None,
        may_follow: Callable[[str], bool],
    ) -> Response:
        rules = self._robots.get(_origin(url))
        asked = rules and rules.crawl_delay(self.agent)
        delay = min(max(self._delay_seconds, asked or 0.0), _LONGEST_PAUSE_SECONDS)
        time.sleep(max(0.0, self._last_request + delay - time.monotonic()))
        try:
            return self._client.get(url, max_bytes, headers, may_follow)
        finally:
            self._last_request = time.monotonic()

    def _rules(self, url: str) -> Protego:
        origin = _origin(url)
        if origin not in self._robots:
            try:
                response = self.get(f"{origin}/robots.txt", _MOST_ROBOTS_BYTES)
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
