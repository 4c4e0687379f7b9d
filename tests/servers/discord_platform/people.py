"""What people do: each act changes the world and tells the app what the real platform would."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from .gateway import guild_create
from .interactions import Interactions
from .permissions import SEND_IN_THREADS, SEND_MESSAGES
from .world import THREADS, Json


class People(Interactions):
    """The world with people in it who write, react, edit, delete, and come and go."""

    async def say(
        self,
        user: str,
        channel: str,
        text: str,
        *,
        reply_to: str = "",
        files: Sequence[str] = (),
        **fields: Any,
    ) -> str:
        """Write in a channel, thread or DM; the value is the message's id. `reply_to` answers a message.

        Raises:
            AssertionError: when the person may not write there.
        """
        in_thread = self.channels[channel]["type"] in THREADS
        may = self.may(user, channel, SEND_IN_THREADS if in_thread else SEND_MESSAGES)
        assert may or "webhook_id" in fields, f"{user} may not write in {channel}"
        if reply_to:
            fields = self.reply_fields(channel, reply_to) | fields
        self.wake(channel)
        if in_thread and user in self.members[self.channels[channel]["guild_id"]]:
            self.join_thread(channel, user)
        message = self.put(channel, user, text, files=files, **fields)
        if in_thread:
            self._draw_in(channel, message)
        self.said(message)
        await asyncio.sleep(0)
        return str(message["id"])

    def _draw_in(self, thread: str, message: Json) -> None:
        """Make those whom a message mentions members of its thread, if they may view its channel."""
        for user in message["mentions"]:
            if self.may(user["id"], self.channels[thread]["parent_id"]):
                self.join_thread(thread, user["id"])

    async def mention(self, user: str, channel: str, text: str, **fields: Any) -> str:
        """Write to the bot in a channel or thread; the value is the message's id."""
        mention = f"<@{self.bot}>"
        return await self.say(user, channel, text if mention in text else f"{mention} {text}", **fields)

    async def dm(self, user: str, text: str, **fields: Any) -> str:
        """Write to the bot in private; the value is the message's id."""
        return await self.say(user, self.dm_channel(user), text, **fields)

    async def webhook(self, channel: str, text: str) -> str:
        """Let a webhook write, whose id is nobody's; the value is the message's id."""
        hook = self._new_user("Webhook", bot=True)
        return await self.say(hook, channel, text, webhook_id=hook)

    async def open_thread(
        self,
        user: str,
        channel: str,
        name: str,
        *,
        message_id: str = "",
        private: bool = False,
        members: Sequence[str] = (),
    ) -> str:
        """Open a thread, from a message or without; the value is its id."""
        thread = self.start_thread(
            channel, user, name, message_id=message_id, private=private, members=members
        )
        await asyncio.sleep(0)
        return thread

    async def forum_post(
        self, user: str, forum: str, name: str, text: str, *, files: Sequence[str] = (), **fields: Any
    ) -> str:
        """Open a post in a forum: a thread whose first message has its id; the value is that id."""
        assert self.may(user, forum, SEND_MESSAGES), f"{user} may not post in {forum}"
        thread = self.start_thread(forum, user, name, **fields)
        self.said(self.put(thread, user, text, files=files, id=thread))
        await asyncio.sleep(0)
        return thread

    async def edit(self, channel: str, message_id: str, text: str) -> None:
        """Change what a message says."""
        self.change(channel, message_id, content=text)
        await asyncio.sleep(0)

    async def unfurl(self, channel: str, message_id: str, embeds: Sequence[Json]) -> None:
        """Let Discord add the previews of a message's links, which comes as an edit that nobody made."""
        message = self.messages[channel][message_id]
        message["embeds"] = list(embeds)
        self.tell_in(channel, "MESSAGE_UPDATE", self.told(message))
        await asyncio.sleep(0)

    async def delete(self, channel: str, message_id: str) -> None:
        """Delete a message."""
        self.remove(channel, message_id)
        await asyncio.sleep(0)

    async def delete_thread(self, thread: str) -> None:
        """Delete a thread with all that was said in it."""
        about = self.channels[thread]
        told = {key: about[key] for key in ("id", "guild_id", "parent_id", "type")}
        self.tell_in(thread, "THREAD_DELETE", told)
        for known in (self.channels, self.messages, self.thread_members):
            known.pop(thread, None)
        await asyncio.sleep(0)

    async def archive(self, thread: str, *, locked: bool = False) -> None:
        """Archive a thread, and perhaps lock it."""
        self.channels[thread]["thread_metadata"] |= {"archived": True, "locked": locked}
        self.tell_in(thread, "THREAD_UPDATE", self.thread_json(thread))
        await asyncio.sleep(0)

    async def react(self, user: str, channel: str, message_id: str, emoji: str) -> None:
        """React to a message with a Unicode emoji."""
        who = self.reactions.setdefault(message_id, {}).setdefault(emoji, [])
        who.append(user)
        await self._reacted("MESSAGE_REACTION_ADD", user, channel, message_id, emoji)

    async def unreact(self, user: str, channel: str, message_id: str, emoji: str) -> None:
        """Take a reaction back."""
        self.reactions[message_id][emoji].remove(user)
        await self._reacted("MESSAGE_REACTION_REMOVE", user, channel, message_id, emoji)

    async def _reacted(self, name: str, user: str, channel: str, message_id: str, emoji: str) -> None:
        about: Json = {
            "user_id": user,
            "channel_id": channel,
            "message_id": message_id,
            "burst": False,
            "type": 0,
        }
        about |= {"emoji": {"id": None, "name": emoji}}
        about["message_author_id"] = self.messages[channel][message_id]["author"]["id"]
        if guild := self.channels[channel].get("guild_id"):
            about["member"] = self.member(guild, user)
        self.tell_in(channel, name, about)
        await asyncio.sleep(0)

    async def set_roles(self, user: str, roles: Sequence[str], *, guild: str = "", **fields: Any) -> None:
        """Change a member's roles (and `pending`, `nick`)."""
        guild = guild or self.guild
        self.members[guild][user] |= {"roles": list(roles), **fields}
        self.tell("GUILD_MEMBER_UPDATE", {**self.member(guild, user), "guild_id": guild})
        await asyncio.sleep(0)

    async def leave(self, user: str, *, guild: str = "") -> None:
        """Leave a guild; when it is the bot who is thrown out, the app is told so."""
        guild = guild or self.guild
        del self.members[guild][user]
        if user == self.bot:
            self.tell("GUILD_DELETE", {"id": guild})
        else:
            self.tell("GUILD_MEMBER_REMOVE", {"guild_id": guild, "user": self.users[user]})
        await asyncio.sleep(0)

    async def arrive(self, user: str, *, guild: str = "", roles: Sequence[str] = ()) -> None:
        """Join a guild while the app runs."""
        guild = guild or self.guild
        self.join(user, guild=guild, roles=roles)
        self.tell("GUILD_MEMBER_ADD", {**self.member(guild, user), "guild_id": guild})
        await asyncio.sleep(0)

    async def set_overwrites(self, channel: str, overwrites: Sequence[Json]) -> None:
        """Change who may view a channel (see `overwrite`)."""
        self.channels[channel]["permission_overwrites"] = list(overwrites)
        self.tell("CHANNEL_UPDATE", self.channels[channel])
        await asyncio.sleep(0)

    async def change_role(self, role: str, **fields: Any) -> None:
        """Change a role."""
        self.roles[role] |= fields
        guild = self.roles[role]["guild_id"]
        told = {key: value for key, value in self.roles[role].items() if key != "guild_id"}
        self.tell("GUILD_ROLE_UPDATE", {"guild_id": guild, "role": told})
        await asyncio.sleep(0)

    async def invite(self, name: str, **fields: Any) -> str:
        """Invite the bot to a new guild while the app runs; the value is the guild's id."""
        guild = self.add_guild(name, **fields)
        told = guild_create(self, guild)
        del told["unavailable"]
        self.tell("GUILD_CREATE", told)
        await asyncio.sleep(0)
        return guild

    async def open_channel(self, name: str, **fields: Any) -> str:
        """Add a channel while the app runs; the value is its id."""
        channel = self.channel(name, **fields)
        self.tell("CHANNEL_CREATE", self.channels[channel])
        await asyncio.sleep(0)
        return channel
