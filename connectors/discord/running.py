"""Runs the Discord app: one connection after the other, whatever ends them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import discord
import yarl
from aiohttp import ClientSession, ClientTimeout

from connectors.background import CLOSING_SECONDS, TAKE_UP_EVERY_SECONDS, take_up
from connectors.discord.app import App, DiscordOptions, build
from connectors.discord.complaints import explain, refusal
from connectors.discord.heard import PLATFORM
from connectors.discord.pauses import Pauses
from connectors.log import Log
from connectors.ports import Ports

_SECONDS = 20


class DiscordRefusedError(Exception):
    """Discord refuses the bot; the message is one line that says how to mend it."""


@dataclass(frozen=True, slots=True)
class DiscordService:
    """What running needs; at the end, what has begun may take `closing_seconds`."""

    ports: Ports
    options: DiscordOptions
    log: Log
    closing_seconds: float = CLOSING_SECONDS

    async def run(self, token: str) -> None:
        """Work until cancelled. Raises `DiscordRefusedError` when only a person can mend what is wrong.

        The calls have a client of their own: answers go on while the gateway's is replaced.
        """
        point_at(self.options.api_url, self.options.gateway_url)
        async with rest_client(self.log) as rest, _open_session() as session:
            try:
                await rest.login(token)
            except discord.DiscordException as error:
                raise _refused(error) from error
            app = build(self.ports, self.options, rest, session, self.log)
            async with _working(app, self.closing_seconds):
                await self._connect(app, token)

    async def _connect(self, app: App, token: str) -> None:
        pauses = Pauses(self.options.pacing)
        while True:
            pauses.began()
            try:
                async with app.connect() as client:
                    with self.ports.presence.attending(PLATFORM, partial(_is_connected, client)):
                        await client.start(token)
            except Exception as error:
                if refusal(error) is not None:
                    raise _refused(error) from error
                pause = pauses.delay()
                self.log.error("discord connection ended", error=explain(error), again_in=round(pause, 1))
            else:
                pause = pauses.delay()
            await asyncio.sleep(pause)


def point_at(api_url: str, gateway_url: str) -> None:
    """Have discord.py, which knows one Discord, talk to this one."""
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    Route.BASE = api_url.rstrip("/")
    if gateway_url:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


@asynccontextmanager
async def rest_client(log: Log) -> AsyncIterator[discord.Client]:
    """A client that is not connected to the gateway; what discord.py says meanwhile goes to the log."""
    client = discord.Client(
        intents=discord.Intents(guilds=True),
        allowed_mentions=discord.AllowedMentions.none(),
        max_messages=None,
    )
    with _forwarding(log):
        async with client:
            yield client


def _refused(error: Exception) -> Exception:
    line = refusal(error)
    return DiscordRefusedError(f"Discord refuses: {line}") if line else error


@asynccontextmanager
async def _working(app: App, closing_seconds: float) -> AsyncIterator[None]:
    """Take up what other processes left, and at the end see what has begun through."""
    desk = app.desk
    taking_up = asyncio.create_task(take_up(app.answering.take_up, TAKE_UP_EVERY_SECONDS, desk.log, explain))
    try:
        yield
    finally:
        taking_up.cancel()
        with suppress(asyncio.CancelledError):
            await taking_up
        await desk.background.close(closing_seconds)


async def _is_connected(client: discord.AutoShardedClient) -> bool:
    shards = client.shards.values()
    return client.is_ready() and not any(shard.is_closed() for shard in shards)


def _open_session() -> ClientSession:
    return ClientSession(timeout=ClientTimeout(total=_SECONDS))


@contextmanager
def _forwarding(log: Log) -> Iterator[None]:
    """discord.py has one logger for all clients."""
    logger, handler = logging.getLogger("discord"), _Forwarding(log)
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


class _Forwarding(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if "voice will NOT be supported" in record.getMessage():
            return
        note = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        error = record.exc_info[1] if record.exc_info else None
        note("discord client", said=record.getMessage(), **({"error": explain(error)} if error else {}))
