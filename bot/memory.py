"""What was asked, answered and judged, in the journal's database."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select

from bot.database import Database, answers, judgements
from connectors.conversation import Answer, Place, Question, Turn
from connectors.ports import Judgement, Remembered
from knowledge.dialects import upserting

# What a follow-up can refer to.
TURNS = 6

_LONGEST_BETTER = 4_000


class Memory:
    """The port `Memory` of the connectors. Every method raises `JournalError` when the database is away.

    Answers are kept as JSON; one that another version of Lorebot kept in another form is not recalled.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._answer = TypeAdapter(Answer)
        self._place = TypeAdapter(Place)

    async def history(self, conversation: str) -> tuple[Turn, ...]:
        """The last 6 turns of a conversation, oldest first."""
        return await asyncio.to_thread(self._history, conversation)

    async def takes_part(self, conversation: str) -> bool:
        """Whether an answer was given in a conversation."""
        return await asyncio.to_thread(self._takes_part, conversation)

    async def remember(self, conversation: str, question: Question, answer: Answer) -> None:
        """Keep an answer that was shown, once."""
        await asyncio.to_thread(self._remember, conversation, question, answer)

    async def recall(self, answer_id: str) -> Remembered | None:
        """An answer by its id; None when it is not kept."""
        return await asyncio.to_thread(self._recall, answer_id)

    async def judge(self, answer_id: str, who: str, judgement: Judgement) -> None:
        """Keep a person's judgement in place of an earlier one."""
        await asyncio.to_thread(self._judge, answer_id, who, judgement)

    def _history(self, conversation: str) -> tuple[Turn, ...]:
        a = answers.c
        query = select(a.answer).where(a.conversation == conversation).order_by(a.number.desc()).limit(TURNS)
        with self._database.reading() as connection:
            kept = connection.execute(query).scalars().all()
        newest_first = [answer for answer in map(self._read, kept) if answer is not None]
        return tuple(Turn(answer.question, answer.text) for answer in reversed(newest_first))

    def _takes_part(self, conversation: str) -> bool:
        query = select(answers.c.number).where(answers.c.conversation == conversation).limit(1)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None

    def _remember(self, conversation: str, question: Question, answer: Answer) -> None:
        row = {
            "id": answer.id,
            "conversation": conversation,
            "asker": question.asker.id,
            "place": self._place.dump_json(question.place).decode(),
            # Not `dump_json`, which refuses half a character, as a platform may send.
            "answer": json.dumps(self._answer.dump_python(_without_files(answer), mode="json")),
            "at": datetime.now(UTC),
        }
        with self._database.writing() as connection:
            connection.execute(upserting(connection, answers).on_conflict_do_nothing(), row)

    def _recall(self, answer_id: str) -> Remembered | None:
        with self._database.reading() as connection:
            row = connection.execute(select(answers).where(answers.c.id == answer_id)).first()
        answer = self._read(row.answer) if row is not None else None
        if row is None or answer is None:
            return None
        return Remembered(answer, row.conversation, row.asker, self._place.validate_json(row.place))

    def _judge(self, answer_id: str, who: str, judgement: Judgement) -> None:
        better = judgement.better.replace("\0", "").encode(errors="replace").decode()
        values = {
            "helpful": judgement.helpful,
            "fault": judgement.fault,
            "better": better[:_LONGEST_BETTER],
            "at": datetime.now(UTC),
        }
        keys = {"answer_id": answer_id, "who": who}
        with self._database.writing() as connection:
            statement = upserting(connection, judgements).values(**keys, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values))

    def _read(self, kept: str) -> Answer | None:
        try:
            return self._answer.validate_python(json.loads(kept))
        except ValidationError:
            return None


def _without_files(answer: Answer) -> Answer:
    """An answer without the text of the files that came with the question, which is not kept."""
    cited = tuple(c if c.source else replace(c, excerpt="") for c in answer.citations)
    return replace(answer, citations=cited)
