"""What was asked is deleted when it is too old; what was administered stays."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from journalled import Asked, deliver, remember
from sqlalchemy import func, select, update
from sqlalchemy.engine import URL

from bot.database import Database, answers, deliveries, judgements
from bot.journal import Journal
from bot.logs import open_log
from bot.memory import Memory
from bot.retention import Retention
from connectors.ports import Judgement

LOG = open_log(io.StringIO(), "error")


@pytest.fixture
def journal(journal_at: URL) -> Iterator[Journal]:
    opened = Journal(journal_at)
    yield opened
    opened.close()


def expire(journal: Journal, keep_days: int = 90) -> int:
    return Retention(lambda: journal.database, keep_days, LOG).expire()


def age(database: Database, answer_id: str, days: int) -> None:
    then = datetime.now(UTC) - timedelta(days=days)
    with database.writing() as connection:
        connection.execute(update(answers).where(answers.c.id == answer_id).values(at=then))
        connection.execute(update(judgements).where(judgements.c.answer_id == answer_id).values(at=then))


async def test_questions_answers_and_judgements_are_kept_for_so_many_days(journal: Journal) -> None:
    memory = Memory(journal.database)
    for answer_id, days in (("old", 91), ("new", 89)):
        await remember(journal.database, Asked(answer_id))
        await memory.judge(answer_id, "slack:U1", Judgement(False, "wrong", "In bay 15."))
        age(journal.database, answer_id, days)

    assert expire(journal) == 2

    assert await memory.recall("old") is None
    assert await memory.recall("new") is not None
    with journal.database.reading() as connection:
        assert connection.execute(select(judgements.c.answer_id)).scalars().all() == ["new"]


async def test_more_than_one_batch_is_deleted(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.retention._BATCH", 2)
    for number in range(5):
        await remember(journal.database, Asked(f"a{number}"))
        age(journal.database, f"a{number}", 100)

    assert expire(journal) == 5


def test_what_was_administered_stays_however_old_it_is(journal: Journal) -> None:
    journal.append("voice", "default", "slack:U1", {"adapter": "warm@1"})

    expire(journal, keep_days=1)

    assert journal.latest("voice", ["default"])["default"].details == {"adapter": "warm@1"}


def test_what_nobody_ever_took_up_is_deleted_with_its_text(journal: Journal) -> None:
    now = time.time()
    deliver(journal.database, "slack:T/C/1", '{"text": "old"}', now - 91 * 86_400, None)
    deliver(journal.database, "slack:T/C/2", '{"text": "new"}', now, None)
    deliver(journal.database, "slack:T/C/3", "{}", now - 91 * 86_400, now)

    expire(journal)

    with journal.database.reading() as connection:
        kept = connection.execute(select(deliveries.c.key).order_by(deliveries.c.key)).scalars().all()
    assert kept == ["slack:T/C/2", "slack:T/C/3"]


async def test_no_file_holds_what_was_deleted(tmp_path: Path) -> None:
    journal = Journal(URL.create("sqlite", database=str(tmp_path / "journal.sqlite")))
    await remember(journal.database, Asked("old", text="Where is the treasure buried?" * 300))
    age(journal.database, "old", 100)

    expire(journal)

    assert not any(b"treasure" in file.read_bytes() for file in tmp_path.iterdir())
    journal.close()


async def test_it_begins_at_once_and_goes_on(journal: Journal) -> None:
    await remember(journal.database, Asked("old"))
    age(journal.database, "old", 100)
    retention = asyncio.create_task(Retention(lambda: journal.database, 90, LOG).run())

    while True:
        with journal.database.reading() as connection:
            if not connection.execute(select(func.count()).select_from(answers)).scalar_one():
                break
        await asyncio.sleep(0.01)

    assert not retention.done()
    retention.cancel()
    await asyncio.wait([retention])
