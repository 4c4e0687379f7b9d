"""Slack's message markup as Markdown.

https://docs.slack.dev/messaging/formatting-message-text describes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from knowledge.sources.chat_markup import message_markdown, with_attached, with_emoji

_MOST_PARTS = 500
_MOST_FILES = 20

_TOKEN = re.compile(r"(<[^<>\n]{1,4000}>)")
_BOLD = re.compile(r"(?<![\w*])\*(?=\S)([^*\n]{1,1000})(?<=\S)\*(?![\w*])")
_STRUCK = re.compile(r"(?<![\w~])~(?=\S)([^~\n]{1,1000})(?<=\S)~(?![\w~])")
_WEB = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)
_BRACKETS = re.compile(r"[\[\]()\n]")


class SlackText:
    """Makes Markdown of messages, in which people and channels have names."""

    def __init__(self, person: Callable[[str], str], channel: Callable[[str], str]) -> None:
        """`person` and `channel` give the name for an id."""
        self._person = person
        self._channel = channel

    def markdown(self, message: Mapping[str, Any]) -> str:
        """Read a message with what is attached to it; "" for one without any words."""
        text = _string(message.get("text")) or "\n".join(_texts(message.get("blocks")))
        if not text:
            text = "\n".join(_texts(message.get("attachments")))
        markdown = message_markdown(text, self._prose, self._code)
        files = islice(_objects(message.get("files")), _MOST_FILES)
        return with_attached(markdown, (_string(file.get("name")) or "a file" for file in files))

    def _prose(self, text: str) -> str:
        pieces = _TOKEN.split(text)
        return "".join(
            self._named(piece[1:-1]) if place % 2 else _styled(_unescaped(piece))
            for place, piece in enumerate(pieces)
        )

    def _code(self, text: str) -> str:
        pieces = _TOKEN.split(text)
        return "".join(
            _shown(piece[1:-1]) if place % 2 else _unescaped(piece) for place, piece in enumerate(pieces)
        )

    def _named(self, token: str) -> str:
        target, _, label = token.partition("|")
        label = _unescaped(label)
        match target[:1]:
            case "@":
                return f"@{self._person(target[1:])}"
            case "#":
                return f"#{_BRACKETS.sub('', label) or self._channel(target[1:])}"
            case "!":
                return _BRACKETS.sub("", label) or f"@{target[1:].partition('^')[0]}"
        address = _unescaped(target)
        if not _WEB.match(address) or " " in address:
            return label or address
        bare = address.partition(":")[2] if address.startswith(("mailto:", "tel:")) else address
        if not label or label in (address, bare):
            return bare
        return f"[{_BRACKETS.sub(' ', label).strip()}]({address.replace(')', '%29')})"


def _shown(token: str) -> str:
    target, _, label = token.partition("|")
    return _unescaped(label or target)


def _styled(text: str) -> str:
    return with_emoji(_STRUCK.sub(r"~~\1~~", _BOLD.sub(r"**\1**", text)))


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _texts(parts: object) -> list[str]:
    """Give the texts of blocks or attachments, which nest."""
    found: list[str] = []
    waiting: list[object] = [parts]
    while waiting and len(found) < _MOST_PARTS:
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(reversed(part[:_MOST_PARTS]))
        elif isinstance(part, dict):
            own = [part.get(key) for key in ("pretext", "title", "text")]
            found += [text for text in own if isinstance(text, str) and text.strip()]
            waiting.extend(
                part.get(key)
                for key in ("fields", "elements", "blocks", "text")
                if isinstance(part.get(key), list | dict)
            )
    return found


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
