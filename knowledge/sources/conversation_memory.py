"""What is remembered of a chat's history between two listings, and read from it."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from knowledge.sources.conversations import Channel, Message, MessageEntry, Thread, message_mark
from knowledge.sources.memoryfile import open_memory

# What people delete is not to be found in the file either (https://sqlite.org/pragma.html#pragma_secure_delete).
_SCHEMA = """
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS epoch (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS channel (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, listed_at REAL NOT NULL, read_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS message (
    channel TEXT NOT NULL, id TEXT NOT NULL, at REAL NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL,
    words INTEGER NOT NULL, mark TEXT NOT NULL, listing TEXT NOT NULL, document TEXT,
    PRIMARY KEY (channel, id)
);
CREATE INDEX IF NOT EXISTS message_of_document ON message (document);
CREATE INDEX IF NOT EXISTS message_in_time ON message (channel, at, id);
CREATE TABLE IF NOT EXISTS thread (
    channel TEXT NOT NULL, id TEXT NOT NULL, at REAL NOT NULL, active_at REAL NOT NULL, mark TEXT NOT NULL,
    title TEXT NOT NULL, with_bot INTEGER NOT NULL, listing TEXT NOT NULL, read_at REAL NOT NULL DEFAULT 0,
    read_mark TEXT, digest TEXT, revision INTEGER NOT NULL DEFAULT 0, body BLOB, PRIMARY KEY (channel, id)
);
"""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class KnownThread:
    """A thread, whose messages were read at `read_at` (Unix seconds), when `read_mark` was its mark.

    `revision` counts the changes that the mark did not show. `left_out` tells that the bot was found in it,
    or that it was empty.
    """

    thread: Thread
    read_at: float
    read_mark: str | None
    revision: int
    left_out: bool

    @property
    def is_read(self) -> bool:
        """Whether its messages have been read as they are now, as far as its mark tells."""
        return self.read_mark == self.thread.mark


class ConversationMemory:
    """Messages and threads of channels in a SQLite file. One that is damaged is made anew."""

    def __init__(self, file: Path) -> None:
        self._connection = open_memory(file, _SCHEMA, _FORMAT)
        with self.transaction():
            if self._connection.execute("SELECT id FROM epoch").fetchone() is None:
                self._connection.execute("INSERT INTO epoch VALUES (?)", (uuid4().hex[:8],))
        (self.epoch,) = self._connection.execute("SELECT id FROM epoch").fetchone()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what is written within one step."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def times(self, channel_id: str) -> tuple[float, float]:
        """When a channel's history was last read, and when as a whole, in Unix seconds; 0 for never."""
        row = self._connection.execute(
            "SELECT listed_at, read_at FROM channel WHERE id = ?", (channel_id,)
        ).fetchone()
        return (row[0], row[1]) if row else (0.0, 0.0)

    def channel_name(self, channel_id: str) -> str:
        row = self._connection.execute("SELECT name FROM channel WHERE id = ?", (channel_id,)).fetchone()
        return row[0] if row else channel_id

    def put(self, channel_id: str, items: Iterable[Message | Thread], listing: str) -> None:
        """Remember what a page of a channel's history shows, and that this listing has seen it."""
        with self.transaction():
            for item in items:
                if isinstance(item, Message):
                    self._put_message(channel_id, item, listing)
                else:
                    self._put_thread(channel_id, item, listing)

    def finish(self, channel: Channel, since: float, listing: str, listed_at: float, read_at: float) -> None:
        """Forget what a listing, which has read everything since a time, has not seen."""
        with self.transaction():
            row = (channel.id, channel.name, listed_at, read_at)
            self._connection.execute("INSERT OR REPLACE INTO channel VALUES (?, ?, ?, ?)", row)
            for table in ("message", "thread"):
                self._connection.execute(
                    f"DELETE FROM {table} WHERE channel = ? AND at >= ? AND listing != ?",  # noqa: S608
                    (channel.id, since, listing),
                )

    def drop_before(self, channel_id: str, oldest: float) -> None:
        """Forget what is older than a time (Unix seconds)."""
        for table in ("message", "thread"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE channel = ? AND at < ?",  # noqa: S608
                (channel_id, oldest),
            )

    def clean(self) -> None:
        """Leave nothing of what was forgotten in the file's log either."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def keep_only(self, channels: Iterable[Channel]) -> None:
        """Forget all other channels."""
        kept = json.dumps([channel.id for channel in channels])
        for table, column in (("message", "channel"), ("thread", "channel"), ("channel", "id")):
            self._connection.execute(
                f"DELETE FROM {table} WHERE {column} NOT IN (SELECT value FROM json_each(?))",  # noqa: S608
                (kept,),
            )

    def entries(self, channel_id: str) -> Iterator[MessageEntry]:
        """Yield the messages of a channel in order of time."""
        found = self._connection.execute(
            "SELECT id, at, words, mark FROM message WHERE channel = ? ORDER BY at, id", (channel_id,)
        )
        return (MessageEntry(*row) for row in found)

    def assign(self, channel_id: str, document: str, message_ids: Iterable[str]) -> None:
        """Note of which document messages are."""
        self._connection.executemany(
            "UPDATE message SET document = ? WHERE channel = ? AND id = ? AND document IS NOT ?",
            ((document, channel_id, id_, document) for id_ in message_ids),
        )

    def messages(self, document: str) -> list[Message]:
        """Give the messages of a document in order of time."""
        found = self._connection.execute(
            "SELECT id, at, author, text FROM message WHERE document = ? ORDER BY at, id", (document,)
        )
        return [Message(*row) for row in found]

    def thread_ids(self, channel_id: str) -> list[str]:
        found = self._connection.execute(
            "SELECT id FROM thread WHERE channel = ? ORDER BY at, id", (channel_id,)
        )
        return [id_ for (id_,) in found]

    def thread(self, channel_id: str, thread_id: str) -> KnownThread | None:
        """Give a thread, if it is remembered."""
        row = self._connection.execute(
            "SELECT id, at, active_at, mark, title, with_bot, read_at, read_mark, revision, body IS NULL"
            " FROM thread WHERE channel = ? AND id = ?",
            (channel_id, thread_id),
        ).fetchone()
        if row is None:
            return None
        id_, at, active_at, mark, title, with_bot, read_at, read_mark, revision, is_empty = row
        thread = Thread(id_, at, active_at, mark, title, bool(with_bot))
        is_read = read_mark == thread.mark
        return KnownThread(
            thread, read_at, read_mark, revision, thread.with_bot or bool(is_read and is_empty)
        )

    def thread_messages(self, channel_id: str, thread_id: str) -> list[Message]:
        """Give the messages of a thread as they were last read; none where the thread is left out."""
        row = self._connection.execute(
            "SELECT body FROM thread WHERE channel = ? AND id = ?", (channel_id, thread_id)
        ).fetchone()
        return [Message(*fields) for fields in json.loads(zlib.decompress(row[0]))] if row and row[0] else []

    def put_thread_messages(
        self, channel_id: str, known: KnownThread, messages: Sequence[Message], read_at: float
    ) -> None:
        """Remember a thread's messages; none for one that is to be left out."""
        packed = json.dumps([(m.id, m.at, m.author, m.text) for m in messages]).encode()
        digest = hashlib.sha256(packed).hexdigest()
        place = (channel_id, known.thread.id)
        before = self._connection.execute(
            "SELECT digest FROM thread WHERE channel = ? AND id = ?", place
        ).fetchone()
        unseen = known.is_read and before is not None and before[0] != digest
        self._connection.execute(
            "UPDATE thread SET read_at = ?, read_mark = ?, digest = ?, revision = revision + ?, body = ?"
            " WHERE channel = ? AND id = ?",
            (
                *(read_at, known.thread.mark, digest, int(unseen)),
                *(zlib.compress(packed, 1) if messages else None, *place),
            ),
        )

    def distrust(self, channel_id: str, thread_id: str) -> None:
        """Forget a thread's messages, so that it counts as changed and is read again."""
        self._connection.execute(
            "UPDATE thread SET read_mark = NULL, body = NULL, revision = revision + 1"
            " WHERE channel = ? AND id = ?",
            (channel_id, thread_id),
        )

    def drop_thread(self, channel_id: str, thread_id: str) -> None:
        self._connection.execute("DELETE FROM thread WHERE channel = ? AND id = ?", (channel_id, thread_id))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _put_message(self, channel_id: str, message: Message, listing: str) -> None:
        self.drop_thread(channel_id, message.id)
        self._connection.execute(
            "INSERT INTO message (channel, id, at, author, text, words, mark, listing)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (channel, id) DO UPDATE SET"
            " author = excluded.author, text = excluded.text, words = excluded.words, mark = excluded.mark,"
            " listing = excluded.listing",
            (
                *(channel_id, message.id, message.at, message.author, message.text),
                *(len(message.text.split()), message_mark(message), listing),
            ),
        )

    def _put_thread(self, channel_id: str, thread: Thread, listing: str) -> None:
        self._connection.execute("DELETE FROM message WHERE channel = ? AND id = ?", (channel_id, thread.id))
        self._connection.execute(
            "INSERT INTO thread (channel, id, at, active_at, mark, title, with_bot, listing)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (channel, id) DO UPDATE SET at = excluded.at,"
            " active_at = excluded.active_at, mark = excluded.mark, title = excluded.title,"
            " with_bot = excluded.with_bot, listing = excluded.listing",
            (
                *(channel_id, thread.id, thread.at, thread.active_at, thread.mark, thread.title),
                *(thread.with_bot, listing),
            ),
        )
