"""Editions in the schemas of one Postgres database, for all machines that use it.

lorebot            a table of the editions, and which of them answers
lorebot_NAME       the catalog of an edition
index/NAME/        what each machine derives from it

Whoever has an edition open shares an advisory lock, so that only what nobody has open is removed.
"""

from __future__ import annotations

import shutil
import threading
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Column, Engine, MetaData, Table, delete, insert, select, text

from knowledge.catalog import Catalog
from knowledge.catalog_database import PostgresSchema
from knowledge.edition import MadeWith, StoredEdition
from knowledge.postgres import SHARED_SCHEMA, SessionLock, lock_key, make_tables, shown
from knowledge.schema import Text, UtcDateTime

_metadata = MetaData()

_editions = Table(
    "editions",
    _metadata,
    Column("name", Text, primary_key=True),
    Column("chunker", Text, nullable=False),
    Column("embedder", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("beside", Text, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
)

# One row.
_answering = Table("answering", _metadata, Column("name", Text, primary_key=True))


class EditionSchemas:
    """The editions in one database, as `knowledge.edition.EditionStore`."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        """`folder` is for what this machine derives; nothing is asked before a method needs it.

        `engine` is of the shared schema, and its owner closes it.
        """
        self._unprepared = engine
        self._folder = folder
        self._changing = _Turns(engine, lock_key("changing", "editions"))

    def __str__(self) -> str:
        return shown(self._unprepared.url)

    @cached_property
    def _engine(self) -> Engine:
        make_tables(self._unprepared, SHARED_SCHEMA, _metadata)
        return self._unprepared

    def looked(self) -> str | None:
        """See `EditionStore`; one query."""
        with self._engine.connect() as connection:
            name: str | None = connection.execute(select(_answering.c.name)).scalar()
        return name

    def live(self) -> str:
        """See `EditionStore`."""
        name = self.looked()
        if name is None:
            raise FileNotFoundError(str(self))
        return name

    def let_answer(self, name: str) -> None:
        """See `EditionStore`."""
        with self._engine.begin() as connection:
            connection.execute(delete(_answering))
            connection.execute(insert(_answering).values(name=name))

    def create(self, made_with: MadeWith, beside: str) -> str:
        """See `EditionStore`."""
        name = uuid4().hex[:12]
        fields = {"chunker": made_with.chunker, "embedder": made_with.embedder, "model": made_with.model}
        row = {"name": name, **fields, "beside": beside, "began_at": datetime.now(UTC)}
        with self._engine.begin() as connection:
            connection.execute(insert(_editions), row)
        return name

    def names(self) -> list[str]:
        """See `EditionStore`."""
        with self._engine.connect() as connection:
            query = select(_editions.c.name).order_by(_editions.c.began_at)
            return list(connection.execute(query).scalars())

    def open(self, name: str) -> StoredEdition:
        """See `EditionStore`."""
        lease = SessionLock.share(self._engine, _lease_of(name))
        try:
            e = _editions.c
            query = select(e.chunker, e.embedder, e.model, e.beside, e.began_at).where(e.name == name)
            with self._engine.connect() as connection:
                row = connection.execute(query).first()
            if row is None:
                raise FileNotFoundError(f"{self} ({name})")
            catalog = Catalog(PostgresSchema(self._engine.url, _schema_of(name)))
        except BaseException:
            lease.release()
            raise
        made_with = MadeWith(row.chunker, row.embedder, row.model)
        folder = self._folder / name / "vectors"
        lock = _Turns(self._engine, lock_key("vectors", name))
        began = row.began_at.timestamp()
        return StoredEdition(name, made_with, row.beside, began, folder, catalog, lock, lease.release)

    def remove_unless_open(self, name: str) -> None:
        """See `EditionStore`."""
        alone = SessionLock.try_to_take(self._engine, _lease_of(name))
        if alone is None:
            return
        try:
            with self._engine.begin() as connection:
                connection.execute(text(f'DROP SCHEMA IF EXISTS "{_schema_of(name)}" CASCADE'))
                connection.execute(delete(_editions).where(_editions.c.name == name))
        finally:
            alone.release()
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def remove_all_but(self, *kept: str) -> None:
        """See `EditionStore`."""
        for name in self.names():
            if name not in kept:
                self.remove_unless_open(name)
        existing = self.names()
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            if folder.is_dir() and folder.name not in existing:
                shutil.rmtree(folder, ignore_errors=True)

    def changing(self) -> AbstractContextManager[None]:
        """See `EditionStore`."""
        return self._changing

    def close(self) -> None:
        """See `EditionStore`; the engine is another's."""


class _Turns(AbstractContextManager[None]):
    """One at a time, over all processes; who has the turn may take it once more."""

    def __init__(self, engine: Engine, key: int) -> None:
        self._engine = engine
        self._key = key
        self._threads = threading.RLock()
        self._depth = 0
        self._held: SessionLock | None = None

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            if self._held is None:
                self._held = SessionLock.take(self._engine, self._key)
        except BaseException:
            self._threads.release()
            raise
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        try:
            if self._depth == 0 and self._held is not None:
                held, self._held = self._held, None
                held.release()
        finally:
            self._threads.release()


def _schema_of(name: str) -> str:
    return f"{SHARED_SCHEMA}_{name}"


def _lease_of(name: str) -> int:
    return lock_key("edition", name)
