"""What teams say in chat: messages and threads of any platform, and the documents they make."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

_QUIET_SECONDS = 3_600.0
_ENOUGH_WORDS = 60
_MOST_WORDS = 1_500
_MOST_MESSAGES = 200
_SECONDS_A_DAY = 86_400
_LONGEST_TITLE = 100
_LONGEST_NAME = 60

_NAME_BLANKS = re.compile(r"[\s*_~`<>\[\]()#|\\:]+")
_TITLE_MARKS = re.compile(r"```\w*|[`#*]")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel that is read; `is_open` tells whether every member of the team may read it too."""

    id: str
    name: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Message:
    """What one person wrote: `at` in Unix seconds, `author` a name, `text` as safe Markdown.

    `with_bot` tells that it is the bot's own or addressed to it.
    """

    id: str
    at: float
    author: str
    text: str
    with_bot: bool = False


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread as the channel shows it, without its messages.

    `at` is the time by which the platform lists it and `active_at` that of its last message, both in Unix
    seconds. `mark` changes with whatever the platform tells of it for nothing: its messages' number, the
    last one, an edit of the first. `with_bot` tells that the bot is known to take part.
    """

    id: str
    at: float
    active_at: float
    mark: str
    title: str = ""
    with_bot: bool = False


class GoneError(Exception):
    """A thread that the platform does not know any more."""


class Chat(Protocol):
    """What a chat platform gives to be read. Every method raises `KnowledgeError` for what goes wrong."""

    def channels(self) -> Sequence[Channel]:
        """Find the channels that are to be read, which makes sure that the bot may."""
        ...

    def history(self, channel: Channel, since: float) -> Iterator[Message | Thread | None]:
        """Yield all that a channel shows of the time since (Unix seconds), and None at the end of a page.

        A thread's own messages are not among it, nor is what the bot said or was told.
        """
        ...

    def thread(self, channel_id: str, thread_id: str) -> Iterator[Message]:
        """Yield the messages of a thread, the first one first. Raises `GoneError` when it is no more."""
        ...

    def message_url(self, channel_id: str, message_id: str) -> str: ...

    def thread_url(self, channel_id: str, thread_id: str) -> str: ...


@dataclass(frozen=True, slots=True)
class MessageEntry:
    """A message as grouping sees it."""

    id: str
    at: float
    words: int
    mark: str


def message_mark(message: Message) -> str:
    """Give what changes with a message's text or author."""
    return hashlib.sha256(f"{message.author}\0{message.text}".encode()).hexdigest()[:16]


def day_start(at: float) -> float:
    """Give the midnight (UTC) before a time, both in Unix seconds."""
    return at - at % _SECONDS_A_DAY


def grouped(messages: Iterable[MessageEntry]) -> Iterator[list[MessageEntry]]:
    """Group messages, which come in order of time, into what is worth a document.

    One line alone says little, and a whole day mixes subjects: a group ends at midnight (UTC), and where
    there is silence for an hour once it has 60 words. Each day is grouped on its own, so that what is
    edited or deleted changes the groups of its day at most.
    """
    group: list[MessageEntry] = []
    words = 0
    for message in messages:
        if group and _ends(group, words, message):
            yield group
            group, words = [], 0
        group.append(message)
        words += message.words
    if group:
        yield group


def _ends(group: Sequence[MessageEntry], words: int, following: MessageEntry) -> bool:
    last = group[-1]
    is_full = words >= _MOST_WORDS or len(group) >= _MOST_MESSAGES
    is_silent = words >= _ENOUGH_WORDS and following.at - last.at >= _QUIET_SECONDS
    return is_full or is_silent or day_start(following.at) != day_start(last.at)


def conversation_markdown(title: str, messages: Iterable[Message]) -> str:
    """Write a conversation down: who said what and when (UTC), under a title."""
    lines = [f"# {title}"]
    lines += (f"**{message.author}** ({minute(message.at)}): {message.text}" for message in messages)
    return "\n\n".join(lines) + "\n"


def thread_title(channel: str, title: str, messages: Sequence[Message]) -> str:
    """Name a thread by its channel and its title, or by how it begins."""
    own = _one_line(title) or next(filter(None, (_one_line(message.text) for message in messages)), "")
    return f"#{channel}: {own}" if own else f"#{channel}, {day(messages[0].at)}"


def group_title(channel: str, at: float) -> str:
    """Name a group of messages by its channel and day."""
    return f"#{channel}, {day(at)}"


def person_name(name: str) -> str:
    """Give a name without what could be taken for markup, and not too long."""
    return " ".join(_NAME_BLANKS.sub(" ", storable(name)).split())[:_LONGEST_NAME].strip() or "Someone"


def storable(text: str) -> str:
    """Give a text without what is no character: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode(errors="replace").decode()


def minute(at: float) -> str:
    """Write a time (Unix seconds) to the minute, in UTC."""
    return f"{moment(at):%Y-%m-%d %H:%M}"


def day(at: float) -> str:
    """Write the day of a time (Unix seconds) as people do, in UTC."""
    found = moment(at)
    return f"{found.day} {found:%B %Y}"


def moment(at: float) -> datetime:
    """Make a date of Unix seconds; what is no time that there is becomes 1970."""
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.fromtimestamp(0, UTC)


def _one_line(text: str) -> str:
    line = " ".join(_TITLE_MARKS.sub(" ", text[: 10 * _LONGEST_TITLE]).split())
    if len(line) <= _LONGEST_TITLE:
        return line
    return f"{line[:_LONGEST_TITLE].rsplit(' ', 1)[0]} …"
