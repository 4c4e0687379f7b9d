"""Discord's message markup as Markdown, which it nearly is.

https://docs.discord.com/developers/reference#message-formatting describes what is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from knowledge.sources.chat_markup import message_markdown, with_attached, with_emoji
from knowledge.sources.conversations import minute, person_name

_MOST_PARTS = 25

_TOKEN = re.compile(
    r"<(?:@!?(?P<person>\d{1,20})|@&(?P<role>\d{1,20})|#(?P<channel>\d{1,20})|a?:(?P<emoji>\w{1,40}):\d{1,20}"
    r"|t:(?P<time>-?\d{1,13})(?::\w)?|(?P<command>/[^:<>\n]{1,100}):\d{1,20}|(?P<url>https?://[^\s<>]{1,2000}))>"
)
_SPOILER = re.compile(r"\|\|([^|\n]{1,2000})\|\|")


class DiscordText:
    """Makes Markdown of messages; `roles` and `channels` are names by id, people's come with each message."""

    def __init__(self, roles: Mapping[str, str], channels: Mapping[str, str]) -> None:
        self._roles = roles
        self._channels = channels

    def markdown(self, message: Mapping[str, Any]) -> str:
        """Read a message with its embeds and the names of its attachments; "" for one without any words."""
        people = {str(user.get("id")): author_name(user) for user in objects(message.get("mentions"))}
        parts = [_string(message.get("content"))]
        for snapshot in objects(message.get("message_snapshots")):
            parts += _spoken(snapshot.get("message"))
        parts += _spoken(message)

        def prose(text: str) -> str:
            read = _TOKEN.sub(lambda found: self._named(found, people), text)
            return with_emoji(_SPOILER.sub(r"\1", read))

        markdown = message_markdown("\n\n".join(filter(None, parts)), prose, lambda text: text)
        replied = message.get("referenced_message")
        if markdown and isinstance(replied, dict) and isinstance(replied.get("author"), dict):
            markdown = f"@{author_name(replied['author'])} {markdown}"
        files = [_string(file.get("filename")) or "a file" for file in objects(message.get("attachments"))]
        return with_attached(markdown, files)

    def _named(self, token: re.Match[str], people: Mapping[str, str]) -> str:
        kind = token.lastgroup or ""
        text = token[kind]
        match kind:
            case "person":
                return f"@{people.get(text, 'someone')}"
            case "role":
                return f"@{self._roles.get(text, 'some')}"
            case "channel":
                return f"#{self._channels.get(text, 'a-channel')}"
            case "emoji":
                return f":{text}:"
            case "time":
                return f"{minute(int(text))} UTC"
        return text


def author_name(user: Mapping[str, Any]) -> str:
    """Give the name that people see of a user."""
    return person_name(_string(user.get("global_name")) or _string(user.get("username")))


def objects(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield the first objects of what should be a list of them."""
    return (
        (item for item in value[:_MOST_PARTS] if isinstance(item, dict))
        if isinstance(value, list)
        else iter(())
    )


def _spoken(message: object) -> list[str]:
    """Give the texts of a message's embeds and poll, and what a forwarded one says."""
    if not isinstance(message, dict):
        return []
    forwarded = [] if "id" in message else [_string(message.get("content"))]
    found = [text for embed in objects(message.get("embeds")) for text in _embed_texts(embed)]
    poll = message.get("poll")
    if isinstance(poll, dict):
        answers = [answer.get("poll_media") for answer in objects(poll.get("answers"))]
        found += [
            _string(part.get("text")) for part in (poll.get("question"), *answers) if isinstance(part, dict)
        ]
    return [*forwarded, *found]


def _embed_texts(embed: Mapping[str, Any]) -> Iterator[str]:
    yield from (_string(embed.get(key)) for key in ("title", "description"))
    for field in objects(embed.get("fields")):
        yield f"{_string(field.get('name'))}: {_string(field.get('value'))}"


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
