"""How long the journal keeps what was asked: `[journal] keep_days`, seen to once a day."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Table, delete, select

from bot.database import Database, JournalError, answers, deliveries, judgements

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_DAY_SECONDS = 86_400.0
_AGAIN_SECONDS = 3_600.0

# So many rows a transaction, that nobody waits long for the database.
_BATCH = 500


class Retention:
    """Deletes what is older than `keep_days` of what people asked, were answered, and thought of it.

    What was administered stays: it says which voice speaks where. Any number of processes may do this.
    """

    def __init__(self, database: Callable[[], Database], keep_days: int, log: FilteringBoundLogger) -> None:
        """`database` gives the journal's, and may block."""
        self._database = database
        self._keep = timedelta(days=keep_days)
        self._log = log

    async def run(self) -> None:
        """Delete at once, and from then on daily, until cancelled; what fails is tried again in an hour."""
        while True:
            pause = _DAY_SECONDS
            try:
                deleted = await asyncio.to_thread(self.expire)
            except JournalError as error:
                pause = _AGAIN_SECONDS
                self._log.warning("the journal keeps what is too old for now", error=str(error))
            else:
                if deleted:
                    self._log.info(
                        "deleted from the journal", entries=deleted, older_than_days=self._keep.days
                    )
            await asyncio.sleep(pause)

    def expire(self) -> int:
        """Delete what is too old; how much that was. Raises `JournalError`. Blocks."""
        database, before = self._database(), datetime.now(UTC) - self._keep
        # Of what is done no text is kept, and `bot.inbox` forgets that itself.
        abandoned = deliveries.c.done_at.is_(None) & (
            deliveries.c.taken_at < time.time() - self._keep.total_seconds()
        )
        deleted = (
            _delete(database, answers, answers.c.number, answers.c.at < before)
            + _delete(database, judgements, judgements.c.answer_id, judgements.c.at < before)
            + _delete(database, deliveries, deliveries.c.key, abandoned)
        )
        if deleted:
            database.wipe()
        return deleted


def _delete(database: Database, table: Table, key: ColumnElement[Any], old: ColumnElement[bool]) -> int:
    deleted = 0
    while True:
        with database.writing() as connection:
            some = select(key).where(old).limit(_BATCH)
            count = connection.execute(delete(table).where(old, key.in_(some))).rowcount
        if not count:
            return deleted
        deleted += count
