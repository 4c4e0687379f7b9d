"""What people do: each act changes the world and tells the app what the real platform would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .deliveries import Deliveries, Delivery
from .world import Json, Team, World


@dataclass(frozen=True, slots=True)
class Said:
    """A message that somebody wrote, and the deliveries that told the app."""

    channel: str
    ts: str
    deliveries: tuple[Delivery, ...]

    async def acked(self) -> None:
        """Wait until the app has acknowledged everything, or Slack has given up."""
        await asyncio.gather(*(delivery.done.wait() for delivery in self.deliveries))


class People(World):
    """The world with people in it who write, react, edit and delete."""

    def __init__(self, deliveries: Deliveries) -> None:
        super().__init__()
        self.deliveries = deliveries
        self.echoes = True

    def callback(self, event: Json, team: Team) -> Json:
        """The payload of an event, as the Events API wraps it."""
        who = {"enterprise_id": None, "team_id": team.id, "user_id": team.bot_user, "is_bot": True}
        shared = self.channels.get(str(event.get("channel")), {}).get("is_ext_shared", False)
        return {
            **{
                "token": "verification",
                "team_id": team.id,
                "api_app_id": self.app_id,
                "type": "event_callback",
            },
            **{
                "event_id": f"Ev{self.number():08d}",
                "event_time": int(time.time()),
                "event_context": "context",
            },
            **{"authorizations": [{**who, "is_enterprise_install": False}], "is_ext_shared_channel": shared},
            "event": event,
        }

    async def raise_event(self, event: Json, team: Team | None = None) -> Delivery:
        """Tell the app any event."""
        return await self.deliveries.deliver("events_api", self.callback(event, team or self.team))

    async def mention(
        self, user: str, channel: str, text: str, thread_ts: str | None = None, files: Sequence[str] = ()
    ) -> Said:
        """Mention the bot: raises `app_mention` and `message`, in either order the platform likes."""
        team = self.bot_of(channel)
        mention = f"<@{team.bot_user}>"
        return await self.say(
            user, channel, text if mention in text else f"{mention} {text}", thread_ts, files
        )

    async def say(
        self, user: str, channel: str, text: str, thread_ts: str | None = None, files: Sequence[str] = ()
    ) -> Said:
        """Write in a channel or a thread. The app hears of it where its bot is a member."""
        team = self.bot_of(channel)
        event = self._written(user, channel, text, thread_ts, files)
        events = [event]
        if f"<@{team.bot_user}>" in text and not self.channels[channel]["is_im"]:
            left_out = ("channel_type", "subtype")
            mention = {key: value for key, value in event.items() if key not in left_out}
            events.insert(self.number() % 2, mention | {"type": "app_mention"})
        if team.bot_user not in self.members[channel]:
            events = []
        return Said(channel, event["ts"], tuple([await self.raise_event(each, team) for each in events]))

    async def dm(self, user: str, text: str, thread_ts: str | None = None, files: Sequence[str] = ()) -> Said:
        """Write to the bot in private: raises `message` with `channel_type` im."""
        return await self.say(user, self.im(user), text, thread_ts, files)

    async def agent_message(
        self, user: str, text: str, thread_ts: str | None = None, viewing: str = "", files: Sequence[str] = ()
    ) -> Said:
        """Write in the agent view, the bot's Messages tab; `viewing` is the channel open beside it."""
        channel = self.im(user)
        event = self._written(user, channel, text, thread_ts, files)
        if viewing:
            entity = {
                "type": "slack#/entities/channel",
                "value": viewing,
                "team_id": self.team_of(self.users[user]),
            }
            event["app_context"] = {"entities": [entity]}
        return Said(channel, event["ts"], (await self.raise_event(event, self.bot_of(channel)),))

    async def app_home_opened(self, user: str, tab: str = "home") -> Delivery:
        """Open the bot's Home tab, or with `messages` its agent view."""
        channel = self.im(user)
        event: Json = {
            "type": "app_home_opened",
            "user": user,
            "tab": tab,
            "channel": channel,
            "event_ts": self.new_ts(),
        }
        if tab == "home" and user in self.homes:
            event["view"] = self.homes[user]
        return await self.raise_event(event, self.bot_of(channel))

    async def react(self, user: str, channel: str, ts: str, name: str) -> Delivery:
        """React to a message."""
        who = self.reactions.setdefault((channel, ts), {}).setdefault(name, [])
        if user not in who:
            who.append(user)
        return await self._reaction("reaction_added", user, channel, ts, name)

    async def unreact(self, user: str, channel: str, ts: str, name: str) -> Delivery:
        """Take a reaction back."""
        self.reactions[channel, ts][name].remove(user)
        return await self._reaction("reaction_removed", user, channel, ts, name)

    async def _reaction(self, kind: str, user: str, channel: str, ts: str, name: str) -> Delivery:
        item = {"type": "message", "channel": channel, "ts": ts}
        author = self.messages[channel][ts]["user"]
        event = {"type": kind, "user": user, "reaction": name, "item": item, "item_user": author}
        return await self.raise_event({**event, "event_ts": self.new_ts()}, self.bot_of(channel))

    async def edit(self, channel: str, ts: str, text: str) -> Delivery:
        """Change what a person wrote: raises `message_changed`."""
        message = self.messages[channel][ts]
        old = dict(message)
        message |= {"text": text, "edited": {"user": message["user"], "ts": self.new_ts()}}
        changed = {"subtype": "message_changed", "message": dict(message), "previous_message": old}
        return await self.raise_event(self._hidden(channel, changed), self.bot_of(channel))

    async def delete(self, channel: str, ts: str) -> Delivery:
        """Delete a message. One that has replies leaves a tombstone and raises `message_changed`."""
        replies = [r for r in self.threads.get((channel, ts), ()) if r in self.messages[channel]]
        old = self.messages[channel].pop(ts)
        gone: Json = {"subtype": "message_deleted", "deleted_ts": ts, "previous_message": old}
        if replies:
            grave = {
                "type": "message",
                "subtype": "tombstone",
                "ts": ts,
                "thread_ts": ts,
                "user": "USLACKBOT",
            }
            self.messages[channel][ts] = {**grave, "text": "This message was deleted.", "hidden": True}
            gone = {
                "subtype": "message_changed",
                "message": self.messages[channel][ts],
                "previous_message": old,
            }
        return await self.raise_event(self._hidden(channel, gone), self.bot_of(channel))

    async def uninstall(self, team: Team | None = None) -> tuple[Delivery, ...]:
        """Remove the app: revokes the token and raises `tokens_revoked` and `app_uninstalled`."""
        team = team or self.team
        team.revoked = True
        tokens = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [team.bot_user]}}
        return tuple([await self.raise_event(event, team) for event in (tokens, {"type": "app_uninstalled"})])

    async def join(self, user: str, channel: str) -> Delivery:
        """Become a member of a channel: raises `member_joined_channel`."""
        self.members[channel].add(user)
        event = {"type": "member_joined_channel", "user": user, "channel": channel, "channel_type": "C"}
        return await self.raise_event({**event, "event_ts": self.new_ts()}, self.bot_of(channel))

    def echo(self, event: Json) -> None:
        """Tell the app what its own bot did, as Slack does."""
        if self.echoes:
            event = {**event, "event_ts": event["ts"], "channel_type": self._channel_type(event["channel"])}
            self.deliveries.later("events_api", self.callback(event, self.bot_of(event["channel"])))

    def _channel_type(self, channel: str) -> str:
        about = self.channels[channel]
        if about["is_im"]:
            return "im"
        return "mpim" if about["is_mpim"] else "group" if about["is_private"] else "channel"

    def _hidden(self, channel: str, fields: Json) -> Json:
        ts = self.new_ts()
        about = {"type": "message", "hidden": True, "channel": channel, "ts": ts, "event_ts": ts}
        return {**about, **fields, "channel_type": self._channel_type(channel)}

    def _written(
        self, user: str, channel: str, text: str, thread_ts: str | None, files: Sequence[str]
    ) -> Json:
        elements = [{"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}]
        extra: Json = {"client_msg_id": f"{self.number():08d}-0000-4000-8000-000000000000"}
        extra["blocks"] = [{"type": "rich_text", "block_id": f"b{self.number()}", "elements": elements}]
        if files:
            extra |= {"files": self.attachments(files), "subtype": "file_share", "upload": True}
        if thread_ts:
            extra["parent_user_id"] = self.messages[channel].get(thread_ts, {}).get("user", "")
        if self.users[user]["is_bot"]:
            extra["subtype"] = "bot_message"
        message = self.put(channel, user, text, thread_ts, **extra)
        about = self.users[user]
        foreign = (
            {"user_team": about["team_id"], "source_team": about["team_id"]}
            if about.get("is_stranger")
            else {}
        )
        event: dict[str, Any] = {**message, **foreign, "channel": channel, "event_ts": message["ts"]}
        return {**event, "channel_type": self._channel_type(channel)}
