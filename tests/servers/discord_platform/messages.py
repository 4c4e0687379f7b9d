"""What is said: messages, mentions, edits, reactions and threads, and what the gateway tells of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

from .permissions import MENTION_EVERYONE
from .rules import EPHEMERAL, HAS_THREAD, TEXT, every
from .showing import Shown, shown
from .world import KINDS, THREADS, Json, World, timestamp

DEFAULT, REPLY, THREAD_STARTER, COMMAND, MENU_COMMAND = 0, 19, 21, 20, 23
MESSAGE_CONTENT = 1 << 15
MENTION = re.compile(r"<@!?(\d+)>")
ROLE_MENTION = re.compile(r"<@&(\d+)>")


class Messages(World):
    """The world with messages in it; each change is told to the gateway."""

    def __init__(self) -> None:
        super().__init__()
        self.edits: dict[str, list[Json]] = {}
        self.deleted: dict[str, Json] = {}
        self.reactions: dict[str, dict[str, list[str]]] = {}
        self.pings: dict[str, tuple[str, ...]] = {}
        self.allowed: dict[str, Json | None] = {}
        self.shown_to: dict[str, str] = {}
        self.said_at: dict[str, float] = {}
        self.typing: list[tuple[str, float]] = []

    def put(
        self, channel: str, user: str, content: str = "", *, files: Iterable[str] = (), **fields: Any
    ) -> Json:
        """Store a message without telling the app. `allowed_mentions` limits whom it pings."""
        allowed = fields.pop("allowed_mentions", None)
        message_id = str(fields.pop("id", "") or self.new_id())
        message: Json = {
            **{"id": message_id, "type": DEFAULT, "channel_id": channel, "author": self.users[user]},
            **{"content": content, "timestamp": timestamp(), "edited_timestamp": None, "tts": False},
            **{"attachments": [self.files[each] for each in files], "embeds": [], "components": []},
            **{"pinned": False, "flags": 0, **fields},
        }
        self.messages[channel][message_id] = message
        self.allowed[message_id] = allowed
        self.said_at[message_id] = time.monotonic()
        self.channels[channel]["last_message_id"] = message_id
        self.pings[message_id] = self._pinged(message, allowed)
        self._mention(message)
        return message

    def repinged(self, message: Json) -> None:
        """Notify people of a message that takes the place of "the bot is thinking"."""
        self.pings[message["id"]] = self._pinged(message, self.allowed[message["id"]])
        self._mention(message)

    def reply_fields(self, channel: str, message_id: str) -> Json:
        """The fields of a message that answers another."""
        reference = {"message_id": message_id, "channel_id": channel}
        if guild := self.channels[channel].get("guild_id"):
            reference["guild_id"] = guild
        answered = self.messages[channel].get(message_id)
        return {"type": REPLY, "message_reference": reference, "referenced_message": answered}

    def said(self, message: Json) -> None:
        """Tell the app of a new message, unless it is for one person's eyes."""
        if not message["flags"] & EPHEMERAL:
            self.tell_in(message["channel_id"], "MESSAGE_CREATE", self.told(message))

    def tell_in(self, channel: str, name: str, data: Json) -> None:
        """Tell the app what happens in a channel, if it may view it."""
        if self.may(self.bot, channel):
            guild = self.channels[channel].get("guild_id")
            self.tell(name, {**data, "guild_id": guild} if guild else data)

    def told(self, message: Json) -> Json:
        """A message as the gateway tells of it."""
        told = {**message, "channel_type": self.channels[message["channel_id"]]["type"]}
        guild = self.channels[message["channel_id"]].get("guild_id")
        author = message["author"]["id"]
        if guild:
            told["guild_id"] = guild
            members = self.members[guild]
            told["mentions"] = [
                {**user, "member": _without_user(members[user["id"]])} if user["id"] in members else user
                for user in message["mentions"]
            ]
            if author in members and not message.get("webhook_id"):
                told["member"] = _without_user(members[author])
        return told

    def hidden(self, data: Json, intents: int) -> Json:
        """A message without its content, where the intent for it is missing and no exception applies."""
        if "author" not in data or intents & MESSAGE_CONTENT:
            return data
        mentioned = any(user["id"] == self.bot for user in data.get("mentions", ()))
        is_dm = self.channels[data["channel_id"]]["type"] == KINDS["dm"]
        if mentioned or is_dm or data["author"]["id"] == self.bot:
            return data
        bare = {**data, "content": "", "embeds": [], "attachments": [], "components": []}
        if answered := data.get("referenced_message"):
            bare["referenced_message"] = self.hidden(answered, intents)
        return bare

    def change(self, channel: str, message_id: str, **fields: Any) -> Json:
        """Change a message and tell the app."""
        message = self.messages[channel][message_id]
        self.edits.setdefault(message_id, []).append({**message, "at": time.monotonic()})
        message |= fields | {"edited_timestamp": timestamp()}
        self._mention(message)
        if not message["flags"] & EPHEMERAL:
            self.tell_in(channel, "MESSAGE_UPDATE", self.told(message))
        return message

    def remove(self, channel: str, message_id: str) -> None:
        """Delete a message and tell the app."""
        message = self.messages[channel].pop(message_id)
        self.deleted[message_id] = message
        if not message["flags"] & EPHEMERAL:
            self.tell_in(channel, "MESSAGE_DELETE", {"id": message_id, "channel_id": channel})

    def start_thread(
        self,
        parent: str,
        owner: str,
        name: str,
        *,
        message_id: str = "",
        private: bool = False,
        **fields: Any,
    ) -> str:
        """Start a thread, from a message or without, and tell the app; the value is its id."""
        thread = self.thread(parent, owner, name, private=private, thread_id=message_id, **fields)
        self.tell_in(thread, "THREAD_CREATE", {**self.thread_json(thread), "newly_created": True})
        if message_id:
            starter = self.messages[parent][message_id]
            starter |= {"flags": starter["flags"] | HAS_THREAD, "thread": self.thread_json(thread)}
            self.tell_in(parent, "MESSAGE_UPDATE", self.told(starter))
            about = self.reply_fields(parent, message_id) | {"type": THREAD_STARTER}
            self.said(self.put(thread, starter["author"]["id"], **about))
        return thread

    def join_thread(self, thread: str, user: str) -> None:
        """Make somebody a member of a thread and tell the app."""
        if user in self.thread_members[thread]:
            return
        known = self.may(self.bot, thread)
        self.thread_members[thread][user] = timestamp()
        if not known:
            self.tell_in(thread, "THREAD_CREATE", self.thread_json(thread))
        guild = self.channels[thread]["guild_id"]
        added = self.thread_member(thread, user) | {"member": self.member(guild, user), "presence": None}
        self.tell_in(thread, "THREAD_MEMBERS_UPDATE", self._membership(thread) | {"added_members": [added]})

    def leave_thread(self, thread: str, user: str) -> None:
        """End somebody's membership of a thread and tell the app."""
        if self.thread_members[thread].pop(user, None):
            gone = {"removed_member_ids": [user]}
            guild = self.channels[thread]["guild_id"]
            data = self._membership(thread) | gone | {"guild_id": guild}
            self.tell("THREAD_MEMBERS_UPDATE", data)

    def _membership(self, thread: str) -> Json:
        return {"id": thread, "member_count": len(self.thread_members[thread])}

    def wake(self, channel: str) -> None:
        """Take a thread out of the archive, as writing in it does."""
        about = self.channels[channel]
        if about["type"] in THREADS and about["thread_metadata"]["archived"]:
            about["thread_metadata"]["archived"] = False
            self.tell_in(channel, "THREAD_UPDATE", self.thread_json(channel))

    def message_json(self, message: Json) -> Json:
        """A message as the REST API tells of it, with its reactions."""
        counted = [
            {"emoji": {"id": None, "name": name}, "count": len(who), "me": self.bot in who}
            for name, who in self.reactions.get(message["id"], {}).items()
        ]
        return {**message, "reactions": counted} if counted else message

    def message(self, message_id: str) -> Shown:
        """A message as a person sees it."""
        found = next(messages[message_id] for messages in self.messages.values() if message_id in messages)
        return self._shown(found)

    def visible(self, channel: str, *, user: str | None = None) -> list[Shown]:
        """What a channel or thread shows, in order; with a `user`, also what that person alone sees.

        A person who may not view the channel sees nothing of it.
        """
        if user and not self.may(user, channel):
            return []
        seen = [m for m in self.messages[channel].values() if self.shown_to.get(m["id"], user) == user]
        return [self._shown(message) for message in sorted(seen, key=lambda m: int(m["id"]))]

    def answers(self, channel: str, *, user: str | None = None) -> list[Shown]:
        """What the bot says there."""
        return [each for each in self.visible(channel, user=user) if each.user == self.bot]

    def threads_of(self, parent: str) -> list[str]:
        """The threads of a channel or forum, in order."""
        return [each for each, about in self.channels.items() if about.get("parent_id") == parent]

    def _shown(self, message: Json) -> Shown:
        message_id = message["id"]
        found = self.reactions.get(message_id, {})
        return shown(message, found, self.pings[message_id], self.allowed[message_id])

    def _mention(self, message: Json) -> None:
        text = _text(message)
        known = dict.fromkeys(each for each in MENTION.findall(text) if each in self.users)
        answered = message.get("referenced_message") if message["type"] == REPLY else None
        if answered and self._replied(message["id"]):
            known[answered["author"]["id"]] = None
        message["mentions"] = [self.users[each] for each in known]
        message["mention_roles"] = [each for each in ROLE_MENTION.findall(text) if each in self.roles]
        message["mention_everyone"] = bool({"everyone", "here"} & {*self.pings.get(message["id"], ())})

    def _replied(self, message_id: str) -> bool:
        allowed = self.allowed.get(message_id)
        return allowed is None or bool(allowed.get("replied_user"))

    def _pinged(self, message: Json, allowed: Json | None) -> tuple[str, ...]:
        text, author, channel = _text(message), message["author"]["id"], message["channel_id"]
        may_all = self.may(author, channel, MENTION_EVERYONE)
        parse = {"users", "roles", "everyone"} if allowed is None else set(allowed.get("parse", ()))
        listed = {"users": set(), "roles": set()} if allowed is None else allowed
        users = [u for u in MENTION.findall(text) if "users" in parse or u in _ids(listed.get("users"))]
        roles = [r for r in ROLE_MENTION.findall(text) if "roles" in parse or r in _ids(listed.get("roles"))]
        roles = [r for r in roles if may_all or self.roles.get(r, {}).get("mentionable")]
        everyone = [each for each in ("everyone", "here") if f"@{each}" in text]
        found = users + roles + (everyone if may_all and "everyone" in parse else [])
        answered = message.get("referenced_message") if message["type"] == REPLY else None
        if answered and self._replied(message["id"]):
            found.append(answered["author"]["id"])
        return tuple(dict.fromkeys(each for each in found if each != author))


def _text(message: Json) -> str:
    texts = [each["content"] for each in every(message["components"]) if each["type"] == TEXT]
    return "\n".join([message["content"] or "", *texts])


def _ids(listed: Any) -> set[str]:
    return {str(each) for each in listed or ()}


def _without_user(member: Json) -> Json:
    return {key: value for key, value in member.items() if key != "user"}
