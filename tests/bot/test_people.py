"""One person's data is shown to them in full, and erased without a trace that names them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from journalled import DIRECT, Asked, deliver, remember
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from sqlalchemy import create_engine, select
from sqlalchemy.engine import URL

from bot.database import metadata
from bot.inbox import Inbox
from bot.journal import Journal
from bot.memory import Memory
from bot.people import Person, PersonError, erase_person, export_person, parse_person
from connectors.ports import Delivery, Judgement

ALICE, BOB = Person("slack", "U1"), Person("slack", "U2")
ADMIN = "terminal:admin"


@pytest.fixture
def journal(journal_at: URL) -> Iterator[Journal]:
    opened = Journal(journal_at)
    yield opened
    opened.close()


@pytest.fixture
async def used(journal: Journal) -> Journal:
    """A journal in which Alice and Bob asked, judged, and administered."""
    database, memory = journal.database, Memory(journal.database)
    await remember(database, Asked("a1", "U1", "Where does Alice park?"))
    await remember(database, Asked("a2", "U1", "May I be late?", "slack:T1/D1/2.1", DIRECT))
    await remember(
        database, Asked("b1", "U2", "And for bikes?", standalone="And for bikes, where does Alice park?")
    )
    await memory.judge("b1", str(ALICE), Judgement(False, "wrong", "Alice knows better."))
    await memory.judge("a1", str(BOB), Judgement(True))
    deliver(database, "slack:T1/C1/9.1", json.dumps({"user": "U1", "text": "Alice waits"}), done_at=None)
    deliver(database, "slack:T1/C1/9.2", json.dumps({"ticket": {"user": "U2"}}), done_at=None)
    deliver(database, "slack:T1/D1/2.1")
    journal.append("voice", "default", str(ALICE), {"adapter": "warm@1", "before": ""})
    journal.append("quiet", "slack:T1/D1/2.1", str(ALICE), {"quiet": True})
    journal.append("administration", "reindex", str(ALICE), {"conversation": "slack:T1/D1"})
    journal.append("administration", "reindex", str(BOB), {"conversation": "slack:T1/C1"})
    return journal


def everything(journal: Journal) -> str:
    """All rows of all tables, as text."""
    with journal.database.reading() as connection:
        tables = metadata.sorted_tables
        return "\n".join(str(row) for table in tables for row in connection.execute(select(table)))


async def test_an_export_holds_all_that_is_kept_about_a_person_and_nothing_of_others(used: Journal) -> None:
    exported: dict[str, Any] = json.loads(json.dumps(export_person(used, ALICE, ADMIN)))

    asked = [(answer["id"], answer["answer"]["question"]) for answer in exported["answers"]]
    assert asked == [("a1", "Where does Alice park?"), ("a2", "May I be late?")]
    assert [judged["better"] for judged in exported["judgements"]] == ["Alice knows better."]
    assert {one["key"] for one in exported["deliveries"]} == {"slack:T1/C1/9.1", "slack:T1/D1/2.1"}
    assert [act["kind"] for act in exported["acts"]] == ["voice", "quiet", "administration"]
    assert "U2" not in json.dumps(exported)


async def test_an_export_is_journalled_without_saying_whose(used: Journal) -> None:
    export_person(used, BOB, ADMIN)

    (entry,) = used.recent(["administration"], 1)
    assert (entry.subject, entry.who, entry.details) == ("people export", ADMIN, {})


async def test_nothing_that_is_kept_names_an_erased_person_or_holds_their_words(used: Journal) -> None:
    erase_person(used, ALICE, ADMIN)

    kept = everything(used)
    for trace in ("U1", "Alice", "May I be late", "D1"):
        assert trace not in kept
    assert export_person(used, ALICE, ADMIN)["answers"] == []


async def test_what_others_asked_is_kept(used: Journal) -> None:
    erase_person(used, ALICE, ADMIN)

    remembered = await Memory(used.database).recall("b1")
    assert remembered is not None
    assert (remembered.asker, remembered.answer.question) == ("U2", "And for bikes?")


async def test_it_is_said_how_much_was_erased_and_journalled_without_the_person(used: Journal) -> None:
    erased = erase_person(used, ALICE, ADMIN)

    assert (erased.answers, erased.judgements, erased.deliveries, erased.acts) == (2, 1, 2, 3)
    (entry,) = used.recent(["administration"], 1)
    assert (entry.subject, entry.who) == ("people erase", ADMIN)
    assert "2 answers" in entry.details["erased"]


async def test_the_voice_that_an_erased_person_chose_speaks_on(used: Journal) -> None:
    erase_person(used, ALICE, ADMIN)

    chosen = used.latest("voice", ["default"])["default"]
    assert (chosen.who, chosen.details["adapter"]) == ("erased", "warm@1")


async def test_what_an_erased_person_wrote_is_not_answered_when_it_is_delivered_again(used: Journal) -> None:
    erase_person(used, ALICE, ADMIN)
    inbox = Inbox(used.database, print)

    again = [Delivery(f"slack:T1/{key}", "slack", {}) for key in ("C1/9.1", "D1/2.1", "C1/9.3")]
    taken = await asyncio.gather(*map(inbox.take, again))

    assert taken == [False, False, True]
    inbox.close()


async def test_a_namesake_on_another_platform_is_another_person(used: Journal) -> None:
    erased = erase_person(used, Person("discord", "U1"), ADMIN)

    assert not erased.anything
    assert len(export_person(used, ALICE, ADMIN)["answers"]) == 2


def test_an_installation_stays_without_the_person_who_made_it(journal: Journal, journal_at: URL) -> None:
    engine = create_engine(journal_at)
    store = SQLAlchemyInstallationStore("client", engine)
    store.metadata.drop_all(engine)
    store.create_tables()  # type: ignore[no-untyped-call]
    store.save(Installation(app_id="A", team_id="T1", user_id="U1", bot_token="xoxb-1", user_token="xoxp-1"))

    exported = export_person(journal, ALICE, ADMIN)
    erased = erase_person(journal, ALICE, ADMIN)

    assert [one["team_id"] for one in exported["installations"]] == ["T1"]
    assert "xox" not in json.dumps(exported)
    assert erased.installations == 1
    left = store.find_installation(enterprise_id=None, team_id="T1")
    assert left is not None
    assert (left.user_id, left.user_token, left.bot_token) == ("erased", None, "xoxb-1")
    store.metadata.drop_all(engine)
    engine.dispose()


async def test_no_file_holds_what_was_erased(tmp_path: Path) -> None:
    journal = Journal(URL.create("sqlite", database=str(tmp_path / "journal.sqlite")))
    await remember(journal.database, Asked("a1", "U1", "Where is the treasure buried?" * 300))

    erase_person(journal, ALICE, ADMIN)

    assert not any(b"treasure" in file.read_bytes() for file in tmp_path.iterdir())
    journal.close()


@pytest.mark.parametrize("text", ["U1", "slack:", "teams:U1", "slack:U1/C1", "slack:U 1"])
def test_a_person_is_written_as_the_platform_and_its_id(text: str) -> None:
    with pytest.raises(PersonError, match="write slack:U123"):
        parse_person(text)
