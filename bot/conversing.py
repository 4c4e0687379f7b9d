"""The port "answer this" as platforms get it: whatever fails behind it becomes one line for the person."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from adapters.generation import GenerationError
from bot.failures import apology, noted
from bot.journal import JournalError
from connectors.conversation import AnswerEvent, Answering, Question, QuestionRefusedError
from connectors.log import Log
from knowledge.documents import KnowledgeError


class Conversing:
    """Answers as `engine` does, and raises nothing but `QuestionRefusedError`.

    What failed names files and addresses of the machine: that is for the log, the person gets a reference.
    """

    def __init__(self, engine: Answering, log: Log) -> None:
        self._engine = engine
        self._log = log

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """Yield what the engine yields; see `Answering`. A refusal may come after some events."""
        try:
            async with aclosing(self._engine.answer(question)) as events:
                async for event in events:
                    yield event
        except QuestionRefusedError:
            raise
        except Exception as error:
            reference = noted(self._log, "question failed", error, question=question.id)
            raise QuestionRefusedError(_line(error, reference)) from error


def _line(error: Exception, reference: str) -> str:
    if isinstance(error, KnowledgeError | JournalError):
        what = "I cannot read the index just now"
    elif isinstance(error, GenerationError):
        what = "The language model cannot speak just now"
    else:
        return apology(reference)
    return f"{what}; an admin finds the reason under {reference} in the log."
