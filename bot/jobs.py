"""Which source is due when, and which is paused: two small tables that outlive the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, MetaData, String, Table, create_engine, delete, event, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import URL, ExceptionContext

from knowledge.documents import KnowledgeError
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
    """The schedule's state in one SQLite file; safe for many threads and processes.

    Every method is one short transaction and raises `KnowledgeError` when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        url = URL.create("sqlite", database=str(path))
        self._engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

        @event.listens_for(self._engine, "connect")
        def configure(connection: sqlite3.Connection, _record: Any) -> None:
            # Without a wait for the disk: what a power cut loses here is a run that comes early.
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(self._engine, "handle_error")
        def explain(context: ExceptionContext) -> None:
            raise KnowledgeError(
                f"The schedule {path} cannot be used ({context.original_exception}): check the disk and its "
                "permissions, or move the file away."
            ) from context.original_exception

        metadata.create_all(self._engine)

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    def jobs(self) -> dict[str, StoredJob]:
        """Every job by its source, the earliest first, those without a next run last."""
        query = select(jobs).order_by(jobs.c.next_run_time.is_(None), jobs.c.next_run_time)
        with self._engine.begin() as connection:
            return {row.source: StoredJob(*row) for row in connection.execute(query)}

    def put(self, job: StoredJob) -> None:
        """Keep a job in place of what was kept of its source."""
        values = {"schedule": job.schedule, "next_run_time": job.next_run_time}
        statement = upsert(jobs).values(source=job.source, **values)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["source"], set_=values))

    def add(self, job: StoredJob) -> bool:
        """Keep a job of a source that has none; False when it has one."""
        row = {"source": job.source, "schedule": job.schedule, "next_run_time": job.next_run_time}
        with self._engine.begin() as connection:
            return bool(connection.execute(insert(jobs).prefix_with("OR IGNORE"), row).rowcount)

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
            connection.execute(insert(pauses).prefix_with("OR IGNORE"), row)

    def resume(self, source: str) -> None:
        """Let a source be synced again."""
        with self._engine.begin() as connection:
            connection.execute(delete(pauses).where(pauses.c.source == source))

    def keep_only(self, sources: Collection[str]) -> None:
        """Drop what is kept of all other sources."""
        with self._engine.begin() as connection:
            for table in (jobs, pauses):
                connection.execute(delete(table).where(table.c.source.not_in(sources)))
