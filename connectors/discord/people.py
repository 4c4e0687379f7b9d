"""Who people are in a server, as far as it decides what they may read.

https://discord.com/developers/docs/topics/permissions
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

import discord

from connectors.conversation import EVERYONE, PUBLIC

GUILD_ADMINS = "guild-admins"
OUTSIDER = frozenset({PUBLIC})

# Servers that people may look into who are no members.
_OPEN_TO_VISITORS = frozenset({"DISCOVERABLE", "PREVIEW_ENABLED"})

# A private thread is read by those whom it names, and by all who may manage threads.
Permission = Literal["view_channel", "manage_threads"]


def principals(member: discord.Member) -> frozenset[str]:
    """The names under which documents may be opened to a member of the team's server."""
    if member.bot or member.pending or member.flags.guest:
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


def may_have_guests(channel: discord.abc.GuildChannel) -> bool:
    """Whether people may be invited into a channel, to speak and to read there, who are no members."""
    is_spoken = isinstance(channel, discord.VoiceChannel | discord.StageChannel)
    return is_spoken and "GUESTS_ENABLED" in channel.guild.features


def role_readers(channel: discord.abc.GuildChannel, by: Permission = "view_channel") -> list[frozenset[str]]:
    """What the holders of each role hold who have a permission in a channel that not everybody has.

    A member who has it has a role that alone grants it, or is named. Administrators view all channels and
    may give themselves every role: they are not counted. Nobody but a bot can hold a bot's own role.
    """
    return [
        frozenset({EVERYONE, PUBLIC, *_of_role(role)})
        for role in channel.guild.roles
        if not (role.is_default() or role.is_bot_managed() or role.permissions.administrator)
        and _has(channel, role, by)
    ]


def named_readers(channel: discord.abc.GuildChannel, by: Permission = "view_channel") -> Collection[int]:
    """The ids of members to whom a channel gives a permission by name."""
    return [
        target.id
        for target, overwrite in channel.overwrites.items()
        if not isinstance(target, discord.Role) and getattr(overwrite, by)
    ]


def has_everybody(channel: discord.abc.GuildChannel, by: Permission = "view_channel") -> bool:
    """Whether a member without any role has a permission in a channel."""
    return _has(channel, channel.guild.default_role, by)


def _has(channel: discord.abc.GuildChannel, role: discord.Role, permission: Permission) -> bool:
    default = channel.guild.default_role
    found = bool(getattr(default.permissions, permission) or getattr(role.permissions, permission))
    for target in (default, role):
        allowed = getattr(channel.overwrites_for(target), permission)
        found = found if allowed is None else bool(allowed)
    return found


def _of_role(role: discord.Role) -> set[str]:
    return {f"role:{role.id}", f"role:{role.name}", f"group:{role.name}"}
