"""The tables of the catalog, and how its SQLite file is opened."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Dialect,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.types import TypeDecorator

from knowledge.documents import KnowledgeError

SCHEMA_VERSION = 3
BUSY_SECONDS = 30


class UtcDateTime(TypeDecorator[datetime]):
    """A moment as ISO 8601 text in UTC; a naive one is taken to be UTC already."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


metadata = MetaData()

generations = Table(
    "generations",
    metadata,
    Column("generation", Integer, primary_key=True),
    Column("token", String, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

audiences = Table(
    "audiences",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("principals", JSON, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

documents = Table(
    "documents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", String, nullable=False),
    Column("uri", String, nullable=False),
    Column("title", String, nullable=False),
    Column("url", String),
    Column("line_anchor", String),
    Column("version", String, nullable=False),
    Column("content_hash", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("audience_id", ForeignKey("audiences.id"), nullable=False, index=True),
    Column("modified_at", UtcDateTime),
    Column("indexed_at", UtcDateTime, nullable=False),
    UniqueConstraint("source", "uri"),
    sqlite_autoincrement=True,
)

passages = Table(
    "passages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("heading", String, nullable=False),
    Column("text", String, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("line", Integer),
    Column("text_hash", String, nullable=False, index=True),
    Index("passages_of_document", "document_id", "ordinal"),
    sqlite_autoincrement=True,  # an id that a vector index or an answer remembers never means another text
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("model", String, primary_key=True),
    Column("text_hash", String, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

failures = Table(
    "failures",
    metadata,
    Column("source", String, primary_key=True),
    Column("uri", String, primary_key=True),
    Column("version", String, nullable=False),
    Column("error", String, nullable=False),
    Column("failed_at", UtcDateTime, nullable=False),
)

forgotten = Table(
    "forgotten",
    metadata,
    Column("source", String, primary_key=True),
    Column("uri", String, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

syncs = Table(
    "syncs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", String, nullable=False, index=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", String, nullable=False),
    Column("counts", JSON, nullable=False),
    sqlite_autoincrement=True,
)

# Triggers keep the lexical index in step inside the same transaction, cascaded deletions included.
_LEXICAL_INDEX = (
    "CREATE VIRTUAL TABLE passages_fts USING fts5("
    "title, heading, text, tokenize='porter unicode61 remove_diacritics 2')",
    "CREATE VIRTUAL TABLE passages_terms USING fts5vocab('passages_fts', 'row')",
    "CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN "
    "INSERT INTO passages_fts (rowid, title, heading, text) "
    "SELECT new.id, title, new.heading, new.text FROM documents WHERE id = new.document_id; END",
    "CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN "
    "DELETE FROM passages_fts WHERE rowid = old.id; END",
)

# A view of the index, which a connection may have to itself.
_OCCURRENCES = (
    "CREATE VIRTUAL TABLE temp.passages_occurrences USING fts5vocab('main', 'passages_fts', 'instance')"
)


# What makes the next schema of each; tables that are missing are made besides.
_UPGRADES: dict[int, tuple[str, ...]] = {
    1: (),
    2: (
        "ALTER TABLE documents ADD COLUMN line_anchor VARCHAR",
        "ALTER TABLE passages ADD COLUMN line INTEGER",
    ),
}


def open_engine(path: Path) -> Engine:
    """Open the catalog's file, making its folder and tables when they are missing.

    Transactions are the caller's own (https://docs.sqlalchemy.org/en/20/dialects/sqlite.html, "Enabling
    Non-Legacy SQLite Transactional Modes"); a connection with the execution option `writes` takes the write
    lock at once, so that it waits for another writer instead of failing half-way. Raises `KnowledgeError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        # What is deleted is overwritten: a document that is forgotten leaves no text in free pages.
        pragmas = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON")
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(_OCCURRENCES)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @event.listens_for(engine, "handle_error")
    def explain(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, sqlite3.DatabaseError):
            known = _explained(path, context.original_exception)
            if known is not None:
                raise known from context.original_exception

    try:
        _create_tables(engine, path)
    except sqlite3.DatabaseError as error:
        engine.dispose()
        raise _explained(path, error) or KnowledgeError(f"Cannot open the catalog {path}: {error}") from error
    except KnowledgeError:
        engine.dispose()
        raise
    return engine


def _create_tables(engine: Engine, path: Path) -> None:
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if found == 0 or found in _UPGRADES:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            # Another process may have made them while this one waited for the lock.
            found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if found < SCHEMA_VERSION:
                metadata.create_all(connection)  # only tables that are missing
                versions = range(found, SCHEMA_VERSION)
                upgrade = chain.from_iterable(_UPGRADES[version] for version in versions)
                for statement in upgrade if found else _LEXICAL_INDEX:
                    connection.execute(text(statement))
                connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
                found = SCHEMA_VERSION
    if found != SCHEMA_VERSION:
        raise KnowledgeError(
            f"The catalog {path} was made by another version of Lorebot (schema {found}, this one reads "
            f"{SCHEMA_VERSION}): move it away and sync again."
        )


def _explained(path: Path, error: sqlite3.DatabaseError) -> KnowledgeError | None:
    """The error in a person's words, when a person can do something about it."""
    message = str(error)
    if "disk is full" in message:
        return KnowledgeError(
            f"No space left for the catalog {path}: what was indexed before is intact; "
            "free some space and sync again."
        )
    if "not a database" in message or "malformed" in message:
        return KnowledgeError(f"The catalog {path} is damaged ({message}): move it away and sync again.")
    if "database is locked" in message:
        return KnowledgeError(
            f"Another process kept the catalog {path} locked for {BUSY_SECONDS} s: try again when it is done."
        )
    if "readonly" in message or "unable to open" in message:
        return KnowledgeError(f"The catalog {path} cannot be written ({message}): check its permissions.")
    return None
