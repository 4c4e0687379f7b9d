"""What a day may cost is counted before it is spent, by all processes together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy.engine import URL

from adapters.remote.budget import DailyBudget, LimitReachedError, Limits, Spent
from adapters.remote.chat import Usage
from bot.database import Database
from bot.spending import SpendingLedger

TODAY = date(2026, 3, 1)


@pytest.fixture
def database(journal_at: URL) -> Iterator[Database]:
    database = Database(journal_at)
    yield database
    database.close()


def budget(database: Database, limits: Limits, told: list[str], day: int = 1) -> DailyBudget:
    moment = datetime(2026, 3, day, 12, tzinfo=UTC)
    return DailyBudget(limits, SpendingLedger(database), told.append, lambda: moment)


async def test_what_was_used_is_counted_instead_of_what_was_reserved(database: Database) -> None:
    limits = Limits(money=1.0, prompt_price=2.0, reply_price=10.0)
    async with budget(database, limits, []).charging(Usage(1000, 100)) as charge:
        reserved = SpendingLedger(database).spent(TODAY)
        charge.be_told(Usage(500, 10))
    assert reserved == Spent(1100, pytest.approx(0.003))
    assert SpendingLedger(database).spent(TODAY) == Spent(510, pytest.approx(0.0011))


async def test_beyond_the_limit_nothing_is_asked_and_it_is_told_once(database: Database) -> None:
    told: list[str] = []
    limited = budget(database, Limits(tokens=100), told)
    for _ in range(2):
        with pytest.raises(LimitReachedError, match="midnight UTC"):
            async with limited.charging(Usage(90, 11)):
                raise AssertionError
    assert len(told) == 1
    async with limited.charging(Usage(90, 10)):
        pass


async def test_a_new_day_has_a_new_limit(database: Database) -> None:
    async with budget(database, Limits(tokens=100), []).charging(Usage(90, 10)) as charge:
        charge.be_told(Usage(90, 10))
    async with budget(database, Limits(tokens=100), [], day=2).charging(Usage(90, 10)):
        pass


async def test_an_answer_that_was_cut_off_is_counted_by_its_length(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with budget(database, Limits(tokens=1000), []).charging(Usage(100, 50)) as charge:
            charge.hear("x" * 30)
            raise RuntimeError
    assert SpendingLedger(database).spent(TODAY).tokens == 111


async def test_many_at_once_do_not_go_beyond_the_limit_together(database: Database) -> None:
    limited = budget(database, Limits(tokens=1000), [])

    async def use() -> bool:
        try:
            async with limited.charging(Usage(90, 10)) as charge:
                await asyncio.sleep(0)
                charge.be_told(Usage(90, 10))
        except LimitReachedError:
            return False
        return True

    assert sum(await asyncio.gather(*(use() for _ in range(25)))) == 10
    assert SpendingLedger(database).spent(TODAY) == Spent(1000, 0.0)
