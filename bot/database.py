"""The tables of the journal's database, and how it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock
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
    column,
    create_engine,
    event,
    func,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError

from bot.migrations import HEAD, VERSION_TABLE, is_known, upgrade
from knowledge.schema import UtcDateTime

BUSY_SECONDS = 10

# Any number; it names the lock under which processes migrate one Postgres database.
_MIGRATING = 5_113_840_137

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
    Index("answers_by_age", "at"),
    Index("answers_of_asker", "asker"),
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
    Index("judgements_by_age", "at"),
)

# What each day (ISO 8601, UTC) has cost on servers that are paid for.
spending = Table(
    "spending",
    metadata,
    Column("day", String, primary_key=True),
    Column("tokens", BigInteger, nullable=False),
    Column("money", Float, nullable=False),
)

_revisions = table(VERSION_TABLE, column("version_num"))

# What a Lorebot from before there were migrations looks at; see the first of them.
schema = Table("journal_schema", metadata, Column("version", Integer, primary_key=True))


class JournalError(Exception):
    """The journal cannot be used; the message is one line that names it, the reason and the fix."""


class Database:
    """One SQLite file or Postgres database; safe for many threads and processes.

    Whatever is done with its connections raises `JournalError` when the database cannot be used.
    """

    def __init__(self, url: URL) -> None:
        """Open the database and bring it to this Lorebot's schema. A SQLite file's folder is there."""
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

    def wipe(self) -> None:
        """Leave nothing in a SQLite file's log of what was deleted; its pages are overwritten already.

        (https://sqlite.org/pragma.html#pragma_wal_checkpoint). Postgres frees what is deleted by itself.
        """
        if self._engine.dialect.name == "sqlite":
            _run_alone(self._engine, "PRAGMA wal_checkpoint(TRUNCATE)")


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
        if context.is_pre_ping:
            return  # a stale connection that the pool tries, as after a restart of Postgres: it gets another
        raise JournalError(
            f"The journal {shown} cannot be used ({_first_line(context.original_exception)}): check the "
            "database, its disk and its permissions."
        ) from context.original_exception

    try:
        _bring_up_to_date(engine, shown)
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
        # What is deleted is overwritten: what somebody asked leaves no text in free pages.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_up_to_date(engine: Engine, shown: str) -> None:
    """Migrate a database that is not at `HEAD`, while other processes wait."""
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
    with _locked_file(engine.url):
        if engine.dialect.name == "sqlite":
            _scrub_older_pages(engine)
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
            # Another process may have migrated it while this one waited.
            found = _revision(connection)
            if found is not None and not is_known(found):
                raise JournalError(
                    f"The journal {shown} was made by a newer Lorebot (revision {found}, this one knows "
                    f"up to {HEAD}): run the newer one, or restore a backup that was made before."
                )
            if found != HEAD:
                upgrade(connection)


def _locked_file(url: URL) -> AbstractContextManager[object]:
    """A lock beside a SQLite file: a migration may take longer than its own lock is waited for."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return nullcontext()
    return FileLock(f"{url.database}.migration.lock")


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    revision: str | None = connection.execute(select(_revisions.c.version_num)).scalar()
    return revision


def _scrub_older_pages(engine: Engine) -> None:
    """Overwrite what an older Lorebot deleted, which did not."""
    with engine.connect() as connection:
        is_older = _revision(connection) is None and connection.dialect.has_table(connection, schema.name)
    if is_older:
        _run_alone(engine, "VACUUM")


def _run_alone(engine: Engine, statement: str) -> None:
    """Run what SQLite does outside of any transaction."""
    raw = engine.raw_connection()
    try:
        raw.cursor().execute(statement).fetchall()
    except sqlite3.Error as error:
        raise JournalError(
            f"The journal {engine.url} cannot be cleared of what was deleted ({error}): see that no other "
            "program holds it open and that its disk has room, and try again."
        ) from error
    finally:
        raw.close()


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
