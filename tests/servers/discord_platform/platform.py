"""The whole platform: the world and its people, served over HTTP and WebSockets."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from fnmatch import fnmatchcase

from aiohttp import web
from faults import Faults
from platforms import Platform, Threaded, disturbing, serving, threaded

from .calls import Call, refusal, too_many
from .gateway import Gateway
from .people import People
from .rest import Rest


class DiscordPlatform(People, Platform):
    """A Discord that a test holds in its hands.

    The methods that order faults take a pattern of verb and path, such as `POST /channels/*/messages` or
    `PATCH /webhooks/*`; `GET /attachments/*` are downloads.
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        super().__init__()
        self.faults = Faults(too_many)
        self.gateway = Gateway(self, self.hidden, self.changed.set)
        self.tell = self.gateway.tell
        self.rest = Rest(self, self.faults, self.changed.set)

    @property
    def api_url(self) -> str:
        """The base URL of the REST API, without a slash at its end."""
        return f"{self.url}/api/v10"

    @property
    def gateway_url(self) -> str:
        """The address of the gateway."""
        return self.url.replace("http", "ws", 1) + "/gateway"

    @property
    def calls(self) -> list[Call]:
        """Every request, in order of arrival."""
        return self.rest.calls

    def called(self, pattern: str) -> list[Call]:
        """The requests of a verb and path, which may be a pattern."""
        return [call for call in self.rest.calls if fnmatchcase(call.method, pattern)]

    def response_quantile(self, share: float = 0.99) -> float:
        """The time in seconds within which that share of all first responses to interactions came."""
        times = self.response_times()
        return times[max(0, math.ceil(share * len(times)) - 1)]

    def first_sign(self, message_id: str, *channels: str) -> float | None:
        """Seconds from a message to the bot's typing, reaction or message in these channels after it."""
        at, named = self.said_at[message_id], set(channels)
        signs = [when for channel, when in self.typing if channel in named and when >= at]
        for channel in named:
            signs += [self.said_at[each.id] for each in self.answers(channel) if self.said_at[each.id] >= at]
        return min(signs) - at if signs else None

    def fail(
        self, pattern: str, code: int = 0, *, status: int = 0, times: int | None = 1, skip: int = 0
    ) -> None:
        """Refuse the next calls with one of Discord's codes, after `skip` that go well.

        With `status` alone the answer is an HTML page. `times=None` fails for good; `heal()` ends it.
        """
        assert code or status
        self.faults.order(refusal(pattern, code, status, times, skip))

    def limit(
        self,
        pattern: str,
        seconds: float = 0.1,
        *,
        is_global: bool = False,
        times: int | None = 1,
        skip: int = 0,
    ) -> None:
        """Answer the next calls with 429."""
        self.faults.order(too_many(pattern, seconds, is_global=is_global, times=times, skip=skip))

    def revoke(self) -> None:
        """Make the token worthless from now on: 401 and close code 4004."""
        self.revoked = True

    @asynccontextmanager
    async def unrest(
        self, rng: random.Random, seconds: float = 0.5, lost: float = 0.0
    ) -> AsyncIterator[None]:
        """While the block runs, cut, close with 4000 or send away, about every so many seconds.

        `lost` is how often (0 to 1) the session is lost with it, so that what was missed is not told again.
        """

        async def disturb() -> None:
            while True:
                await asyncio.sleep(rng.uniform(0, 2 * seconds))
                if rng.random() < lost:
                    self.gateway.invalidate()
                    continue
                choice = rng.random()
                if choice < 0.4:
                    self.gateway.cut(rng)
                elif choice < 0.7:
                    await self.gateway.close_all(4000)
                else:
                    self.gateway.reconnect()

        async with disturbing(disturb):
            yield

    async def connected(self, count: int = 1, seconds: float = 30.0) -> None:
        """Wait until so many connections have identified or resumed."""
        await self.until(lambda: len(self.gateway.open) >= count, seconds)

    def last_calls(self) -> list[str]:
        """What was asked last."""
        return [f"{call.method} {call.status} {call.error or ''}".strip() for call in self.calls[-8:]]

    @contextmanager
    def pointed(self) -> Iterator[None]:
        """Let every discord.py client of this process talk to this platform while the block runs."""
        from .pointing import pointed_at

        with pointed_at(self.api_url, self.gateway_url):
            yield

    def application(self) -> web.Application:
        """The server's application."""
        application = web.Application(client_max_size=64 * 2**20)
        self.rest.add_to(application.router)
        application.router.add_get("/gateway", self.gateway.serve)
        application.router.add_get("/gateway/", self.gateway.serve)
        return application

    async def close(self) -> None:
        """Close every connection."""
        for connection in list(self.gateway.connections):
            connection.abort()


@asynccontextmanager
async def discord_platform() -> AsyncIterator[DiscordPlatform]:
    """Serve one guild in the running event loop, and point discord.py at it."""
    async with serving(DiscordPlatform()) as platform:
        with platform.pointed():
            yield platform


@contextmanager
def threaded_discord_platform() -> Iterator[Threaded[DiscordPlatform]]:
    """Serve one guild in a thread, for a program that blocks or has its own event loop."""
    with threaded(discord_platform()) as found:
        yield found
