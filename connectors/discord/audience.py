"""Who reads a place, and so what may be said there. Whatever is not known counts as external."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

import discord

from connectors.conversation import EVERYONE, PUBLIC, Asker, Place
from connectors.discord.heard import PLATFORM
from connectors.discord.people import (
    OUTSIDER,
    Permission,
    common,
    has_everybody,
    is_open_to_visitors,
    may_have_guests,
    named_readers,
    principals,
    role_readers,
)
from connectors.log import Log
from connectors.remembering import Remembering

WITHIN_SECONDS = 2.0
_MEMBER_SECONDS = 60.0
_MOST_NAMED = 25
_MOST_GUILDS = 10
_LOOK_EVERY_SECONDS = 0.05


class Guilds(Protocol):
    """What is known of the servers that the bot is in: a connected client."""

    @property
    def guilds(self) -> Collection[discord.Guild]: ...

    def get_guild(self, number: int, /) -> discord.Guild | None: ...

    def is_ready(self) -> bool: ...


class Audience:
    """Askers and places with their principals.

    `team` are the ids of the team's servers; if it is empty, those that the bot is in. When anybody
    may invite the bot (`is_public`) that is one server at most: of several, some may be strangers'. Discord's
    answer is waited for `within` seconds; without it, only what is public may be read.
    """

    def __init__(
        self, team: Collection[str], log: Log, *, is_public: bool, within: float = WITHIN_SECONDS
    ) -> None:
        self._team = frozenset(team)
        self._is_public = is_public
        self._log = log
        self._within = within
        self._members: Remembering[discord.Member | None] = Remembering(_MEMBER_SECONDS)

    def seen(self, member: object) -> None:
        """A member as an event has just shown this person."""
        if isinstance(member, discord.Member):
            self._members.put(_key(member.guild.id, member.id), member)

    def knows_team(self, guilds: Guilds) -> bool:
        """Whether it is known which servers are the team's."""
        return bool(self._team) or not self._is_public or len(guilds.guilds) <= 1

    async def asker(self, guilds: Guilds, guild: str, user: str) -> Asker:
        """A person with what this person may read; in direct messages (no guild), in all of the team's."""
        try:
            async with asyncio.timeout(self._within):
                servers = await self._servers(guilds, guild)
                members = [await self._member(one, int(user)) for one in servers]
        except Exception as error:
            self._log.warning("person counts as external", user=user, reason=_reason(error))
            return Asker(user, principals=OUTSIDER)
        found = [member for member in members if member is not None]
        name = found[0].display_name if found else ""
        return Asker(user, name, OUTSIDER.union(*map(principals, found)))

    async def place(self, guilds: Guilds, guild: str, channel: str, parent: str) -> Place:
        """A channel or thread that many read, with what all of its readers hold."""
        readers = OUTSIDER
        try:
            async with asyncio.timeout(self._within):
                readers = await self._readers(guilds, guild, channel)
        except Exception as error:
            self._log.warning("channel counts as external", channel=channel, reason=_reason(error))
        return Place(PLATFORM, parent, readers, guild)

    def alone(self, guild: str, parent: str) -> Place:
        """A place where the asker alone reads the answer: a direct message, or one for this person's eyes."""
        return Place(PLATFORM, parent, None, guild or None)

    async def _readers(self, guilds: Guilds, guild_id: str, channel_id: str) -> frozenset[str]:
        guild = await _known(guilds, int(guild_id))
        if guild is None or not self._is_team(guilds, guild) or is_open_to_visitors(guild):
            return OUTSIDER
        channel = guild.get_channel_or_thread(int(channel_id)) or await guild.fetch_channel(int(channel_id))
        if isinstance(channel, discord.Thread):
            if channel.parent is None:
                return OUTSIDER
            if channel.is_private():
                return await self._readers_of_private(guild, channel, channel.parent)
            channel = channel.parent
        if may_have_guests(channel):
            return OUTSIDER
        if has_everybody(channel):
            return frozenset({EVERYONE, PUBLIC})
        return common([*role_readers(channel), *await self._named(guild, named_readers(channel))])

    async def _readers_of_private(
        self, guild: discord.Guild, thread: discord.Thread, parent: discord.abc.GuildChannel
    ) -> frozenset[str]:
        """Of a private thread: its members, and who may manage threads, who sees it without being one."""
        by: Permission = "manage_threads"
        ids = {member.id for member in await thread.fetch_members()} | {*named_readers(parent, by)}
        readers = [*role_readers(parent, by), *await self._named(guild, ids)]
        return common([*readers, frozenset({EVERYONE, PUBLIC})] if has_everybody(parent, by) else readers)

    async def _named(self, guild: discord.Guild, ids: Collection[int]) -> list[frozenset[str]]:
        if len(ids) > _MOST_NAMED:
            return [OUTSIDER]
        members = [await self._member(guild, one) for one in ids]
        return [principals(member) for member in members if member is not None and not member.bot]

    async def _member(self, guild: discord.Guild, user: int) -> discord.Member | None:
        async def fetch() -> discord.Member | None:
            try:
                return await guild.fetch_member(user)
            except discord.NotFound:
                return None

        return await self._members.get(_key(guild.id, user), fetch)

    async def _servers(self, guilds: Guilds, guild: str) -> list[discord.Guild]:
        if guild:
            found = await _known(guilds, int(guild))
            return [found] if found is not None and self._is_team(guilds, found) else []
        while True:
            team = [one for one in guilds.guilds if self._is_team(guilds, one)]
            known = [one for one in team if not one.unavailable]
            if known or (guilds.is_ready() and not team):
                return known[:_MOST_GUILDS]
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _is_team(self, guilds: Guilds, guild: discord.Guild) -> bool:
        return str(guild.id) in self._team if self._team else self.knows_team(guilds)


async def _known(guilds: Guilds, number: int) -> discord.Guild | None:
    """A server, waited for while a new connection has not told yet of its channels and roles."""
    while True:
        found = guilds.get_guild(number)
        if found is None and guilds.is_ready():
            return None
        if found is not None and not found.unavailable:
            return found
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


def _key(guild: int, user: int) -> tuple[str, ...]:
    return (str(guild), str(user))


def _reason(error: Exception) -> str:
    return "Discord's answer is late" if isinstance(error, TimeoutError) else repr(error)
