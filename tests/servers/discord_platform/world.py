"""What a Discord holds: guilds, people, roles, channels, threads and files."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from .permissions import (
    ADMINISTRATOR,
    EVERYTHING,
    MANAGE_THREADS,
    USUAL,
    VIEW_CHANNEL,
    base_permissions,
    in_channel,
)

Json = dict[str, Any]
Kind = Literal["text", "dm", "voice", "category", "news", "public thread", "private thread", "forum"]

EPOCH_MS = 1_420_070_400_000
KINDS: dict[Kind, int] = {
    **{"text": 0, "dm": 1, "voice": 2, "category": 4, "news": 5},
    **{"public thread": 11, "private thread": 12, "forum": 15},
}
THREADS = (KINDS["public thread"], KINDS["private thread"])
FLAGS = {"presences": 1 << 12, "members": 1 << 14, "message_content": 1 << 18}


def timestamp(at: float | None = None) -> str:
    """A time as Discord writes it; now, unless given in Unix seconds."""
    return datetime.fromtimestamp(time.time() if at is None else at, UTC).isoformat()


class World:
    """Everything there is but what is said. `tell` hands a dispatch (name, data) to the gateway.

    `advance` moves the clock on by which interactions expire. Anybody may invite a bot that is `public`.
    """

    def __init__(self) -> None:
        self.url = ""
        self.tell: Callable[[str, Json], None] = lambda _name, _data: None
        self.token, self.revoked, self.public = "bot.token", False, True
        self.privileged = {"members", "message_content", "presences"}
        self.users: dict[str, Json] = {}
        self.guilds: dict[str, Json] = {}
        self.roles: dict[str, Json] = {}
        self.members: dict[str, dict[str, Json]] = {}
        self.channels: dict[str, Json] = {}
        self.thread_members: dict[str, dict[str, str]] = {}
        self.messages: dict[str, dict[str, Json]] = {}
        self.files: dict[str, Json] = {}
        self.contents: dict[str, bytes] = {}
        self.closed_dms: set[str] = set()
        self.shards = 1
        self.session_starts = {"total": 1_000, "remaining": 999, "reset_after": 14_400_000}
        self._ahead = 0.0
        self._last_ms, self._numbers = 0, itertools.count(1)
        self.bot = self.application_id = self._new_user("lorebot", bot=True)
        self.guild = self.add_guild("Acme")

    @property
    def flags(self) -> int:
        """The application's flags: which privileged intents it has."""
        return sum(FLAGS[name] for name in self.privileged)

    def now(self) -> float:
        """Monotonic seconds, moved on by `advance`."""
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the clock on, for the 3 seconds and the 15 minutes of interactions."""
        self._ahead += seconds

    def new_id(self) -> str:
        """A snowflake of now, larger than all before."""
        self._last_ms = max(self._last_ms, int(time.time() * 1000) - EPOCH_MS)
        number = next(self._numbers)
        if not number % 4096:
            self._last_ms += 1
        return str(self._last_ms << 22 | number % 4096)

    def add_guild(self, name: str, *, bot: bool = True, permissions: int = USUAL) -> str:
        """Add a server; the value is its id. `permissions` are those of the bot's own role."""
        guild_id = self.new_id()
        self.guilds[guild_id] = {
            **{"id": guild_id, "name": name, "owner_id": "1", "icon": None, "splash": None, "banner": None},
            **{
                "features": [],
                "emojis": [],
                "stickers": [],
                "preferred_locale": "en-US",
                "description": None,
            },
            **{"verification_level": 0, "default_message_notifications": 0, "explicit_content_filter": 0},
            **{"mfa_level": 0, "premium_tier": 0, "nsfw_level": 0, "afk_timeout": 300, "region": "local"},
            **{"system_channel_id": None, "system_channel_flags": 0, "application_id": None},
        }
        self.members[guild_id] = {}
        self.role("@everyone", guild=guild_id, permissions=USUAL, role_id=guild_id)
        if bot:
            own = self.role("lorebot", guild=guild_id, permissions=permissions, tags={"bot_id": self.bot})
            self.join(self.bot, guild=guild_id, roles=[own])
        return guild_id

    def role(
        self,
        name: str,
        members: Iterable[str] = (),
        *,
        guild: str = "",
        permissions: int = 0,
        role_id: str = "",
        **fields: Any,
    ) -> str:
        """Add a role and give it to people; the value is its id."""
        guild, role_id = guild or self.guild, role_id or self.new_id()
        self.roles[role_id] = {
            **{"id": role_id, "name": name, "permissions": str(permissions), "color": 0, "hoist": False},
            **{"colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None}},
            **{"position": sum(r["guild_id"] == guild for r in self.roles.values()), "managed": False},
            **{"mentionable": False, "flags": 0, "guild_id": guild, **fields},
        }
        for user in members:
            self.members[guild][user]["roles"].append(role_id)
        return role_id

    def user(
        self,
        name: str,
        *,
        guild: str = "",
        roles: Iterable[str] = (),
        admin: bool = False,
        pending: bool = False,
        bot: bool = False,
        member: bool = True,
    ) -> str:
        """Add a person, and unless told otherwise to the first guild; the value is the id."""
        user_id = self._new_user(name, bot=bot)
        guild = guild or self.guild
        if member:
            self.join(user_id, guild=guild, roles=roles, pending=pending)
        if admin:
            self.role(f"admin {name}", [user_id], guild=guild, permissions=ADMINISTRATOR)
        return user_id

    def join(self, user: str, *, guild: str = "", roles: Iterable[str] = (), pending: bool = False) -> None:
        """Make somebody a member of a guild."""
        self.members[guild or self.guild][user] = {
            **{"user": self.users[user], "roles": list(roles), "joined_at": timestamp(), "nick": None},
            **{"deaf": False, "mute": False, "pending": pending, "flags": 0, "avatar": None},
        }

    def channel(
        self,
        name: str,
        *,
        kind: Kind = "text",
        guild: str = "",
        private: bool = False,
        roles: Iterable[str] = (),
        users: Iterable[str] = (),
        bot: bool = True,
        **fields: Any,
    ) -> str:
        """Add a channel; the value is its id. A private one only `roles`, `users` and the bot may view."""
        guild, channel_id = guild or self.guild, self.new_id()
        overwrites = [overwrite(guild, 0, deny=VIEW_CHANNEL)] if private else []
        overwrites += [overwrite(role, 0, allow=VIEW_CHANNEL) for role in roles]
        overwrites += [overwrite(user, 1, allow=VIEW_CHANNEL) for user in users]
        if private or not bot:
            changes = {"allow": VIEW_CHANNEL} if bot else {"deny": VIEW_CHANNEL}
            overwrites.append(overwrite(self.bot, 1, **changes))
        self.channels[channel_id] = {
            **{"id": channel_id, "name": name, "type": KINDS[kind], "guild_id": guild, "position": 0},
            **{"permission_overwrites": overwrites, "nsfw": False, "parent_id": None, "topic": None},
            **{"rate_limit_per_user": 0, "last_message_id": None, "flags": 0, "bitrate": 64_000},
            **{"user_limit": 0, "available_tags": [], "default_reaction_emoji": None},
            **{"default_sort_order": None, **fields},
        }
        self.messages[channel_id] = {}
        return channel_id

    def thread(
        self,
        parent: str,
        owner: str,
        name: str,
        *,
        private: bool = False,
        thread_id: str = "",
        members: Iterable[str] = (),
        **fields: Any,
    ) -> str:
        """Add a thread without telling the app; the value is its id."""
        thread_id = thread_id or self.new_id()
        metadata = {"archived": False, "auto_archive_duration": 1440, "archive_timestamp": timestamp()}
        self.channels[thread_id] = {
            **{"id": thread_id, "name": name, "type": THREADS[private], "parent_id": parent, "flags": 0},
            **{"guild_id": self.channels[parent]["guild_id"], "owner_id": owner, "last_message_id": None},
            **{"rate_limit_per_user": 0, "message_count": 0, "total_message_sent": 0, "member_count": 1},
            **{"thread_metadata": {**metadata, "locked": False, "create_timestamp": timestamp()}, **fields},
        }
        self.thread_members[thread_id] = {user: timestamp() for user in [owner, *members]}
        self.messages[thread_id] = {}
        return thread_id

    def dm_channel(self, user: str) -> str:
        """The direct conversation of the bot and a person, made when there is none."""
        for channel in self.channels.values():
            if channel["type"] == KINDS["dm"] and channel["recipients"][0]["id"] == user:
                return str(channel["id"])
        channel_id = self.new_id()
        about = {"id": channel_id, "type": KINDS["dm"], "last_message_id": None, "flags": 0}
        self.channels[channel_id] = {**about, "recipients": [self.users[user]]}
        self.messages[channel_id] = {}
        return channel_id

    def file(self, name: str, content: bytes, content_type: str = "text/plain", **fields: Any) -> str:
        """Add a file that a message or a command can carry; the value is the id. `size=` may lie."""
        file_id = self.new_id()
        url = f"{self.url}/attachments/{file_id}/{name}"
        self.files[file_id] = {
            **{"id": file_id, "filename": name, "size": len(content), "url": url, "proxy_url": url},
            **{"content_type": content_type, **fields},
        }
        self.contents[file_id] = content
        return file_id

    def roles_of(self, guild: str, user: str) -> list[Json]:
        """A member's roles, `@everyone` among them."""
        held = self.members[guild].get(user, {"roles": []})["roles"]
        return [self.roles[each] for each in [guild, *held] if each in self.roles]

    def permissions(self, user: str, channel: str) -> int:
        """What somebody may do in a channel or thread."""
        about = self.channels[channel]
        if about["type"] == KINDS["dm"]:
            return USUAL if user in (self.bot, about["recipients"][0]["id"]) else 0
        guild = about["guild_id"]
        if user not in self.members[guild]:
            return 0
        place = self.channels[about["parent_id"]] if about["type"] in THREADS else about
        base = base_permissions(self.guilds[guild], self.roles_of(guild, user), user)
        found = in_channel(base, place, guild, self.members[guild][user]["roles"], user)
        if about["type"] == KINDS["private thread"] and user not in self.thread_members[channel]:
            found = found if found & MANAGE_THREADS else 0
        return found if found & VIEW_CHANNEL or found == EVERYTHING else 0

    def may(self, user: str, channel: str, permission: int = VIEW_CHANNEL) -> bool:
        """Whether somebody may do it there."""
        return self.permissions(user, channel) & permission == permission

    def member(self, guild: str, user: str, channel: str = "") -> Json:
        """A member as the API tells of them; with a channel, what they may do there as well."""
        told = {**self.members[guild][user]}
        return told | {"permissions": str(self.permissions(user, channel))} if channel else told

    def guild_roles(self, guild: str) -> list[Json]:
        """The roles of a guild."""
        found = [role for role in self.roles.values() if role["guild_id"] == guild]
        return [{key: value for key, value in role.items() if key != "guild_id"} for role in found]

    def thread_json(self, thread: str) -> Json:
        """A thread as the API tells of it, with the bot's own membership."""
        joined = self.thread_members[thread]
        count = len(self.messages[thread])
        told = {**self.channels[thread], "member_count": len(joined), "message_count": count}
        if self.bot in joined:
            told["member"] = self.thread_member(thread, self.bot)
        return told

    def thread_member(self, thread: str, user: str) -> Json:
        """Somebody's membership of a thread."""
        when = self.thread_members[thread][user]
        return {"id": thread, "user_id": user, "join_timestamp": when, "flags": 0}

    def channel_json(self, channel: str) -> Json:
        """A channel as the API tells of it."""
        is_thread = self.channels[channel]["type"] in THREADS
        return self.thread_json(channel) if is_thread else self.channels[channel]

    def _new_user(self, name: str, bot: bool = False) -> str:
        user_id = self.new_id()
        self.users[user_id] = {
            **{"id": user_id, "username": name.lower().replace(" ", "."), "discriminator": "0"},
            **{"global_name": name, "avatar": None, "bot": bot, "system": False, "public_flags": 0},
        }
        return user_id


def overwrite(target: str, kind: int, *, allow: int = 0, deny: int = 0) -> Json:
    """An entry of a channel's permission overwrites: `kind` is 0 for a role, 1 for a member."""
    return {"id": target, "type": kind, "allow": str(allow), "deny": str(deny)}
