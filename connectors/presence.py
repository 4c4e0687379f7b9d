"""Which platforms are connected at this moment, for those who watch the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

Check = Callable[[], Awaitable[bool]]


class Presence:
    """Asks the connections that are there; where there is none, a platform is not connected."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    @contextmanager
    def attending(self, platform: str, is_connected: Check) -> Iterator[None]:
        """During the block a platform has a connection, which tells by `is_connected` whether it stands."""
        self._checks[platform] = is_connected
        try:
            yield
        finally:
            if self._checks.get(platform) is is_connected:
                del self._checks[platform]

    async def is_connected(self, platform: str) -> bool:
        """Whether a platform's events reach this process."""
        check = self._checks.get(platform)
        return check is not None and await check()


async def always() -> bool:
    """The check of a server that listens: the platform comes to it."""
    return True
