"""The journal: what was done, by whom and when; entries are added and never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError

from knowledge.schema import UtcDateTime

SCHEMA_VERSION = 1
BUSY_SECONDS = 10

# Any number; it names the lock under which processes make the tables of one Postgres database.
_MAKING_TABLES = 5_113_840_137

metadata = MetaData()

entries = Table(
    "journal",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("details", JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    Index("journal_of_subject", "kind", "subject", "id"),
    sqlite_autoincrement=True,
)

schema = Table("journal_schema", metadata, Column("version", Integer, primary_key=True))


class JournalError(Exception):
    """The journal cannot be used; the message is one line that names it, the reason and the fix."""


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

    Every method is one transaction and raises `JournalError` when the database cannot be used.
    """

    def __init__(self, url: URL) -> None:
        self._engine = _open(url)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def append(self, kind: str, subject: str, who: str, details: Details) -> Entry:
        """Add an entry."""
        with self._writing() as connection:
            return _add(connection, kind, subject, who, details)

    def append_after(
        self, kind: str, subject: str, who: str, decide: Callable[[Sequence[Entry]], Details | None]
    ) -> Entry | None:
        """Add the entry that follows from those of the same kind and subject, oldest first.

        `decide` gives its details, or None for no entry; nobody else adds one meanwhile. What it raises is
        raised, and nothing is added.
        """
        with self._writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("LOCK TABLE journal IN SHARE ROW EXCLUSIVE MODE")
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
        with self._engine.connect() as connection:
            rows = connection.execute(select(entries).where(entries.c.id.in_(ids)))
            return {row.subject: _entry(row) for row in rows}

    def _recent(self, query: Select[Any], limit: int) -> tuple[Entry, ...]:
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(entries.c.id.desc()).limit(limit))
            return tuple(_entry(row) for row in rows)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection


def journal_url(url: str | None, path: Path) -> URL:
    """The database that `[journal] url` names, else the SQLite file at `path`. Raises `JournalError`."""
    if url is None:
        return URL.create("sqlite", database=str(path))
    try:
        made = make_url(url)
    except ArgumentError as error:
        raise JournalError("journal.url is no database URL; write postgresql://user@host/name") from error
    return made.set(drivername="postgresql+psycopg") if made.drivername == "postgresql" else made


def _last_ids(kind: str) -> Select[Any]:
    return select(func.max(entries.c.id)).where(entries.c.kind == kind).group_by(entries.c.subject)


def _add(connection: Connection, kind: str, subject: str, who: str, details: Details) -> Entry:
    row = {"at": datetime.now(UTC), "who": who, "kind": kind, "subject": subject, "details": dict(details)}
    added = connection.execute(insert(entries).returning(entries), row)
    return _entry(added.one())


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.id, row.at, row.who, row.kind, row.subject, row.details)


def _open(url: URL) -> Engine:
    """Open the database, making its tables when they are missing. A SQLite file's folder is there."""
    shown = url.render_as_string(hide_password=True)
    in_file = url.get_backend_name() == "sqlite"
    patience = {"timeout" if in_file else "connect_timeout": BUSY_SECONDS}
    try:
        engine = create_engine(url, connect_args=patience, pool_pre_ping=not in_file)
    except (ArgumentError, ModuleNotFoundError) as error:
        raise JournalError(
            f"The journal {shown} cannot be opened ({error}): name a sqlite or postgresql database; Postgres "
            "needs `pip install 'lorebot[postgres]'`."
        ) from error
    if in_file:
        _own_transactions(engine)

    @event.listens_for(engine, "handle_error")
    def explain(context: ExceptionContext) -> None:
        raise JournalError(
            f"The journal {shown} cannot be used ({_first_line(context.original_exception)}): check the "
            "database, its disk and its permissions."
        ) from context.original_exception

    try:
        _make_tables(engine, shown)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _own_transactions(engine: Engine) -> None:
    """Let a writer take SQLite's lock at once, so that it waits for another instead of failing half-way.

    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html, "Enabling Non-Legacy SQLite Transactional Modes".
    """

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_tables(engine: Engine, shown: str) -> None:
    with engine.connect() as connection:
        found = _schema_version(connection)
    if found is None:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_MAKING_TABLES)))
            # Another process may have made them while this one waited.
            found = _schema_version(connection)
            if found is None:
                metadata.create_all(connection)
                connection.execute(insert(schema), {"version": SCHEMA_VERSION})
                found = SCHEMA_VERSION
    if found != SCHEMA_VERSION:
        raise JournalError(
            f"The journal {shown} was made by another version of Lorebot (schema {found}, this one reads "
            f"{SCHEMA_VERSION}): run the newer one."
        )


def _schema_version(connection: Connection) -> int | None:
    if not connection.dialect.has_table(connection, schema.name):
        return None
    version: int | None = connection.execute(select(func.max(schema.c.version))).scalar_one()
    return version


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
