"""When a document is forgotten, the journal keeps no answer that its words may be in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from journalled import Asked, remember
from sqlalchemy import select
from sqlalchemy.engine import URL

from bot.database import Database, answers, judgements
from bot.memory import Memory
from bot.withdrawal import withdraw
from connectors.ports import Judgement

PAGE = "https://wiki.example/a%20page"


@pytest.fixture
def database(journal_at: URL) -> Iterator[Database]:
    opened = Database(journal_at)
    yield opened
    opened.close()


def kept(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(answers.c.id).order_by(answers.c.number)).scalars())


async def test_answers_that_cited_it_are_deleted_with_their_judgements(database: Database) -> None:
    await remember(database, Asked("cited", document="p.md"))
    await remember(database, Asked("other", document="q.md", title="Coffee"))
    await Memory(database).judge("cited", "slack:U1", Judgement(False, "wrong", "In bay 15."))

    assert withdraw(database, "office", "p.md", "Parking", None, set()) == 1

    assert kept(database) == ["other"]
    with database.reading() as connection:
        assert connection.execute(select(judgements)).all() == []


async def test_answers_that_only_read_it_are_deleted(database: Database) -> None:
    await remember(database, Asked("by-link", document="p.md", url=f"{PAGE}#L7", cites=False))
    await remember(database, Asked("by-text", document="p.md", url="https://old.example/p", cites=False))
    await remember(database, Asked("other", document="q.md", url="https://wiki.example/other", cites=False))

    assert withdraw(database, "office", "p.md", "Parking", PAGE, {"What p.md says."}) == 2

    assert kept(database) == ["other"]


async def test_a_document_of_that_name_in_another_source_is_another(database: Database) -> None:
    await remember(database, Asked("cited", document="p.md", title="Parking lots", url=PAGE))

    assert withdraw(database, "wiki", "p.md", "Parking", "https://wiki.example/b", {"Nothing."}) == 0

    assert kept(database) == ["cited"]


async def test_signs_of_patterns_in_a_name_mean_themselves(database: Database) -> None:
    await remember(database, Asked("other", document="pagexone.md", title="x"))

    assert withdraw(database, "office", "page_one.md", "%", None, set()) == 0
