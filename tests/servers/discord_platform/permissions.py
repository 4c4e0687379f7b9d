"""Who may do what (https://docs.discord.com/developers/topics/permissions)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

ADD_REACTIONS, ADMINISTRATOR, MANAGE_GUILD, MANAGE_CHANNELS = 1 << 6, 1 << 3, 1 << 5, 1 << 4
VIEW_CHANNEL, SEND_MESSAGES, MANAGE_MESSAGES, EMBED_LINKS = 1 << 10, 1 << 11, 1 << 13, 1 << 14
ATTACH_FILES, READ_HISTORY, MENTION_EVERYONE = 1 << 15, 1 << 16, 1 << 17
USE_COMMANDS, MANAGE_THREADS, PUBLIC_THREADS, PRIVATE_THREADS = 1 << 31, 1 << 34, 1 << 35, 1 << 36
SEND_IN_THREADS = 1 << 38
EVERYTHING = (1 << 53) - 1
READING = VIEW_CHANNEL | READ_HISTORY
WRITING = READING | SEND_MESSAGES | SEND_IN_THREADS | PUBLIC_THREADS | EMBED_LINKS | ATTACH_FILES
USUAL = WRITING | PRIVATE_THREADS | ADD_REACTIONS | USE_COMMANDS


def base_permissions(guild: Json, roles: Iterable[Json], user: str) -> int:
    """What somebody may do in a guild through `roles`, `@everyone` among them."""
    if guild["owner_id"] == user:
        return EVERYTHING
    held = 0
    for role in roles:
        held |= int(role["permissions"])
    return EVERYTHING if held & ADMINISTRATOR else held


def in_channel(base: int, channel: Json, guild_id: str, role_ids: Iterable[str], user: str) -> int:
    """What is left of it, or added, by a channel's overwrites."""
    if base & ADMINISTRATOR:
        return EVERYTHING
    overwrites = {each["id"]: each for each in channel.get("permission_overwrites", ())}

    def changed(held: int, ids: Iterable[str]) -> int:
        found = [overwrites[each] for each in ids if each in overwrites]
        for each in found:
            held &= ~int(each["deny"])
        for each in found:
            held |= int(each["allow"])
        return held

    return changed(changed(changed(base, [guild_id]), role_ids), [user])
