"""The hall of `slack_hall`, for the Discord connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from discord_platform import DiscordPlatform, Shown
from slack_hall import Hall

from bot.manners import Manners
from connectors.background import CLOSING_SECONDS
from connectors.discord.app import DiscordOptions
from connectors.discord.running import DiscordService

QUESTION = "Where do visitors park?"
SAID = "Visitors park in row C"


def said_in(discord: DiscordPlatform, channel: str, user: str | None = None) -> list[Shown]:
    """What the bot says in a channel or thread, if that is there."""
    return discord.answers(channel, user=user) if channel in discord.messages else []


def complete(discord: DiscordPlatform, channel: str, user: str | None = None) -> list[Shown]:
    """The messages of the bot in a channel or thread that show an answer to its end."""
    return [one for one in said_in(discord, channel, user) if SAID in one.words and "Helpful" in one.labels]


async def asks_once(discord: DiscordPlatform, who: str, channel: str) -> None:
    """Ask in a channel, and see that one answer comes."""
    asked = await discord.mention(who, channel, QUESTION)
    await discord.until(lambda: complete(discord, asked))
    assert len(complete(discord, asked)) == 1


class DiscordHall(Hall):
    """The ports over one journal file, and the connector behind them."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, **options)
        self.manners = Manners(self.journal, {}, {})
        self.closing_seconds = CLOSING_SECONDS

    def expert(self, who: str) -> None:
        """Let somebody be asked about the handbook."""
        self.manners = Manners(self.journal, {}, {"office": who})

    async def remembers(self, discord: DiscordPlatform, channel: str) -> None:
        """Wait until an answer that is shown is also kept."""
        while not await self.memory.takes_part(f"discord:{discord.guild}/{channel}"):
            await asyncio.sleep(0.01)

    def on_discord(self, platform: DiscordPlatform) -> DiscordService:
        """The connector, pointed at a platform."""
        where = {"api_url": platform.api_url, "gateway_url": platform.gateway_url}
        options = DiscordOptions(**{**where, **self.options})
        return DiscordService(self.ports, options, self.log, self.closing_seconds)

    @asynccontextmanager
    async def on(self, platform: DiscordPlatform) -> AsyncIterator[asyncio.Task[None]]:
        """The connector for the block; told to end, it sees what has begun through."""
        run = self.on_discord(platform).run(platform.token)
        async with self.working(run, platform.connected()) as running:
            yield running
