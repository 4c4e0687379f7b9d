"""A catalog's database: an SQLite file, or a schema in Postgres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.engine import URL
from sqlalchemy.schema import CreateSchema

from knowledge import fts5, tsvector
from knowledge.catalog_file import open_file, wipe_file
from knowledge.documents import KnowledgeError
from knowledge.full_text import FullText
from knowledge.postgres import lock_key, open_postgres, reading, shown
from knowledge.schema import SCHEMA_VERSION, UPGRADES, metadata


@dataclass(frozen=True, slots=True)
class PostgresSchema:
    """Where a catalog is kept in Postgres."""

    url: URL
    schema: str

    def __str__(self) -> str:
        return f"{shown(self.url)} ({self.schema})"


Place = Path | PostgresSchema


@dataclass(frozen=True, slots=True)
class CatalogDatabase:
    """An open database: one engine for transactions that write, and one for those that read one state.

    A connection of the first with the execution option `writes` keeps all other writers waiting. `wipe`
    leaves nothing where the database may still hold what was deleted.
    """

    writing: Engine
    reading: Engine
    full_text: FullText
    wipe: Callable[[Engine], None]


def open_database(place: Place) -> CatalogDatabase:
    """Open a catalog's database, making what is missing. Raises `KnowledgeError`."""
    if isinstance(place, Path):
        engine = open_file(place)
        return CatalogDatabase(engine, engine, fts5, wipe_file)
    engine = open_postgres(place.url, place.schema)
    try:
        _bring_up_to_date(engine, place)
    except BaseException:
        engine.dispose()
        raise
    return CatalogDatabase(engine, reading(engine), tsvector, _leave)


_version = Table(
    "catalog_schema", MetaData(), Column("version", Integer, primary_key=True, autoincrement=False)
)


def _bring_up_to_date(engine: Engine, place: PostgresSchema) -> None:
    """Make the tables, or bring older ones up to date, while other processes wait."""
    with engine.connect() as connection:
        found = _found_version(connection, place.schema)
    if found < SCHEMA_VERSION:
        with engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(lock_key("migrating", place.schema))))
            # Another process may have made them while this one waited.
            found = _found_version(connection, place.schema)
            if found < SCHEMA_VERSION:
                _upgrade(connection, place.schema, found)
                found = SCHEMA_VERSION
    if found != SCHEMA_VERSION:
        raise KnowledgeError(
            f"The index in {place} was made by a newer Lorebot (schema {found}, this one reads "
            f"{SCHEMA_VERSION}): run the newer one."
        )


def _upgrade(connection: Connection, schema: str, found: int) -> None:
    if found:
        for statement in chain.from_iterable(UPGRADES[version] for version in range(found, SCHEMA_VERSION)):
            connection.execute(text(statement))
        connection.execute(update(_version).values(version=SCHEMA_VERSION))
        return
    connection.execute(CreateSchema(schema, if_not_exists=True))
    for tables in (metadata, tsvector.metadata, _version.metadata):
        tables.create_all(connection)
    connection.execute(insert(_version).values(version=SCHEMA_VERSION))


def _found_version(connection: Connection, schema: str) -> int:
    """That of the schema, 0 where there is none."""
    # Not `to_regclass`: in this transaction it would go on missing what another process has made meanwhile.
    made = text("SELECT 1 FROM pg_tables WHERE schemaname = :schema AND tablename = :table")
    if connection.scalar(made, {"schema": schema, "table": _version.name}) is None:
        return 0
    return int(connection.execute(select(_version.c.version)).scalar_one())


def _leave(engine: Engine) -> None:
    """Postgres frees what was deleted by itself."""
