"""Slack, as `ConversationSource` reads it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from knowledge.documents import KnowledgeError
from knowledge.sources.conversations import Channel, GoneError, Message, Thread, person_name
from knowledge.sources.slack_people import SlackPeople
from knowledge.sources.slack_text import SlackText

if TYPE_CHECKING:
    from knowledge.sources.slack_api import SlackApi

# https://docs.slack.dev/reference/methods/conversations.history: 999 at the most.
_PAGE = 999
# https://docs.slack.dev/reference/events/message: all other subtypes are Slack's own notes.
_SPOKEN = frozenset({"", "me_message", "thread_broadcast", "file_share", "bot_message", "huddle_thread"})
_TIME = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,9})?")


class SlackChat:
    """Reads channels of a workspace with a bot token.

    The token's scopes are channels:history, channels:read and users:read; for private channels, of which the
    bot must be a member, groups:history and groups:read as well. A thread is listed by its first message: one
    that began before the history's limit is not read, however new its last reply.
    """

    def __init__(
        self,
        source: str,
        token: str,
        channels: Sequence[str],
        people_file: Path,
        token_name: str = "SLACK_BOT_TOKEN",  # noqa: S107
        api_url: str = "https://slack.com/api/",
    ) -> None:
        """`channels` are ids or names, `source` is the name that errors tell, `token` may be empty till used.

        `people_file` keeps the names of people. `token_name` is the environment variable to name in errors.
        """
        self._source = source
        self._token = token
        self._token_name = token_name
        self._api_url = api_url
        self._wanted = tuple(name.removeprefix("#") for name in channels)
        self._people_file = people_file
        self._names: dict[str, str] = {}

    def channels(self) -> Sequence[Channel]:
        """Find the channels by id or name. Raises `KnowledgeError` for one that the bot cannot see."""
        found: dict[str, Channel] = {}
        missing = [name for name in self._wanted if not self._found_by_id(name, found)]
        # Private channels need a scope more, so they are asked for only when a name is not found without.
        for types in ("public_channel", "private_channel"):
            if missing:
                by_name = self._listed(types)
                found.update({name: by_name[name] for name in missing if name in by_name})
                missing = [name for name in missing if name not in found]
        if missing:
            raise KnowledgeError(
                f"Source '{self._source}': Slack knows no channel #{missing[0]} that the bot may see: check "
                "the name, and if the channel is private, write /invite with the bot's name there."
            )
        return list({channel.id: channel for channel in found.values()}.values())

    def history(self, channel: Channel, since: float) -> Iterator[Message | Thread | None]:
        """Yield messages without a thread, and threads by their first message, the newest first."""
        pages = self._api.pages(
            "conversations.history",
            "messages",
            channel.name,
            channel=channel.id,
            oldest=f"{since:.6f}",
            limit=_PAGE,
        )
        for page in pages:
            for raw in page:
                item = self._item(raw)
                if item is not None:
                    yield item
            yield None

    def thread(self, channel_id: str, thread_id: str) -> Iterator[Message]:
        """Yield the first message and the replies."""
        from knowledge.sources.slack_api import SlackAnswerError

        place = self._names.get(channel_id, channel_id)
        try:
            for page in self._api.pages(
                "conversations.replies", "messages", place, channel=channel_id, ts=thread_id, limit=_PAGE
            ):
                yield from (message for raw in page if (message := self._message(raw)))
        except SlackAnswerError as error:
            if error.code == "thread_not_found":
                raise GoneError(thread_id) from error
            raise

    def message_url(self, channel_id: str, message_id: str) -> str:
        """Make a permalink; its form is that of chat.getPermalink, which would cost a request each."""
        return f"{self._self['url']}archives/{channel_id}/p{message_id.replace('.', '')}"

    def thread_url(self, channel_id: str, thread_id: str) -> str:
        """Make a permalink to a thread's first message."""
        return self.message_url(channel_id, thread_id)

    @cached_property
    def _api(self) -> SlackApi:
        from knowledge.sources.slack_api import SlackApi

        if not self._token:
            raise KnowledgeError(
                f"Source '{self._source}' needs a Slack bot token (xoxb-…): set the environment variable "
                f"{self._token_name}."
            )
        return SlackApi(self._source, self._token, self._token_name, self._api_url)

    @cached_property
    def _people(self) -> SlackPeople:
        return SlackPeople(self._people_file, self._api)

    @cached_property
    def _text(self) -> SlackText:
        return SlackText(self._people.name, lambda channel_id: self._names.get(channel_id, "a channel"))

    @cached_property
    def _self(self) -> Mapping[str, str]:
        """Who the token is (https://docs.slack.dev/reference/methods/auth.test)."""
        answer = self._api.call("auth.test")
        if not answer.get("user_id"):
            raise KnowledgeError(f"Slack does not tell whose token {self._token_name} is.")
        return {key: str(answer.get(key) or "") for key in ("url", "user_id", "bot_id")}

    def _found_by_id(self, name: str, found: dict[str, Channel]) -> bool:
        if not (name[:1] in ("C", "G", "D") and name.isalnum() and name.isupper()):
            return False
        raw = self._api.call("conversations.info", name, channel=name).get("channel")
        if not isinstance(raw, dict):
            raise KnowledgeError(f"Slack tells nothing of channel {name}.")
        found[name] = self._channel(raw)
        return True

    def _listed(self, types: str) -> dict[str, Channel]:
        pages = self._api.pages("conversations.list", "channels", types=types, limit=_PAGE)
        found = (self._channel(raw) for page in pages for raw in page)
        return {channel.name: channel for channel in found}

    def _channel(self, raw: Mapping[str, Any]) -> Channel:
        name = person_name(str(raw.get("name") or raw.get("id")))
        closed = ("is_private", "is_im", "is_mpim", "is_group")
        is_open = raw.get("is_channel") is True and not any(raw.get(key) for key in closed)
        channel = Channel(str(raw.get("id")), name, is_open)
        self._names[channel.id] = name
        return channel

    def _item(self, raw: Mapping[str, Any]) -> Message | Thread | None:
        """Read an entry of a channel's history; None for what is no message of its own."""
        ts, thread_ts = raw.get("ts"), raw.get("thread_ts")
        if _is_time(ts) and raw.get("reply_count") and thread_ts in (ts, None):
            return self._thread(ts, raw)
        if thread_ts not in (ts, None):
            return None
        message = self._message(raw)
        return None if message is None or message.with_bot else message

    def _thread(self, ts: str, raw: Mapping[str, Any]) -> Thread:
        first = self._message(raw)
        latest = raw["latest_reply"] if _is_time(raw.get("latest_reply")) else ts
        told = (raw.get("reply_count"), latest, first and (first.author, first.text))
        repliers = raw.get("reply_users")
        has_bot = isinstance(repliers, list) and self._self["user_id"] in repliers
        return Thread(
            id=ts,
            at=float(ts),
            active_at=float(latest),
            mark=hashlib.sha256(repr(told).encode(errors="replace")).hexdigest()[:16],
            with_bot=has_bot or (first is not None and first.with_bot),
        )

    def _message(self, raw: Mapping[str, Any]) -> Message | None:
        ts = raw.get("ts")
        if not _is_time(ts):
            return None
        me = self._self
        is_own = raw.get("user") == me["user_id"] or (me["bot_id"] and raw.get("bot_id") == me["bot_id"])
        is_addressed = f"<@{me['user_id']}" in str(raw.get("text") or "")
        with_bot = bool(is_own or is_addressed)
        text = self._text.markdown(raw) if (raw.get("subtype") or "") in _SPOKEN else ""
        if not text and not with_bot:
            return None
        return Message(ts, float(ts), self._author(raw), text, with_bot)

    def _author(self, raw: Mapping[str, Any]) -> str:
        if isinstance(raw.get("user"), str):
            return self._people.name(raw["user"])
        profile = raw.get("bot_profile")
        name = raw.get("username") or (profile.get("name") if isinstance(profile, dict) else None)
        return person_name(str(name or "An app"))


def _is_time(value: object) -> TypeGuard[str]:
    """Whether something is a message's time, which is also its id."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None
