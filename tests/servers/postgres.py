"""The Postgres that tests may use: `TEST_POSTGRES_URL` names a database that may be emptied."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url

from bot.database import metadata
from bot.migrations import VERSION_TABLE
from knowledge.catalog_database import PostgresSchema

POSTGRES = os.environ.get("TEST_POSTGRES_URL")

# Parameters of a fixture that makes one thing in either database.
BOTH = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.skipif(not POSTGRES, reason="no TEST_POSTGRES_URL")),
]


@cache
def own_database() -> URL:
    """The database for the tests of this process, of which pytest-xdist runs several at a time."""
    assert POSTGRES is not None
    url = make_url(POSTGRES).set(drivername="postgresql+psycopg")
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return url
    own = f"{url.database}_{worker}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if not connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": own}):
            connection.execute(text(f'CREATE DATABASE "{own}"'))
    engine.dispose()
    return url.set(database=own)


@contextmanager
def new_schema() -> Iterator[PostgresSchema]:
    """Where a catalog can be made, and is removed after the block."""
    place = PostgresSchema(own_database(), f"test_{uuid4().hex[:12]}")
    try:
        yield place
    finally:
        with cleaning() as connection:
            connection.execute(text(f'DROP SCHEMA IF EXISTS "{place.schema}" CASCADE'))


def drop_indexes() -> None:
    """Remove every index that was kept in the database, with whatever still uses one."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lorebot %'"
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname = 'lorebot' OR nspname LIKE 'lorebot\\_%'"
    with cleaning() as connection:
        connection.execute(text(f"{others} AND datname = current_database()"))
        for name in connection.execute(text(schemas)).scalars().all():
            connection.execute(text(f'DROP SCHEMA "{name}" CASCADE'))


def drop_journal() -> None:
    """Remove the journal that was kept in the database."""
    with cleaning() as connection:
        metadata.drop_all(connection)
        connection.execute(text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))


@contextmanager
def cleaning() -> Iterator[Connection]:
    """A connection of the tests' own."""
    engine: Engine = create_engine(own_database(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()
