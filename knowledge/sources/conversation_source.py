"""The history of chat channels as a source, whatever the platform."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from knowledge.documents import (
    EVERYONE,
    PUBLIC,
    KnowledgeError,
    Listed,
    RawDocument,
    UnreadableError,
    VanishedError,
)
from knowledge.sources.conversation_memory import ConversationMemory, KnownThread
from knowledge.sources.conversations import (
    Channel,
    Chat,
    GoneError,
    Message,
    Thread,
    conversation_markdown,
    day_start,
    group_title,
    grouped,
    moment,
    thread_title,
)
from knowledge.sources.selection import too_large

_SECONDS_A_DAY = 86_400.0
_SECONDS_AN_HOUR = 3_600.0
# A thread is asked for again when it has been quiet for a quarter longer than when it was last read.
_AGE_SHARE = 0.25
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """How far back a history is read, and how often.

    Messages and threads older than `days` are no documents. Each listing reads the last `lookback_days`,
    and the whole when `full_hours` have passed since it last did.
    """

    days: int = 365
    lookback_days: float = 7.0
    full_hours: float = 24.0


class ConversationSource:
    """The channels of a chat, in which a thread is a document, and so are messages that follow each other.

    How changes are noticed: a listing reads the channel's recent history, and all of it once in a while, and
    keeps the text in `memory_file`, so that a read costs no request. A message's mark is a digest of its text
    and author. A thread's mark is what the channel shows of it (its first message, the number of its
    messages, the last one); when that changes, its messages are read again. An edit of a reply changes
    nothing that the channel shows: therefore a thread is also read again in every listing while its last
    message is younger than the look-back, and later whenever it has been quiet for a quarter longer than it
    had when it was last read. So an edit of an old reply is noticed late, but is.

    A thread in which the bot takes part is left out, as are its own messages and those addressed to it: it
    must not find itself. One that the bot joins later leaves the index in the next sync.

    A channel that turns private is refused, and from the next sync on the source is closed to all, until its
    audience or its channels are set anew.
    """

    def __init__(
        self,
        name: str,
        audience: frozenset[str],
        chat: Chat,
        memory_file: Path,
        limits: HistoryLimits = HistoryLimits(),
        max_bytes: int = 50_000_000,
        allow_private_channels: bool = False,
    ) -> None:
        """`max_bytes` bounds one document. Without `allow_private_channels`, a channel that not everyone may
        read is refused when `audience` has everyone in it.
        """
        self.name = name
        self._audience = audience
        self._chat = chat
        self._memory_file = memory_file
        self._limits = limits
        self._max_bytes = max_bytes
        self._allow_private_channels = allow_private_channels
        self._refusal = memory_file.with_suffix(".refused")
        self._opened: ConversationMemory | None = None

    @property
    def audience(self) -> frozenset[str]:
        """Who may read: nobody as long as a channel is refused, whose messages may be in the index."""
        return frozenset() if self._refusal.exists() else self._audience

    def list(self) -> Iterator[Listed | None]:
        """Yield the threads and the groups of messages, channel by channel, the oldest first.

        Raises `KnowledgeError` when a channel is refused or its history cannot be read to its end.
        """
        channels = self._chat.channels()
        self._refuse_private(channels)
        memory = self._memory()
        memory.keep_only(channels)
        now = time.time()
        oldest = day_start(now - self._limits.days * _SECONDS_A_DAY)
        for channel in channels:
            yield from self._read_history(channel, oldest, now)
            yield from self._threads(channel, now)
            yield from self._groups(channel)
        memory.clean()

    def read(self, uri: str) -> RawDocument:
        """Read a thread or a group of messages, from what the listing has seen where that is enough.

        Raises `VanishedError` for a thread that is gone, empty, or has the bot in it, and `UnreadableError`
        for one that cannot be had or is over `max_bytes`.
        """
        memory = self._memory()
        channel_id, _, thread_id = uri.partition("/")
        channel = memory.channel_name(channel_id)
        known = memory.thread(channel_id, thread_id)
        if known is None:
            messages: Sequence[Message] = memory.messages(uri)
            if not messages:
                raise VanishedError(f"{uri} is not in the history of source '{self.name}'.")
            title = group_title(channel, messages[0].at)
            url = self._chat.message_url(channel_id, messages[0].id)
        else:
            messages = self._thread_messages(channel_id, known)
            title = thread_title(channel, known.thread.title, messages)
            url = self._chat.thread_url(channel_id, thread_id)
        content = conversation_markdown(title, messages).encode()
        if len(content) > self._max_bytes:
            raise too_large(uri, len(content), self._max_bytes)
        return RawDocument(uri, "conversation.md", content, url, moment(max(m.at for m in messages)))

    def _refuse_private(self, channels: Sequence[Channel]) -> None:
        closed = ", ".join(f"#{channel.name}" for channel in channels if not channel.is_open)
        for_all = not self._audience.isdisjoint((EVERYONE, PUBLIC))
        is_refused = bool(closed) and for_all and not self._allow_private_channels
        self._refusal.unlink(missing_ok=True)
        if is_refused:
            self._refusal.parent.mkdir(parents=True, exist_ok=True)
            self._refusal.touch()
            raise KnowledgeError(
                f"Source '{self.name}' is for everyone, but not everyone may read {closed}: give the source "
                "an audience of those who may, or set allow_private_channels = true to show it to all."
            )

    def _read_history(self, channel: Channel, oldest: float, now: float) -> Iterator[None]:
        memory = self._memory()
        listed_at, read_at = memory.times(channel.id)
        is_whole = now - read_at >= self._limits.full_hours * _SECONDS_AN_HOUR
        recent = min(now - self._limits.lookback_days * _SECONDS_A_DAY, listed_at)
        since = oldest if is_whole else max(oldest, recent)
        listing = uuid4().hex[:8]
        page: list[Message | Thread] = []
        for item in self._chat.history(channel, since):
            if item is not None:
                page.append(item)
            if item is None or len(page) >= _AT_ONCE:
                memory.put(channel.id, page, listing)
                page.clear()
                yield None
        memory.put(channel.id, page, listing)
        memory.finish(channel, since, listing, now, now if is_whole else read_at)
        memory.drop_before(channel.id, oldest)

    def _threads(self, channel: Channel, now: float) -> Iterator[Listed | None]:
        memory = self._memory()
        for thread_id in memory.thread_ids(channel.id):
            known = memory.thread(channel.id, thread_id)
            if known is not None and not known.left_out and known.is_read and self._is_due(known, now):
                self._check(channel.id, known)
                yield None
                known = memory.thread(channel.id, thread_id)
            if known is not None and not known.left_out:
                version = _digest(memory.epoch, channel.name, known.thread.mark, str(known.revision))
                yield Listed(f"{channel.id}/{thread_id}", version)

    def _is_due(self, known: KnownThread, now: float) -> bool:
        """Whether a thread that shows no change is to be read all the same, for edits of its replies."""
        active_at = known.thread.active_at
        is_recent = now - active_at < self._limits.lookback_days * _SECONDS_A_DAY
        return is_recent or now - known.read_at >= _AGE_SHARE * (known.read_at - active_at)

    def _check(self, channel_id: str, known: KnownThread) -> None:
        try:
            self._fetch(channel_id, known)
        except GoneError:
            self._memory().drop_thread(channel_id, known.thread.id)
        except UnreadableError:
            self._memory().distrust(channel_id, known.thread.id)

    def _groups(self, channel: Channel) -> Iterator[Listed]:
        memory = self._memory()
        groups = [tuple(group) for group in grouped(memory.entries(channel.id))]
        with memory.transaction():
            for group in groups:
                memory.assign(channel.id, f"{channel.id}/{group[0].id}", (entry.id for entry in group))
        for group in groups:
            version = _digest(channel.name, *(f"{entry.id} {entry.mark}" for entry in group))
            yield Listed(f"{channel.id}/{group[0].id}", version)

    def _thread_messages(self, channel_id: str, known: KnownThread) -> Sequence[Message]:
        uri = f"{channel_id}/{known.thread.id}"
        if not known.is_read:
            try:
                self._fetch(channel_id, known)
            except GoneError:
                self._memory().drop_thread(channel_id, known.thread.id)
            except (UnreadableError, VanishedError):
                raise
            except KnowledgeError as error:
                raise UnreadableError(str(error)) from error
        messages = self._memory().thread_messages(channel_id, known.thread.id)
        if known.thread.with_bot or not messages:
            raise VanishedError(f"{uri} is gone, or the bot takes part in it.")
        return messages

    def _fetch(self, channel_id: str, known: KnownThread) -> None:
        messages = []
        size = 0
        for message in self._chat.thread(channel_id, known.thread.id):
            size += len(message.text)
            if size > self._max_bytes:
                raise too_large(f"{channel_id}/{known.thread.id}", None, self._max_bytes)
            messages.append(message)
        has_bot = any(message.with_bot for message in messages)
        self._memory().put_thread_messages(channel_id, known, () if has_bot else messages, time.time())

    def _memory(self) -> ConversationMemory:
        if self._opened is None:
            self._opened = ConversationMemory(self._memory_file)
        return self._opened


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
