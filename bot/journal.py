"""The journal: what was done, by whom and when; entries are added and never changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select
from sqlalchemy.engine import URL

from bot.database import Database, JournalError, entries, journal_url, lock_table

__all__ = ["Details", "Entry", "Journal", "JournalError", "journal_url"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done. `kind` says what `subject` names and which keys `details` (JSON) has.

    `who` names a person as a platform does (`terminal:alice`). Of two entries, the one with the greater
    `id` came later.
    """

    id: int
    at: datetime
    who: str
    kind: str
    subject: str
    details: Mapping[str, Any]


Details = Mapping[str, Any]


class Journal:
    """The entries in one SQLite file or Postgres database; safe for many threads and processes.

    What else is kept beside them shares `database`. Every method is one transaction and raises
    `JournalError` when the database cannot be used.
    """

    def __init__(self, url: URL) -> None:
        self.database = Database(url)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def append(self, kind: str, subject: str, who: str, details: Details) -> Entry:
        """Add an entry."""
        with self.database.writing() as connection:
            return _add(connection, kind, subject, who, details)

    def append_after(
        self, kind: str, subject: str, who: str, decide: Callable[[Sequence[Entry]], Details | None]
    ) -> Entry | None:
        """Add the entry that follows from those of the same kind and subject, oldest first.

        `decide` gives its details, or None for no entry; nobody else adds one meanwhile. What it raises is
        raised, and nothing is added.
        """
        with self.database.writing() as connection:
            lock_table(connection, entries)
            query = select(entries).where(entries.c.kind == kind, entries.c.subject == subject)
            earlier = [_entry(row) for row in connection.execute(query.order_by(entries.c.id))]
            details = decide(earlier)
            return None if details is None else _add(connection, kind, subject, who, details)

    def latest(self, kind: str, subjects: Collection[str]) -> dict[str, Entry]:
        """The last entry of each of these subjects that has one."""
        return self._last(_last_ids(kind).where(entries.c.subject.in_(subjects)))

    def latest_of_all(self, kind: str) -> dict[str, Entry]:
        """The last entry of every subject of a kind."""
        return self._last(_last_ids(kind))

    def recent(self, kinds: Collection[str], limit: int) -> tuple[Entry, ...]:
        """The last entries of these kinds, newest first."""
        return self._recent(select(entries).where(entries.c.kind.in_(kinds)), limit)

    def recent_of(self, kind: str, subject: str, limit: int) -> tuple[Entry, ...]:
        """The last entries of one subject, newest first."""
        query = select(entries).where(entries.c.kind == kind, entries.c.subject == subject)
        return self._recent(query, limit)

    def _last(self, ids: Select[Any]) -> dict[str, Entry]:
        with self.database.reading() as connection:
            rows = connection.execute(select(entries).where(entries.c.id.in_(ids)))
            return {row.subject: _entry(row) for row in rows}

    def _recent(self, query: Select[Any], limit: int) -> tuple[Entry, ...]:
        with self.database.reading() as connection:
            rows = connection.execute(query.order_by(entries.c.id.desc()).limit(limit))
            return tuple(_entry(row) for row in rows)


def _last_ids(kind: str) -> Select[Any]:
    return select(func.max(entries.c.id)).where(entries.c.kind == kind).group_by(entries.c.subject)


def _add(connection: Connection, kind: str, subject: str, who: str, details: Details) -> Entry:
    row = {"at": datetime.now(UTC), "who": who, "kind": kind, "subject": subject, "details": dict(details)}
    added = connection.execute(insert(entries).returning(entries), row)
    return _entry(added.one())


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.id, row.at, row.who, row.kind, row.subject, row.details)
