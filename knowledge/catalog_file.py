"""How the catalog's SQLite file is opened."""

from __future__ import annotations

import sqlite3
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, ExceptionContext

from knowledge import fts5
from knowledge.documents import KnowledgeError
from knowledge.schema import SCHEMA_VERSION, UPGRADES, metadata

BUSY_SECONDS = 30


def open_file(path: Path) -> Engine:
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
        connection.execute(fts5.OCCURRENCES)

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


def wipe_file(engine: Engine) -> None:
    """Leave nothing in the file of what was deleted from it: no words in the index, no pages in the log.

    (https://sqlite.org/fts5.html#the_optimize_command, https://sqlite.org/pragma.html#pragma_wal_checkpoint)
    """
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(text("INSERT INTO passages_fts (passages_fts) VALUES ('optimize')"))
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        raw.close()


def _create_tables(engine: Engine, path: Path) -> None:
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if found == 0 or found in UPGRADES:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            # Another process may have made them while this one waited for the lock.
            found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if found < SCHEMA_VERSION:
                metadata.create_all(connection)  # only tables that are missing
                versions = range(found, SCHEMA_VERSION)
                upgrade = chain.from_iterable(UPGRADES[version] for version in versions)
                for statement in upgrade if found else fts5.TABLES:
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
