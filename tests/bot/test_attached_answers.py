"""A question with files is answered from them and from the index; what could not be read is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from engine_standins import Silent

from bot.assembly import Assembly
from bot.settings import load_settings
from bot.trial import index_everything
from connectors.conversation import Answer, Answered, Attachment, Progress, TextDelta
from connectors.terminal import terminal_question

MEMBER = frozenset({"everyone", "public"})
HOTEL = Attachment("trip.txt", b"The hotel in Oban costs 92 pounds a night, breakfast included.")


@pytest.fixture
async def assembly(own_documents: Path, models: Path) -> AsyncIterator[Assembly]:
    opened = Assembly(load_settings(own_documents / "lorebot.toml"), print, models)
    opened.__dict__["generator"] = Silent()
    index_everything(opened)
    yield opened
    await opened.close()


async def asked(assembly: Assembly, text: str, *attachments: Attachment) -> tuple[Answer, list[str]]:
    """The answer, and what was said on the way to it."""
    question = replace(terminal_question(text, MEMBER), attachments=attachments)
    events = [event async for event in assembly.speaking_as("base").answer(question)]
    last = events[-1]
    assert isinstance(last, Answered)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == last.answer.text
    return last.answer, [event.text for event in events if isinstance(event, Progress)]


async def test_a_file_answers_its_question_and_is_cited_by_its_name(assembly: Assembly) -> None:
    answer, steps = await asked(assembly, "What does the hotel in Oban cost a night?", HOTEL)

    assert "92 pounds a night" in answer.text
    assert [(c.title, c.uri, c.url, c.source) for c in answer.citations] == [
        ("trip.txt", "trip.txt", None, "")
    ]
    assert "Reading 1 file" in steps


async def test_the_index_answers_beside_a_file(assembly: Assembly) -> None:
    answer, _ = await asked(assembly, "What is the code of the visitors' barrier?", HOTEL)

    assert "4711" in answer.text
    assert [citation.source for citation in answer.citations] == ["office"]


async def test_the_next_question_knows_nothing_of_the_file(assembly: Assembly) -> None:
    await asked(assembly, "What does the hotel in Oban cost a night?", HOTEL)

    answer, _ = await asked(assembly, "What does the hotel in Oban cost a night?")

    assert "92" not in answer.text


@pytest.mark.parametrize(
    "question", ["What is the code of the visitors' barrier?", "What is a quasar made of?"]
)
async def test_what_could_not_be_read_is_said_whether_there_is_an_answer_or_not(
    assembly: Assembly, question: str
) -> None:
    answer, _ = await asked(assembly, question, Attachment("plan.pdf", b"no PDF"))

    assert "I could not read plan.pdf:" in answer.text
    assert any(sentence.action == "noted" for sentence in answer.sentences)


async def test_a_greeting_with_a_file_is_about_the_file(assembly: Assembly) -> None:
    answer, _ = await asked(assembly, "Thanks!", HOTEL)

    assert answer.route != "smalltalk"
