"""The tables of the journal's database, and how it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError

from knowledge.schema import UtcDateTime

SCHEMA_VERSION = 2
BUSY_SECONDS = 10

# Any number; it names the lock under which processes make the tables of one Postgres database.
_MAKING_TABLES = 5_113_840_137

_BIG_ID = BigInteger().with_variant(Integer, "sqlite")
_JSON = JSON().with_variant(JSONB(), "postgresql")

metadata = MetaData()

entries = Table(
    "journal",
    metadata,
    Column("id", _BIG_ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("details", _JSON, nullable=False),
    Index("journal_of_subject", "kind", "subject", "id"),
    sqlite_autoincrement=True,
)

# What platforms delivered; times are seconds since 1970 on the database's clock.
deliveries = Table(
    "deliveries",
    metadata,
    Column("key", String, primary_key=True),
    Column("platform", String, nullable=False),
    Column("owner", String, nullable=False, index=True),
    Column("taken_at", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("payload", String, nullable=False),
    Column("done_at", Float, index=True),
)

# The processes that take deliveries, and until when each is believed to live.
owners = Table(
    "owners",
    metadata,
    Column("owner", String, primary_key=True),
    Column("alive_until", Float, nullable=False),
)

# `answer` is JSON as text: JSONB cannot hold every character that a person may write.
answers = Table(
    "answers",
    metadata,
    Column("number", _BIG_ID, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("conversation", String, nullable=False),
    Column("asker", String, nullable=False),
    Column("place", String, nullable=False),
    Column("answer", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("answers_of_conversation", "conversation", "number"),
    sqlite_autoincrement=True,
)

judgements = Table(
    "judgements",
    metadata,
    Column("answer_id", String, primary_key=True),
    Column("who", String, primary_key=True),
    Column("helpful", Boolean, nullable=False),
    Column("fault", String),
    Column("better", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

schema = Table("journal_schema", metadata, Column("version", Integer, primary_key=True))


class JournalError(Exception):
    """The journal cannot be used; the message is one line that names it, the reason and the fix."""


class Database:
    """One SQLite file or Postgres database; safe for many threads and processes.

    Whatever is done with its connections raises `JournalError` when the database cannot be used.
    """

    def __init__(self, url: URL) -> None:
        """Open the database, making its tables when they are missing. A SQLite file's folder is there."""
        self._engine = _open(url)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction: everything that is read in it is of one state."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end; on SQLite nobody else writes meanwhile."""
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


def lock_table(connection: Connection, table: Table) -> None:
    """Let nobody else write to a table until the transaction ends; on SQLite that is so already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")


def upserting(connection: Connection, table: Table) -> Any:
    """An insert that can say what happens on a conflict, which each database spells its own way."""
    is_postgres = connection.dialect.name == "postgresql"
    return postgres_insert(table) if is_postgres else sqlite_insert(table)


def _open(url: URL) -> Engine:
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
    if found is None or found < SCHEMA_VERSION:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_MAKING_TABLES)))
            # Another process may have made them while this one waited.
            found = _schema_version(connection)
            if found is None or found < SCHEMA_VERSION:
                metadata.create_all(connection)  # only tables that are missing
                connection.execute(delete(schema))
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
