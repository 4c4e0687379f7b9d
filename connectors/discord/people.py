"""Who people are in a server, as far as it decides what they may read.

https://discord.com/developers/docs/topics/permissions
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import discord

from connectors.conversation import EVERYONE, PUBLIC

GUILD_ADMINS = "guild-admins"
OUTSIDER = frozenset({PUBLIC})

# Servers that people may look into who are no members.
_OPEN_TO_VISITORS = frozenset({"DISCOVERABLE", "PREVIEW_ENABLED"})


def principals(member: discord.Member) -> frozenset[str]:
    """The names under which documents may be opened to a member of the team's server."""
    if member.bot or member.pending:
        return OUTSIDER
    held = {EVERYONE, PUBLIC, f"user:{member.id}"}
    for role in member.roles:
        if not role.is_default():
            held |= _of_role(role)
    permissions = member.guild_permissions
    if permissions.administrator or permissions.manage_guild:
        held.add(GUILD_ADMINS)
    return frozenset(held)


def common(readers: Iterable[frozenset[str]]) -> frozenset[str]:
    """What all readers hold; nobody who is named can tell what unnamed ones hold."""
    sets = list(readers)
    return frozenset.intersection(*sets) if sets else OUTSIDER


def is_open_to_visitors(guild: discord.Guild) -> bool:
    """Whether people may look into a server who are no members."""
    return not _OPEN_TO_VISITORS.isdisjoint(guild.features)


def role_readers(channel: discord.abc.GuildChannel) -> list[frozenset[str]]:
    """What the holders of each role hold that may view a channel which not everybody may view.

    A member who may view a channel has a role that alone grants it, or is named. Administrators view all
    channels and may give themselves every role: they are not counted. The roles of bots have no readers.
    """
    found = []
    for role in channel.guild.roles:
        is_of_bot = role.is_bot_managed() or role.is_integration()
        if role.is_default() or is_of_bot or role.permissions.administrator:
            continue
        if _may_view(channel, role):
            found.append(frozenset({EVERYONE, PUBLIC, *_of_role(role)}))
    return found


def named_readers(channel: discord.abc.GuildChannel) -> Collection[int]:
    """The ids of members to whom a channel is opened by name."""
    return [
        target.id
        for target, overwrite in channel.overwrites.items()
        if not isinstance(target, discord.Role) and overwrite.view_channel
    ]


def everybody_may_view(channel: discord.abc.GuildChannel) -> bool:
    """Whether a member without any role may view a channel."""
    return _may_view(channel, channel.guild.default_role)


def _may_view(channel: discord.abc.GuildChannel, role: discord.Role) -> bool:
    default = channel.guild.default_role
    may = default.permissions.view_channel or role.permissions.view_channel
    for target in (default, role):
        allowed = channel.overwrites_for(target).view_channel
        may = may if allowed is None else allowed
    return may


def _of_role(role: discord.Role) -> set[str]:
    return {f"role:{role.id}", f"role:{role.name}", f"group:{role.name}"}
