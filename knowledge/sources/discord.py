"""Discord, as `ConversationSource` reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from knowledge.documents import KnowledgeError
from knowledge.sources.conversations import (
    Channel,
    GoneError,
    Message,
    Thread,
    person_name,
    storable,
)
from knowledge.sources.discord_api import UNKNOWN_CHANNEL, DiscordAnswerError, DiscordApi
from knowledge.sources.discord_objects import (
    archived_at,
    author_of,
    created,
    field_of,
    is_blank,
    is_open,
    objects_of,
    snowflake,
    unix,
)
from knowledge.sources.discord_text import DiscordText, author_name, objects
from knowledge.sources.selection import Selection

_PAGE = 100
_MOST_PAGES = 100_000
_WEB_URL = "https://discord.com/channels"

# https://docs.discord.com/developers/resources/channel#channel-object-channel-types
_TEXT, _NEWS, _FORUM, _MEDIA = 0, 5, 15, 16
_OPEN_THREADS = (10, 11)
# https://docs.discord.com/developers/resources/message#message-object-message-types: what people and apps
# say, and the note in a thread that carries the message it began with.
_SPOKEN = (0, 19, 20, 23)
_THREAD_STARTER = 21
# https://docs.discord.com/developers/resources/application#application-object-application-flags
_MESSAGE_CONTENT = 1 << 18 | 1 << 19
_LONGEST_NAME = 100


class DiscordChat:
    """Reads channels of a server (a guild): text channels, forums, and their threads, active and archived.

    Private threads are never read. A forum's post is a thread. The bot needs the permissions View Channel and
    Read Message History, and the message content intent.
    """

    def __init__(
        self,
        source: str,
        token: str,
        guild: str,
        channels: Sequence[str] = (),
        exclude: tuple[str, ...] = (),
        token_name: str = "DISCORD_TOKEN",  # noqa: S107
        api_url: str = "https://discord.com/api/v10",
        retry_seconds: float = 1.0,
    ) -> None:
        """`channels` are ids or names; none means all that everyone may read, but those named in `exclude`.

        `source` is the name that errors tell, `token` may be empty until used, and `token_name` is the
        environment variable to name in errors.
        """
        self._source = source
        self._token = token
        self._token_name = token_name
        self._guild = guild
        self._wanted = tuple(name.removeprefix("#") for name in channels)
        self._selection = Selection(("*",), exclude)
        self._api_url = api_url
        self._retry_seconds = retry_seconds
        self._kinds: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._active: list[Mapping[str, Any]] = []
        self._text = DiscordText({}, {})

    def channels(self) -> Sequence[Channel]:
        """Find the channels. Raises `KnowledgeError` for one that is not there, and without the intent."""
        self._require_message_content()
        guild = self._api.get(f"/guilds/{self._guild}")
        listed = self._listed(f"/guilds/{self._guild}/channels")
        readable = [raw for raw in listed if raw.get("type") in (_TEXT, _NEWS, _FORUM, _MEDIA)]
        roles = {str(role.get("id")): role for role in objects_of(field_of(guild, "roles"))}
        self._kinds = {str(raw.get("id")): int(raw["type"]) for raw in readable}
        self._tags = {
            str(tag.get("id")): str(tag.get("name"))
            for raw in readable
            for tag in objects(raw.get("available_tags"))
        }
        active = self._api.get(f"/guilds/{self._guild}/threads/active")
        self._active = objects_of(field_of(active, "threads"))
        self._names = {
            str(raw.get("id")): person_name(str(raw.get("name"))) for raw in (*listed, *self._active)
        }
        role_names = {role_id: person_name(str(role.get("name"))) for role_id, role in roles.items()}
        self._text = DiscordText(role_names, self._names)
        everyone = roles.get(self._guild, {})
        found = [
            Channel(id_, self._names[id_], is_open(self._guild, everyone, raw))
            for raw in readable
            if (id_ := str(raw.get("id")))
        ]
        if not self._wanted:
            return [channel for channel in found if channel.is_open and self._selection.wants(channel.name)]
        return [self._chosen(wanted, found) for wanted in dict.fromkeys(self._wanted)]

    def history(self, channel: Channel, since: float) -> Iterator[Message | Thread | None]:
        """Yield the messages without a thread, the newest first, then the threads."""
        if self._kinds.get(channel.id) in (_TEXT, _NEWS):
            yield from self._messages(channel, since)
        for raw in self._active:
            if raw.get("parent_id") == channel.id and raw.get("type") in _OPEN_THREADS:
                yield self._thread(raw)
        yield None
        yield from self._archived(channel, since)

    def thread(self, channel_id: str, thread_id: str) -> Iterator[Message]:
        """Yield the messages of a thread; the first may be one of its channel."""
        name = self._names.get(thread_id) or self._names.get(channel_id, channel_id)
        last = 0
        try:
            for _page in range(_MOST_PAGES):
                page = self._page(thread_id, name, after=last)
                page = sorted(page, key=lambda raw: snowflake(raw["id"]))
                for raw in page:
                    first = raw.get("referenced_message") if raw.get("type") == _THREAD_STARTER else raw
                    if isinstance(first, dict) and (message := self._message(first)):
                        yield message
                if len(page) < _PAGE:
                    return
                last = self._progress(last, snowflake(page[-1]["id"]), 1)
        except DiscordAnswerError as error:
            if error.code == UNKNOWN_CHANNEL:
                raise GoneError(thread_id) from error
            raise

    def message_url(self, channel_id: str, message_id: str) -> str:
        """Make the link that people copy from a message."""
        return f"{_WEB_URL}/{self._guild}/{channel_id}/{message_id}"

    def thread_url(self, channel_id: str, thread_id: str) -> str:
        """Make the link to a thread, which is a channel."""
        return f"{_WEB_URL}/{self._guild}/{thread_id}"

    @cached_property
    def _api(self) -> DiscordApi:
        if not self._token:
            raise KnowledgeError(
                f"Source '{self._source}' needs a Discord bot token: set the environment variable "
                f"{self._token_name}."
            )
        return DiscordApi(self._source, self._token, self._token_name, self._api_url, self._retry_seconds)

    @cached_property
    def _me(self) -> str:
        return str(field_of(self._api.get("/users/@me"), "id"))

    def _require_message_content(self) -> None:
        try:
            flags = self._api.get("/applications/@me").get("flags")
        except DiscordAnswerError as error:
            if error.status != 404:
                raise
            return
        if isinstance(flags, int) and not flags & _MESSAGE_CONTENT:
            raise self._blank_error()

    def _refuse_blank(self, page: Sequence[Mapping[str, Any]]) -> None:
        """Raise when a page has messages of people but not a word of theirs, which cannot be."""
        said = [raw for raw in page if raw.get("type") in (0, 19) and not self._is_with_bot(raw)]
        said = [raw for raw in said if not author_of(raw).get("bot")]
        if said and all(is_blank(raw) for raw in said):
            raise self._blank_error()

    def _blank_error(self) -> KnowledgeError:
        return KnowledgeError(
            f"Source '{self._source}': Discord gives the bot messages without their text: turn on the "
            "Message Content Intent on the Bot page of the application in Discord's developer portal."
        )

    def _chosen(self, wanted: str, found: Sequence[Channel]) -> Channel:
        for channel in found:
            if wanted in (channel.id, channel.name):
                return channel
        raise KnowledgeError(
            f"Source '{self._source}': the server has no text channel or forum #{wanted} that the bot may "
            "see: check the name, and give the bot's role the permission View Channel there."
        )

    def _messages(self, channel: Channel, since: float) -> Iterator[Message | None]:
        before: int | None = None
        for _page in range(_MOST_PAGES):
            page = self._page(channel.id, channel.name, before=before)
            for raw in page:
                if "thread" not in raw and (message := self._message(raw)) and not message.with_bot:
                    yield message
            yield None
            oldest = min((snowflake(raw["id"]) for raw in page), default=0)
            if len(page) < _PAGE or created(oldest) < since:
                return
            before = self._progress(before, oldest, -1)

    def _archived(self, channel: Channel, since: float) -> Iterator[Thread | None]:
        before: str | None = None
        seen: set[str] = set()
        for _page in range(_MOST_PAGES):
            path = f"/channels/{channel.id}/threads/archived/public"
            answer = self._api.get(path, channel.name, before=before, limit=_PAGE)
            threads = objects_of(field_of(answer, "threads"))
            for raw in threads:
                self._names[str(raw.get("id"))] = person_name(str(raw.get("name")))
                yield self._thread(raw)
            yield None
            times = [text for raw in threads if (text := archived_at(raw))]
            if not answer.get("has_more") or not times or unix(min(times, key=unix)) < since:
                return
            before = min(times, key=unix)
            if before in seen:
                break
            seen.add(before)
        raise self._endless()

    def _thread(self, raw: Mapping[str, Any]) -> Thread:
        thread_id = str(raw.get("id"))
        last = snowflake(raw.get("last_message_id")) or snowflake(thread_id)
        active_at = created(last)
        name = storable(str(raw.get("name") or ""))[:_LONGEST_NAME]
        tags = [self._tags[str(tag)] for tag in raw.get("applied_tags") or () if str(tag) in self._tags]
        told = (name, last, raw.get("message_count"), raw.get("total_message_sent"), tags)
        return Thread(
            id=thread_id,
            at=max(active_at, unix(archived_at(raw))) if archived_at(raw) else active_at,
            active_at=active_at,
            mark=hashlib.sha256(repr(told).encode(errors="replace")).hexdigest()[:16],
            title=f"{name} [{', '.join(tags)}]" if tags else name,
            with_bot=raw.get("owner_id") == self._me,
        )

    def _message(self, raw: Mapping[str, Any]) -> Message | None:
        with_bot = self._is_with_bot(raw)
        text = self._text.markdown(raw) if raw.get("type") in _SPOKEN else ""
        if not text and not with_bot:
            return None
        at = created(snowflake(raw.get("id")))
        return Message(str(raw.get("id")), at, author_name(author_of(raw)), text, with_bot)

    def _is_with_bot(self, raw: Mapping[str, Any]) -> bool:
        replied = raw.get("referenced_message")
        people = [author_of(raw), *objects(raw.get("mentions"))]
        if isinstance(replied, dict):
            people.append(author_of(replied))
        return any(str(person.get("id")) == self._me for person in people)

    def _page(self, channel_id: str, name: str, **query: object) -> Sequence[Mapping[str, Any]]:
        page = self._listed(f"/channels/{channel_id}/messages", name, limit=_PAGE, **query)
        self._refuse_blank(page)
        return page

    def _listed(self, path: str, place: str = "", **query: object) -> Sequence[Mapping[str, Any]]:
        answer = self._api.get(path, place, **query)
        if not isinstance(answer, list) or not all(
            isinstance(raw, dict) and snowflake(raw.get("id")) for raw in answer
        ):
            # What is not understood must not be taken for the end of a history.
            raise KnowledgeError(
                f"Source '{self._source}': Discord answers {path} with no list of objects with ids."
            )
        return answer

    def _progress(self, last: int | None, reached: int, direction: int) -> int:
        if last is not None and (reached - last) * direction <= 0:
            raise self._endless()
        return reached

    def _endless(self) -> KnowledgeError:
        return KnowledgeError(f"Source '{self._source}': Discord's pages do not end.")
