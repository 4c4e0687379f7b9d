"""What each day has cost on servers that are paid for, in the journal's database."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import Connection, select

from adapters.remote.budget import Limits, Spent
from bot.database import Database, lock_table, spending
from knowledge.dialects import upserting


class SpendingLedger:
    """The port `Ledger`: a line a day, which all processes on the database add to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def spent(self, day: date) -> Spent:
        """What a day has cost so far. Raises `JournalError`."""
        with self._database.reading() as connection:
            return _spent(connection, day)

    def today(self) -> Spent:
        """What the present day, that of UTC, has cost so far. Raises `JournalError`."""
        return self.spent(datetime.now(UTC).date())

    def reserve(self, day: date, cost: Spent, limits: Limits) -> bool:
        """See `Ledger.reserve`."""
        with self._database.writing() as connection:
            lock_table(connection, spending)
            spent = _spent(connection, day)
            total = Spent(spent.tokens + cost.tokens, spent.money + cost.money)
            if not limits.allow(total):
                return False
            _add(connection, day, cost)
            return True

    def correct(self, day: date, difference: Spent) -> None:
        """See `Ledger.correct`."""
        with self._database.writing() as connection:
            _add(connection, day, difference)


def _spent(connection: Connection, day: date) -> Spent:
    query = select(spending.c.tokens, spending.c.money).where(spending.c.day == day.isoformat())
    row = connection.execute(query).one_or_none()
    return Spent() if row is None else Spent(row.tokens, row.money)


def _add(connection: Connection, day: date, cost: Spent) -> None:
    added = upserting(connection, spending).values(day=day.isoformat(), tokens=cost.tokens, money=cost.money)
    connection.execute(
        added.on_conflict_do_update(
            index_elements=[spending.c.day],
            set_={
                "tokens": spending.c.tokens + added.excluded.tokens,
                "money": spending.c.money + added.excluded.money,
            },
        )
    )
