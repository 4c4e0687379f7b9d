"""What people of a team asked and did, as the journal's tests write it down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import insert

from bot.database import Database, deliveries
from bot.memory import Memory
from connectors.conversation import (
    Answer,
    AnswerSentence,
    Asker,
    Citation,
    Place,
    Question,
    ReadPassage,
    Timings,
    Voice,
)

HELP = Place("slack", "C1", frozenset({"everyone", "public"}), "T1")
DIRECT = Place("slack", "D1", None, "T1")
READ = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Asked:
    """A question that somebody asked, and the document that was read for its answer."""

    id: str
    user: str = "U1"
    text: str = "Where do visitors park?"
    conversation: str = "slack:T1/C1/1.1"
    place: Place = HELP
    said: str = "In bay 14. [1]"
    document: str = "p.md"
    url: str | None = None
    title: str = "Parking"
    standalone: str = ""
    cites: bool = True


async def remember(database: Database, asked: Asked) -> None:
    """Keep an answer."""
    passage = f"What {asked.document} says."
    cited = Citation(1, asked.title, "", asked.document, asked.url, passage, "v", READ, READ, "office")
    answer = Answer(
        id=asked.id,
        question=asked.text,
        standalone_question=asked.standalone or asked.text,
        text=asked.said,
        route="knowledge",
        citations=(cited,) if asked.cites else (),
        nearest=(),
        sentences=(AnswerSentence(asked.said, (1,), 0.9, "kept"),),
        voice=Voice("warm", "2", "abc"),
        model="SmolLM2",
        index_generation=7,
        timings=Timings(),
        read=(ReadPassage(asked.title, "", asked.url, passage, 1.2),),
    )
    question = Question("q", asked.text, Asker(asked.user), asked.place)
    await Memory(database).remember(asked.conversation, question, answer)


def deliver(
    database: Database, key: str, payload: str = "{}", taken_at: float = 1e9, done_at: float | None = 1e9
) -> None:
    """Note something that Slack delivered."""
    row = {"key": key, "platform": "slack", "owner": "gone", "taken_at": taken_at, "tries": 1}
    with database.writing() as connection:
        connection.execute(insert(deliveries), {**row, "payload": payload, "done_at": done_at})
