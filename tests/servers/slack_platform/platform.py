"""The whole platform: the world and its people, served over HTTP and WebSockets."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiohttp import web
from platforms import Platform, Threaded, disturbing, serving, threaded

from .deliveries import Deliveries, Delivery
from .faults import Call, Fault, Faults, too_many
from .http_mode import Flaw, HttpMode
from .interactions import Interactions
from .socket_mode import SocketMode
from .web_api import WebApi
from .world import Json


class SlackPlatform(Interactions, Platform):
    """A Slack that a test holds in its hands. `api_url` is the base URL of the Web API."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        super().__init__(Deliveries(self.changed.set))
        self.faults = Faults(too_many)
        self.socket = SocketMode(self.app_id, self.deliveries)
        self.http: HttpMode | None = None
        self.deliveries.carrier = self.socket
        self.web = WebApi(self, self.faults, self.socket.tickets, self.changed.set, self.echo)

    @property
    def api_url(self) -> str:
        """The base URL of the Web API, with a slash at its end."""
        return f"{self.url}/api/"

    @property
    def calls(self) -> list[Call]:
        """Every call of the Web API, response URLs and downloads, in order of arrival."""
        return self.web.calls

    def called(self, method: str) -> list[Call]:
        """The calls of one method."""
        return [call for call in self.web.calls if call.method == method]

    @property
    def acks(self) -> list[Delivery]:
        """What was acknowledged; `ack_seconds` says after how long."""
        return [delivery for delivery in self.deliveries.all if delivery.state == "acked"]

    @property
    def lost(self) -> list[Delivery]:
        """What nobody acknowledged in all its attempts."""
        return [delivery for delivery in self.deliveries.all if delivery.state == "failed"]

    def ack_quantile(self, share: float = 0.99) -> float:
        """The time in seconds within which that share of all acks came."""
        times = sorted(d.ack_seconds for d in self.acks if d.ack_seconds is not None)
        return times[max(0, math.ceil(share * len(times)) - 1)]

    def serve_over_http(self, url: str) -> None:
        """Send everything to this URL from now on, signed, in place of Socket Mode."""
        self.http = HttpMode(url, self.signing_secret, self.deliveries)
        self.deliveries.carrier = self.http

    async def post_signed(self, kind: str, body: Json, flaw: Flaw = "") -> tuple[int, str]:
        """One request outside all deliveries, perhaps `forged`, `stale` or `unsigned`; status and text."""
        assert self.http is not None, "serve_over_http comes first"
        return await self.http.post(kind, body, flaw)

    def authorize(self, team_id: str = "") -> str:
        """Agree to the installation in a workspace; the value is the code for the redirect URL."""
        code = f"code-{self.number()}"
        self.codes[code] = team_id or self.team.id
        return code

    def fail(
        self,
        method: str,
        error: str = "",
        *,
        status: int = 200,
        times: int | None = 1,
        skip: int = 0,
        **fields: Any,
    ) -> None:
        """Refuse the next calls of a method (a pattern such as `chat.*`), after `skip` that go well.

        With `status` alone the answer is an HTML page. `times=None` fails for good; `heal()` ends it.
        """
        self.faults.order(Fault(method, error, status, fields=fields, times=times, skip=skip))

    def limit(self, method: str, seconds: int = 1, times: int | None = 1, skip: int = 0) -> None:
        """Answer the next calls of a method with 429 and Retry-After."""
        self.faults.order(too_many(method, seconds, times, skip))

    def end_stream(self, channel: str, ts: str) -> None:
        """Let a stream die: the next append finds `message_not_in_streaming_state`."""
        self.streams[channel, ts].killed = True

    def ignore_acks(self, count: int) -> None:
        """Overhear the next acks."""
        self.socket.deaf_to = count

    async def redeliver(self, delivery: Delivery) -> None:
        """Deliver once more, with the same event id and the next `retry_attempt`."""
        await self.deliveries.attempt(delivery)

    async def disconnect(self, reason: str = "refresh_requested", grace: float = 1.0) -> None:
        """Ask every connection to go; the server closes what is still open after the grace in seconds."""
        await self.socket.disconnect(reason, grace)

    def cut(self, rng: random.Random | None = None) -> int:
        """Cut every connection without a word, or one chosen by `rng`; the value is how many were cut."""
        return self.socket.cut(rng)

    @asynccontextmanager
    async def unrest(self, rng: random.Random, seconds: float = 0.5) -> AsyncIterator[None]:
        """While the block runs, cut a random connection or send all away, about every so many seconds."""

        async def disturb() -> None:
            while True:
                await asyncio.sleep(rng.uniform(0, 2 * seconds))
                if rng.random() < 0.5:
                    self.cut(rng)
                else:
                    await self.disconnect()

        async with disturbing(disturb):
            yield

    async def connected(self, count: int = 1, seconds: float = 30.0) -> None:
        """Wait until so many connections are open."""
        await self.until(lambda: len(self.socket.open) >= count, seconds)

    async def settled(self, seconds: float = 30.0) -> None:
        """Wait until nothing is unacknowledged."""
        await self.until(lambda: not self.deliveries.unacked, seconds)

    def last_calls(self) -> list[str]:
        """What was asked last, and how many acks came."""
        last = [f"{call.method} {call.error or 'ok'}" for call in self.calls[-8:]]
        return [*last, f"acks: {len(self.acks)}"]

    def application(self) -> web.Application:
        """The server's application."""
        application = web.Application(client_max_size=64 * 2**20)
        self.web.add_to(application.router)
        application.router.add_get("/link/", self.socket.link)
        return application

    async def close(self) -> None:
        """Send nothing more and close every connection."""
        self.deliveries.close()
        if self.http:
            await self.http.close()
        await self.socket.close()


@asynccontextmanager
async def slack_platform() -> AsyncIterator[SlackPlatform]:
    """Serve an empty workspace in the running event loop."""
    async with serving(SlackPlatform()) as platform:
        yield platform


@contextmanager
def threaded_slack_platform() -> Iterator[Threaded[SlackPlatform]]:
    """Serve an empty workspace in a thread, for a program that blocks or has its own event loop."""
    with threaded(slack_platform()) as found:
        yield found
