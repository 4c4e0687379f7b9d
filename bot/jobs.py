"""Which source is due when, and which is paused: two small tables that outlive the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, MetaData, String, Table, create_engine, delete, event, select
from sqlalchemy.engine import URL, ExceptionContext

from knowledge.dialects import upserting
from knowledge.documents import KnowledgeError
from knowledge.postgres import SHARED_SCHEMA, make_tables
from knowledge.schema import UtcDateTime

_BUSY_SECONDS = 5

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("source", String, primary_key=True),
    Column("schedule", String, nullable=False),
    Column("next_run_time", UtcDateTime),
)

pauses = Table(
    "pauses",
    metadata,
    Column("source", String, primary_key=True),
    Column("since", UtcDateTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A source's schedule as it was last followed, and when its next run is due (None: no more)."""

    source: str
    schedule: str
    next_run_time: datetime | None


class JobTable:
    """The schedule's state in a database; safe for many threads and processes.

    Every method is one short transaction and raises `KnowledgeError` when the database cannot be used.
    """

    def __init__(self, engine: Engine) -> None:
        """Of a database that has the tables; see the functions that open one."""
        self._engine = engine

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def jobs(self) -> dict[str, StoredJob]:
        """Every job by its source, the earliest first, those without a next run last."""
        query = select(jobs).order_by(jobs.c.next_run_time.is_(None), jobs.c.next_run_time)
        with self._engine.begin() as connection:
            return {row.source: StoredJob(*row) for row in connection.execute(query)}

    def put(self, job: StoredJob) -> None:
        """Keep a job in place of what was kept of its source."""
        values = {"schedule": job.schedule, "next_run_time": job.next_run_time}
        with self._engine.begin() as connection:
            statement = upserting(connection, jobs).values(source=job.source, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=["source"], set_=values))

    def add(self, job: StoredJob) -> bool:
        """Keep a job of a source that has none; False when it has one."""
        row = {"source": job.source, "schedule": job.schedule, "next_run_time": job.next_run_time}
        with self._engine.begin() as connection:
            statement = upserting(connection, jobs).on_conflict_do_nothing()
            return bool(connection.execute(statement, row).rowcount)

    def remove(self, source: str) -> bool:
        """Drop a job; False when there is none."""
        with self._engine.begin() as connection:
            return bool(connection.execute(delete(jobs).where(jobs.c.source == source)).rowcount)

    def paused(self) -> dict[str, datetime]:
        """The paused sources, and since when."""
        with self._engine.begin() as connection:
            return {row.source: row.since for row in connection.execute(select(pauses))}

    def pause(self, source: str) -> None:
        """Pause a source; one that is paused stays so since then."""
        row = {"source": source, "since": datetime.now(UTC)}
        with self._engine.begin() as connection:
            connection.execute(upserting(connection, pauses).on_conflict_do_nothing(), row)

    def resume(self, source: str) -> None:
        """Let a source be synced again."""
        with self._engine.begin() as connection:
            connection.execute(delete(pauses).where(pauses.c.source == source))

    def keep_only(self, sources: Collection[str]) -> None:
        """Drop what is kept of all other sources."""
        with self._engine.begin() as connection:
            for table in (jobs, pauses):
                connection.execute(delete(table).where(table.c.source.not_in(sources)))


def open_job_file(path: Path) -> JobTable:
    """The table in an SQLite file, which is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        # Without a wait for the disk: what a power cut loses here is a run that comes early.
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "handle_error")
    def explain(context: ExceptionContext) -> None:
        raise KnowledgeError(
            f"The schedule {path} cannot be used ({context.original_exception}): check the disk and its "
            "permissions, or move the file away."
        ) from context.original_exception

    metadata.create_all(engine)
    return JobTable(engine)


def open_shared_jobs(engine: Engine) -> JobTable:
    """The table in the database that several machines share, beside the index."""
    make_tables(engine, SHARED_SCHEMA, metadata)
    return JobTable(engine)
