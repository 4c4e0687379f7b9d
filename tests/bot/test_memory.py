"""What was answered is remembered with all of it, and what people thought of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.engine import URL

from bot.database import Database, answers, judgements
from bot.memory import Memory
from connectors.conversation import (
    Answer,
    AnswerSentence,
    Asker,
    Citation,
    NearDocument,
    Place,
    Question,
    ReadPassage,
    Timings,
    Turn,
    Voice,
)
from connectors.ports import Judgement, Remembered

THREAD = "slack:T1/C1/1.1"
HELP = Place("slack", "C1", frozenset({"everyone", "public"}), "T1")


def question(text: str = "Where do visitors park?", place: Place = HELP) -> Question:
    return Question("q", text, Asker("U1"), place)


def answer(answer_id: str, asked: str = "Where do visitors park?", said: str = "In bay 14. [1]") -> Answer:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return Answer(
        id=answer_id,
        question=asked,
        standalone_question=asked,
        text=said,
        route="knowledge",
        citations=(Citation(1, "Parking", "Visitors", "p.md", None, "14", "v", moment, moment, "office"),),
        nearest=(NearDocument("Coffee", "c.md", "https://wiki.example/c"),),
        sentences=(AnswerSentence("In bay 14.", (1,), 0.9, "kept"),),
        voice=Voice("warm", "2", "abc"),
        model="SmolLM2",
        index_generation=7,
        timings=Timings(total=1.5),
        confidence=0.8,
        read=(ReadPassage("Parking", "Visitors", None, "Visitors park in bay 14.", 1.2),),
    )


@pytest.fixture
async def database(journal_at: URL) -> AsyncIterator[Database]:
    opened = Database(journal_at)
    yield opened
    opened.close()


@pytest.fixture
def memory(database: Database) -> Memory:
    return Memory(database)


async def test_the_text_of_a_file_that_came_with_the_question_is_not_kept(memory: Memory) -> None:
    given = answer("a1")
    (cited,) = given.citations
    await memory.remember(THREAD, question(), replace(given, citations=(replace(cited, source=""),)))

    recalled = await memory.recall("a1")

    assert recalled is not None
    assert [(c.title, c.excerpt) for c in recalled.answer.citations] == [("Parking", "")]


async def test_an_answer_is_recalled_with_all_that_it_rests_on(memory: Memory) -> None:
    given = answer("a1")
    await memory.remember(THREAD, question(), given)

    assert await memory.recall("a1") == Remembered(given, THREAD, "U1", HELP)
    assert await memory.recall("a2") is None


@pytest.mark.parametrize(
    "place", [Place("slack", "D1", None, "T1"), Place("discord", "9", frozenset()), HELP], ids=str
)
async def test_who_else_reads_the_place_is_remembered(memory: Memory, place: Place) -> None:
    await memory.remember(THREAD, question(place=place), answer("a1"))

    remembered = await memory.recall("a1")

    assert remembered is not None
    assert remembered.place == place


async def test_the_history_of_a_conversation_is_its_last_six_turns_oldest_first(memory: Memory) -> None:
    for number in range(8):
        await memory.remember(THREAD, question(), answer(f"a{number}", f"Q{number}?", f"A{number}."))
    await memory.remember("slack:T1/C1/2.2", question(), answer("b", "Elsewhere?", "Yes."))

    assert await memory.history(THREAD) == tuple(Turn(f"Q{n}?", f"A{n}.") for n in range(2, 8))
    assert await memory.history("slack:T1/C9/1.1") == ()


async def test_it_takes_part_where_it_has_answered(memory: Memory) -> None:
    assert not await memory.takes_part(THREAD)

    await memory.remember(THREAD, question(), answer("a1"))

    assert await memory.takes_part(THREAD)
    assert not await memory.takes_part("slack:T1/C1")


async def test_an_answer_is_remembered_once(memory: Memory) -> None:
    for _ in range(2):
        await memory.remember(THREAD, question(), answer("a1"))

    assert len(await memory.history(THREAD)) == 1


@pytest.mark.parametrize("text", ["half a \ud83d surrogate?", "a \0 in it?", "emoji 👩‍🚀?"])
async def test_whatever_characters_a_person_sends_are_remembered(memory: Memory, text: str) -> None:
    await memory.remember(THREAD, question(), answer("a1", asked=text))

    assert [turn.question for turn in await memory.history(THREAD)] == [text]


async def test_the_last_judgement_of_a_person_counts_and_others_have_their_own(
    memory: Memory, database: Database
) -> None:
    await memory.remember(THREAD, question(), answer("a1"))
    await memory.judge("a1", "slack:U1", Judgement(True))
    await memory.judge("a1", "slack:U1", Judgement(False, "outdated", "Bay \0 15 since \ud83d May."))
    await memory.judge("a1", "slack:U2", Judgement(True))

    j = judgements.c
    with database.reading() as connection:
        rows = connection.execute(select(j.who, j.helpful, j.fault, j.better).order_by(j.who)).all()

    assert [tuple(row) for row in rows] == [
        ("slack:U1", False, "outdated", "Bay  15 since ? May."),
        ("slack:U2", True, None, ""),
    ]


async def test_an_answer_of_another_form_is_not_recalled_and_harms_nothing(
    memory: Memory, database: Database
) -> None:
    await memory.remember(THREAD, question(), answer("a1"))
    await memory.remember(THREAD, question(), answer("a2", said="Still here."))
    with database.writing() as connection:
        connection.execute(update(answers).where(answers.c.id == "a1").values(answer='{"id": "a1"}'))

    assert await memory.recall("a1") is None
    assert [turn.answer for turn in await memory.history(THREAD)] == ["Still here."]
