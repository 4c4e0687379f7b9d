"""Whatever fails behind an answer, a person gets one line, and the log what the line refers to."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from log_standins import Log

from adapters.generation import GenerationError
from bot.conversing import Conversing
from bot.journal import JournalError
from connectors.conversation import (
    AnswerEvent,
    Asker,
    Place,
    Progress,
    Question,
    QuestionRefusedError,
    TextDelta,
)
from knowledge.documents import KnowledgeError

QUESTION = Question("q1", "Where?", Asker("U1"), Place("slack", "C1"))


class Failing:
    """An engine that fails after an event."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
        self.is_closed = False

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        try:
            yield Progress("Searching")
            if self.error is not None:
                raise self.error
            yield TextDelta("Here.")
        finally:
            self.is_closed = True


async def refusal(error: BaseException, log: Log) -> str:
    with pytest.raises(QuestionRefusedError) as raised:
        async with aclosing(Conversing(Failing(error), log).answer(QUESTION)) as events:
            async for _ in events:
                pass
    return str(raised.value)


async def test_an_answer_passes_as_it_is() -> None:
    events = [event async for event in Conversing(Failing(None), Log()).answer(QUESTION)]

    assert events == [Progress("Searching"), TextDelta("Here.")]


async def test_a_refusal_passes_as_it_is_and_is_not_logged() -> None:
    log = Log()

    assert await refusal(QuestionRefusedError("The question is empty."), log) == "The question is empty."
    assert log.lines == []


async def test_an_unexpected_failure_is_a_reference_that_the_log_explains() -> None:
    log = Log()

    line = await refusal(ZeroDivisionError("at /srv/secret"), log)

    reference = re.search(r"\(reference ([0-9a-f]{8})\)", line)
    assert reference is not None
    (logged,) = log.lines
    assert logged["reference"] == reference[1]
    assert logged["question"] == "q1"
    assert "ZeroDivisionError: at /srv/secret" in logged["trace"]
    assert "secret" not in line


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (KnowledgeError("The catalog /srv/lorebot is damaged."), "cannot read the index"),
        (JournalError("The journal /srv/lorebot cannot be used."), "cannot read the index"),
        (GenerationError("No adapter at /srv/lorebot."), "language model cannot speak"),
    ],
)
async def test_what_an_admin_must_mend_is_said_without_where_the_machine_keeps_it(
    error: Exception, what: str
) -> None:
    log = Log()

    line = await refusal(error, log)

    assert what in line
    assert log.lines[0]["reference"] in line
    assert "/srv" not in line


async def test_closing_it_closes_the_engine() -> None:
    engine = Failing(None)
    events = Conversing(engine, Log()).answer(QUESTION)
    await anext(events)

    await events.aclose()

    assert engine.is_closed
