"""What was said while there was no session: Discord does not tell it again, so it is looked up.

https://discord.com/developers/docs/events/gateway#resuming
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import discord

# A connection may have been dead before that was noticed: for a heartbeat or two.
_BEFORE_SECONDS = 90.0
_LONGEST_SECONDS = 3_600.0
_MOST_A_CHANNEL = 200
_MOST_DIRECT = 1_000

# Errors of one channel keep no other from being read.
_ERRORS = (discord.DiscordException, OSError, TimeoutError)


class Missed:
    """Since when something may have been missed, and in which direct messages people talk to the bot."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._is_new = False
        self._direct: dict[int, None] = {}

    def direct(self, channel: int) -> None:
        """Somebody wrote to the bot there."""
        self._direct.pop(channel, None)
        self._direct[channel] = None
        if len(self._direct) > _MOST_DIRECT:
            del self._direct[next(iter(self._direct))]

    def broke_off(self, now: float) -> None:
        """The connection ended."""
        self._is_new = False
        if self._since is None:
            self._since = now - _BEFORE_SECONDS

    def began(self) -> None:
        """A new session is there; its servers may not be known yet."""
        self._is_new = True

    def went_on(self) -> None:
        """The session was resumed: Discord has told everything."""
        self._since = None

    async def found(
        self, guilds: Iterable[discord.Guild], rest: discord.Client
    ) -> tuple[discord.Message, ...]:
        """The messages since the connection ended, within bounds, in every channel that has new ones."""
        if self._since is None or not self._is_new:
            return ()
        since, self._since = self._since, None
        now = datetime.now(UTC).timestamp()
        after = discord.Object(
            discord.utils.time_snowflake(datetime.fromtimestamp(max(since, now - _LONGEST_SECONDS), UTC))
        )
        known: list[discord.TextChannel | discord.Thread] = []
        for guild in guilds:
            known += [*guild.text_channels, *guild.threads]
        channels: list[discord.abc.Messageable] = [
            channel for channel in known if (channel.last_message_id or 0) > after.id
        ]
        channels += [rest.get_partial_messageable(channel) for channel in self._direct]
        return tuple([message for channel in channels for message in await _history(channel, after)])


async def _history(channel: discord.abc.Messageable, after: discord.Object) -> list[discord.Message]:
    try:
        return [one async for one in channel.history(after=after, limit=_MOST_A_CHANNEL, oldest_first=True)]
    except _ERRORS:
        return []
