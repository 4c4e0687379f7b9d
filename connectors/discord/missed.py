"""What was said while there was no session: Discord does not tell it again, so it is looked up.

https://discord.com/developers/docs/events/gateway#resuming
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import discord

from connectors.discord.boards import CALL_ERRORS
from connectors.discord.complaints import explain
from connectors.log import Log

# What was said shortly before the start found no process, or one that was ending.
_BEFORE_START_SECONDS = 300.0
# A connection may have been dead before that was noticed: for a heartbeat or two.
_BEFORE_SECONDS = 90.0
_LONGEST_SECONDS = 3_600.0
_MOST_A_CHANNEL = 200
_MOST_DIRECT = 1_000
_MOST_HEARD = 10_000
_AGAIN_AFTER_SECONDS = (1.0, 5.0, 30.0)


class Missed:
    """Since when something may have been missed in each server, and what was heard last in each channel.

    `rest` makes the calls.
    """

    def __init__(self, rest: discord.Client, log: Log) -> None:
        self._rest = rest
        self._log = log
        self._start = time.time() - _BEFORE_START_SECONDS
        self._broken: dict[int, float] = {}
        self._owed: dict[int, float] = {}
        self._heard: dict[int, int] = {}
        self._direct: dict[int, None] = {}

    def heard(self, channel: int, message: int) -> None:
        """A message reached the bot: it and those before it were not missed."""
        latest = max(message, self._heard.pop(channel, 0))
        _keep(self._heard, channel, latest, _MOST_HEARD)

    def direct(self, channel: int) -> None:
        """Somebody wrote to the bot there."""
        self._direct.pop(channel, None)
        _keep(self._direct, channel, None, _MOST_DIRECT)

    def broke_off(self, shard: int) -> None:
        """The connection of a shard ended."""
        self._broken.setdefault(shard, time.time() - _BEFORE_SECONDS)

    def went_on(self, shard: int) -> None:
        """The session was resumed: Discord has told everything."""
        self._broken.pop(shard, None)

    def began(self, shard: int, guilds: Iterable[int]) -> float:
        """A shard has a new session with these servers, which become known one by one.

        The value is since when it was away.
        """
        since = self._broken.pop(shard, self._start)
        for guild in guilds:
            self._owed[guild] = min(since, self._owed.get(guild, since))
        return since

    def went_away(self, guild: int) -> None:
        """A server cannot be reached, though the connection stands."""
        self._owed.setdefault(guild, time.time() - _BEFORE_SECONDS)

    async def in_guild(self, guild: discord.Guild) -> list[discord.Message]:
        """What a server that has become known holds since it was not, within bounds."""
        since = self._owed.pop(guild.id, None)
        if since is None:
            return []
        places: list[discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread] = []
        places += [*guild.text_channels, *guild.voice_channels, *guild.stage_channels, *guild.threads]
        said = [one for one in places if (one.last_message_id or 0) > self._after(one.id, since)]
        return await self._found(said, since)

    async def in_direct(self, since: float) -> list[discord.Message]:
        """What people who have talked to the bot said to it since then."""
        channels = [self._rest.get_partial_messageable(channel) for channel in self._direct]
        return await self._found(channels, since)

    async def _found(
        self, channels: Iterable[discord.abc.MessageableChannel], since: float
    ) -> list[discord.Message]:
        return [one for channel in channels for one in await self._history(channel, since)]

    async def _history(self, channel: discord.abc.MessageableChannel, since: float) -> list[discord.Message]:
        after = discord.Object(self._after(channel.id, since))
        for seconds in (*_AGAIN_AFTER_SECONDS, None):
            try:
                found = channel.history(after=after, limit=_MOST_A_CHANNEL, oldest_first=True)
                return [message async for message in found]
            except (discord.Forbidden, discord.NotFound):
                return []
            except CALL_ERRORS as error:
                self._log.error(
                    "missed messages not read", channel=channel.id, error=explain(error), again_in=seconds
                )
            if seconds is not None:
                await asyncio.sleep(seconds)
        return []

    def _after(self, channel: int, since: float) -> int:
        earliest = max(since, time.time() - _LONGEST_SECONDS)
        bound = discord.utils.time_snowflake(datetime.fromtimestamp(earliest, UTC))
        return max(bound, self._heard.get(channel, 0))


def _keep(kept: dict[int, Any], key: int, value: Any, most: int) -> None:
    kept[key] = value
    if len(kept) > most:
        del kept[next(iter(kept))]
